"""Message events as tables of DuckDB: each event once, with its documented columns, wherever a team keeps them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from include.exports.campaigns import event_lake, event_tables
from include.exports.campaigns.event_lake import EventLake
from include.exports.campaigns.event_tables import EventTables
from include.exports.campaigns.event_types import event_types
from include.exports.engine import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from include.exports.campaigns.event_types import EventRequest

log = logging.getLogger(__name__)

Events = Annotated[EventLake | EventTables, Field(discriminator="type")]


def files(events: Events, start: datetime, end: datetime) -> tuple[str, ...]:
    """Where the events of `[start, end)` are: files of a lake, or tables of a database."""
    places = event_lake.files if isinstance(events, EventLake) else event_tables.files
    return places(events, start, end)  # type: ignore[arg-type]  # the events are of the module's own model


def found(events: Events, files: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The known types of event that are there, each with its files, or with its one table.

    An unknown type is logged and ignored.
    """
    places: dict[str, list[str]] = {}
    for file in files:
        name = event_lake.type_of(file) if isinstance(events, EventLake) else file.rpartition(".")[2]
        places.setdefault(name, []).append(file)
    known = {kind.table if isinstance(events, EventTables) else name: name for name, kind in event_types().items()}
    for name in places.keys() - known:
        log.warning("%s is not a known type of message event and is ignored", name)
    return {known[name]: tuple(files) for name, files in places.items() if name in known}


def load(
    events: Events,
    con: duckdb.DuckDBPyConnection,
    request: EventRequest,
    campaigns: Sequence[str] = (),
    *,
    keep: Sequence[str] = ("*",),
) -> None:
    """Make the table of a type of event in the schema `events`, of what `keep`, in SQL, makes of the columns asked for.

    They are `id`, `time` and others. An event that was delivered several times is there once: of a column that differs
    it has the least value. The table is empty when there are none. `campaigns` are the API ids to keep; all when empty.
    """
    place = f"events.{request.kind.relation}"
    kept = ", ".join(keep)
    if not request.files:
        nothing = ", ".join(f"cast(null as {type_}) as {identifier(name)}" for name, type_ in request.types.items())
        con.execute(f"create table {place} as select {kept} from (select {nothing}) where false")
        return
    conditions = [f'"time" >= {int(request.start.timestamp())}', f'"time" < {int(request.end.timestamp())}']
    if campaigns and "campaign_id" in request.columns:
        conditions.append(f"campaign_id in ({', '.join(map(literal, campaigns))})")
    read = event_lake.relation if isinstance(events, EventLake) else event_tables.relation
    with read(events, con, request) as sql:  # type: ignore[arg-type]  # the events are of the module's own model
        rows = f"select {', '.join(map(identifier, request.columns))} from ({sql}) where {' and '.join(conditions)}"
        twice = isinstance(events, EventLake) and events.format == "parquet"
        once = (_once_by_hash if twice else _once)(con, rows, request.columns)
        con.execute(f"create table {place} as select {kept} from ({once})")


def _once(con: duckdb.DuckDBPyConnection, events: str, columns: Sequence[str]) -> str:
    """SQL of each event once."""
    del con
    values = ", ".join(f"min({identifier(name)}) as {identifier(name)}" for name in columns if name != "id")
    return f"select id, {values} from ({events}) group by id"


def _once_by_hash(con: duckdb.DuckDBPyConnection, events: str, columns: Sequence[str]) -> str:
    """The same of events that can be read twice: only those whose id's hash is there several times are grouped.

    They are few. To group all events, with all of their columns, takes four times as long.
    """
    con.execute(
        "create or replace temp table repeated as"
        f" select hash from (select hash(id) as hash from ({events})) group by hash having count(*) > 1"
    )
    repeated = "hash(id) in (from repeated)"
    return (
        f"from ({events}) where not {repeated} union all by name"
        f" {_once(con, f'from ({events}) where {repeated}', columns)}"
    )
