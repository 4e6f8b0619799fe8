"""The figures of a window, every day of every series, and the layout that delivers them as they are."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.engine import identifier, literal
from include.exports.tables import RECORDS, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import duckdb

Names = Literal["series", "api"]

SHOWN = "shown"
"""The relation that `show` makes."""

KEYS = {"date": "Date", "campaign_id": "Campaign ID", "campaign_name": "Campaign"}
"""What leads every row of days, and what it is called."""
VARIANT = {"variation_id": "Variant ID", "variation_name": "Variant"}
METRIC = "concat(channel, '.', metric)"
API = {"date": "time", "variation_id": "variation_api_id"}
"""What the API calls otherwise."""


def show(con: duckdb.DuckDBPyConnection, first: date, after: date) -> None:
    """Make the table `shown` of the records from `first` on and before `after`, and zero on days without one.

    Its columns are those of the records; campaigns and variations have the last name of these days.
    """
    con.execute(
        f"""
        create or replace temp table {SHOWN} as
        with figures as (select * from {RECORDS} where {within(first, after)}),
        campaigns as (select campaign_id, max_by(campaign_name, date) as campaign_name from figures group by all),
        variations as (
            select campaign_id, variation_id, max_by(variation_name, date) as variation_name from figures group by all
        ),
        series as (select distinct campaign_id, channel, variation_id, metric from figures),
        days as (select unnest(range(date '{first}', date '{after}', interval 1 day))::date as date)
        select d.date, s.campaign_id, c.campaign_name, s.channel, s.variation_id, v.variation_name, s.metric,
               coalesce(f.value, 0)::decimal(18, 2) as value
        from days d cross join series s
        join campaigns c on c.campaign_id = s.campaign_id
        join variations v on v.campaign_id = s.campaign_id and v.variation_id is not distinct from s.variation_id
        left join figures f on f.date = d.date and f.campaign_id = s.campaign_id and f.channel = s.channel
             and f.variation_id is not distinct from s.variation_id and f.metric = s.metric
        """
    )


def within(first: date, after: date) -> str:
    """A condition on records: figures of the days from `first` on and before `after`."""
    return f"date >= date '{first}' and date < date '{after}'"


def column(name: str, title: str, names: Names) -> str:
    """What a column is called."""
    return API.get(name, name) if names == "api" else title


def titled(columns: Mapping[str, str], names: Names) -> str:
    """SQL of columns under the names that people or the API have for them."""
    return ", ".join(f"{name} as {identifier(column(name, title, names))}" for name, title in columns.items())


def worded(names: Names) -> str:
    """SQL of the columns that say which channel and which metric it is."""
    titles = {literal(f"{known.name}.{one.name}"): one.title for known in CHANNELS for one in known.metrics}
    metric = "metric" if names == "api" else f"{_case(METRIC, titles)} as {identifier('Statistic')}"
    return f"{channel(names)}, {metric}"


def channel(names: Names) -> str:
    """SQL of the column that says which channel it is."""
    titles = {literal(known.name): known.title for known in CHANNELS}
    return "channel" if names == "api" else f"{_case('channel', titles)} as {identifier('Channel')}"


def _case(value: str, words: Mapping[str, str]) -> str:
    return f"case {value} {' '.join(f'when {key} then {literal(word)}' for key, word in words.items())} end"


def slug(text: str) -> str:
    """An id as part of a file's name; one with characters that a path cannot have is told apart by its hash."""
    safe = re.sub(r"[^0-9A-Za-z_-]", "_", text)[:80]
    return safe if safe == text else f"{safe}_{sha256(text.encode()).hexdigest()[:8]}"


def tables(names: Names) -> tuple[Table, ...]:
    """One table, a figure a row."""
    value = "value" if names == "api" else "value as " + identifier("Value")
    query = f"""
        select {titled(KEYS, names)}, {worded(names)}, {titled(VARIANT, names)}, {value}
        from {SHOWN} order by date, campaign_id, channel, variation_id nulls first, metric"""
    return (Table(name="results", title="Results by Date", query=query),)
