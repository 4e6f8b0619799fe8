"""The tables of a multichannel campaign: a group of series a table, a day and campaign a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.engine import identifier, literal
from include.exports.tables import RECORDS, Table

if TYPE_CHECKING:
    from datetime import date

KEYS = {"date": "Date", "campaign_id": "Campaign ID", "campaigns.campaign_name": "Campaign"}
"""What leads every row."""

PUSH_CHANNELS = ("ios_push", "android_push", "kindle_push", "web_push")


@dataclass(frozen=True, slots=True)
class Series:
    """One column: the sum of a metric over channels."""

    title: str
    metric: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Series that belong together: one chart, one table."""

    name: str
    title: str
    series: tuple[Series, ...]


def _group(name: str, title: str, channel: str, series: dict[str, str]) -> Group:
    return Group(name, title, tuple(Series(text, metric, (channel,)) for text, metric in series.items()))


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


GROUPS = (
    Group(
        "messages_sent",
        "Messages Sent by Date",
        (
            Series("Total Messages Sent", "sent", ("email", *PUSH_CHANNELS, "in_app_message")),
            Series("Push", "sent", PUSH_CHANNELS),
            Series("Email", "sent", ("email",)),
            Series("In-App Message", "sent", ("in_app_message",)),
        ),
    ),
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
"""The groups that Braze shows, with its series in its order."""


def tables(first: date, after: date) -> tuple[Table, ...]:
    """A table a group, of the days from `first` on and before `after`.

    Every day is a row of every campaign that has figures on one of them, under its latest name.
    """
    return tuple(Table(name=group.name, title=group.title, query=_query(group, first, after)) for group in GROUPS)


def _query(group: Group, first: date, after: date) -> str:
    values = ", ".join(f"{_sum(series)} as {identifier(series.title)}" for series in group.series)
    titles = ", ".join(f"{name} as {identifier(title)}" for name, title in KEYS.items())
    return f"""
        with figures as (
            select * from {RECORDS}
            where variation_id is null and date >= {_date(first)} and date < {_date(after)}
        ),
        campaigns as (
            select campaign_id, max_by(campaign_name, date) as campaign_name from figures group by campaign_id
        ),
        days as (select cast(unnest(range({_date(first)}, {_date(after)}, interval 1 day)) as date) as date)
        select {titles}, {values}
        from days cross join campaigns left join figures using (date, campaign_id)
        group by {", ".join(KEYS)} order by {", ".join(KEYS)}"""


def _date(day: date) -> str:
    return f"date {literal(day.isoformat())}"


def _sum(series: Series) -> str:
    channels = ", ".join(map(literal, series.channels))
    chosen = f"metric = {literal(series.metric)} and channel in ({channels})"
    return f"cast(coalesce(sum(value) filter (where {chosen}), 0) as bigint)"
