"""The historical performance graph: a chart of a table, as a PNG and as a page to point at."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from include.exports.campaigns.tidy import KEYS, Names, column
from include.exports.engine import identifier, literal
from include.exports.formats.chart import ChartFiles
from include.exports.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

FORMS: Mapping[str, Literal["html", "png"]] = MappingProxyType({"graph": "png", "graph-page": "html"})
"""What each form adds to a file's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Lines over days, of some columns of a table."""

    name: str
    title: str
    lines: Mapping[str, str]
    """What people call each column, by the column."""
    campaign: str
    """The rows are those of this campaign."""


def tables(con: duckdb.DuckDBPyConnection, of: Table, graph: Graph, names: Names) -> Iterator[Table]:
    """The chart in each of its forms; none of nothing but zeros."""
    day, campaign = (identifier(column(key, KEYS[key], names)) for key in ("date", "campaign_id"))
    lines = " union all ".join(
        f"select {number} as number, {day} as date, {literal(title)} as series,"
        f" {identifier(name)}::decimal(18, 2) as value from days where {campaign} = {literal(graph.campaign)}"
        for number, (name, title) in enumerate(graph.lines.items())
    )
    query = f"with days as ({of.query}) select date, series, value from ({lines}) order by number, date"
    if not con.sql(f"select 1 from ({query}) where value <> 0 limit 1").fetchall():
        return
    for name, form in FORMS.items():
        yield Table(
            name=f"{graph.name}-{name}",
            title=graph.title,
            query=query,
            files=ChartFiles(type=form, title=graph.title),
        )
