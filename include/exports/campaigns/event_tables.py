"""Message events in tables of a database, named and spelled as in Braze's share for Snowflake."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.engine import identifier
from include.exports.errors import NotEligible
from include.exports.model import Part
from include.exports.sources import Request, Shard, sql
from include.exports.sources.sql import SqlSource
from include.exports.time_column import TimeColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import duckdb
    from sqlalchemy.engine import Inspector

    from include.exports.campaigns.event_types import EventRequest


class EventTables(Part):
    """Tables such as `USERS_MESSAGES_EMAIL_OPEN_SHARED`, one a type of event; their case does not matter."""

    type: Literal["tables"] = "tables"
    conn_id: str = Field(min_length=1)
    """Airflow connection of a SQL provider."""
    db_schema: str | None = None
    """Schema of the tables; the connection's own when absent."""


def files(source: EventTables, start: datetime, end: datetime) -> tuple[str, ...]:
    """The names of the event tables that are there, in upper case."""
    del start, end  # a table holds all times
    return tuple(sorted(name.upper() for name in _names(source) if name.upper().startswith("USERS_")))


@contextmanager
def relation(source: EventTables, con: duckdb.DuckDBPyConnection, request: EventRequest) -> Iterator[str]:
    """SQL of the events of a table; NULL for a column that the table does not have."""
    (table,) = request.files
    window = Request(start=request.start, end=request.end)
    with rows(source, con, table, request.types, window, needed=("id", "time")) as read:
        yield read


@contextmanager
def rows(
    source: EventTables,
    con: duckdb.DuckDBPyConnection,
    table: str,
    types: Mapping[str, str],
    window: Request,
    *,
    needed: tuple[str, ...],
) -> Iterator[str]:
    """SQL of columns of a table, in the window if it has one; NULL for a column that it does not have.

    Raises `NotEligible` when there is no such table, or none of the columns that are needed.
    """
    inspector = _inspector(source)
    found = next((name for name in _names(source) if name.upper() == table), None)
    if found is None:
        raise NotEligible(f"{source.conn_id}: there is no table {table}; make it, or correct conn_id and db_schema")
    spelled = {column["name"].upper(): column["name"] for column in inspector.get_columns(found, source.db_schema)}
    present = {column: name for column in types if (name := _spelled(column, spelled))}
    if missing := set(needed) - present.keys():
        raise NotEligible(f"{source.conn_id}: {found} has no {', '.join(sorted(missing)).upper()}; it is another table")
    asked = SqlSource(
        conn_id=source.conn_id,
        table=(source.db_schema, found) if source.db_schema else (found,),
        time_column=TimeColumn(name=present["time"], kind="epoch_seconds") if window.start else None,
        types={name: types[column] for column, name in present.items()},
    )
    columns = Request(columns=tuple(present.values()), start=window.start, end=window.end)
    with sql.records(asked, columns, Shard(index=0), con) as read:
        values = ", ".join(
            f"cast({identifier(present[column]) if column in present else 'null'} as {type_}) as {identifier(column)}"
            for column, type_ in types.items()
        )
        yield f"select {values} from ({read})"


def has(source: EventTables, table: str) -> bool:
    """Whether there is such a table."""
    return table in (name.upper() for name in _names(source))


def _spelled(column: str, spelled: dict[str, str]) -> str | None:
    """How a table spells a column. The share has Braze's internal ids beside those of the API, which are ours."""
    api = f"{column.removesuffix('_id')}_api_id" if column.endswith("_id") else column
    return spelled.get(api.upper()) or spelled.get(column.upper())


def _names(source: EventTables) -> list[str]:
    inspector = _inspector(source)
    return [*inspector.get_table_names(source.db_schema), *inspector.get_view_names(source.db_schema)]


def _inspector(source: EventTables) -> Inspector:
    import sqlalchemy

    return sqlalchemy.inspect(sql.open_hook(source.conn_id).get_sqlalchemy_engine())
