"""What becomes of every PostgreSQL type: kept exactly as far as a Parquet file, or refused by name.

The server is real, DuckDB writes the Parquet file, pyarrow reads it.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.exports.engine import connect
from include.exports.errors import NotEligible, SourceRefused
from include.exports.sources import Request, Shard, sql
from include.exports.sources.sql import SqlSource

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rigs.postgres import Postgres

REQUEST = Request(columns=("v",), order_by=("id",))


@pytest.fixture(autouse=True)
def _connection(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow())


def source_of(value: str, postgres: Postgres, **types: str) -> SqlSource:
    """A table of two rows: the value, and NULL."""
    postgres.run("drop table if exists kept")
    postgres.run(f"create table kept as select 1 as id, {value} as v")
    postgres.run("insert into kept values (2, null)")
    return SqlSource(conn_id="pg", table="kept", types=types)


def staged(source: SqlSource, folder: Path) -> pa.ChunkedArray:
    """The records as pyarrow reads them from the Parquet file that DuckDB wrote."""
    with connect() as con, sql.records(source, REQUEST, Shard(index=0), con) as records:
        con.execute(f"copy ({records}) to '{folder / 'staged.parquet'}' (format parquet)")
    return pq.read_table(folder / "staged.parquet")["v"]


KEPT: list[tuple[str, str, Any]] = [
    ("true", "BOOLEAN", True),
    ("(-32768)::int2", "SMALLINT", -32768),
    ("2147483647::int4", "INTEGER", 2**31 - 1),
    ("9007199254740993::int8", "BIGINT", 2**53 + 1),
    ("(-9223372036854775808)::int8", "BIGINT", -(2**63)),
    ("'3.4028235e38'::float4", "FLOAT", 3.4028234663852886e38),
    ("0.1::float8", "DOUBLE", 0.1),
    ("'infinity'::float8", "DOUBLE", float("inf")),
    ("'-infinity'::float4", "FLOAT", float("-inf")),
    ("1.10::numeric(4,2)", "DECIMAL(4,2)", Decimal("1.10")),
    ("0.000000000000000001::numeric(38,18)", "DECIMAL(38,18)", Decimal("0.000000000000000001")),
    (
        "(-99999999999999999999.999999999999999999)::numeric(38,18)",
        "DECIMAL(38,18)",
        Decimal("-" + "9" * 20 + "." + "9" * 18),
    ),
    ("99999999999999999999999999999999999999::numeric(38)", "DECIMAL(38,0)", Decimal("9" * 38)),
    ("12345::numeric(3,-2)", "DECIMAL(5,0)", Decimal(12300)),
    ("0.0012::numeric(2,4)", "DECIMAL(4,4)", Decimal("0.0012")),
    ("''::text", "VARCHAR", ""),
    ("'né \"q\" 😀'::text", "VARCHAR", 'né "q" 😀'),
    ("'x'::varchar(5)", "VARCHAR", "x"),
    ("'x'::char(3)", "VARCHAR", "x  "),
    ("'x'::name", "VARCHAR", "x"),
    ("'x'::\"char\"", "VARCHAR", "x"),
    (r"'\x00ff5c27'::bytea", "BLOB", b"\x00\xff\\'"),
    (r"'\x'::bytea", "BLOB", b""),
    ("date '1969-12-31'", "DATE", date(1969, 12, 31)),
    ("date '9999-12-31'", "DATE", date(9999, 12, 31)),
    ("time '23:59:59.999999'", "TIME", time(23, 59, 59, 999999)),
    ("time '00:00'", "TIME", time(0)),
    ("timestamp '1969-12-31 23:59:59.999999'", "TIMESTAMP", datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ("timestamp '2262-04-12 00:00:00.000001'", "TIMESTAMP", datetime(2262, 4, 12, 0, 0, 0, 1)),
    ("timestamp '0001-01-01'", "TIMESTAMP", datetime(1, 1, 1)),
    (
        "timestamptz '2013-03-10 02:30:00.123456-05'",
        "TIMESTAMP WITH TIME ZONE",
        datetime(2013, 3, 10, 7, 30, 0, 123456, tzinfo=UTC),
    ),
    ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "UUID", UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("""'{"a": 1.00, "a": 2}'::json""", "JSON", '{"a": 1.00, "a": 2}'),
    ("""'{"n": 12345678901234567890}'::jsonb""", "JSON", '{"n": 12345678901234567890}'),
    ("'null'::jsonb", "JSON", "null"),
    ("array[1, null, 3]", "INTEGER[]", [1, None, 3]),
    ("'{}'::int8[]", "BIGINT[]", []),
    ("array['', null, 'a,b']", "VARCHAR[]", ["", None, "a,b"]),
    ("array[true]", "BOOLEAN[]", [True]),
    ("array[0.5::float8]", "DOUBLE[]", [0.5]),
    ("array[date '2013-01-01']", "DATE[]", [date(2013, 1, 1)]),
    ("array[time '10:00']", "TIME[]", [time(10)]),
    ("array[timestamp '2013-01-01 00:00:00.000001']", "TIMESTAMP[]", [datetime(2013, 1, 1, 0, 0, 0, 1)]),
    (
        "array[timestamptz '2013-01-01 00:00+00']",
        "TIMESTAMP WITH TIME ZONE[]",
        [datetime(2013, 1, 1, tzinfo=UTC)],
    ),
    (r"array['\x00'::bytea]", "BLOB[]", [b"\x00"]),
    ("array['{}'::jsonb]", "JSON[]", ["{}"]),
]


@pytest.mark.parametrize(("value", "type_", "expected"), KEPT, ids=[value for value, _, _ in KEPT])
def test_a_value_is_kept_exactly_and_null_beside_it(
    value: str, type_: str, expected: object, postgres: Postgres, tmp_path: Path
) -> None:
    source = source_of(value, postgres)
    described = {column.name: str(column.type) for column in sql.describe(source, REQUEST)}
    assert described == {"id": "INTEGER", "v": type_}
    assert staged(source, tmp_path).to_pylist() == [expected, None]


def test_float_nan_is_kept(postgres: Postgres, tmp_path: Path) -> None:
    value, null = staged(source_of("'NaN'::float8", postgres), tmp_path).to_pylist()
    assert math.isnan(value)
    assert null is None


@pytest.mark.parametrize(
    ("value", "integer", "expected"),
    [
        ("date '4714-11-24 BC'", pa.int32(), -2_440_588),
        ("date '0044-03-15 BC'", pa.int32(), -735_160),
        ("date '5874897-12-31'", pa.int32(), 2_145_042_905),
        ("timestamp '4714-11-24 00:00:00.000001 BC'", pa.int64(), -2_440_588 * 86_400_000_000 + 1),
        ("timestamptz '0044-03-15 00:00:00+00 BC'", pa.int64(), -735_160 * 86_400_000_000),
        ("timestamptz '294246-12-31 23:59:59.999999+00'", pa.int64(), 9_223_371_244_799_999_999),
    ],
)
def test_a_time_beyond_pythons_years_is_kept(
    value: str, integer: pa.DataType, expected: int, postgres: Postgres, tmp_path: Path
) -> None:
    column = staged(source_of(value, postgres), tmp_path)
    assert column.cast(integer).to_pylist() == [expected, None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("interval '1 mon -2 days 03:04:05.000006'", "1 month -2 days 03:04:05.000006"),
        ("interval '-178000 years'", "-178000 years"),
    ],
)
def test_an_interval_keeps_months_days_and_microseconds_apart(value: str, expected: str, postgres: Postgres) -> None:
    source = source_of(value, postgres)
    assert [str(column.type) for column in sql.describe(source, REQUEST)] == ["INTEGER", "INTERVAL"]
    with connect() as con, sql.records(source, REQUEST, Shard(index=0), con) as records:
        assert con.sql(f"select v::varchar from ({records})").fetchall() == [(expected,), (None,)]


@pytest.mark.parametrize(
    "value",
    [
        "date 'infinity'",
        "date '-infinity'",
        "timestamp 'infinity'",
        "timestamp '-infinity'",
        "timestamptz 'infinity'",
        "timestamptz '-infinity'",
        "array[date '2013-01-01', null, 'infinity', '-infinity']",
        "array[timestamp 'infinity', '-infinity']",
        "array[timestamptz '2013-01-01 00:00Z', 'infinity', '-infinity']",
    ],
)
def test_an_infinite_time_is_kept_infinite(value: str, postgres: Postgres) -> None:
    source = source_of(value, postgres)
    postgres.run("insert into kept select 3, v from kept where id = 1")
    with connect() as con, sql.records(source, REQUEST, Shard(index=0), con) as records:
        actual = con.sql(f"select (v is null)::varchar, v::varchar from ({records})").fetchall()
    [(text,)] = postgres.run("select v::text from kept where id = 1")
    expected = text.replace("{", "[").replace("}", "]").replace(",", ", ").replace('"', "'")
    assert actual == [("false", expected), ("true", None), ("false", expected)]


REFUSED_VALUES: list[tuple[str, str]] = [
    ("timestamp '294276-12-31'", "a timestamp is after the year 294246, where Arrow and DuckDB end"),
    ("timestamptz '294247-01-11 00:00Z'", "a timestamptz is after the year 294246"),
    ("array[timestamp '2013-01-01', '294276-12-31']", "a timestamp is after the year 294246"),
    ("time '24:00'", "a time is 24:00:00"),
    ("array[time '24:00']", "a time is 24:00:00"),
    ("array[[1, 2], [3, 4]]", "an array has 2 dimensions"),
    ("'NaN'::numeric(10,2)", "'nan' (str) is not exactly a DECIMAL(10,2)"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED_VALUES, ids=[value for value, _ in REFUSED_VALUES])
def test_a_value_that_files_cannot_hold_is_refused_by_column_and_row(
    value: str, message: str, postgres: Postgres, tmp_path: Path
) -> None:
    source = source_of(value, postgres)
    postgres.run("insert into kept select 0, null")
    with pytest.raises(SourceRefused, match=re.escape(f"column 'v', row 2: {message}")):
        staged(source, tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("interval 'infinity'", "Interval with time value 9223372036854775807 usec would overflow"),
        ("interval '20000000000 seconds'", "Interval with time value 20000000000000000 usec would overflow"),
        ("'[2:3]={7,8}'::int[]", "Array value with lower bound not in {0, 1} is not supported"),
    ],
)
def test_a_value_that_the_driver_refuses_is_refused(
    value: str, message: str, postgres: Postgres, tmp_path: Path
) -> None:
    with pytest.raises(SourceRefused, match=re.escape(message)):
        staged(source_of(value, postgres), tmp_path)


REFUSED_TYPES: list[tuple[str, str]] = [
    (
        "1.5::numeric",
        "a numeric without digits, or with more than 38; declare types={'v': 'DECIMAL(38,9)' or 'VARCHAR'}",
    ),
    ("1::numeric(50,10)", "a numeric without digits, or with more than 38"),
    ("1::numeric(38,-1)", "a numeric without digits, or with more than 38"),
    ("array[1.5::numeric(10,2)]", "of type _numeric, which is not kept; declare types={'v': 'VARCHAR'}"),
    ("'10.0.0.1'::inet", "of type inet, which is not kept; declare types={'v': 'VARCHAR'}, or do not export it"),
    ("timetz '10:00+02'", "of type timetz"),
    ("1::money", "of type money"),
    ("4294967295::oid", "of type oid"),
    ("b'101'", "of type bit"),
    ("point(1,2)", "of type point"),
    ("int4range(1,2)", "of type unnamed<oid:3904>"),
    ("row(1, 'x')", "of type record"),
    ("'a b'::tsvector", "of type tsvector"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED_TYPES, ids=[value for value, _ in REFUSED_TYPES])
def test_a_type_that_cannot_be_kept_is_refused_with_its_remedy(value: str, message: str) -> None:
    source = SqlSource(conn_id="pg", query=f"select 1 as id, {value} as v")
    assert [str(column.type) for column in sql.describe(source, Request())] == ["INTEGER", "VARCHAR"]
    with pytest.raises(NotEligible, match=re.escape(f"'v' is {message}")):
        sql.shards(source, REQUEST)
    with (
        pytest.raises(NotEligible, match=re.escape(f"'v' is {message}")),
        connect() as con,
        sql.records(source, REQUEST, Shard(index=0), con),
    ):
        pass


def test_a_column_that_cannot_be_kept_does_not_stop_an_export_of_the_others(postgres: Postgres) -> None:
    source = source_of("'10.0.0.1'::inet", postgres)
    request = Request(columns=("id",), order_by=("id",))
    assert sql.shards(source, request)[0].index == 0
    with connect() as con, sql.records(source, request, Shard(index=0), con) as records:
        assert con.sql(records).fetchall() == [(1,), (2,)]


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("'10.0.0.1/32'::inet", "VARCHAR", "10.0.0.1/32"),
        ("1.10::numeric", "VARCHAR", "1.10"),
        ("'NaN'::numeric", "VARCHAR", "NaN"),
        ("1.1::numeric", "DECIMAL(38,9)", Decimal("1.100000000")),
        ("12::numeric", "BIGINT", 12),
        ("timetz '10:00+02'", "VARCHAR", "10:00:00+02"),
        ("timestamptz 'infinity'", "VARCHAR", "infinity"),
        ("interval '1 day 2 hours'", "VARCHAR", "P1DT2H"),
        ("array[[1,2],[3,4]]", "VARCHAR", "{{1,2},{3,4}}"),
        ("timestamp '2013-01-01 10:00'", "VARCHAR", "2013-01-01 10:00:00"),
        ("row(1, 'x')", "VARCHAR", "(1,x)"),
    ],
)
def test_a_declared_type_is_made_from_the_databases_text(
    value: str, type_: str, expected: object, tmp_path: Path
) -> None:
    query = f"select 1 as id, {value} as v union all select 2, null"
    if "row" in value:
        query = f"select 1 as id, {value} as v"
    source = SqlSource(conn_id="pg", query=query, types={"v": type_})
    assert [str(column.type) for column in sql.describe(source, Request())] == ["INTEGER", type_]
    assert staged(source, tmp_path).to_pylist()[0] == expected


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        ("1.0000000001::numeric", "DECIMAL(38,9)", "column 'v', row 1: '1.0000000001' (str) is not exactly a DECIMAL"),
        ("'NaN'::numeric", "DECIMAL(38,9)", "column 'v', row 1: 'NaN' (str) is not exactly a DECIMAL(38,9)"),
        ("1.5::numeric", "BIGINT", "column 'v', row 1: '1.5' (str) is not exactly a BIGINT"),
        ("'abc'::text", "DATE", "column 'v', row 1: 'abc' (str) is not exactly a DATE"),
    ],
)
def test_a_value_that_does_not_fit_its_declared_type_is_refused(
    value: str, type_: str, message: str, tmp_path: Path
) -> None:
    source = SqlSource(conn_id="pg", query=f"select 1 as id, {value} as v", types={"v": type_})
    with pytest.raises(SourceRefused, match=re.escape(message)):
        staged(source, tmp_path)


def test_text_does_not_depend_on_the_settings_of_the_database(
    postgres: Postgres, postgres_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for setting in ("timezone = 'Asia/Seoul'", "datestyle = 'German'", "intervalstyle = 'sql_standard'"):
        postgres.run(f"alter database {postgres_database} set {setting}")
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(postgres_database))
    at = "timestamptz '2013-01-01 23:00Z'"
    query = f"select 1 as id, concat({at}::text, ' ', interval '1 day 2 hours', ' ', date_trunc('day', {at})) as v"
    source = SqlSource(conn_id="pg", query=query)
    assert staged(source, tmp_path).to_pylist() == ["2013-01-01 23:00:00+00 P1DT2H 2013-01-01 00:00:00+00"]


def test_text_of_a_database_in_another_encoding_is_kept(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    postgres.run("create database latin encoding 'LATIN1' locale 'C' template template0")
    postgres.run("create table kept (id int, v text)", "latin")
    postgres.run("insert into kept values (1, 'né')", "latin")
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow("latin"))
    assert staged(SqlSource(conn_id="pg", table="kept"), tmp_path).to_pylist() == ["né"]
