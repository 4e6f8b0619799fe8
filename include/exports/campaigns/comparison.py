"""Compares the variants of a campaign: their conversion rates, and whether these differ by more than chance.

- A *rate* is primary conversions divided by recipients, each person counted once in all days; of the control group, by
  who was enrolled.
- Its *interval* is Wilson's, at 95 %: where the rate lies that these people are a sample of.
- *Chi-square* is Pearson's test, without a correction, of whether all variants with messages convert alike; *p* is how
  often chance alone would make them differ so much.
- *Confidence* is one minus the p of the same test of a variant and the control group.
- The *winner* is a variant that converts better than each other one, with p below 0.05 in such a test of the two.

Read it with care. A test says nothing while fewer than five conversions, or fewer than five people who did not convert,
are to be expected of a group: it is left out then. Who looks every day and stops at the first winner finds one by
chance far more often than once in twenty times. A user who received several variants counts in each. Where more
conversions than recipients were logged, as campaigns of several channels can have them, only the rate is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.exports.campaigns import multivariate
from include.exports.campaigns.tidy import Names, titled, within
from include.exports.tables import RECORDS, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import duckdb

LEVEL = 0.95
LEAST_EXPECTED = 5
"""Cochran's rule: what a cell of the table must be expected to have, for chi-square to be near its distribution."""

COLUMNS = {
    "campaign_id": ("Campaign ID", "varchar"),
    "campaign_name": ("Campaign", "varchar"),
    "variation_id": ("Variant ID", "varchar"),
    "variation_name": ("Variant", "varchar"),
    "in_control": ("Control Group", "boolean"),
    "recipients": ("Recipients (distinct)", "bigint"),
    "conversions": ("Primary Conversions", "bigint"),
    "conversion_rate": ("Conversion Rate", "double"),
    "rate_low": ("Rate, 95% from", "double"),
    "rate_high": ("Rate, 95% to", "double"),
    "confidence": ("Confidence against Control", "double"),
    "chi_square": ("Chi-Square of all Variants", "double"),
    "degrees_of_freedom": ("Degrees of Freedom", "bigint"),
    "p_value": ("p", "double"),
    "winner": ("Winner", "boolean"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The people of a variant."""

    size: int
    converted: int

    @property
    def rate(self) -> float | None:
        """Share that converted; None of nobody."""
        return self.converted / self.size if self.size else None

    @property
    def is_sample(self) -> bool:
        """Whether each conversion can be a person's."""
        return 0 <= self.converted <= self.size and self.size > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What Pearson's chi-square test has found."""

    chi_square: float
    freedom: int
    p: float


def interval(group: Group) -> tuple[float, float] | None:
    """Wilson's interval of the rate at 95 %; None where there is no share to estimate."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    if not group.is_sample:
        return None
    found = binomtest(group.converted, group.size).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def chi_square(groups: Sequence[Group]) -> Tested | None:
    """Pearson's test of whether groups convert alike; None where it would say nothing."""
    from scipy.stats import chi2_contingency

    converted, size = sum(group.converted for group in groups), sum(group.size for group in groups)
    if len(groups) < 2 or not all(group.is_sample for group in groups):  # noqa: PLR2004  # one is not compared
        return None
    if any(group.size * min(converted, size - converted) < LEAST_EXPECTED * size for group in groups):
        return None
    table = [[group.converted, group.size - group.converted] for group in groups]
    found = chi2_contingency(table, correction=False)
    return Tested(chi_square=float(found.statistic), freedom=int(found.dof), p=float(found.pvalue))


def winner(groups: Sequence[Group]) -> int | None:
    """The number of the group that converts better than each other one by more than chance; None if none does."""
    if len(groups) < 2 or not all(group.is_sample for group in groups):  # noqa: PLR2004
        return None
    best = max(range(len(groups)), key=lambda number: groups[number].rate or 0)
    others = [group for number, group in enumerate(groups) if number != best]
    tests = [chi_square([groups[best], other]) for other in others]
    return best if all(found and found.p < 1 - LEVEL for found in tests) else None


def tables(con: duckdb.DuckDBPyConnection, first: date, after: date, names: Names) -> tuple[Table, ...]:
    """The comparison of the variants of each campaign that has several, or a control group."""
    shape = ", ".join(f"{name} {type_}" for name, (_, type_) in COLUMNS.items())
    con.execute(f"create or replace temp table comparison (number integer, {shape})")
    number = 0
    for campaign in multivariate.campaigns(con):
        if len(campaign.variants) < 2:  # noqa: PLR2004
            continue
        groups = [_group(con, campaign.id, variant, first, after) for variant in campaign.variants]
        sent = [group for group, variant in zip(groups, campaign.variants, strict=True) if variant.channels]
        control = [group for group, variant in zip(groups, campaign.variants, strict=True) if not variant.channels]
        overall, best = chi_square(sent), winner(sent)
        for variant, group in zip(campaign.variants, groups, strict=True):
            low, high = interval(group) or (None, None)
            against = chi_square([group, *control]) if variant.channels and len(control) == 1 else None
            row = [
                *(campaign.id, campaign.name, variant.id, variant.name, not variant.channels),
                *(group.size, group.converted, group.rate, low, high),
                1 - against.p if against else None,
                *((overall.chi_square, overall.freedom, overall.p) if overall else (None, None, None)),
                bool(variant.channels) and best is not None and group is sent[best],
            ]
            number += 1
            con.execute(f"insert into comparison values ({', '.join('?' * (len(row) + 1))})", [number, *row])
    columns = {name: title for name, (title, _) in COLUMNS.items()}
    query = f"select {titled(columns, names)} from comparison order by number"
    return (Table(name="comparison", title="Comparison of Variants", query=query),)


def _group(
    con: duckdb.DuckDBPyConnection, campaign: str, variant: multivariate.Variant, first: date, after: date
) -> Group:
    """People as they are counted once in all days; what is counted by day is summed."""
    people = "date is null and metric = 'distinct_recipients'"
    if not variant.channels:
        people = f"{within(first, after)} and metric = 'enrolled'"
    size, converted = con.execute(
        f"""
        select coalesce(sum(value) filter (where {people}), 0)::bigint,
               coalesce(sum(value) filter (where {within(first, after)} and metric = 'conversions'), 0)::bigint
        from {RECORDS} where campaign_id = ? and variation_id = ? and channel = 'campaign'
        """,
        [campaign, variant.id],
    ).fetchall()[0]
    return Group(size=size, converted=converted)
