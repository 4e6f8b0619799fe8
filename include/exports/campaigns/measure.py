"""Computes the metrics from message events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.campaigns.event_types import EventRequest, event_types
from include.exports.campaigns.events import load
from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.engine import literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime, timedelta

    import duckdb

    from include.exports.campaigns.event_types import EventType
    from include.exports.campaigns.events import Events
    from include.exports.campaigns.metrics import Channel

OF_A_CAMPAIGN = ("campaign_id", "campaign_name", "message_variation_id", "message_variation_name")
CONTROL = 'select user_id, campaign_id, message_variation_id, "time" from campaigns_enrollincontrol'


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What is measured, and from what."""

    events: Events
    places: Mapping[str, tuple[str, ...]]
    """The files or the table of each type of event that is there."""
    days: Sequence[date]
    """In order, without a gap."""
    timezone: str
    """Whose days they are."""
    campaigns: Sequence[str]
    """API ids; all campaigns that have events when empty."""
    start: datetime
    """Events from here on are read: `reach` before the first day."""
    end: datetime
    """The first instant that is not read: `reach` after the last day."""
    reach: timedelta
    """How long a series goes on of which nothing happens."""


def measure(con: duckdb.DuckDBPyConnection, what: Measurement) -> str:
    """The name of a relation on `con` with the figures; its columns are those of `figures.COLUMNS`.

    Every event is read once.
    """
    used = _load(con, what)
    con.execute(
        "create table counted (day date, campaign_id varchar, variation_id varchar, channel varchar, metric varchar,"
        " value decimal(18, 2))"
    )
    *channels, last = CHANNELS
    for channel in channels:
        _relations(con, channel)
    received = [f"select *, false as control from ({channel.received})" for channel in channels if channel.received]
    con.execute(
        f"create table received as select *, {_day(what.timezone)} as day from"
        f" ({' union all '.join([*received, f'select *, true as control from ({CONTROL})'])})"
    )
    _relations(con, last)
    for channel in CHANNELS:
        for over in dict.fromkeys(metric.over for metric in channel.metrics):
            _count(con, channel, over, what.days[-1])
    _name(con, used)
    _spread(con, what)
    return "figures"


def _load(con: duckdb.DuckDBPyConnection, what: Measurement) -> list[EventType]:
    """A table for each type of event that a metric needs, and over it a view that knows each event's day."""
    columns: dict[str, dict[str, None]] = {}
    for channel in CHANNELS:
        for name, more in channel.events.items():
            columns.setdefault(name, {}).update(dict.fromkeys(more))
    con.execute("create schema events")
    for name, more_columns in columns.items():
        kind = event_types()[name]
        usual = [column for column in OF_A_CAMPAIGN if column in kind.columns]
        request = EventRequest(
            kind=kind,
            columns=("id", "time", "user_id", *usual, *more_columns),
            files=what.places.get(name, ()),
            start=what.start,
            end=what.end,
        )
        load(what.events, con, request, what.campaigns)
        day = _day(what.timezone)
        con.execute(f"create view {kind.relation} as select *, {day} as day from events.{kind.relation}")
    return [event_types()[name] for name in columns]


def _day(timezone: str) -> str:
    return f'cast(timezone({literal(timezone)}, to_timestamp("time")) as date)'


def _relations(con: duckdb.DuckDBPyConnection, channel: Channel) -> None:
    for name, sql in channel.relations.items():
        con.execute(f"create view {name} as {sql}")


def _count(con: duckdb.DuckDBPyConnection, channel: Channel, over: str, last: date) -> None:
    """Aggregate one relation for all of its metrics at once, by variation and over all of them."""
    metrics = [metric for metric in channel.metrics if metric.over == over]
    names = ", ".join(literal(metric.name) for metric in metrics)
    values = ", ".join(f"cast({metric.sql} as decimal(18, 2))" for metric in metrics)
    con.execute(
        f"""
        insert into counted
        select day, campaign_id, message_variation_id, {literal(channel.name)}, unnest([{names}]), unnest(counts)
        from (
            select day, campaign_id, message_variation_id, grouping(message_variation_id) as whole, [{values}] as counts
            from {over}
            where campaign_id is not null and day <= {literal(last.isoformat())}
            group by grouping sets ((day, campaign_id, message_variation_id), (day, campaign_id))
        )
        where whole = 1 or message_variation_id is not null
        """
    )


def _name(con: duckdb.DuckDBPyConnection, used: Sequence[EventType]) -> None:
    """What campaigns and variations were last called on each day."""
    named = " union all ".join(
        f'select day, campaign_id, message_variation_id, "time", id, campaign_name, message_variation_name'
        f" from {kind.relation}"
        for kind in used
        if set(OF_A_CAMPAIGN) <= kind.columns.keys()
    )
    for table, keys, name in (
        ("campaign_names", "campaign_id", "campaign_name"),
        ("variation_names", "campaign_id, message_variation_id", "message_variation_name"),
    ):
        con.execute(
            f'create table {table} as select day, {keys}, max_by({name}, ("time", id)) as name from ({named})'
            f" where {name} is not null group by day, {keys}"
        )


def _spread(con: duckdb.DuckDBPyConnection, what: Measurement) -> None:
    """The table `figures`: every metric of every series that a day has, zero where nothing was counted.

    A day has the series of which something happened on it or in the `reach` days before. A campaign always has its own
    series, and one that is asked for always is there.
    """
    channels = ", ".join(
        f"({number}, {literal(channel.name)}, {place}, {literal(metric.name)})"
        for number, channel in enumerate(CHANNELS)
        for place, metric in enumerate(channel.metrics)
    )
    asked = ", ".join(f"({literal(campaign)})" for campaign in what.campaigns) or "(null)"
    con.execute(
        f"""
        create table figures as
        with days as (select unnest(?::date[]) as day),
        seen as (select distinct day, campaign_id, variation_id, channel from counted),
        series as (
            select distinct days.day, campaign_id, variation_id, channel
            from days join seen on seen.day between days.day - {what.reach.days} and days.day
        ),
        whole as (
            select * from series
            union select day, campaign_id, null, 'campaign' from series
            union select day, campaign_id, variation_id, 'campaign' from series
            union select day, a.id, null, 'campaign' from days, (values {asked}) a (id) where a.id is not null
        ),
        metrics (channel_place, channel, place, metric) as (values {channels})
        select w.day as date, w.campaign_id, c.name as campaign_name, w.channel, w.variation_id,
               v.name as variation_name, m.metric, coalesce(n.value, 0)::decimal(18, 2) as value
        from whole w join metrics m on w.channel = m.channel
        left join counted n on n.day = w.day and n.campaign_id = w.campaign_id and n.channel = w.channel
             and n.variation_id is not distinct from w.variation_id and n.metric = m.metric
        asof left join campaign_names c on c.campaign_id = w.campaign_id and w.day >= c.day
        asof left join variation_names v
             on v.campaign_id = w.campaign_id and v.message_variation_id = w.variation_id and w.day >= v.day
        """,
        [list(what.days)],
    )
