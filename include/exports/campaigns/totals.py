"""Totals: what the days of a figure sum to, and that they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.campaigns.metrics.rates import RATES
from include.exports.campaigns.tidy import KEYS, SHOWN, VARIANT, Names, channel, titled, within, worded
from include.exports.engine import identifier, literal
from include.exports.tables import MADE, RECORDS, Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

SUMMED = {"api": "sum_of_days", "series": "sum of days"}
DISTINCT = {"api": "distinct", "series": "each once in all days"}


def tables(first: date, after: date, names: Names) -> tuple[Table, ...]:
    """The totals of the days from `first` on and before `after`, and the rates of these totals.

    A sum of days counts a user on each of them, as Braze shows it; where people are counted once in all days, the row
    says so.
    """
    return _totals(first, after, names), _rates(first, after, names)


def check(columns: Mapping[str, str]) -> str:
    """SQL of what is wrong when the days of a column do not sum to the records that meet its condition."""
    sums = " union all ".join(
        f"select {literal(name)} as name, (select coalesce(sum({identifier(name)}), 0) from {MADE}) as days,"
        f" (select coalesce(sum(value), 0) from {RECORDS} where {condition}) as total"
        for name, condition in columns.items()
    )
    return (
        f"select concat(name, ': the days sum to ', days, ', the total is ', total) from ({sums}) where days <> total"
    )


def _summed(first: date, after: date) -> str:
    return f"""
        select campaign_id, channel, variation_id, metric, sum(value) as value, date is null as of_all_days
        from {RECORDS} where date is null or {within(first, after)} group by all"""


def _named() -> str:
    return f"(select distinct campaign_id, campaign_name, variation_id, variation_name from {SHOWN})"


def _keys(names: Names) -> str:
    keys = {name: title for name, title in KEYS.items() if name != "date"}
    return f"{titled(keys, names)}, {worded(names)}, {titled(VARIANT, names)}"


ORDER = "order by campaign_id, channel, variation_id nulls first, metric"
JOINED = "t.campaign_id = n.campaign_id and t.variation_id is not distinct from n.variation_id"


def _totals(first: date, after: date, names: Names) -> Table:
    total, how = ("total", "counted") if names == "api" else ("Total", "Counted")
    counted = f"case when of_all_days then {literal(DISTINCT[names])} else {literal(SUMMED[names])} end"
    query = f"""
        select {_keys(names)}, value as {identifier(total)}, {counted} as {identifier(how)}
        from (
            select n.*, t.channel, t.metric, t.value, t.of_all_days
            from ({_summed(first, after)}) t join {_named()} n on {JOINED}
        ) {ORDER}"""
    wrong = f"""
        with days as (select {_keys(names)}, sum(value) as {identifier(total)} from {SHOWN} group by all),
        totals as (select * exclude ({identifier(how)}) from {MADE} where {identifier(how)} = {literal(SUMMED[names])}),
        unequal as ((from days except from totals) union all (from totals except from days))
        select concat('the days of these do not sum to it: ', to_json(unequal)) from unequal"""
    return Table(name="totals", title="Totals", query=query, check=wrong)


def _rates(first: date, after: date, names: Names) -> Table:
    known = ", ".join(
        f"({literal(name)}, {literal(rate.name)}, {literal(rate.title)}, {literal(rate.of)}, {literal(rate.per)})"
        for rate in RATES
        for name in rate.channels
    )
    rate, statistic = ("rate", "metric") if names == "api" else ("Rate", "Statistic")
    keys = {name: title for name, title in KEYS.items() if name != "date"}
    word = "name" if names == "api" else "title"
    query = f"""
        with totals as ({_summed(first, after)})
        select {titled(keys, names)}, {channel(names)}, {word} as {identifier(statistic)}, {titled(VARIANT, names)},
               cast(value / per as decimal(18, 6)) as {identifier(rate)}
        from (
            select n.*, t.channel, r.name, r.title, t.value, nullif(p.value, 0) as per
            from (values {known}) r (channel, name, title, metric, per)
            join totals t on t.channel = r.channel and t.metric = r.metric
            join totals p on p.channel = r.channel and p.metric = r.per and p.campaign_id = t.campaign_id
                 and p.variation_id is not distinct from t.variation_id
            join {_named()} n on {JOINED}
        ) r order by campaign_id, channel, variation_id nulls first, name"""
    return Table(name="rates", title="Rates of the Totals", query=query)
