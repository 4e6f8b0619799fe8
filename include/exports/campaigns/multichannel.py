"""The tables of a multichannel campaign: a group of series a table, a day and campaign a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.campaigns import graph, totals
from include.exports.campaigns.graph import Graph
from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.campaigns.tidy import KEYS, SHOWN, Names, slug, titled, within
from include.exports.engine import identifier, literal
from include.exports.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    import duckdb

PUSH_CHANNELS = ("ios_push", "android_push", "kindle_push", "web_push")
AMOUNTS = {"revenue"}
"""Metrics that are no counts."""


@dataclass(frozen=True, slots=True)
class Series:
    """One column: the sum of a metric over channels."""

    title: str
    api: str
    metric: str
    channels: tuple[str, ...]

    @property
    def chosen(self) -> str:
        """A condition on figures: those of all variations together that it is the sum of."""
        channels = ", ".join(map(literal, self.channels))
        return f"variation_id is null and metric = {literal(self.metric)} and channel in ({channels})"

    @property
    def sum(self) -> str:
        """SQL of its value, an aggregate of figures."""
        type_ = "decimal(18, 2)" if self.metric in AMOUNTS else "bigint"
        return f"cast(coalesce(sum(value) filter (where {self.chosen}), 0) as {type_})"


@dataclass(frozen=True, slots=True)
class Group:
    """Series that belong together: one table, one chart."""

    name: str
    title: str
    series: tuple[Series, ...]

    @property
    def channels(self) -> set[str]:
        """The channels that it tells of."""
        return {channel for series in self.series for channel in series.channels}


def _group(name: str, title: str, channel: str, series: dict[str, str]) -> Group:
    return Group(name, title, tuple(Series(text, metric, metric, (channel,)) for text, metric in series.items()))


def _push(name: str, title: str) -> Group:
    return _group(
        f"{name}_engagement",
        f"{title} Engagement by Date",
        name,
        {
            f"{title} Sent": "sent",
            "Total Opens": "total_opens",
            "Direct Opens": "direct_opens",
            "Bounces": "bounces",
        },
    )


SENT = {channel.name: channel for channel in CHANNELS if "sent" in {metric.name for metric in channel.metrics}}
"""Channels that send messages; banners do not."""

SHOWN_BY_BRAZE = (
    _group(
        "email_engagement",
        "Email Message Engagement by Date",
        "email",
        {
            "Emails Delivered": "delivered",
            "Sent": "sent",
            "Opened": "opens",
            "Clicks": "clicks",
            "Bounces": "bounces",
            "Reported as Spam": "reported_spam",
        },
    ),
    _group(
        "in_app_message_engagement",
        "In-App Message Engagement by Date",
        "in_app_message",
        {"In-App Messages Sent": "sent", "Impressions": "impressions", "Clicks": "clicks"},
    ),
    _push("ios_push", "iOS Push"),
    _push("android_push", "Android Push"),
)
"""The groups of channels that Braze shows, with its series in its order. They are always there."""

FURTHER = tuple(
    _group(
        f"{channel.name}_engagement" if channel.name != "campaign" else "campaign",
        f"{channel.title} Engagement by Date" if channel.name != "campaign" else "Campaign Results by Date",
        channel.name,
        {metric.title: metric.name for metric in channel.metrics if not metric.of_all_days},
    )
    for channel in CHANNELS
    if channel.name not in {name for group in SHOWN_BY_BRAZE for name in group.channels}
)
"""A group for each further channel, with all of its metrics, and one for the campaign."""


def groups(con: duckdb.DuckDBPyConnection) -> tuple[Group, ...]:
    """The groups of the figures that are shown: Braze's, and those of the further channels that campaigns have."""
    present = {channel for (channel,) in con.sql(f"select distinct channel from {SHOWN}").fetchall()}
    further = tuple(group for group in FURTHER if group.channels <= present)
    sent = (
        Series("Total Messages Sent", "sent", "sent", tuple(SENT)),
        Series("Push", "push_sent", "sent", PUSH_CHANNELS),
        Series("Email", "email_sent", "sent", ("email",)),
        Series("In-App Message", "in_app_message_sent", "sent", ("in_app_message",)),
        *(
            Series(channel.title, f"{name}_sent", "sent", (name,))
            for name, channel in SENT.items()
            if name in present - {"email", "in_app_message", *PUSH_CHANNELS}
        ),
    )
    return (Group("messages_sent", "Messages Sent by Date", sent), *SHOWN_BY_BRAZE, *further)


def tables(con: duckdb.DuckDBPyConnection, first: date, after: date, names: Names, *, charts: bool) -> Iterator[Table]:
    """A table a group, of the days from `first` on and before `after`, and its charts for each campaign that has it.

    Every day is a row of every campaign that has figures on one of them.
    """
    for group in groups(con):
        columns = {series.api if names == "api" else series.title: series for series in group.series}
        table = _table(group, columns, first, after, names)
        yield table
        if charts:
            lines = {name: series.title for name, series in columns.items() if series.metric not in AMOUNTS}
            for campaign, name in _having(con, group):
                yield from graph.tables(
                    con,
                    table,
                    Graph(
                        name=f"{slug(campaign)}-{group.name}",
                        title=f"{name or campaign}: {group.title}",
                        lines=lines,
                        campaign=campaign,
                    ),
                    names,
                )


def together(con: duckdb.DuckDBPyConnection, first: date, after: date, names: Names) -> Iterator[Table]:
    """One table with every series of all groups. Its columns say the channel, which tells equal names apart."""
    columns = {}
    for group in groups(con):
        title = group.title.removesuffix(" by Date").removesuffix(" Engagement")
        for series in group.series:
            own = series.channels[0] if len(group.channels) == 1 else "messages"
            columns[f"{own}_{series.api}" if names == "api" else f"{title}: {series.title}"] = series
    yield _table(Group("results", "Results by Date", tuple(columns.values())), columns, first, after, names)


def _table(group: Group, columns: dict[str, Series], first: date, after: date, names: Names) -> Table:
    values = ", ".join(f"{series.sum} as {identifier(name)}" for name, series in columns.items())
    keys = ", ".join(KEYS)
    query = f"select {titled(KEYS, names)}, {values} from {SHOWN} group by {keys} order by {keys}"
    chosen = {name: f"{within(first, after)} and {series.chosen}" for name, series in columns.items()}
    return Table(name=group.name, title=group.title, query=query, check=totals.check(chosen))


def _having(con: duckdb.DuckDBPyConnection, group: Group) -> Sequence[tuple[str, str | None]]:
    """Id and name of the campaigns that have a channel of the group."""
    channels = ", ".join(map(literal, sorted(group.channels)))
    return con.sql(
        f"select distinct campaign_id, campaign_name from {SHOWN} where channel in ({channels}) order by all"
    ).fetchall()
