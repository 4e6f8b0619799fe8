"""Who received a campaign, as a source of records: a user a record, or a message a record.

A record joins what events say of a user with the user's profile. It also has what reconciliation counts: `_received`
and `_sends`, the messages of the campaign that the user received and was sent, and `_last`, which is NULL in a record
that stands for nobody's row: of a user to whom messages were sent that did not arrive, or, of records a message, of the
user's sends.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.campaigns import names, profiles
from include.exports.campaigns.event_tables import EventTables
from include.exports.campaigns.event_types import EventRequest, event_types
from include.exports.campaigns.events import Events, files, found, load
from include.exports.campaigns.measure import CONTROL
from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.campaigns.profiles import ADDED, USER, Profiles
from include.exports.engine import identifier
from include.exports.errors import NotEligible
from include.exports.model import Part
from include.exports.sources import Column, Request, Shard, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from include.exports.campaigns.event_types import EventType
    from include.exports.campaigns.metrics import Channel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ENROLLED = "users.campaigns.EnrollInControl"

COUNTED = {"_last": "BIGINT", "_received": "BIGINT", "_sends": "BIGINT"}
"""`_last` is when the message came, which variation it was of and whether it was an enrolment, as one number: the
greatest is the last, and it takes a user 8 bytes to remember it."""

VARIATION_BITS = 20


class CampaignRecipients(Part):
    """Who received a campaign or was put into its control group, from message events, with their profiles."""

    type: Literal["campaign_recipients"] = "campaign_recipients"
    events: Events
    """Where the message events are."""
    campaign: str = Field(min_length=1)
    """API id of the campaign."""
    profiles: Profiles
    """Where the profiles of users are."""
    names: EventTables | None = None
    """The database whose table `SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED` has the variations' names. When absent:
    that of the events, when they are in one; events of a lake have the names themselves."""
    grain: Literal["user", "send"] = "user"
    """`user`: a record a user, with the variation received last. `send`: one for each message that a user received and
    each enrolment, with its time as `received_at`."""

    @property
    def time_column(self) -> None:
        """None: the time of a message is that of its event."""

    @property
    def tables(self) -> EventTables | None:
        """Where names are, if not in events."""
        return self.names or (self.events if isinstance(self.events, EventTables) else None)


def describe(source: CampaignRecipients, request: Request) -> tuple[Column, ...]:
    """Braze's columns, those of the team, what is known from events, and what is counted."""
    import duckdb

    del request
    columns = profiles.types(source.profiles) | ADDED | COUNTED
    return tuple(Column(name=name, type=duckdb.sqltype(type_)) for name, type_ in columns.items())


def newest(source: CampaignRecipients, request: Request) -> datetime | None:
    """Nothing: a campaign that has ended has no new events."""
    del source, request
    raise NotEligible("conditions.fresh_within: a campaign that has ended has no new recipients; remove it")


def shards(source: CampaignRecipients, request: Request) -> tuple[Shard, ...]:
    """One shard: a user who received several messages is one record."""
    return (Shard(index=0, files=files(source.events, *_span(request))),)


def statement(source: CampaignRecipients, request: Request, shard: Shard) -> Statement:
    """In words: what a received message is says the reference of the metrics."""
    del shard
    start, end = _span(request)
    return Statement(
        sql=f"recipients of campaign {source.campaign}, a {source.grain} a record, with their profiles",
        parameters={"start": start.isoformat(), "end": end.isoformat()},
    )


@contextmanager
def records(
    source: CampaignRecipients, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection
) -> Iterator[str]:
    """The records, ordered by user and time."""
    used = _load(source, request, shard, con)
    _people(con, source.grain)
    wanted = request.columns or tuple(profiles.types(source.profiles) | ADDED | COUNTED)
    profiles.load(source.profiles, con, [name for name in wanted if name not in ADDED | COUNTED])
    _names(con, source, used)
    values = ", ".join(f"{_value(name)} as {identifier(name)}" for name in wanted)
    yield (
        f"select {values} from people left join profiles on braze_user = people.user_id"
        f" left join variations on number = (last >> 1) & {(1 << VARIATION_BITS) - 1}"
        f" left join lost on lost.user_id = people.user_id order by people.user_id, last nulls first"
    )


def _span(request: Request) -> tuple[datetime, datetime]:
    if request.end is None:
        raise NotEligible("recipients are those until an instant: a run without an end has none")
    return request.start or EPOCH, request.end


def _load(
    source: CampaignRecipients, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection
) -> list[EventType]:
    """Views of the events that say who received what, and `received` and `sent` over them."""
    places = found(source.events, shard.files)
    start, end = _span(request)
    con.execute("create schema events")
    used = []
    for name, more in _needed().items():
        kind = event_types()[name]
        usual = ("external_user_id", "campaign_id", "message_variation_id", "message_variation_name")
        columns = dict.fromkeys(
            ("id", "time", "user_id", *(column for column in usual if column in kind.columns), *more)
        )
        asked = EventRequest(kind=kind, columns=tuple(columns), files=places.get(name, ()), start=start, end=end)
        load(source.events, con, asked, (source.campaign,))
        con.execute(f"create view {kind.relation} as select *, null as day from events.{kind.relation}")
        used.append(kind)
    receiving = [channel for channel in CHANNELS if channel.received]
    received = " union all ".join(f"select *, false as control from ({channel.received})" for channel in receiving)
    con.execute(f"create view received as {received} union all {CONTROL}")
    con.execute(f"create view sent as {' union all '.join(f'select user_id from {_sent(one)}' for one in receiving)}")
    return used


def _needed() -> dict[str, tuple[str, ...]]:
    """The types of event that say who received and was sent a message, each with its columns of a channel."""
    needed: dict[str, tuple[str, ...]] = {ENROLLED: ()}
    for channel in CHANNELS:
        words = set(re.findall(r"\w+", f"{channel.received} {_sent(channel)}")) if channel.received else set()
        needed |= {name: more for name, more in channel.events.items() if event_types()[name].relation in words}
    return needed


def _sent(channel: Channel) -> str:
    """The relation of the messages that were sent: those received, where no event of its own says it."""
    events = {event_types()[name].relation for name in channel.events}
    for metric in channel.metrics:
        if metric.name == "sent" and metric.over in events:
            return metric.over
    return f"({channel.received})"


def _people(con: duckdb.DuckDBPyConnection, grain: str) -> None:
    """The table `people`: the numbers of each record, which all fit into it. Strings would not leave memory."""
    con.execute(
        "create table variations as select row_number() over (order by id) as number, id from"
        " (select distinct message_variation_id as id from received where id is not null)"
    )
    con.execute(
        f"""
        create view happened as
        select user_id, ("time" << {VARIATION_BITS + 1}) | (coalesce(number, 0) << 1) | control::bigint as last,
               (not control)::bigint as received, 0::bigint as sends
        from received left join variations on id = message_variation_id
        union all select user_id, null, 0, 1 from sent
        """
    )
    total = "sum(received)::bigint as received, sum(sends)::bigint as sends"
    if grain == "user":
        con.execute(f"create table people as select user_id, max(last) as last, {total} from happened group by user_id")
    else:
        con.execute(
            "create table people as select * from happened where last is not null union all"
            " select user_id, null, 0, sum(sends)::bigint from happened where last is null group by user_id"
        )


def _names(con: duckdb.DuckDBPyConnection, source: CampaignRecipients, used: list[EventType]) -> None:
    """Add `name` to `variations`, and make `lost`: what events call the users that have no profile any more."""
    named = " union all ".join(
        f'select message_variation_id as id, "time", message_variation_name as name from {kind.relation}'
        for kind in used
        if "message_variation_name" in kind.columns
    )
    names.load(source.tables, con)
    con.execute(
        f"""
        create or replace table variations as
        select number, v.id, max_by(name, ("time", name)) as name from variations v left join (
            select * from ({named}) union all select api_id, "time", name from variation_changes
        ) n on n.id = v.id and name is not null group by all
        """
    )
    called = " union all ".join(
        f'select user_id, "time", external_user_id as called from {kind.relation}' for kind in used
    )
    con.execute(
        f"""
        create table lost as select user_id, max_by(called, ("time", called)) as called from ({called})
        where called is not null and user_id not in (select braze_user from profiles where profile = 'current')
        group by user_id
        """
    )


FROM_EVENTS = {
    USER: "people.user_id",
    "user_id": "coalesce(cast(profiles.user_id as varchar), called)",
    "variation_name": "variations.name",
    "variation_api_id": "variations.id",
    "in_control": "(last & 1) = 1",
    "received_at": f"to_timestamp(last >> {VARIATION_BITS + 1})",
    "profile": "coalesce(profiles.profile, 'missing')",
    "_last": "last",
    "_received": "received",
    "_sends": "sends",
}
"""SQL of the columns that are not the profile's, or not its alone."""


def _value(name: str) -> str:
    return FROM_EVENTS.get(name, f"profiles.{identifier(name)}")
