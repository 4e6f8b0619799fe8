"""Reading a real PostgreSQL: exact windows, nothing but bound values, one snapshot, bounded memory, honest failures."""

from __future__ import annotations

import json
import re
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import psutil
import psycopg
import pyarrow.parquet as pq
import pytest

from include.exports.engine import connect
from include.exports.errors import ExportError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Request, Shard, sql
from include.exports.sources.sql import SqlSource
from include.exports.time_column import TimeColumn
from tests.rigs.postgres import PASSWORD, USER, Postgres, server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEW_YORK = ZoneInfo("America/New_York")
QUARTERS = [datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=NEW_YORK) for month in range(0, 13, 3)]
TIME = TimeColumn(name="time_hour")
FLIGHTS = SqlSource(conn_id="pg", table="flights", time_column=TIME)
WINDOWED = "select * from flights where time_hour >= :window_start and time_hour < :window_end"


@pytest.fixture(autouse=True)
def _connection(postgres: Postgres, postgres_flights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(postgres_flights))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


def rows(source: SqlSource, request: Request, con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    with sql.records(source, request, Shard(index=0), con) as records:
        return con.sql(records).fetchall()


def window(start: datetime | None, end: datetime | None, *columns: str, **more: Any) -> Request:
    return Request(start=start, end=end, columns=columns, **more)


def counts(source: SqlSource, con: duckdb.DuckDBPyConnection) -> list[int]:
    result = []
    for start, end in pairwise(QUARTERS):
        request = window(start.astimezone(UTC), end.astimezone(UTC), "flight")
        with sql.records(source, request, Shard(index=0), con) as records:
            [(count,)] = con.sql(f"select count(*) from ({records})").fetchall()
            result.append(count)
    return result


def assert_no_connections(postgres: Postgres) -> None:
    """The server notices that a client has left."""
    deadline = time.monotonic() + 30
    while open_ := postgres.run("select query from pg_stat_activity where datname = 'flights'"):
        assert time.monotonic() < deadline, open_
        time.sleep(0.05)


@pytest.mark.parametrize("relation", [{"table": "flights"}, {"table": ("public", "flights")}, {"query": WINDOWED}])
def test_quarterly_windows_hold_what_the_database_counts(
    relation: dict[str, Any], postgres: Postgres, con: duckdb.DuckDBPyConnection
) -> None:
    expected = postgres.run(
        "select count(*) from flights group by date_trunc('quarter', time_hour at time zone 'America/New_York')"
        " order by min(time_hour)",
        "flights",
    )
    actual = counts(SqlSource(conn_id="pg", time_column=TIME, **relation), con)
    assert actual == [count for (count,) in expected]
    assert sum(actual) == 336_776


@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        ({"kind": "timestamp", "timezone": "America/New_York"}, "time_hour at time zone 'America/New_York'"),
        ({"kind": "date", "timezone": "America/New_York"}, "(time_hour at time zone 'America/New_York')::date"),
        ({"kind": "epoch_seconds"}, "extract(epoch from time_hour)::bigint"),
        ({"kind": "epoch_milliseconds"}, "(extract(epoch from time_hour) * 1000)::bigint"),
        (
            {"kind": "text", "format": "%Y-%m-%d %H", "timezone": "America/New_York"},
            "to_char(time_hour at time zone 'America/New_York', 'YYYY-MM-DD HH24')",
        ),
    ],
)
def test_every_kind_of_time_column_gives_the_same_windows(
    kind: dict[str, str], expression: str, con: duckdb.DuckDBPyConnection
) -> None:
    query = f"select flight, at from (select flight, {expression} as at from flights) t where at >= :window_start"
    source = SqlSource(conn_id="pg", query=f"{query} and at < :window_end", time_column=TimeColumn(name="at", **kind))
    assert counts(source, con) == counts(FLIGHTS, con)


def test_a_window_open_to_either_side_reads_to_the_end(con: duckdb.DuckDBPyConnection) -> None:
    query = SqlSource(conn_id="pg", query=WINDOWED, time_column=TIME)
    noon = datetime(2013, 7, 1, 12, tzinfo=UTC)
    for source in (FLIGHTS, query):
        before, after, all_ = (
            len(rows(source, window(start, end, "flight"), con))
            for start, end in [(None, noon), (noon, None), (None, None)]
        )
        assert before > 0
        assert after > 0
        assert before + after == all_ == 336_776


@pytest.mark.parametrize(
    "time_column",
    [
        TimeColumn(name="at", kind="timestamp", timezone="Pacific/Kiritimati"),
        TimeColumn(name="at", kind="date", timezone="Pacific/Pago_Pago"),
        TimeColumn(name="at", kind="epoch_seconds"),
        TimeColumn(name="at", kind="epoch_milliseconds"),
        TimeColumn(name="at", kind="text", format="%Y%m%d"),
    ],
    ids=lambda column: column.kind,
)
def test_a_query_is_described_and_read_without_bounds_for_every_kind(
    time_column: TimeColumn, con: duckdb.DuckDBPyConnection
) -> None:
    values = {"timestamp": "timestamp '2013-01-01'", "date": "date '2013-01-01'", "text": "'20130101'::text"}
    value = values.get(time_column.kind, "1357016400::bigint")
    query = f"select at from (select {value} as at) t where at >= :window_start and at < :window_end"
    source = SqlSource(conn_id="pg", query=query, time_column=time_column)
    assert [column.name for column in sql.describe(source, Request())] == ["at"]
    assert len(rows(source, Request(columns=("at",)), con)) == 1


def test_rows_come_in_the_declared_order_with_the_declared_columns(
    postgres: Postgres, con: duckdb.DuckDBPyConnection
) -> None:
    request = Request(
        start=datetime(2013, 1, 1, 5, tzinfo=UTC),
        end=datetime(2013, 1, 2, 5, tzinfo=UTC),
        columns=("dest", "flight", "dep_delay"),
        filter="origin = 'JFK' and dep_delay > 10",
        order_by=("dest", "flight desc"),
    )
    expected = postgres.run(
        "select dest, flight, dep_delay from flights where time_hour >= '2013-01-01 05:00Z' and"
        " time_hour < '2013-01-02 05:00Z' and origin = 'JFK' and dep_delay > 10 order by dest, flight desc",
        "flights",
    )
    assert rows(FLIGHTS, request, con) == expected
    assert len(expected) == 69


def test_an_empty_window_has_columns_with_their_types(con: duckdb.DuckDBPyConnection) -> None:
    request = window(None, datetime(2012, 1, 1, tzinfo=UTC), "flight", "time_hour", order_by=("flight",))
    with sql.records(FLIGHTS, request, Shard(index=0), con) as records:
        relation = con.sql(records)
        assert [str(type_) for type_ in relation.types] == ["BIGINT", "TIMESTAMP WITH TIME ZONE"]
        assert relation.fetchall() == []


def test_a_query_can_run_again_since_a_run_may_need_more_memory_than_it_was_given(
    con: duckdb.DuckDBPyConnection,
) -> None:
    request = window(None, datetime(2013, 1, 2, tzinfo=UTC), "dest", "flight", order_by=("dest", "flight"))
    with sql.records(FLIGHTS, request, Shard(index=0), con) as records:
        assert len(con.sql(f"{records} limit 3").fetchall()) == 3
        assert con.sql(records).fetchall() == con.sql(records).fetchall() == rows(FLIGHTS, request, connect())


def test_all_rows_reach_the_file_in_order(postgres: Postgres, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    order = ("dest", "time_hour desc", "carrier", "flight")
    request = Request(columns=("dest", "flight"), order_by=order)
    with sql.records(FLIGHTS, request, Shard(index=0), con) as records:
        con.execute(f"copy ({records}) to '{tmp_path / 'staged.parquet'}' (format parquet)")
    staged = pq.read_table(tmp_path / "staged.parquet")
    expected = postgres.run(f"select dest, flight from flights order by {', '.join(order)}", "flights")
    assert list(zip(*staged.to_pydict().values(), strict=True)) == expected


def test_the_statement_is_what_a_person_would_write() -> None:
    request = Request(
        start=datetime(2013, 1, 1, tzinfo=UTC),
        end=datetime(2013, 1, 2, tzinfo=UTC),
        columns=("dest", "dep_delay"),
        filter="origin = 'JFK'",
        order_by=("time_hour", "flight desc"),
    )
    source = SqlSource(conn_id="pg", table="public.flights", time_column=TIME, types={"dep_delay": "VARCHAR"})
    statement = sql.statement(source, request, Shard(index=0))
    assert statement.sql == (
        'SELECT records."dest", CAST(records."dep_delay" AS text) AS "dep_delay"\n'
        'FROM "public"."flights" records\n'
        'WHERE records."time_hour" >= :window_start\n'
        '  AND records."time_hour" < :window_end\n'
        "  AND (origin = 'JFK')\n"
        'ORDER BY records."time_hour", records."flight" DESC'
    )
    assert statement.parameters == {"window_start": request.start, "window_end": request.end}


def test_bounds_are_bound_and_never_written_into_the_statement(
    postgres: Postgres, con: duckdb.DuckDBPyConnection
) -> None:
    request = window(datetime(2013, 5, 17, 3, 21, tzinfo=UTC), datetime(2013, 5, 18, tzinfo=UTC), "flight")
    before = len(postgres.log.read_text())
    rows(FLIGHTS, request, con)
    lines = postgres.log.read_text()[before:].splitlines()
    values = [
        line.partition("DETAIL:  Parameters: ")[2] for line in lines if "2013-05-17" in line or "2013-05-18" in line
    ]
    assert values == ["$1 = '2013-05-17T03:21:00+00:00'", "$1 = '2013-05-18T00:00:00+00:00'"]
    copied = [line for line in lines if "COPY" in line]
    assert len(copied) == 1
    assert copied[0].endswith('COPY (SELECT records."flight"')


def test_the_planner_estimates_the_rows_of_a_window() -> None:
    year, day = (
        sql.shards(FLIGHTS, window(QUARTERS[0], QUARTERS[0] + timedelta(days=days), "flight"))[0] for days in (365, 1)
    )
    assert (year.index, year.files, year.size) == (0, (), None)
    assert 300_000 < (year.rows or 0) < 370_000
    assert 1 <= (day.rows or 0) < 3_000


ODD_NAMES = ['Order "No"', "sélect", "a.b", "back\\slash", "50%", ":window_start", "tab\tname", "'; drop table odd; --"]


def test_names_are_data(
    postgres: Postgres, postgres_database: str, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(postgres_database))
    quoted = ['"' + name.replace('"', '""') + '"' for name in ODD_NAMES]
    postgres.run(f"create schema {quoted[0]}", postgres_database)
    columns = ", ".join(f"{name} int" for name in quoted)
    postgres.run(f"create table {quoted[0]}.{quoted[2]} ({columns}, tstz timestamptz)", postgres_database)
    numbers = ", ".join(str(number) for number in range(len(quoted)))
    postgres.run(f"insert into {quoted[0]}.{quoted[2]} values ({numbers}, '2013-01-01Z')", postgres_database)
    source = SqlSource(conn_id="pg", table=(ODD_NAMES[0], ODD_NAMES[2]), time_column=TimeColumn(name="tstz"))
    assert [column.name for column in sql.describe(source, Request())] == [*ODD_NAMES, "tstz"]
    request = window(
        datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC), *ODD_NAMES, order_by=tuple(ODD_NAMES)
    )
    assert rows(source, request, con) == [tuple(range(len(quoted)))]


@pytest.mark.parametrize(
    "request_",
    [
        Request(columns=('flight" from flights; drop table flights; --',)),
        Request(columns=("flight",), order_by=('flight"; drop table flights; --',)),
        Request(columns=("flight",), filter="1=1; drop table flights"),
        Request(columns=("flight",), filter="1=1) TO PROGRAM 'touch /tmp/exports-was-here' --"),
        Request(columns=("flight",), filter="1=1) or (1=1"),
        Request(columns=("flight",), filter="flight in (select 1 /* "),
        Request(columns=("flight",), filter="dest = 'x"),
        Request(columns=("flight",), filter="time_hour >= :window_start"),
        Request(columns=("flight",), filter=" "),
    ],
    ids=lambda request: request.filter or (*request.columns, *request.order_by)[-1],
)
def test_text_that_is_not_a_name_or_a_condition_is_refused(
    request_: Request, postgres: Postgres, con: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(NotEligible):
        rows(FLIGHTS, request_, con)
    assert postgres.run("select count(*) from flights", "flights") == [(336_776,)]


def test_a_query_that_writes_is_refused(postgres: Postgres, con: duckdb.DuckDBPyConnection) -> None:
    postgres.run("create sequence if not exists counter", "flights")
    source = SqlSource(conn_id="pg", query="select nextval('counter') as number")
    with pytest.raises(SourceRefused, match=r"cannot execute nextval\(\) in a read-only transaction"):
        rows(source, Request(columns=("number",)), con)


def test_rows_that_come_or_go_during_the_read_are_not_noticed(
    postgres: Postgres, postgres_database: str, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(postgres_database))
    postgres.run(
        "create table growing as select i, repeat('x', 500) as filler from generate_series(1, 200000) i",
        postgres_database,
    )
    source = SqlSource(conn_id="pg", table="growing")
    with sql.records(source, Request(columns=("i", "filler")), Shard(index=0), con) as records:
        reader = con.sql(f"select i from ({records})").to_arrow_reader(1_000)
        numbers = reader.read_next_batch()["i"].to_pylist()
        postgres.run("insert into growing select 0, repeat('x', 500) from generate_series(1, 1000)", postgres_database)
        postgres.run("delete from growing where i > 100000", postgres_database)
        for batch in reader:
            numbers += batch["i"].to_pylist()
    assert sorted(numbers) == list(range(1, 200_001))


def test_a_server_that_dies_during_the_read_is_worth_a_retry(
    con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server() as dying:
        monkeypatch.setenv("AIRFLOW_CONN_PG", dying.airflow())
        source = SqlSource(conn_id="pg", query="select i, repeat('x', 1000) as x from generate_series(1, 1000000) i")

        def read() -> None:
            with sql.records(source, Request(columns=("i", "x")), Shard(index=0), con) as records:
                reader = con.sql(records).to_arrow_reader(1_000)
                assert reader.read_next_batch().num_rows == 1_000
                dying.kill()
                reader.read_all()

        with pytest.raises(SourceInterrupted, match=r"^pg: .*\n") as caught:
            read()
        assert "generate_series" in str(caught.value)
        with pytest.raises(SourceInterrupted, match="Connection refused"):
            sql.describe(source, Request())


def test_a_cancelled_statement_is_worth_a_retry(con: duckdb.DuckDBPyConnection) -> None:
    die = "case when i = 100000 then pg_terminate_backend(pg_backend_pid()) end"
    query = f"select {die} as b from generate_series(1, 200000) i"
    with pytest.raises(SourceInterrupted, match="terminating connection due to administrator command"):
        rows(SqlSource(conn_id="pg", query=query), Request(columns=("b",)), con)


def test_a_connection_that_ends_while_the_columns_are_asked_for_is_worth_a_retry(
    postgres: Postgres, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LOCKED", postgres.airflow(postgres_database))
    postgres.run("create table locked (i int)", postgres_database)
    login = {
        "host": "127.0.0.1",
        "port": postgres.port,
        "user": USER,
        "password": PASSWORD,
        "dbname": postgres_database,
    }
    waiting = "from pg_stat_activity where wait_event_type = 'Lock'"
    with psycopg.connect(**login) as other, ThreadPoolExecutor() as pool:
        other.execute("lock table locked in access exclusive mode")
        asked = pool.submit(sql.describe, SqlSource(conn_id="locked", table="locked"), Request())
        while postgres.run(f"select count(*) {waiting}") == [(0,)]:
            time.sleep(0.01)
        postgres.run(f"select pg_terminate_backend(pid) {waiting}")
        with pytest.raises(SourceInterrupted, match="terminating connection due to administrator command"):
            asked.result()


def test_an_error_of_the_statement_while_reading_is_final(con: duckdb.DuckDBPyConnection) -> None:
    source = SqlSource(conn_id="pg", query="select 1 / (flight - 1545) as x from flights")
    with pytest.raises(SourceRefused, match=r"(?s)^pg: .*division by zero.*flight - 1545"):
        rows(source, Request(columns=("x",)), con)


def test_leaving_early_does_not_read_the_rest(con: duckdb.DuckDBPyConnection, postgres: Postgres) -> None:
    source = SqlSource(conn_id="pg", query="select generate_series(1, 2000000000) as i")
    with sql.records(source, Request(columns=("i",)), Shard(index=0), con) as records:
        assert con.sql(f"select * from ({records}) limit 3").fetchall() == [(1,), (2,), (3,)]
    assert_no_connections(postgres)


def test_an_error_in_the_block_passes_and_the_connection_is_closed(
    con: duckdb.DuckDBPyConnection, postgres: Postgres
) -> None:
    with pytest.raises(KeyError, match="mine"), sql.records(FLIGHTS, Request(columns=("flight",)), Shard(index=0), con):
        raise KeyError("mine")
    assert_no_connections(postgres)
    with pytest.raises(duckdb.CatalogException):
        con.sql("select * from sql_source_0")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"password": "wr0ng-'secret"}, NotEligible, 'password authentication failed for user "exports"'),
        ({"login": "nobody-knows"}, NotEligible, 'password authentication failed for user "nobody-knows"'),
        ({"schema": "nowhere"}, NotEligible, 'database "nowhere" does not exist'),
        ({"extra": {"sslmode": "require"}}, SourceInterrupted, "server does not support SSL, but SSL was required"),
        ({"extra": {"sslmoode": "require"}}, NotEligible, 'invalid connection option "sslmoode"'),
        ({"port": 1}, SourceInterrupted, "Connection refused"),
    ],
)
def test_a_connection_that_fails_says_why_and_keeps_its_secret(
    changes: dict[str, Any], error: type[ExportError], message: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow("flights", **changes))
    with pytest.raises(error, match=re.escape(message)) as caught:
        sql.describe(FLIGHTS, Request())
    told = "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("pg: ")
    assert changes.get("password", PASSWORD) not in told
    assert PASSWORD.replace("\\", "\\\\").replace("'", "\\'") not in told


@pytest.mark.parametrize(
    ("source", "request_", "message"),
    [
        (SqlSource(conn_id="pg", table="fligths"), Request(), 'relation "fligths" does not exist'),
        (SqlSource(conn_id="pg", query="selec 1"), Request(), 'syntax error at or near "1"'),
        (SqlSource(conn_id="pg", query="select 1; select 2"), Request(), "syntax error"),
        (
            SqlSource(conn_id="pg", query="select 1 as a, 2 as a"),
            Request(),
            "the query has several columns a; name each",
        ),
        (
            SqlSource(conn_id="pg", table="flights", types={"flihgt": "BIGINT"}),
            Request(),
            "types: no column flihgt in year",
        ),
        (FLIGHTS, Request(columns=("flihgt",)), "no column flihgt in year"),
        (FLIGHTS, Request(columns=("flight",), order_by=("flihgt",)), "column records.flihgt does not exist"),
        (FLIGHTS, Request(columns=("flight",), filter="orign = 'JFK'"), 'column "orign" does not exist'),
    ],
)
def test_what_the_database_does_not_have_is_refused_before_reading(
    source: SqlSource, request_: Request, message: str
) -> None:
    with pytest.raises(NotEligible, match=re.escape(message)):
        sql.describe(source, request_) and sql.shards(source, request_)


def test_a_date_bound_within_a_day_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    query = "select date '2013-01-01' as day where date '2013-01-01' between :window_start and :window_end"
    source = SqlSource(conn_id="pg", query=query, time_column=TimeColumn(name="day", kind="date"))
    midnight = datetime(2013, 1, 1, tzinfo=UTC)
    assert rows(source, window(midnight, midnight, "day"), con) == [(date(2013, 1, 1),)]
    with pytest.raises(NotEligible, match="the column is coarser"):
        rows(source, window(midnight, midnight + timedelta(hours=12), "day"), con)


def test_settings_of_the_connection_reach_the_server(
    postgres: Postgres, con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"application_name": r"exports' \ nightly", "options": "-c work_mem=12MB", "cursor": "dictcursor"}
    monkeypatch.setenv("AIRFLOW_CONN_PG", postgres.airflow(extra=json.dumps(extra)))
    source = SqlSource(
        conn_id="pg", query="select current_setting('application_name') as name, current_setting('work_mem') as mem"
    )
    assert rows(source, Request(columns=("name", "mem")), con) == [(r"exports' \ nightly", "12MB")]


def test_memory_does_not_grow_with_the_rows(con: duckdb.DuckDBPyConnection) -> None:
    def peak(count: int) -> int:
        query = f"select i, i::numeric(15,2) as n, repeat('x', 200) as x from generate_series(1, {count}) i"
        most = 0
        with sql.records(
            SqlSource(conn_id="pg", query=query), Request(columns=("i", "n", "x")), Shard(index=0), con
        ) as records:
            read = 0
            for batch in con.sql(records).to_arrow_reader(50_000):
                read += batch.num_rows
                most = max(most, psutil.Process().memory_info().rss)
        assert read == count
        return most

    few = peak(200_000)  # 44 MB
    assert peak(2_000_000) - few < 60_000_000  # 440 MB


def test_the_newest_record_is_asked_of_the_database() -> None:
    start = datetime(2013, 1, 1, tzinfo=UTC)
    assert sql.newest(FLIGHTS, Request(start=start)) == datetime(2014, 1, 1, 4, tzinfo=UTC)
    assert sql.newest(FLIGHTS, Request(start=start.replace(year=2020))) is None
