"""The historical performance graph: a chart of a table, as a PNG and as a page to point at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.exports.campaigns.tidy import KEYS, Names, column
from include.exports.engine import identifier, literal
from include.exports.formats.chart import ChartFiles
from include.exports.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORMS: tuple[Literal["html", "png"], ...] = ("html", "png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Lines over days, of some columns of a table."""

    name: str
    title: str
    lines: Mapping[str, str]
    """What people call each column, by the column."""
    campaign: str
    """The rows are those of this campaign."""


def tables(of: Table, graph: Graph, names: Names) -> Iterator[Table]:
    """The chart in each of its forms."""
    day, campaign = (identifier(column(key, KEYS[key], names)) for key in ("date", "campaign_id"))
    lines = " union all ".join(
        f"select {number} as number, {day} as date, {literal(title)} as series,"
        f" {identifier(name)}::decimal(18, 2) as value from days where {campaign} = {literal(graph.campaign)}"
        for number, (name, title) in enumerate(graph.lines.items())
    )
    query = f"with days as ({of.query}) select date, series, value from ({lines}) order by number, date"
    for form in FORMS:
        yield Table(
            name=f"{graph.name}-graph",
            title=graph.title,
            query=query,
            files=ChartFiles(type=form, title=graph.title),
        )
