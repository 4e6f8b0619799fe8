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

OURS = "undocumented; decided here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is counted."""

    name: str
    """Its machine-readable name: the API's field where there is one."""
    title: str
    """What people call it."""
    over: str
    """The relation whose rows it aggregates."""
    sql: str = "count(*)"
    """The aggregate, an expression of DuckDB over the relation's columns."""
    rule: str
    """What it counts, in words."""
    source: str = GLOSSARY
    """Where the rule is from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The metrics of one channel."""

    name: str
    """Its key in the API's answers, such as `ios_push`; `campaign` for what belongs to no channel."""
    title: str
    events: Mapping[str, tuple[str, ...]]
    """The types of event that it needs, each with the columns besides those that every relation has."""
    relations: Mapping[str, str] = field(default_factory=dict)
    """Relations by name: SQL over the tables of events, such as `email_open`, which are relations themselves."""
    received: str | None = None
    """SQL of `user_id`, `campaign_id`, `message_variation_id`, `time`: when a user received a message of it."""
    metrics: tuple[Metric, ...]
