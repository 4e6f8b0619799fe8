"""Reading a database through the SQLAlchemy engine of its hook: SQLite, a file with all flights in it."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import psutil
import pyarrow.parquet as pq
import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from include.exports.engine import connect
from include.exports.errors import NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Request, Shard, dbapi, sql
from include.exports.sources.sql import SqlSource
from include.exports.time_column import TimeColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

DATA = Path(__file__).parents[1] / "data" / "flights.parquet"
NEW_YORK = ZoneInfo("America/New_York")
QUARTERS = [
    datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=NEW_YORK).astimezone(UTC) for month in range(0, 13, 3)
]
TEXT = TimeColumn(name="at", kind="text", format="%Y-%m-%d %H:%M")
TYPES = {"carrier": "VARCHAR", "flight": "INTEGER", "delay": "BIGINT", "at": "VARCHAR", "epoch": "BIGINT"}
FLIGHTS = SqlSource(conn_id="lite", table="flights", time_column=TEXT, types=TYPES)


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the table `flights`, its time as text and as seconds, both UTC."""
    path = tmp_path_factory.mktemp("sqlite") / "all flights.db"
    table = pq.read_table(DATA, columns=["carrier", "flight", "dep_delay", "time_hour"])
    columns = {name: column.to_pylist() for name, column in zip(table.column_names, table.columns, strict=True)}
    moments = columns.pop("time_hour")
    texts = [moment.strftime("%Y-%m-%d %H:%M") for moment in moments]
    with sqlite3.connect(path) as database:
        database.execute("create table flights (carrier text, flight integer, delay integer, at text, epoch integer)")
        seconds = [int(moment.timestamp()) for moment in moments]
        rows = zip(*columns.values(), texts, seconds, strict=True)
        database.executemany("insert into flights values (?, ?, ?, ?, ?)", rows)
    database.close()
    return path


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """An empty SQLite file that the Airflow connection `lite` names."""
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "lite.db")}))
    database = sqlite3.connect(tmp_path / "lite.db", isolation_level=None)
    yield database
    database.close()


@pytest.fixture(autouse=True)
def _connection(flights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(flights)}))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


def rows(source: SqlSource, request: Request, con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    with sql.records(source, request, Shard(index=0), con) as records:
        return con.sql(records).fetchall()


def test_a_query_can_run_again_since_a_run_may_need_more_memory_than_it_was_given(
    con: duckdb.DuckDBPyConnection,
) -> None:
    request = Request(columns=("carrier", "flight"), filter="delay > 300", order_by=("at", "carrier", "flight"))
    with sql.records(FLIGHTS, request, Shard(index=0), con) as records:
        assert len(con.sql(f"{records} limit 3").fetchall()) == 3
        assert con.sql(records).fetchall() == con.sql(records).fetchall() == rows(FLIGHTS, request, connect())


@pytest.mark.parametrize(
    ("time_column", "relation"),
    [
        (TEXT, {"table": "flights"}),
        (TimeColumn(name="epoch", kind="epoch_seconds"), {"table": "main.flights"}),
        (TEXT, {"query": "select * from flights where at >= :window_start and at < :window_end -- :window_end"}),
    ],
)
def test_windows_hold_what_the_database_counts(
    time_column: TimeColumn, relation: dict[str, str], flights: Path, con: duckdb.DuckDBPyConnection
) -> None:
    source = SqlSource(conn_id="lite", time_column=time_column, types=TYPES, **relation)
    database = sqlite3.connect(flights)
    for start, end in [QUARTERS[1:3], (None, QUARTERS[1]), (QUARTERS[1], None), (None, None)]:
        request = Request(
            start=start, end=end, columns=("flight", "carrier"), order_by=("at", "carrier", "flight desc")
        )
        expected = database.execute(
            "select flight, carrier from flights where epoch >= ? and epoch < ? order by at, carrier, flight desc",
            (start.timestamp() if start else 0, end.timestamp() if end else 2**40),
        ).fetchall()
        assert rows(source, request, con) == expected
    assert len(expected) == 336_776
    database.close()


def test_the_statement_is_quoted_by_the_dialect_and_bound_by_name() -> None:
    request = Request(start=QUARTERS[0], end=QUARTERS[1], columns=('odd "name"',), filter="delay > 5", order_by=("at",))
    statement = sql.statement(FLIGHTS, request, Shard(index=0))
    assert statement.sql == (
        'SELECT records."odd ""name"""\n'
        'FROM "flights" records\n'
        'WHERE records."at" >= :window_start\n'
        '  AND records."at" < :window_end\n'
        "  AND (delay > 5)\n"
        'ORDER BY records."at"'
    )
    assert statement.parameters == {"window_start": "2013-01-01 05:00", "window_end": "2013-04-01 04:00"}


def test_there_is_one_shard_of_unknown_size() -> None:
    assert sql.shards(FLIGHTS, Request(columns=("flight",))) == (Shard(index=0),)


def test_only_the_bounds_of_a_query_are_parameters(con: duckdb.DuckDBPyConnection) -> None:
    texts = ["10:30", "50% :window_start", r"\:x \\:y", " :name ::int :window_end", "?", "%s %(a)s"]
    listed = ", ".join(f"'{text}' as t{index}" for index, text in enumerate(texts))
    query = f"select {listed}, :window_start as s, :window_end as e /* :window_start */ -- it's :window_end"
    source = SqlSource(
        conn_id="lite", query=query, time_column=TimeColumn(name="s", kind="epoch_seconds"),
        types=dict.fromkeys(("t0", "t1", "t2", "t3", "t4", "t5"), "VARCHAR") | {"s": "BIGINT", "e": "BIGINT"},
    )  # fmt: skip
    request = Request(start=datetime(1970, 1, 1, tzinfo=UTC), end=datetime(1970, 1, 2, tzinfo=UTC))
    assert rows(source, request, con) == [(*texts, 0, 86_400)]


def test_a_missing_column_is_not_taken_for_a_text(con: duckdb.DuckDBPyConnection) -> None:
    misspelt = SqlSource(
        conn_id="lite", table="flights", types=TYPES, time_column=TimeColumn(name="att", kind="text", format="%Y")
    )
    with pytest.raises(NotEligible, match=r"no such column: records\.att"):
        rows(misspelt, Request(start=datetime(2013, 1, 1, tzinfo=UTC), columns=("flight",)), con)


KEPT: list[tuple[str, str, Any]] = [
    ("BIGINT", "9223372036854775807", 2**63 - 1),
    ("INTEGER", "-2147483648", -(2**31)),
    ("SMALLINT", "32767", 32767),
    ("BIGINT", "'12'", 12),
    ("BOOLEAN", "1", True),
    ("BOOLEAN", "0", False),
    ("BOOLEAN", "'true'", True),
    ("DOUBLE", "0.1", 0.1),
    ("DOUBLE", "9e999", float("inf")),
    ("DOUBLE", "9007199254740992", 2.0**53),
    ("VARCHAR", "''", ""),
    ("VARCHAR", "'né 😀'", "né 😀"),
    ("BLOB", "x'00ff'", b"\x00\xff"),
    ("BLOB", "x''", b""),
    ("DECIMAL(4,2)", "'1.5'", "1.50"),
    ("DECIMAL(4,2)", "12", "12.00"),
    ("DECIMAL(38,18)", "'-99999999999999999999.999999999999999999'", "-99999999999999999999.999999999999999999"),
    ("DATE", "'1969-12-31'", date(1969, 12, 31)),
    ("TIME", "'23:59:59.999999'", "23:59:59.999999"),
    ("TIMESTAMP", "'2262-04-12 00:00:00.000001'", datetime(2262, 4, 12, 0, 0, 0, 1)),
    ("TIMESTAMP", "'2013-01-01T10:00'", datetime(2013, 1, 1, 10)),
    ("TIMESTAMPTZ", "'2013-01-01T10:00:00+02:00'", "2013-01-01 08:00:00+00"),
    ("TIMESTAMPTZ", "'2013-01-01 10:00:00Z'", "2013-01-01 10:00:00+00"),
    ("UUID", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("JSON", """'{"a": 1.00, "b": [null]}'""", '{"a": 1.00, "b": [null]}'),
]


@pytest.mark.parametrize(("type_", "value", "expected"), KEPT, ids=[f"{type_} {value}" for type_, value, _ in KEPT])
def test_a_value_of_the_declared_type_is_kept_exactly_and_null_beside_it(
    type_: str, value: str, expected: object, con: duckdb.DuckDBPyConnection
) -> None:
    query = f"select 1 as id, {value} as v union all select 2, null"
    source = SqlSource(conn_id="lite", query=query, types={"id": "BIGINT", "v": type_})
    described = [str(column.type) for column in sql.describe(source, Request())]
    assert described == ["BIGINT", type_.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE")]
    cast = "::varchar" if isinstance(expected, str) else ""
    with sql.records(source, Request(columns=("v",), order_by=("id",)), Shard(index=0), con) as records:
        actual = con.sql(f"select v{cast}, typeof(v) from ({records})").fetchall()
    assert actual == [(expected, described[1]), (None, described[1])]


REFUSED: list[tuple[str, str, str]] = [
    ("BIGINT", "1.5", "1.5 (float)"),
    ("BIGINT", "1.0", "1.0 (float)"),
    ("BIGINT", "'1.0'", "'1.0' (str)"),
    ("BIGINT", "'x'", "'x' (str)"),
    ("BIGINT", "''", "'' (str)"),
    ("INTEGER", "2147483648", "2147483648 (int)"),
    ("SMALLINT", "-32769", "-32769 (int)"),
    ("BOOLEAN", "2", "2 (int)"),
    ("BOOLEAN", "'t'", "'t' (str)"),
    ("DOUBLE", "9007199254740993", "9007199254740993 (int)"),
    ("DOUBLE", "'0.1'", "'0.1' (str)"),
    ("DECIMAL(4,2)", "1.5", "1.5 (float)"),
    ("DECIMAL(4,2)", "'1.005'", "'1.005' (str)"),
    ("DECIMAL(4,2)", "100", "100 (int)"),
    ("VARCHAR", "1", "1 (int)"),
    ("VARCHAR", "x'41'", "b'A' (bytes)"),
    ("BLOB", "'A'", "'A' (str)"),
    ("DATE", "'2013-01-01 00:00:00'", "'2013-01-01 00:00:00' (str)"),
    ("DATE", "'2013-02-30'", "'2013-02-30' (str)"),
    ("DATE", "20130101", "20130101 (int)"),
    ("TIME", "'24:00:00'", "'24:00:00' (str)"),
    ("TIME", "'10:00:00.1234567'", "'10:00:00.1234567' (str)"),
    ("TIMESTAMP", "'2013-01-01 10:00:00+00'", "'2013-01-01 10:00:00+00' (str)"),
    ("TIMESTAMP", "'2013-01-01 10:00:00.1234567'", "'2013-01-01 10:00:00.1234567' (str)"),
    ("TIMESTAMPTZ", "'2013-01-01 10:00:00'", "'2013-01-01 10:00:00' (str)"),
    ("TIMESTAMP", "1357034400", "1357034400 (int)"),
    ("UUID", "'a0eebc99'", "'a0eebc99' (str)"),
    ("JSON", "'{'", "'{' (str)"),
    ("JSON", "'NaN'", "'NaN' (str)"),
]


@pytest.mark.parametrize(("type_", "value", "shown"), REFUSED, ids=[f"{type_} {value}" for type_, value, _ in REFUSED])
def test_a_value_that_is_not_of_the_declared_type_is_refused_by_column_and_row(
    type_: str, value: str, shown: str, con: duckdb.DuckDBPyConnection
) -> None:
    query = f"select 1 as id, null as v union all select 2, {value}"
    source = SqlSource(conn_id="lite", query=query, types={"id": "BIGINT", "v": type_}, batch_rows=1)
    message = f"column 'v', row 2: {shown} is not exactly a {type_}; correct it at the source, convert it in a query"
    with pytest.raises(SourceRefused, match=re.escape(message)):
        rows(source, Request(columns=("v",), order_by=("id",)), con)


def test_values_of_several_classes_are_kept_when_each_fits(con: duckdb.DuckDBPyConnection) -> None:
    query = "select 1 as v union all select '2.50' union all select null"
    source = SqlSource(conn_id="lite", query=query, types={"v": "DECIMAL(4,2)"})
    with sql.records(source, Request(columns=("v",)), Shard(index=0), con) as records:
        assert con.sql(f"select v::varchar from ({records})").fetchall() == [("1.00",), ("2.50",), (None,)]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({}, "the result, carrier, flight, delay, at, epoch; undeclared: carrier, flight, delay, at, epoch"),
        ({name: type_ for name, type_ in TYPES.items() if name != "at"}, "; undeclared: at"),
        (TYPES | {"origin": "VARCHAR"}, "; not in the result: origin"),
    ],
)
def test_every_column_must_be_declared(types: dict[str, str], message: str) -> None:
    source = SqlSource(conn_id="lite", table="flights", types=types)
    with pytest.raises(NotEligible, match=re.escape(message)):
        sql.describe(source, Request())


def test_a_column_that_a_query_gives_twice_is_refused() -> None:
    source = SqlSource(conn_id="lite", query="select 1 as a, 2 as b, 3 as a", types={"a": "BIGINT", "b": "BIGINT"})
    with pytest.raises(NotEligible, match=r"; undeclared: a:1$"):
        sql.describe(source, Request())


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_a_kind_of_time_that_sqlite_does_not_have_is_refused(kind: Any, con: duckdb.DuckDBPyConnection) -> None:
    source = SqlSource(conn_id="lite", table="flights", types=TYPES, time_column=TimeColumn(name="at", kind=kind))
    with pytest.raises(NotEligible, match=f"SQLite has no types for time, so its time column is not of kind '{kind}'"):
        rows(source, Request(end=datetime(2013, 1, 1, tzinfo=UTC), columns=("at",)), con)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (SqlSource(conn_id="lite", table="fligths", types={"a": "BIGINT"}), "lite: no such table: fligths\nSELECT"),
        (SqlSource(conn_id="lite", query="selec 1", types={"a": "BIGINT"}), 'lite: near "1": syntax error'),
        (SqlSource(conn_id="nowhere", table="t"), "Airflow connection 'nowhere' does not exist; create it or correct"),
        (
            SqlSource(conn_id="web", table="t"),
            "Airflow connection 'web' is of type 'http', which is not a SQL database",
        ),
        (
            SqlSource(conn_id="odd", table="t"),
            "Airflow connection 'odd': Unknown hook type \"odd\"; install the provider",
        ),
    ],
)
def test_what_does_not_exist_is_refused_before_reading(
    source: SqlSource, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", json.dumps({"conn_type": "http", "host": "localhost", "password": "hidden"}))
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps({"conn_type": "odd", "password": "hidden"}))
    with pytest.raises(NotEligible, match=re.escape(message)) as caught:
        sql.describe(source, Request())
    assert "hidden" not in str(caught.value)


def test_a_hook_without_a_dialect_is_refused_with_what_to_install() -> None:
    class ExoticHook(DbApiHook):
        conn_name_attr = "exotic_conn_id"
        sqlalchemy_url = "exotic://user:hidden@localhost/db"

    with pytest.raises(NotEligible) as caught:
        dbapi.statement(FLIGHTS, Request(), ExoticHook(exotic_conn_id="lite"))
    assert str(caught.value) == (
        "lite: ExoticHook has no SQLAlchemy engine here (Can't load plugin: sqlalchemy.dialects:exotic); install the"
        " provider's sqlalchemy extra, or the dialect of the database"
    )


def test_an_empty_window_has_columns_with_their_types(con: duckdb.DuckDBPyConnection) -> None:
    request = Request(end=datetime(2012, 1, 1, tzinfo=UTC), columns=("flight", "at"), order_by=("at",))
    with sql.records(FLIGHTS, request, Shard(index=0), con) as records:
        relation = con.sql(records)
        assert (relation.columns, [str(type_) for type_ in relation.types]) == (
            ["flight", "at"],
            ["INTEGER", "VARCHAR"],
        )
        assert relation.fetchall() == []


def test_a_locked_database_is_worth_a_retry(
    lite: sqlite3.Connection, con: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.execute("create table t (a integer)")
    lite.execute("begin exclusive")
    extra = {"timeout": "0.1"}
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "lite.db"), "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps(connection))
    with pytest.raises(SourceInterrupted, match="lite: database is locked"):
        rows(SqlSource(conn_id="lite", table="t", types={"a": "BIGINT"}), Request(columns=("a",)), con)


def test_rows_that_come_during_the_read_are_not_noticed(
    lite: sqlite3.Connection, con: duckdb.DuckDBPyConnection
) -> None:
    lite.execute("pragma journal_mode = wal")
    lite.execute("create table t (a integer)")
    lite.execute("begin")
    lite.executemany("insert into t values (?)", [(number,) for number in range(50_000)])
    lite.execute("commit")
    source = SqlSource(conn_id="lite", table="t", types={"a": "BIGINT"}, batch_rows=1_000)
    with sql.records(source, Request(columns=("a",)), Shard(index=0), con) as records:
        reader = con.sql(records).to_arrow_reader(1_000)
        numbers = reader.read_next_batch()["a"].to_pylist()
        lite.execute("insert into t values (-1)")
        lite.execute("delete from t where a > 40000")
        for batch in reader:
            numbers += batch["a"].to_pylist()
    assert numbers == list(range(50_000))


def test_names_are_data(lite: sqlite3.Connection, con: duckdb.DuckDBPyConnection) -> None:
    names = ['Order "No"', "a.b", "50%", ":window_start", "%(name)s", "'; drop table odd; --"]
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    lite.execute(f'create table "odd; :table" ({columns})')
    lite.execute('insert into "odd; :table" values (0, 1, 2, 3, 4, 5)')
    source = SqlSource(conn_id="lite", table=("odd; :table",), types=dict.fromkeys(names, "BIGINT"))
    assert [column.name for column in sql.describe(source, Request())] == names
    assert rows(source, Request(columns=tuple(names), order_by=tuple(names)), con) == [(0, 1, 2, 3, 4, 5)]


def test_an_error_in_the_block_passes_and_the_file_is_closed(flights: Path, con: duckdb.DuckDBPyConnection) -> None:
    def stop() -> None:
        assert str(flights) in [file.path for file in psutil.Process().open_files()]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), sql.records(FLIGHTS, Request(columns=("at",)), Shard(index=0), con):
        stop()
    assert str(flights) not in [file.path for file in psutil.Process().open_files()]


def test_memory_does_not_grow_with_the_rows(con: duckdb.DuckDBPyConnection) -> None:
    def peak(count: int) -> int:
        numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})"
        source = SqlSource(
            conn_id="lite", query=f"{numbers} select i, printf('%0200d', i) as x from n",
            types={"i": "BIGINT", "x": "VARCHAR"},
        )  # fmt: skip
        most = read = 0
        with sql.records(source, Request(columns=("i", "x")), Shard(index=0), con) as records:
            for batch in con.sql(records).to_arrow_reader(10_000):
                read += batch.num_rows
                most = max(most, psutil.Process().memory_info().rss)
        assert read == count
        return most

    few = peak(50_000)  # 10 MB
    assert peak(500_000) - few < 30_000_000  # 100 MB


def test_the_newest_record_is_asked_of_the_database(flights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(flights)}))
    latest = max(pq.read_table(DATA, columns=["time_hour"])["time_hour"].to_pylist())
    seconds = FLIGHTS.model_copy(update={"time_column": TimeColumn(name="epoch", kind="epoch_seconds")})
    for source in (FLIGHTS, seconds):
        assert sql.newest(source, Request(start=QUARTERS[0], filter="flight > 0", order_by=("at",))) == latest
        assert sql.newest(source, Request(start=latest.replace(year=2020))) is None
