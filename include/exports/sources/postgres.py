"""Reads PostgreSQL through ADBC: the server sends COPY's binary format, the driver makes Arrow batches of it.

COPY takes no parameters, and given parameters the driver does not COPY: it holds the whole result in memory (1.2 GB for
1.7 million rows against 40 MB) or is half as fast (a cursor). So the window's bounds are bound to settings of the
transaction, and the statement reads them with `current_setting`.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from include.exports.engine import identifier
from include.exports.errors import ExportError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Column, Request, Statement
from include.exports.sources.postgres_types import Field, exact, field, require_flat
from include.exports.sources.query import parameters, select, write_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import pyarrow as pa
    from adbc_driver_manager.dbapi import Cursor
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from include.exports.sources.sql import SqlSource

BOUND_TYPES = {
    "date": "date",
    "epoch_milliseconds": "bigint",
    "epoch_seconds": "bigint",
    "text": "text",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
}
"""How a bound is read for each kind of time column."""

SESSION = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL IntervalStyle = 'iso_8601'",
)
"""One snapshot, nothing written, and the same days and texts whatever the server, database or role is set to."""

CONNECT_SECONDS = 15

BATCH_BYTES = "4000000"
"""Size of a batch. The driver's own 16 MB take 100 MB more while DuckDB writes them, and are not faster."""

TEMPORARY = re.compile(
    "starting up|shutting down|recovery|too many|connection slots|terminating connection|^(?!.*(FATAL|invalid))",
    re.DOTALL,
)
"""A connection that is refused or ended and may work later; the driver has no SQLSTATE for it. A server that says
nothing is away."""


def describe(source: SqlSource, hook: PostgresHook) -> tuple[Column, ...]:
    """The columns of the prepared statement."""
    with _session(source, Request(), hook) as cursor:
        return tuple(found.column for found in _fields(source, cursor).values())


def quote(source: SqlSource, hook: PostgresHook) -> Callable[[str], str]:
    """How the database writes names."""
    del source, hook  # every PostgreSQL quotes alike
    return identifier


def statement(source: SqlSource, request: Request, hook: PostgresHook) -> Statement:
    """The SELECT with its bounds by name; it is sent with `current_setting` in their places."""
    del hook  # every PostgreSQL quotes alike
    sql = select(source, request, identifier, _columns(source, request.columns or ()))
    return Statement(sql=sql, parameters=parameters(source, request, sql))


def estimate(source: SqlSource, request: Request, hook: PostgresHook) -> int:
    """The planner's estimate of the rows. Raises `NotEligible` when a requested column cannot be kept."""
    sql = "EXPLAIN (FORMAT JSON) " + _bound(source, statement(source, request, hook).sql)
    with _session(source, request, hook) as cursor:
        _requested(source, request, cursor)
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        with _errors(source, sql):
            cursor.execute(sql)
            [(plan,)] = cursor.fetchall()
    return int(json.loads(plan)[0]["Plan"]["Plan Rows"])


@contextmanager
def batches(
    source: SqlSource, request: Request, hook: PostgresHook
) -> Iterator[tuple[pa.Schema, Generator[pa.RecordBatch]]]:
    """The schema and the batches of a running statement, which is cancelled when the block ends before it does."""
    import pyarrow as pa
    from adbc_driver_manager import Error

    with _session(source, request, hook) as cursor:
        fields = _requested(source, request, cursor)
        columns = [_expression(source, found.column.name) for found in fields]
        columns += [f"array_ndims(records.{identifier(found.column.name)})" for found in fields if found.is_list]
        sql = _bound(source, select(source, request, identifier, ", ".join(columns)))
        with _errors(source, sql):
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": BATCH_BYTES})
            cursor.execute(sql)
            # The public fetch_record_batch() gives the reader inside this one, whose errors have no SQLSTATE.
            results: Any = cursor._results  # noqa: SLF001
        schema = pa.schema([pa.field(found.column.name, found.arrow) for found in fields])
        complete = False

        def read() -> Generator[pa.RecordBatch]:
            nonlocal complete
            yield from _batches(source, sql, schema, fields, results.reader)
            complete = True

        try:
            yield schema, read()
        finally:
            if not complete:
                with suppress(Error):  # the server may be gone
                    cursor.adbc_cancel()  # otherwise closing the connection would wait for all that is left


def _batches(
    source: SqlSource, sql: str, schema: pa.Schema, fields: Sequence[Field], stream: pa.RecordBatchReader
) -> Generator[pa.RecordBatch]:
    import pyarrow as pa

    row = 1
    with _errors(source, sql):
        for batch in stream:
            lists = [found for found in fields if found.is_list]
            for found, dimensions in zip(lists, batch.columns[len(fields) :], strict=True):
                require_flat(found, dimensions, row)
            values = zip(fields, batch.columns[: len(fields)], strict=True)
            yield pa.record_batch([exact(found, array, row) for found, array in values], schema=schema)
            row += batch.num_rows


def _fields(source: SqlSource, cursor: Cursor) -> dict[str, Field]:
    """All columns of the table or query, by name."""
    sql = _bound(source, select(source, Request(), identifier, _columns(source, ())))
    with _errors(source, sql):
        schema = cursor.adbc_execute_schema(sql)
    if twice := sorted({name for name in schema.names if schema.names.count(name) > 1}):
        raise NotEligible(f"{source.conn_id}: the query has several columns {', '.join(twice)}; name each differently")
    if unknown := [name for name in source.types if name not in schema.names]:
        raise NotEligible(f"{source.conn_id}: types: no column {', '.join(unknown)} in {', '.join(schema.names)}")
    return {given.name: field(given, source.types.get(given.name)) for given in schema}


def _requested(source: SqlSource, request: Request, cursor: Cursor) -> list[Field]:
    fields = _fields(source, cursor)
    if unknown := [name for name in request.columns or () if name not in fields]:
        raise NotEligible(f"{source.conn_id}: no column {', '.join(unknown)} in {', '.join(fields)}")
    wanted = [fields[name] for name in request.columns or fields]
    if problems := [found.problem for found in wanted if found.problem]:
        raise NotEligible(f"{source.conn_id}: columns that cannot be kept:" + "".join(f"\n  {it}" for it in problems))
    return wanted


def _columns(source: SqlSource, names: Sequence[str]) -> str:
    return ", ".join(_expression(source, name) for name in names) or "records.*"


def _expression(source: SqlSource, name: str) -> str:
    column = identifier(name)
    return f"CAST(records.{column} AS text) AS {column}" if name in source.types else f"records.{column}"


def _bound(source: SqlSource, sql: str) -> str:
    kind = BOUND_TYPES[source.time_column.kind] if source.time_column else ""
    return write_bounds(sql, lambda name: f"CAST(current_setting('exports.{name}') AS {kind})")


@contextmanager
def _session(source: SqlSource, request: Request, hook: PostgresHook) -> Iterator[Cursor]:
    """A cursor in a transaction that reads one snapshot and has the request's bounds as its settings."""
    from adbc_driver_postgresql import dbapi

    with _errors(source), dbapi.connect(_conninfo(hook)) as connection, connection.cursor() as cursor:
        for sql in SESSION:
            cursor.execute(sql)
        for name, value in parameters(source, request, select(source, request, identifier, "*")).items():
            text = value.isoformat() if isinstance(value, date) else str(value)
            cursor.execute(f"SELECT set_config('exports.{name}', $1, true)", [text])
        yield cursor


def _conninfo(hook: PostgresHook) -> str:
    """libpq's connection string. `hook.get_uri()` would not do: it leaves out the connection's sslmode."""
    url = hook.sqlalchemy_url
    extra = {
        name: value for name, value in hook.connection.extra_dejson.items() if name not in hook.ignored_extra_options
    }
    settings: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "user": url.username,
        "password": url.password,
        "dbname": url.database,
        "connect_timeout": CONNECT_SECONDS,
        **extra,
        "client_encoding": "UTF8",
    }
    escaped = {name: re.sub(r"(['\\])", r"\\\1", str(value)) for name, value in settings.items() if value is not None}
    return " ".join(f"{name}='{value}'" for name, value in escaped.items())


@contextmanager
def _errors(source: SqlSource, sql: str = "") -> Iterator[None]:
    from adbc_driver_manager import Error

    try:
        yield
    except Error as error:
        raise _translated(error, source.conn_id, sql) from error


def _translated(error: Any, conn_id: str, sql: str) -> ExportError:
    message = re.sub(r"\s*(Query was: .*|\. SQLSTATE: \w+)", "", str(error), flags=re.DOTALL)
    asked = f"\n{sql}" if sql else ""
    match (error.sqlstate or "")[:2]:
        case "" if "ReadRecord" in message:
            return SourceRefused(f"{conn_id}: {message}; replace the value in a query, or do not export it{asked}")
        case "" if TEMPORARY.search(message):
            return SourceInterrupted(f"{conn_id}: {message}{asked}")
        case "08" | "40" | "53" | "55" | "57" | "58":  # connection, rollback, resources, lock, operator, system
            return SourceInterrupted(f"{conn_id}: {message}{asked}")
        case "" | "0A" | "28" | "3D" | "42":  # found before anything is read
            return NotEligible(f"{conn_id}: {message}; correct the connection, table, query, filter or order_by{asked}")
        case _:
            return SourceRefused(f"{conn_id}: {message}{asked}")
