"""What campaigns and variations are called, and how campaigns are tagged, from tables beside those of the events.

Events of the SQL share have no names, and no events have tags.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.exports.campaigns import event_tables
from include.exports.engine import literal
from include.exports.errors import NotEligible
from include.exports.sources import Request

if TYPE_CHECKING:
    import duckdb

    from include.exports.campaigns.event_tables import EventTables

log = logging.getLogger(__name__)

NAMED = {
    "campaign_changes": "CHANGELOGS_CAMPAIGN_SHARED",
    "variation_changes": "SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED",
}
"""Tables of Braze's share with a row for each time that something changed, as `api_id`, `name` and `time`."""

TAGGED = "CAMPAIGN_TAGS"
"""Braze shares no tags: a table of `CAMPAIGN_API_ID` and `TAG`, a row each, as `/campaigns/list` has them."""

CHANGE = {"id": "VARCHAR", "time": "BIGINT", "api_id": "VARCHAR", "name": "VARCHAR"}


def load(source: EventTables | None, con: duckdb.DuckDBPyConnection) -> None:
    """Make a table of each of `NAMED`; empty when there is none."""
    for relation, table in NAMED.items():
        shape = ", ".join(f'"{column}" {type_}' for column, type_ in CHANGE.items())
        con.execute(f"create table {relation} ({shape})")
        if source is None:
            continue
        if not event_tables.has(source, table):
            log.warning("%s has no table %s: names are those that events have", source.conn_id, table)
            continue
        needed = ("api_id", "name", "time")
        with event_tables.rows(source, con, table, CHANGE, Request(), needed=needed) as sql:
            con.execute(f"insert into {relation} {sql}")


def tagged(source: EventTables, con: duckdb.DuckDBPyConnection, tag: str) -> tuple[str, ...]:
    """API ids of the campaigns with a tag, in order. Raises `NotEligible` when there are none."""
    types = {"campaign_id": "VARCHAR", "tag": "VARCHAR"}
    with event_tables.rows(source, con, TAGGED, types, Request(), needed=("campaign_id", "tag")) as sql:
        rows = con.sql(f"select distinct campaign_id from ({sql}) where tag = {literal(tag)} order by all").fetchall()
    if not rows:
        raise NotEligible(f"{source.conn_id}: no campaign has the tag {tag!r} in {TAGGED}; correct the tag")
    return tuple(row[0] for row in rows)
