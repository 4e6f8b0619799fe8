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

    import duckdb

    from include.exports.campaigns.event_types import EventRequest

log = logging.getLogger(__name__)

Events = Annotated[EventLake | EventTables, Field(discriminator="type")]


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


def load(events: Events, con: duckdb.DuckDBPyConnection, request: EventRequest, campaigns: Sequence[str] = ()) -> None:
    """Make the table of a type of event in the schema `events`, with `id`, `time` and the columns of the request.

    An event that was delivered several times is there once: of a column that differs it has the least value. The table
    is empty when there are none. `campaigns` are the API ids to keep; all when empty.
    """
    place = f"events.{request.kind.relation}"
    if not request.files:
        shape = ", ".join(f"{identifier(name)} {type_}" for name, type_ in request.types.items())
        con.execute(f"create table {place} ({shape})")
        return
    rest = ", ".join(f"min({identifier(name)}) as {identifier(name)}" for name in request.columns if name != "id")
    conditions = [f'"time" >= {int(request.start.timestamp())}', f'"time" < {int(request.end.timestamp())}']
    if campaigns and "campaign_id" in request.columns:
        conditions.append(f"campaign_id in ({', '.join(map(literal, campaigns))})")
    read = event_lake.relation if isinstance(events, EventLake) else event_tables.relation
    with read(events, con, request) as sql:  # type: ignore[arg-type]  # the events are of the module's own model
        con.execute(
            f"create table {place} as select id, {rest} from ({sql}) where {' and '.join(conditions)} group by id"
        )
