"""The metrics: one definition of each, as SQL, with its rule and where the rule is from. One module a channel.

Every output is made from these. A channel names the events it needs, relations over them, and metrics that aggregate
the rows of one relation: for each day, campaign and variation, and for each day and campaign over all variations.
`day`, `campaign_id` and `message_variation_id` are columns of every relation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GLOSSARY = "Braze, report metrics glossary"
"""The public documentation that most rules are from."""

EVENTS = "Braze, message engagement events"
"""Where an event or one of its columns says it, and the reports do not show it."""

DAY = 24 * 3600

USER = ("user_id", "time")
"""Columns of events that say when a user received a message."""


def decided(why: str) -> str:
    """The source of a rule that is documented nowhere."""
    return f"decided here: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is counted."""

    name: str
    """Its machine-readable name: the API's field where there is one."""
    title: str
    """What people call it: the name of Braze's series where there is one."""
    over: str
    """The relation whose rows it aggregates."""
    sql: str = "count(*)"
    """The aggregate, an expression of DuckDB over the relation's columns."""
    rule: str
    """What it counts, in words."""
    source: str = GLOSSARY
    """Where the rule is from."""
    of_all_days: bool = False
    """Whether it is one figure of all days of a run together, whose record has no date, and not one of each day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The metrics of one channel."""

    name: str
    """Its key in the API's answers, such as `ios_push`; `campaign` for what belongs to no channel."""
    title: str
    events: Mapping[str, tuple[str, ...]]
    """The types of event that it needs, each with the columns besides `day`, `campaign_id` and `message_variation_id`.
    Where `time` is one, the names of campaigns and variations are read as well."""
    relations: Mapping[str, str] = field(default_factory=dict)
    """Relations by name: SQL over the tables of events, such as `email_open`, which are relations themselves. What
    several channels need has the same name and SQL in each."""
    received: str | None = None
    """SQL of `user_id`, `campaign_id`, `message_variation_id`, `time` and `day`: when a user received a message of it.
    Its rows are the relation `<channel>_received`."""
    metrics: tuple[Metric, ...]
    api: tuple[str, ...] = ()
    """The fields of the channel in the API's answers, in its order; none where the API's are not documented."""
    in_total: str = "true"
    """A condition on rows: which of them count in the figures of all variations together."""


def recipients(channel: str, rule: str, source: str = GLOSSARY) -> tuple[Metric, Metric]:
    """Who received a message: by day, and over all days."""
    over = f"{channel}_received"
    return (
        Metric(
            name="unique_recipients",
            title="Unique Recipients",
            over=over,
            sql="count(distinct user_id)",
            rule=f"{rule}, each once a day. What Braze shows of several days is their sum.",
            source=source,
        ),
        Metric(
            name="distinct_recipients",
            title="Distinct Recipients",
            over=over,
            sql="count(distinct user_id)",
            rule=f"{rule}, each once in all days together.",
            source=decided("Braze shows only the sum of days, which counts a user on each of them"),
            of_all_days=True,
        ),
    )


def first_within(events: str, same: str, seconds: int) -> str:
    """The events with `is_first`: no other one of the `same` columns lies less than `seconds` before."""
    return (
        f'select *, coalesce("time" - lag("time") over (partition by {same} order by "time", id) >= {seconds}, true)'
        f" as is_first from {events}"
    )
