"""A table or a query of any database that Airflow has a connection to.

PostgreSQL is read through ADBC as a stream of Arrow batches, every other database through the SQLAlchemy engine of its
Airflow hook with a server-side cursor. A run asks one statement in one transaction, so it sees one snapshot.

The database orders the rows: text sorts by its collation, NULLs come where it puts them.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from pydantic import Field, field_validator, model_validator

from include.exports.engine import identifier
from include.exports.errors import NotEligible, Problem, SourceRefused
from include.exports.model import Part, Problems
from include.exports.sources import Column, Request, Shard, Statement
from include.exports.sources.exact import type_problem
from include.exports.sources.query import BOUNDS, bounds_in, select
from include.exports.sources.stream import stream
from include.exports.time_column import TimeColumn, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime

    import duckdb
    import pyarrow as pa
    from airflow.providers.common.sql.hooks.sql import DbApiHook


class SqlSource(Part):
    """A table or a query of a database. Its rows have no order of their own, so the export declares one."""

    type: Literal["sql"] = "sql"
    conn_id: str = Field(min_length=1)
    """Airflow connection of a SQL provider."""
    table: tuple[str, ...] | None = None
    """Table or view, with its schema where it needs one: `"sales.orders"`, or `("sales", "orders.old")` when a name
    has a dot in it. Names are quoted, so they are spelled exactly as the database has them."""
    query: str | None = Field(default=None, min_length=1)
    """A SELECT instead of a table; `read_query(__file__, "orders.sql")` reads it from beside the definition. It stands
    in a FROM clause, so its columns need distinct names. `:window_start` and `:window_end` are the window's bounds, in
    the terms of `time_column`; nothing else is a parameter. The session's time zone is UTC in PostgreSQL."""
    time_column: TimeColumn | None = None
    """When a record happened; required by incremental exports. The window is applied to this column of a table; a
    query applies it itself."""
    types: dict[str, str] = {}
    """Column to DuckDB type, such as `{"amount": "DECIMAL(12,2)"}`. Every column of a database other than PostgreSQL,
    whose results do not say their types. PostgreSQL says them: declare only what its types leave open (a `numeric`
    without digits) or what is to be exported as its text (`VARCHAR`)."""
    batch_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Rows fetched at a time, which is what is held in memory; PostgreSQL streams and ignores it."""

    @field_validator("table", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.split(".")) if isinstance(value, str) else value

    @field_validator("table")
    @classmethod
    def _names(cls, table: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """An empty part, or one with a NUL, would end the statement early in some drivers."""
        if table is not None and not all(part and "\0" not in part for part in table or ("",)):
            raise ValueError(f"{'.'.join(table)!r} must be a table name, or one with its schema before it")
        return table

    @field_validator("types")
    @classmethod
    def _known(cls, types: dict[str, str]) -> dict[str, str]:
        problems = [Problem(column, problem) for column, name in types.items() if (problem := type_problem(name))]
        if problems:
            raise Problems(problems)
        return types

    @model_validator(mode="after")
    def _one_relation(self) -> Self:
        """A window that a query applies by half, or not at all, would export the same records again and again."""
        if (self.table is None) == (self.query is None):
            raise ValueError("a source has either a table or a query; write one of them")
        used = bounds_in(self.query or "")
        if len(used) == 1:
            missing = "".join(set(BOUNDS) - used)
            raise Problems([Problem("query", f"uses :{''.join(used)} but not :{missing}; a window has two bounds")])
        if used and self.time_column is None:
            found = "is required by the query's :window_start; say how its time column stores time"
            raise Problems([Problem("time_column", found)])
        return self

    @property
    def uses_window(self) -> bool:
        """Whether a run reads only the records of its window."""
        return self.time_column is not None and (self.table is not None or bool(bounds_in(self.query or "")))


class Reader(Protocol):
    """What `postgres` and `dbapi` provide."""

    def describe(self, source: SqlSource, hook: Any) -> tuple[Column, ...]: ...
    def quote(self, source: SqlSource, hook: Any) -> Callable[[str], str]: ...
    def statement(self, source: SqlSource, request: Request, hook: Any) -> Statement: ...
    def estimate(self, source: SqlSource, request: Request, hook: Any) -> int | None: ...
    def batches(
        self, source: SqlSource, request: Request, hook: Any
    ) -> AbstractContextManager[tuple[pa.Schema, Generator[pa.RecordBatch]]]: ...


def describe(source: SqlSource, request: Request) -> tuple[Column, ...]:
    """The columns of the table or query; the database prepares the statement and reads nothing.

    Raises `NotEligible` for a connection, table or query that does not work, `SourceInterrupted` when the database
    does not answer. A PostgreSQL type that cannot be kept is described as VARCHAR, the type that its remedy has;
    `shards` refuses a request for it.
    """
    del request  # the columns of a table or query do not depend on the window
    reader, hook = _open(source)
    return reader.describe(source, hook)


def newest(source: SqlSource, request: Request) -> datetime | None:
    """The largest value of the time column in the window, as the database tells it; an index answers it at once."""
    if source.time_column is None:
        raise NotEligible(f"{source.conn_id}: fresh_within needs a time_column; declare it, or remove fresh_within")
    reader, hook = _open(source)
    name = source.time_column.name
    quote = reader.quote(source, hook)
    asked = replace(request, order_by=(), columns=(name,))
    largest = select(source, asked, quote, f"max(records.{quote(name)}) AS {quote(name)}")
    types = {name: source.types[name]} if name in source.types else {}
    of_largest = source.model_copy(update={"table": None, "query": largest, "types": types})
    with reader.batches(of_largest, replace(asked, filter=None), hook) as (_, batches), closing(batches):
        values = [value for batch in batches for value in batch.column(0).to_pylist()]
    return None if values in ([], [None]) else instant(values[0], source.time_column)


def shards(source: SqlSource, request: Request) -> tuple[Shard, ...]:
    """One shard: a snapshot cannot be shared between tasks. PostgreSQL's planner estimates its rows."""
    reader, hook = _open(source)
    return (Shard(index=0, rows=reader.estimate(source, request, hook)),)


def statement(source: SqlSource, request: Request, shard: Shard) -> Statement:
    """The statement with its bounds by name. The database is not asked; the connection is looked up for its dialect."""
    del shard  # there is one
    reader, hook = _open(source)
    return reader.statement(source, request, hook)


@contextmanager
def records(source: SqlSource, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The SQL over a stream from the database; each run of it but the first asks the database again.

    What stops the stream is raised when the block ends, whatever error it became on its way through DuckDB:
    `SourceRefused` for a value that cannot be kept, `SourceInterrupted` when the database goes away.
    """
    import duckdb

    reader, hook = _open(source)
    name = f"sql_source_{shard.index}"
    with reader.batches(source, request, hook) as (schema, batches), closing(batches):
        unread = [batches]

        def read() -> Iterator[pa.RecordBatch]:
            if unread:
                yield from unread.pop()
            else:
                with reader.batches(source, request, hook) as (_, again), closing(again):
                    yield from again

        with stream(con, name, schema, read):
            try:
                yield f"select {', '.join(identifier(column) for column in schema.names)} from {name}"
            except (duckdb.DataError, duckdb.InvalidInputException) as error:
                raise SourceRefused(f"{source.conn_id}: {str(error).splitlines()[0]}") from error


def _open(source: SqlSource) -> tuple[Reader, DbApiHook]:
    """The reader for a source's database, and its hook."""
    from include.exports.sources import dbapi, postgres

    hook = open_hook(source.conn_id)
    return (postgres if hook.conn_type == "postgres" else dbapi), hook


def open_hook(conn_id: str) -> DbApiHook:
    """The Airflow hook that knows how to reach a database. Raises `NotEligible` when there is none."""
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id)
        hook = connection.get_hook()  # type: ignore[no-untyped-call]  # the SDK has no annotations there
    except AirflowNotFoundException as error:
        raise NotEligible(f"Airflow connection {conn_id!r} does not exist; create it or correct conn_id") from error
    except (AirflowException, ImportError) as error:
        raise NotEligible(f"Airflow connection {conn_id!r}: {error}; install the provider of its type") from error
    if not isinstance(hook, DbApiHook):
        kind = connection.conn_type
        raise NotEligible(f"Airflow connection {conn_id!r} is of type {kind!r}, which is not a SQL database")
    return hook
