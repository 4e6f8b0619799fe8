"""The tables of a multivariate campaign: by statistic, a variant a column, or by variant, a statistic a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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

By = Literal["by_statistic", "by_variant"]

_PUSH = {
    "Messages Sent": "sent",
    "Conversions": "conversions",
    "Unique Recipients": "unique_recipients",
    "Opens": "total_opens",
    "Direct Opens": "direct_opens",
    "Bounces": "bounces",
}
SHOWN_BY_BRAZE = {
    "ios_push": _PUSH,
    "android_push": _PUSH,
    "kindle_push": _PUSH,
    "web_push": _PUSH,
    "email": {
        "Number Delivered": "delivered",
        "Number Sent": "sent",
        "Opens": "opens",
        "Clicks": "clicks",
        "Bounces": "bounces",
        "Spam Reports": "reported_spam",
    },
    "in_app_message": {"Number Sent": "sent", "Impressions": "impressions", "Clicks": "clicks"},
}
"""The series that Braze shows for each variant of a channel: their names, and the metric."""

OF_EVERY_VARIANT = {
    "Conversions": "conversions",
    "Conversions (B)": "conversions1",
    "Conversions (C)": "conversions2",
    "Conversions (D)": "conversions3",
    "Unique Recipients": "unique_recipients",
    "Revenue": "revenue",
    "Enrolled": "enrolled",
}
"""What belongs to variants of any channel."""
OF_THE_CONTROL_GROUP = {"conversions", "conversions1", "conversions2", "conversions3", "revenue", "enrolled"}
"""What has a meaning for those who get no message."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A series of each variant."""

    title: str
    channel: str
    """Whose table it is in."""
    metric: str
    source: str
    """The channel whose metric it is: its own, or the campaign."""

    @property
    def type(self) -> str:
        return "decimal(18, 2)" if self.metric == "revenue" else "bigint"


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a campaign, or its control group."""

    id: str
    name: str | None
    channels: frozenset[str]
    """Channels of its messages; none of the control group."""

    def has(self, statistic: Statistic) -> bool:
        """Whether a statistic has a meaning for it."""
        if not self.channels:
            return statistic.source == "campaign" and statistic.metric in OF_THE_CONTROL_GROUP
        return statistic.metric != "enrolled" and statistic.channel in {"campaign", *self.channels}


@dataclass(frozen=True, slots=True)
class Column:
    """A statistic of a variant as a column."""

    name: str
    title: str
    """What its line is called in a chart."""
    variant: Variant
    statistic: Statistic

    @property
    def chosen(self) -> str:
        """A condition on the figures of the campaign: those that it has."""
        return (
            f"variation_id = {literal(self.variant.id)} and channel = {literal(self.statistic.source)}"
            f" and metric = {literal(self.statistic.metric)}"
        )


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of which variants are shown."""

    id: str
    name: str
    variants: tuple[Variant, ...]
    """By name, the control group last."""

    @property
    def statistics(self) -> list[Statistic]:
        """The series of its channels, in the order of outputs, then what belongs to variants of any channel."""
        present = {channel for variant in self.variants for channel in variant.channels}
        found = []
        for channel in CHANNELS[:-1]:
            if channel.name in present:
                own = {metric.title: metric.name for metric in channel.metrics if not metric.of_all_days}
                for title, metric in SHOWN_BY_BRAZE.get(channel.name, own).items():
                    source = "campaign" if metric == "conversions" else channel.name
                    found.append(Statistic(title, channel.name, metric, source))
        taken = [{one.metric for one in found if one.channel == channel} for channel in present]
        further = {
            title: metric
            for title, metric in OF_EVERY_VARIANT.items()
            if not taken or not all(metric in metrics for metrics in taken)
        }
        return [*found, *(Statistic(title, "campaign", metric, "campaign") for title, metric in further.items())]


def campaigns(con: duckdb.DuckDBPyConnection) -> list[Campaign]:
    """The campaigns that are shown, each with its variants."""
    rows = con.sql(
        f"""
        select campaign_id, any_value(campaign_name), variation_id, any_value(variation_name),
               list(distinct channel order by channel) filter (where channel <> 'campaign')
        from {SHOWN} where variation_id is not null group by campaign_id, variation_id
        order by campaign_id, count(*) filter (where channel <> 'campaign') = 0, 4, variation_id
        """
    ).fetchall()
    found: dict[tuple[str, str], list[Variant]] = {}
    for campaign, name, variation, variation_name, channels in rows:
        variant = Variant(variation, variation_name, frozenset(channels or ()))
        found.setdefault((campaign, name or campaign), []).append(variant)
    return [Campaign(*known, tuple(variants)) for known, variants in found.items()]


def tables(
    con: duckdb.DuckDBPyConnection, by: By, first: date, after: date, names: Names, *, charts: bool
) -> Iterator[Table]:
    """The tables of each campaign for the days from `first` on and before `after`, a day a row, and their charts."""
    for campaign in campaigns(con):
        made = _by_statistic(campaign, names) if by == "by_statistic" else _by_variant(campaign, names)
        for name, title, columns in made:
            mine = f"{within(first, after)} and campaign_id = {literal(campaign.id)}"
            table = Table(
                name=f"{slug(campaign.id)}-{name}",
                title=title,
                query=_query(campaign, columns, names),
                check=totals.check({column.name: f"{mine} and {column.chosen}" for column in columns}),
            )
            yield table
            if charts:
                yield from graph.tables(con, table, _graph(campaign, table, columns), names)


def _by_statistic(campaign: Campaign, names: Names) -> Iterator[tuple[str, str, list[Column]]]:
    titles = {channel.name: f"{channel.title} " for channel in CHANNELS} | {"campaign": ""}
    for statistic in campaign.statistics:
        having = [variant for variant in campaign.variants if variant.has(statistic)]
        columns = []
        for variant in having:
            title = variant.name or variant.id
            if [other.name or other.id for other in having].count(title) > 1:
                title = f"{title} ({variant.id})"
            columns.append(Column(variant.id if names == "api" else title, title, variant, statistic))
        if columns:
            title = f"{campaign.name}: {titles[statistic.channel]}{statistic.title} by Date for Each Variant"
            yield f"{statistic.channel}-{statistic.metric}", title, columns


def _by_variant(campaign: Campaign, names: Names) -> Iterator[tuple[str, str, list[Column]]]:
    titles = {channel.name: channel.title for channel in CHANNELS}
    for variant in campaign.variants:
        columns: list[Column] = []
        for statistic in campaign.statistics:
            if variant.has(statistic):
                name = statistic.metric if names == "api" else statistic.title
                if len(variant.channels) > 1 and statistic.channel != "campaign":
                    own = f"{statistic.channel}_" if names == "api" else f"{titles[statistic.channel]}: "
                    name = f"{own}{name}"
                if name not in {column.name for column in columns}:  # the channel's own series come first
                    columns.append(Column(name, statistic.title, variant, statistic))
        yield slug(variant.id), f"{campaign.name}: {variant.name or variant.id} by Date", columns


def _query(campaign: Campaign, columns: Sequence[Column], names: Names) -> str:
    mine, keys = f"campaign_id = {literal(campaign.id)}", ", ".join(KEYS)
    values = ", ".join(
        f"cast(coalesce(sum(value) filter (where {column.chosen}), 0) as {column.statistic.type})"
        f" as {identifier(column.name)}"
        for column in columns
    )
    return f"select {titled(KEYS, names)}, {values} from {SHOWN} where {mine} group by {keys} order by {keys}"


def _graph(campaign: Campaign, table: Table, columns: Sequence[Column]) -> Graph:
    """Money is on no axis with counts."""
    amounts = [column for column in columns if column.statistic.metric == "revenue"]
    drawn = columns if len(amounts) == len(columns) else [column for column in columns if column not in amounts]
    lines = {column.name: column.title for column in drawn}
    return Graph(name=table.name or "", title=table.title, lines=lines, campaign=campaign.id)
