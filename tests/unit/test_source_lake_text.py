"""Lakes of NDJSON and CSV: every value as its declared type, or a refusal that says where."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from include.exports import Daily, DatasetExport, HivePartition, JsonFiles, LakeSource, LocalDestination, TimeColumn
from include.exports.engine import connect
from include.exports.errors import DefinitionError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Request, Shard, lake

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TYPES = {"id": "BIGINT", "name": "VARCHAR", "x": "DOUBLE"}
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def put(folder: Path, **files: str | bytes) -> Path:
    """Files of a folder; `__` in a name stands for its dot."""
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def read(source: LakeSource, threads: int = 2, **asked: Any) -> pa.Table:
    """All rows, every column unless `columns` are asked for."""
    request = Request(**asked)
    described = {column.name: str(column.type) for column in lake.describe(source, request)}
    request = Request(**{"columns": tuple(described)} | asked)
    (shard,) = lake.shards(source, request)
    con = connect(threads)
    with lake.records(source, request, shard, con) as query:
        relation = con.sql(query)
        assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == {
            name: described[name] for name in request.columns
        }
        return relation.to_arrow_table()


def rows(source: LakeSource, threads: int = 2, **asked: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read(source, threads, **asked).to_pylist()]


def refused(source: LakeSource, **asked: Any) -> str:
    with pytest.raises(SourceRefused) as error:
        read(source, **asked)
    return str(error.value)


# CSV

CSV_TYPES = {
    "BIGINT": [("-9223372036854775808", -(2**63)), ("9007199254740993", 2**53 + 1)],
    "INTEGER": [("2147483647", 2**31 - 1)],
    "SMALLINT": [("-32768", -(2**15))],
    "DECIMAL(38,18)": [("12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678"))],
    "DOUBLE": [("0.1", 0.1), ("-1e-7", -1e-7), ("Infinity", float("inf"))],
    "BOOLEAN": [("true", True), ("false", False)],
    "DATE": [("0001-01-01", date(1, 1, 1)), ("9999-12-31", date(9999, 12, 31))],
    "TIME": [("23:59:59.999999", time(23, 59, 59, 999999))],
    "TIMESTAMP": [("1969-12-31T23:59:59.123456", datetime(1969, 12, 31, 23, 59, 59, 123456))],
    "TIMESTAMPTZ": [("2024-05-01 21:00:00+09:00", NOON), ("2024-05-01T12:00:00Z", NOON)],
    "UUID": [("0a1b2c3d-0000-4000-8000-00000000000f", "0a1b2c3d-0000-4000-8000-00000000000f")],
    "JSON": [('{"a": 1.10, "b": [12345678901234567890.5]}', '{"a": 1.10, "b": [12345678901234567890.5]}')],
    "VARCHAR": [("", ""), (' "quoted", \nand broken ', ' "quoted", \nand broken '), ("NULL", "NULL"), ("007", "007")],
}


@pytest.mark.parametrize("type_", CSV_TYPES)
def test_csv_values_are_kept_exactly_and_nothing_is_null(tmp_path, type_):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerows([["x", "n"], *([written, "0"] for written, _ in CSV_TYPES[type_])])
    put(tmp_path, x__csv=text.getvalue() + ",1\n")
    source = LakeSource(path=str(tmp_path), format="csv", types={"x": type_, "n": "BIGINT"})
    assert rows(source, columns=("x",)) == [(value,) for _, value in CSV_TYPES[type_]] + [(None,)]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("BIGINT", "1.5"),
        ("BIGINT", "9223372036854775808"),
        ("BIGINT", " 1"),
        ("BIGINT", "1_000"),
        ("INTEGER", "2147483648"),
        ("DECIMAL(10,2)", "1.234"),
        ("DECIMAL(10,2)", "123456789.00"),
        ("DOUBLE", "1e400"),
        ("DOUBLE", "1,5"),
        ("BOOLEAN", "yes"),
        ("DATE", "2024-05-01 10:00:00"),
        ("DATE", "01.05.2024"),
        ("TIMESTAMP", "2024-05-01T10:00:00+02:00"),
        ("TIMESTAMP", "2024-05-01T10:00:00.1234567"),
        ("TIMESTAMPTZ", "2024-05-01T10:00:00"),
        ("UUID", "0a1b"),
        ("JSON", "{a: 1}"),
    ],
)
def test_a_csv_value_that_is_not_exactly_of_its_type_is_refused_where_it_stands(tmp_path, type_, text):
    put(tmp_path, a__csv="x,n\n,1\n", b__csv=f'n,x\n2,\n3,"{text}"\n')
    said = refused(LakeSource(path=str(tmp_path), format="csv", types={"x": type_, "n": "BIGINT"}))
    assert said.startswith(f"{tmp_path}/b.csv: column 'x', row 2: {text!r} (str) is not exactly a {type_}; correct it")


@pytest.mark.parametrize("type_", [name for name in CSV_TYPES if name != "VARCHAR"])
def test_quoted_nothing_is_not_null(tmp_path, type_):
    put(tmp_path, x__csv='x,n\n"",1\n')
    said = refused(LakeSource(path=str(tmp_path), format="csv", types={"x": type_, "n": "BIGINT"}))
    assert f"column 'x', row 1: '' (str) is not exactly a {type_}" in said


def test_csv_columns_are_taken_by_name_and_a_missing_one_is_null(tmp_path):
    put(tmp_path, a__csv="name,id,x\na,1,0.5\n", b__csv="id,name\n2,b\n", c__csv="x\n", d__csv="\ufeffid\n3\n")
    source = LakeSource(path=str(tmp_path), format="csv", types=TYPES)
    assert rows(source) == [(1, "a", 0.5), (2, "b", None), (3, None, None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,nmae,x\n1,a,2\n", "its header has 'nmae', which source.types does not declare; declare it"),
        ("1,a,0.5\n2,b,0.5\n", "its header has '1', which source.types does not declare"),
        ("id,name,name\n1,a,b\n", "its header has 'name' twice; rename one of the two columns"),
        ("id;name;x\n1;a;2\n", "its header has 'id;name;x', which"),
        ("id,name,x\n1,a\n", "Expected 3 columns, got 2: 1,a"),
        ("id,name,x\n1,a,2,3\n", "Expected 3 columns, got 4: 1,a,2,3"),
        ('id,x,name\n1,2,"a', "its quotes are not balanced; put quotes around a field that has a"),
        ('id,x,name\n1,2,5" disk\n', "its quotes are not balanced"),
        (b"id,name,x\n1,\xff,2\n", "invalid UTF8 data"),
        ("", "Empty CSV file"),
        ("id,name\n1," + "a" * (9 << 20), "a record is longer than 4 MB, the most that is read; deliver it as Parquet"),
    ],
)
def test_text_that_is_not_the_declared_csv_is_refused(tmp_path, content, said):
    put(tmp_path, x__csv=content)
    message = refused(LakeSource(path=str(tmp_path), format="csv", types=TYPES))
    assert message.startswith(f"{tmp_path}/x.csv: ")
    assert said in message


def test_csv_with_line_breaks_other_delimiters_and_compression(tmp_path):
    table = [[str(n), ["", "a\tb", 'q"q', "l\r\nl", "ü" * 50][n % 5], str(n / 7)] for n in range(5000)]
    text = io.StringIO()
    csv.writer(text, delimiter="\t").writerows([list(TYPES), *table])
    whole = text.getvalue().encode()
    half = whole.index(b"\n2500\t") + 1
    put(tmp_path, x__csv__gz=gzip.compress(whole[:half]) + gzip.compress(whole[half:]))
    source = LakeSource(path=str(tmp_path), format="csv", types=TYPES, delimiter="\t")
    assert rows(source) == [(int(n), name or None, float(x)) for n, name, x in table]


# NDJSON

NDJSON_TYPES = {
    "BIGINT": [("-9223372036854775808", -(2**63)), ("9007199254740993", 2**53 + 1)],
    "INTEGER": [("2147483647", 2**31 - 1)],
    "DECIMAL(38,18)": [
        ("12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678")),
        ('"1234.100000000000000001"', Decimal("1234.100000000000000001")),
        ("0.1000", Decimal("0.1")),
    ],
    "DOUBLE": [("0.1", 0.1), ("-1e-7", -1e-7), ("5", 5.0)],
    "BOOLEAN": [("true", True), ("false", False)],
    "DATE": [('"1969-12-31"', date(1969, 12, 31))],
    "TIME": [('"23:59:59.999999"', time(23, 59, 59, 999999))],
    "TIMESTAMP": [('"2024-05-01T12:00:00.123456"', datetime(2024, 5, 1, 12, 0, 0, 123456))],
    "TIMESTAMPTZ": [('"2024-05-01T21:00:00+09:00"', NOON)],
    "UUID": [('"0a1b2c3d-0000-4000-8000-00000000000f"', "0a1b2c3d-0000-4000-8000-00000000000f")],
    "VARCHAR": [('""', ""), ('"\\u0000\\n\\ud83d\\ude00"', "\0\n\U0001f600"), ('"12"', "12")],
    "BIGINT[]": [("[1, null, 9007199254740993]", [1, None, 2**53 + 1]), ("[]", [])],
    'STRUCT(a STRUCT("b c" TIMESTAMPTZ[]), d DECIMAL(20,2))': [
        (
            '{"a": {"b c": ["2024-05-01T12:00:00Z", null]}, "d": 123456789012345678.10}',
            {"a": {"b c": [NOON, None]}, "d": Decimal("123456789012345678.10")},
        ),
        ('{"d": null}', {"a": None, "d": None}),
    ],
}


@pytest.mark.parametrize("type_", NDJSON_TYPES)
def test_ndjson_values_are_kept_exactly_and_a_missing_key_is_null(tmp_path, type_):
    lines = [f'{{"x": {written}}}' for written, _ in NDJSON_TYPES[type_]]
    put(tmp_path, x__ndjson="\n".join([*lines, "", '{"x": null}', '  {"n":1}\r', ""]))
    source = LakeSource(path=str(tmp_path), format="ndjson", types={"x": type_, "n": "BIGINT"})
    values = [(value, None) for _, value in NDJSON_TYPES[type_]]
    assert rows(source) == [*values, (None, None), (None, 1)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id":1.5}', "line 4, column 'id': Decimal('1.5') is not exactly a BIGINT; correct it at the source"),
        ('{"id":1e3}', "line 4, column 'id': Decimal('1E+3') is not exactly a BIGINT"),
        ('{"id":"1"}', "line 4, column 'id': '1' is not exactly a BIGINT"),
        ('{"id":true}', "line 4, column 'id': True is not exactly a BIGINT"),
        ('{"name":12.50}', "line 4, column 'name': Decimal('12.50') is not exactly a VARCHAR"),
        ('{"name":{"a":1}}', "line 4, column 'name': {'a': 1} is not exactly a VARCHAR"),
        ('{"price":1.234}', "line 4, column 'price': Decimal('1.234') is not exactly a DECIMAL(10,2)"),
        ('{"x":1e400}', "line 4: JSON parse error: Number too big"),
        ('{"at":"2024-05-01"}', "column 'at', row 3: '2024-05-01' (str) is not exactly a TIMESTAMPTZ"),
        ('{"days":["2024"]}', "column 'days', rows 1 to 4: not exactly a DATE[]: Failed to parse string: '2024'"),
        ('{"id":1,"id":2}', "line 4, column 'id': 2 is not exactly a BIGINT; correct it at the source"),
        (
            '{"new":1}',
            "line 4: 'new' is not declared in source.types; declare it, and leave it out with columns.exclude",
        ),
        ('{"s":{"b":1}}', "line 4: a member of a STRUCT is not declared in source.types"),
        ('{"id":1', "line 4 is not JSON in UTF-8: Expecting ',' delimiter"),
        ('{"id":1}}', "line 4 is not JSON in UTF-8: Extra data"),
        ("[1]", "line 4 is not a JSON object: [1]"),
        ('{"name":"\udcff"}', "line 4 is not JSON in UTF-8: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_an_ndjson_line_that_is_not_as_declared_is_refused_and_never_left_out(tmp_path, line, said):
    types = TYPES | {"at": "TIMESTAMPTZ", "price": "DECIMAL(10,2)", "s": "STRUCT(a BIGINT)", "days": "DATE[]"}
    text = f'{{"id":1}}\n\n{{"id":2}}\n{line}\n{{"id":3}}\n'
    put(tmp_path, a__jsonl='{"id":0}', b__jsonl=text.encode("utf-8", "surrogateescape"))
    message = refused(LakeSource(path=str(tmp_path), format="ndjson", types=types))
    assert message.startswith(f"{tmp_path}/b.jsonl: {said}")


def test_ndjson_lines_longer_than_a_block_and_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("include.exports.sources.ndjson.BLOCK", 1000)
    records = [{"id": n, "name": "ü" * (n * 37 % 3000), "x": n / 7} for n in range(500)]
    text = "\n".join(json.dumps(record, ensure_ascii=False) for record in records)
    put(tmp_path, x__json__gz=gzip.compress(text.encode()))
    source = LakeSource(path=str(tmp_path), format="ndjson", types=TYPES)
    assert read(source).to_pylist() == records
    put(tmp_path, x__json__gz=gzip.compress(text.encode() + b'\n{"id": 0.5}'))
    assert ": line 501, column 'id': Decimal('0.5') is not exactly a BIGINT" in refused(source)


# Both

EVENTS = {"id": "BIGINT", "at": "TIMESTAMPTZ", "kind": "VARCHAR"}


def events(form: str, ids: Iterable[int]) -> str:
    """One event a second from noon on, of three kinds."""
    records = [(n, (NOON + timedelta(seconds=n)).isoformat(), "abc"[n % 3]) for n in ids]
    if form == "ndjson":
        return "".join(json.dumps(dict(zip(EVENTS, record, strict=True))) + "\n" for record in records)
    return "".join(",".join(map(str, record)) + "\n" for record in [tuple(EVENTS), *records])


def events_source(folder: Path, form: str, **changes: Any) -> LakeSource:
    return LakeSource(path=str(folder), format=form, types=EVENTS, time_column=TimeColumn(name="at"), **changes)


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_rows_come_in_order_of_the_files_and_of_the_declared_columns(tmp_path, form, threads):
    ids = [(n * 7919) % 30_000 for n in range(30_000)]
    for number in range(3):
        put(tmp_path, **{f"{number}__{form}": events(form, ids[number * 10_000 : (number + 1) * 10_000])})
    source = events_source(tmp_path, form)
    window = {"start": NOON + timedelta(seconds=100), "end": NOON + timedelta(seconds=20_000)}
    inside = [n for n in ids if 100 <= n < 20_000]
    assert rows(source, threads, columns=("id",)) == [(n,) for n in ids]
    assert rows(source, threads, columns=("id",), **window) == [(n,) for n in inside]
    even = {"columns": ("kind", "id"), "filter": "id % 2 = 0 or id < 0", "order_by": ("kind desc",)}
    expected = sorted((("abc"[n % 3], n) for n in inside if n % 2 == 0), key=lambda row: -ord(row[0]))
    assert rows(source, threads, **even, **window) == expected


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_query_can_run_again_since_a_run_may_need_more_memory_than_it_was_given(tmp_path, form):
    put(tmp_path, **{f"x__{form}": events(form, range(5000))})
    source, request = events_source(tmp_path, form), Request(columns=("id",))
    (shard,) = lake.shards(source, request)
    with connect() as con, lake.records(source, request, shard, con) as query:
        assert con.sql(f"{query} limit 3").fetchall() == [(0,), (1,), (2,)]
        assert con.sql(query).fetchall() == con.sql(query).fetchall() == [(n,) for n in range(5000)]


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_folder_levels_are_columns_and_narrow_the_window_down(tmp_path, form):
    for day, ids in (("2024-05-01", [1]), ("2024-05-02", [50_000]), ("__HIVE_DEFAULT_PARTITION__", [2])):
        (tmp_path / f"day={day}").mkdir()
        put(tmp_path / f"day={day}", **{f"x__{form}": events(form, ids)})
    source = events_source(tmp_path, form, partition=HivePartition(column="day"))
    assert rows(source, columns=("id", "day")) == [(1, "2024-05-01"), (50_000, "2024-05-02"), (2, None)]
    window = {"start": NOON - timedelta(hours=12), "end": NOON + timedelta(hours=12)}
    assert rows(source, columns=("id",), filter="day <= '2024-05-01'", **window) == [(1,)]
    (tmp_path / f"day=2024-05-02/x.{form}").write_text("garbage")
    assert rows(source, columns=("id",), **window) == [(1,)]
    assert rows(source, start=NOON + timedelta(days=9), end=NOON + timedelta(days=10)) == []
    typed = LakeSource(path=str(tmp_path), format=form, types=EVENTS | {"day": "DATE"})
    assert str(lake.describe(typed, Request())[3].type) == "DATE"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_damaged_gzip_file_is_refused(tmp_path, form):
    whole = gzip.compress(events(form, range(10_000)).encode())
    for damaged, said in (
        (whole[:-20], "Compressed file ended before the end-of-stream marker"),
        (whole[:-6] + b"\0\0" + whole[-4:], "CRC check failed"),
        (whole[:1000] + b"\xff" * 100 + whole[1100:], ""),
        (events(form, [1]).encode(), "Not a gzipped file"),
    ):
        put(tmp_path, **{f"x__{form}__gz": damaged})
        assert f"x.{form}.gz is not a whole gzip file: {said}" in refused(events_source(tmp_path, form))


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_file_that_is_gone_since_the_run_was_planned_interrupts_it(tmp_path, form):
    source, request = events_source(tmp_path, form), Request(columns=("id",))
    with (
        pytest.raises(SourceInterrupted, match=r"gone\.\w+.*; the task is tried again"),
        connect() as con,
        lake.records(source, request, Shard(index=0, files=(f"{tmp_path}/gone.{form}",)), con) as query,
    ):
        con.sql(query).fetchall()


def test_types_that_text_cannot_keep_are_refused_together():
    with pytest.raises(DefinitionError) as error:
        DatasetExport(
            name="events",
            owner="tests",
            source=LakeSource(
                path="x",
                format="ndjson",
                types={
                    "a": "BLOB",
                    "b": "JSON",
                    "c": "bigint",
                    "d": "STRUCT(a BIGINT",
                    "e": "TIME[]",
                    "f": "STRUCT(a JSON)",
                    "g": "DECIMAL(39,2)",
                },
            ),
            mode="full",
            schedule=Daily(),
            files=JsonFiles(),
            destination=LocalDestination(path="out"),
        )
    assert [(problem.field, problem.message) for problem in error.value.problems] == [
        ("source.types.a", "'BLOB' has no form in text that all agree on; declare VARCHAR"),
        (
            "source.types.b",
            "'JSON' would not keep the digits of its numbers; declare its members, such as 'STRUCT(id BIGINT)'",
        ),
        ("source.types.c", "'bigint' is not a known type; did you mean 'BIGINT'?"),
        (
            "source.types.d",
            "'STRUCT(a BIGINT' is not a type; write one such as 'VARCHAR[]' or 'STRUCT(id BIGINT, tags VARCHAR[])'",
        ),
        ("source.types.e", "'TIME[]' has TIME inside, which cannot be read there; declare VARCHAR"),
        ("source.types.f", "'STRUCT(a JSON)' has JSON inside, which cannot be read there; declare VARCHAR"),
        ("source.types.g", "'DECIMAL(39,2)' must have 1 to 38 digits, and no more of them after the point"),
    ]


def test_the_statement_names_its_files(tmp_path):
    put(tmp_path, x__csv=events("csv", [1]))
    source = events_source(tmp_path, "csv")
    request = Request(columns=("id",), end=NOON)
    said = lake.statement(source, request, *lake.shards(source, request))
    assert said.sql == """select "id"\nfrom files\nwhere "at" < timestamptz '2024-05-01 12:00:00+00:00'"""
    assert said.parameters == {"files": [f"{tmp_path}/x.csv"]}


# Other stores


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_lake_on_another_store_is_listed_and_read_through_it(form):
    store = MemoryFileSystem()
    attach("memory", fs=store)
    root = f"/lake {form}/it's"
    for day, ids in (("2024-05-01", [1, 2]), ("2024-05-02", [50_000])):
        if form == "parquet":
            sink = pa.BufferOutputStream()
            pq.write_table(pa.table({"id": ids, "at": [NOON + timedelta(seconds=n) for n in ids]}), sink)
            store.pipe_file(f"{root}/day={day}/x.{form}", sink.getvalue().to_pybytes())
        else:
            store.pipe_file(f"{root}/day={day}/x.{form}", events(form, ids).encode())
    source = LakeSource(
        path=f"memory:/{root}",
        format=form,
        types={} if form == "parquet" else EVENTS,
        time_column=TimeColumn(name="at"),
        partition=HivePartition(column="day"),
    )
    assert rows(source, columns=("id", "day")) == [(1, "2024-05-01"), (2, "2024-05-01"), (50_000, "2024-05-02")]
    window = Request(start=NOON, end=NOON + timedelta(hours=12))
    assert [shard.files for shard in lake.shards(source, window)] == [(f"memory://{root}/day=2024-05-01/x.{form}",)]
    store.copy(f"{root}/day=2024-05-02/x.{form}", f"{root}/day=2024-05-03/x.{form}")
    assert len(lake.shards(source, Request(start=NOON))[0].files) == 3


class Failing(MemoryFileSystem):
    """A store that lists its files and then does not answer."""

    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            raise TimeoutError(f"no answer about {path}")
        return super().open(path, mode, **options)


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_a_store_that_does_not_answer_interrupts_the_run(form, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FAILING", "generic://")
    store = Failing()
    store.pipe_file(f"/failing/x.{form}", b"unread")
    attach("memory", "failing", fs=store)
    types = {} if form == "parquet" else EVENTS
    with pytest.raises(SourceInterrupted, match=rf"no answer about .*/failing/x\.{form}; the task is tried again"):
        read(LakeSource(path="memory://failing", conn_id="failing", format=form, types=types))


@pytest.mark.parametrize(
    ("path", "conn_id", "said"),
    [
        (
            "nope://bucket/events",
            None,
            "nope://bucket/events: Unsupported filesystem: 'nope'; correct the URL, or install the provider",
        ),
        ("s3://bucket/events", "nowhere", "Airflow connection 'nowhere' does not exist; create it or correct conn_id"),
    ],
)
def test_a_store_that_cannot_be_opened_is_not_eligible(path, conn_id, said):
    with pytest.raises(NotEligible, match=re.escape(said)):
        lake.describe(LakeSource(path=path, conn_id=conn_id), Request())
