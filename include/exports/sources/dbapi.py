"""Reads any database through the SQLAlchemy engine of its Airflow hook: a server-side cursor, fetched in batches.

Drivers do not say exactly what they return, so every column is declared and every value is checked against it.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from include.exports.errors import ExportError, NotEligible, SourceInterrupted, SourceRefused
from include.exports.sources import Column, Request, Statement
from include.exports.sources.exact import arrow_type, from_values
from include.exports.sources.query import parameters, select, write_bounds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    import pyarrow as pa
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from sqlalchemy import CursorResult, Engine, Row

    from include.exports.sources.sql import SqlSource

NOTHING = "1 = 0"
"""A filter with which a database checks a statement and reads no row."""


def describe(source: SqlSource, hook: DbApiHook) -> tuple[Column, ...]:
    """The columns of the statement with their declared types. Raises `NotEligible` unless all of them are declared."""
    import duckdb

    with _result(source, Request(filter=NOTHING), hook) as result:
        names = list(result.keys())
    undeclared = [name for name in names if name not in source.types]
    absent = [name for name in source.types if name not in names]
    if undeclared or absent:
        raise NotEligible(
            f"{source.conn_id}: types must declare every column of the result, {', '.join(names)}"
            + f"; undeclared: {', '.join(undeclared)}" * bool(undeclared)
            + f"; not in the result: {', '.join(absent)}" * bool(absent)
        )
    return tuple(Column(name=name, type=duckdb.sqltype(source.types[name])) for name in names)


def quote(source: SqlSource, hook: DbApiHook) -> Callable[[str], str]:
    """How the database writes names."""
    quoted: Callable[[str], str] = _engine(source, hook).dialect.identifier_preparer.quote_identifier
    return quoted


def statement(source: SqlSource, request: Request, hook: DbApiHook) -> Statement:
    """The SELECT with its bounds by name; they are bound in the driver's own style."""
    return _statement(source, request, _engine(source, hook))


def estimate(source: SqlSource, request: Request, hook: DbApiHook) -> None:
    """Unknown: databases do not agree on how to ask for it."""
    del source, request, hook


@contextmanager
def batches(
    source: SqlSource, request: Request, hook: DbApiHook
) -> Iterator[tuple[pa.Schema, Generator[pa.RecordBatch]]]:
    """The schema and the batches of a running statement."""
    import pyarrow as pa

    with _result(source, request, hook) as result:
        schema = pa.schema([pa.field(name, arrow_type(source.types[name])) for name in result.keys()])  # noqa: SIM118
        yield schema, _batches(source, schema, result)


def _batches(source: SqlSource, schema: pa.Schema, result: CursorResult[Any]) -> Generator[pa.RecordBatch]:
    row = 1
    partitions = result.partitions(source.batch_rows)
    with _errors(source, SourceRefused):
        while (batch := _next(partitions, source, schema, row)) is not None:
            yield batch
            row += batch.num_rows


def _next(
    partitions: Iterator[Sequence[Row[Any]]], source: SqlSource, schema: pa.Schema, row: int
) -> pa.RecordBatch | None:
    import pyarrow as pa

    with _no_collector():
        rows = next(partitions, None)
        if rows is None:
            return None
        columns = zip(schema.names, zip(*rows, strict=True), strict=True)
        arrays = [from_values(values, source.types[name], name, row) for name, values in columns]
        return pa.record_batch(arrays, schema=schema)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Rows hold no cycles, yet because of them the collector searches all of Airflow: three quarters of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _result(source: SqlSource, request: Request, hook: DbApiHook) -> Iterator[CursorResult[Any]]:
    from sqlalchemy import text

    engine = _engine(source, hook)
    asked = _statement(source, request, engine)
    named = write_bounds(asked.sql, lambda name: f":{name}", lambda other: other.replace(":", r"\:"))
    try:
        # Drivers do not agree on how they say why there is no connection; most reasons pass.
        with _errors(source, SourceInterrupted):
            connection = engine.connect()
        with connection:
            streamed = connection.execution_options(stream_results=True, max_row_buffer=source.batch_rows)
            with _errors(source, NotEligible, asked.sql):
                result = streamed.execute(text(named), asked.parameters)
            yield result
    finally:
        engine.dispose()


def _statement(source: SqlSource, request: Request, engine: Engine) -> Statement:
    quote = engine.dialect.identifier_preparer.quote_identifier
    columns = ", ".join(f"records.{quote(name)}" for name in request.columns or ()) or "records.*"
    sql = select(source, request, quote, columns)
    values = parameters(source, request, sql)
    if engine.dialect.name == "sqlite" and any(isinstance(value, date) for value in values.values()):
        raise NotEligible(
            f"{source.conn_id}: SQLite has no types for time, so its time column is not of kind"
            f" {source.time_column and source.time_column.kind!r}; use kind 'text' with its format, or 'epoch_seconds'"
        )
    return Statement(sql=sql, parameters=values)


def _engine(source: SqlSource, hook: DbApiHook) -> Engine:
    from airflow.exceptions import AirflowOptionalProviderFeatureException
    from sqlalchemy.exc import NoSuchModuleError

    try:
        return hook.get_sqlalchemy_engine()
    except (AirflowOptionalProviderFeatureException, NoSuchModuleError, ImportError) as error:
        raise NotEligible(
            f"{source.conn_id}: {type(hook).__name__} has no SQLAlchemy engine here ({error}); install the provider's"
            " sqlalchemy extra, or the dialect of the database"
        ) from error


@contextmanager
def _errors(source: SqlSource, otherwise: type[ExportError], sql: str = "") -> Iterator[None]:
    """The driver's own message, which has neither parameters nor the connection's URL."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        busy = getattr(error.orig, "sqlite_errorname", None) == "SQLITE_BUSY"
        kind = SourceInterrupted if error.connection_invalidated or busy else otherwise
        raise kind(f"{source.conn_id}: {error.orig}" + f"\n{sql}" * bool(sql)) from error
