"""Computes the metrics from message events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from include.exports.campaigns import left_out
from include.exports.campaigns.day import local_day
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

KEYS = ("campaign_id", "message_variation_id")
NAMES = ("campaign_name", "message_variation_name")
CONTROL = (
    'select user_id, campaign_id, message_variation_id, "time", day, true as control from campaigns_enrollincontrol'
)
TWICE = {"conversions_by_send_time", "push_influenced"}
"""Relations that are costly to compute and that several metrics are over: tables, not views."""


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
    named = _load(con, what)
    con.execute(
        "create table counted (day date, campaign_id varchar, variation_id varchar, channel varchar, metric varchar,"
        " value decimal(18, 2))"
    )
    _relations(con)
    for channel in CHANNELS:
        for over, of_all_days in dict.fromkeys((metric.over, metric.of_all_days) for metric in channel.metrics):
            _count(con, channel, over, what.days, together=of_all_days)
    left_out.warn(con, what)
    _name(con, named, what.timezone)
    _spread(con, what)
    return "figures"


def _load(con: duckdb.DuckDBPyConnection, what: Measurement) -> list[EventType]:
    """A table for each type of event that a metric needs, with each event's day; returns those that have names."""
    day = local_day(what.start, what.end, ZoneInfo(what.timezone))
    columns: dict[str, dict[str, None]] = {}
    for channel in CHANNELS:
        for name, needed in channel.events.items():
            columns.setdefault(name, {}).update(dict.fromkeys(needed))
    con.execute("create schema events")
    con.execute("set preserve_insertion_order = false")  # the tables have no order; to keep one takes memory and time
    for name, more in columns.items():
        kind = event_types()[name]
        usual = (*KEYS, *NAMES) if "time" in more else KEYS
        keep = dict.fromkeys((*(column for column in usual if column in kind.columns), *more))
        request = EventRequest(
            kind=kind,
            columns=tuple(dict.fromkeys(("id", "time", *keep))),
            files=what.places.get(name, ()),
            start=what.start,
            end=what.end,
        )
        load(what.events, con, request, what.campaigns, keep=(*keep, f"{day} as day"))
        con.execute(f"create view {kind.relation} as from events.{kind.relation}")
    con.execute("reset preserve_insertion_order")
    return [event_types()[name] for name, more in columns.items() if "time" in more]


def _relations(con: duckdb.DuckDBPyConnection) -> None:
    """What the channels' metrics are over, and `received`: who received messages of any channel, or was enrolled."""
    receiving = [channel for channel in CHANNELS if channel.received]
    for channel in receiving:
        con.execute(f"create view {channel.name}_received as {channel.received}")
    received = [f"select *, false as control from {channel.name}_received" for channel in receiving]
    con.execute(f"create view received as {' union all '.join([*received, CONTROL])}")
    for name, sql in {name: sql for channel in CHANNELS for name, sql in channel.relations.items()}.items():
        con.execute(f"create {'table' if name in TWICE else 'view'} {name} as {sql}")


def _count(
    con: duckdb.DuckDBPyConnection, channel: Channel, over: str, days: Sequence[date], *, together: bool
) -> None:
    """Aggregate one relation for all of its metrics at once, by variation and over all of them.

    Of each day up to the last, which may be seen with the day; or of all days together.
    """
    metrics = [metric for metric in channel.metrics if (metric.over, metric.of_all_days) == (over, together)]
    names = ", ".join(literal(metric.name) for metric in metrics)
    values = ", ".join(f"cast({metric.sql} as decimal(18, 2))" for metric in metrics)
    day, keys = ("null", "campaign_id") if together else ("day", "day, campaign_id")
    first = f"and day >= '{days[0]}'" if together else ""
    con.execute(
        f"""
        insert into counted
        select day, campaign_id, message_variation_id, {literal(channel.name)}, unnest([{names}]), unnest(counts)
        from (
            select {day} as day, campaign_id, message_variation_id, in_total, [{values}] as counts
            from (
                select *, {channel.in_total} as in_total from {over}
                where campaign_id is not null and day <= '{days[-1]}' {first}
            )
            group by grouping sets (({keys}, message_variation_id), ({keys}, in_total))
        )
        where in_total or message_variation_id is not null
        """
    )


def _name(con: duckdb.DuckDBPyConnection, kinds: Sequence[EventType], timezone: str) -> None:
    """What campaigns and variations were last called on each day, by the events and by the tables of names."""
    named = [kind for kind in kinds if {*KEYS, *NAMES} <= kind.columns.keys()]
    for table, key, name, changes in (
        ("campaign_names", "campaign_id", "campaign_name", "campaign_changes"),
        ("variation_names", "message_variation_id", "message_variation_name", "variation_changes"),
    ):
        rows = [
            f'select {key}, day, {name} as name, max("time") as "time" from {kind.relation} group by all'
            for kind in named
        ]
        day = f'cast(timezone({literal(timezone)}, to_timestamp("time")) as date)'
        rows.append(f'select api_id, {day}, name, "time" from {changes}')
        con.execute(
            f'create table {table} as select day, {key}, max_by(name, ("time", name)) as name'
            f" from ({' union all '.join(rows)}) where name is not null group by day, {key}"
        )


def _spread(con: duckdb.DuckDBPyConnection, what: Measurement) -> None:
    """The table `figures`: every metric of every series that a day has, zero where nothing was counted. A figure of all
    days together has no date.

    A day has the series of which something happened on it or in the `reach` days before. A campaign always has its own
    series, and one that is asked for always is there.
    """
    channels = ", ".join(
        f"({literal(channel.name)}, {literal(metric.name)}, {metric.of_all_days})"
        for channel in CHANNELS
        for metric in channel.metrics
    )
    last = f"date '{what.days[-1]}'"
    asked = ", ".join(f"({literal(campaign)})" for campaign in what.campaigns) or "(null)"
    con.execute(
        f"""
        create table figures as
        with days as (select unnest(?::date[]) as day),
        seen as (select distinct day, campaign_id, variation_id, channel from counted where day is not null),
        series as (
            select distinct days.day, campaign_id, variation_id, channel
            from days join seen on seen.day between days.day - {what.reach.days} and days.day
        ),
        daily as (
            select * from series
            union select day, campaign_id, null, 'campaign' from series
            union select day, campaign_id, variation_id, 'campaign' from series
            union select day, a.id, null, 'campaign' from days, (values {asked}) a (id) where a.id is not null
        ),
        whole as (select * from daily union select null, campaign_id, variation_id, channel from daily),
        metrics (channel, metric, of_all_days) as (values {channels})
        select w.day as date, w.campaign_id, c.name as campaign_name, w.channel, w.variation_id,
               v.name as variation_name, m.metric, coalesce(n.value, 0)::decimal(18, 2) as value
        from whole w join metrics m on w.channel = m.channel and (w.day is null) = m.of_all_days
        left join counted n on n.day is not distinct from w.day and n.campaign_id = w.campaign_id
             and n.channel = w.channel and n.variation_id is not distinct from w.variation_id and n.metric = m.metric
        asof left join campaign_names c
             on c.campaign_id = w.campaign_id and coalesce(w.day, {last}) >= c.day
        asof left join variation_names v
             on v.message_variation_id = w.variation_id and coalesce(w.day, {last}) >= v.day
        """,
        [list(what.days)],
    )
