"""Charts: lines over days, as a PNG or as a page that needs no network. Drawn by Vega-Lite, which Altair speaks."""

from __future__ import annotations

import hashlib
import html
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from include.exports.formats import Files, Written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    import altair as alt
    import duckdb

    from include.exports.errors import Problem
    from include.exports.progress import Progress
    from include.exports.sources import Column

WIDTH, HEIGHT = 900, 360
SCALE = 2
"""Pixels of a PNG for each unit of its size, as screens have them."""
COLORS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#9c755f", "#17becf", "#d4a017", "#7f7f7f", "#d37295")
"""Of the lines, in their order; ten are the eight variants and the control group that a campaign can have, and one."""
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Lines differ in dashes too, for who cannot tell the colors apart and where one lies on another."""
DOTTED_DAYS = 45
"""Up to so many days each one has a dot: a line of one day would not be seen. The others are there to point at."""
TICKS = 10
FONT = "Liberation Sans"
"""Comes with the renderer, so a PNG is the same on every machine."""

PAGE = """\
<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<div id="chart"></div>
<script>{script}</script>
<script>vegaEmbed("#chart", {spec}, {{renderer: "svg"}});</script>
</body>
</html>
"""


class ChartFiles(Files):
    """A chart of the columns `date`, `series` and `value` of a table, its lines in the order of their first rows."""

    has_records: ClassVar[bool] = False

    type: Literal["png", "html"]
    title: str
    compression: Literal["none"] = "none"

    @property
    def extension(self) -> str:
        """`.png` or `.html`."""
        return f".{self.type}"


def problems(files: ChartFiles, columns: Sequence[Column]) -> list[Problem]:  # noqa: ARG001  # the shape of a format
    """None: it is the project that declares a chart, with the columns it needs."""
    return []


def write(files: ChartFiles, con: duckdb.DuckDBPyConnection, query: str, path: Path, progress: Progress) -> Written:
    """The rows of `query` as one chart at `path`. The same rows give the same bytes. It has no records."""
    import vl_convert

    chart = _chart(files.title, con.sql(query).fetchall())
    if files.type == "png":
        content = vl_convert.vegalite_to_png(chart.to_json(), vl_version=_version(), scale=SCALE)
    else:
        content = _page(files.title, chart.to_json(indent=None)).encode()
    path.write_bytes(content)
    progress.advance(size=len(content))
    return Written(rows=0, size=len(content), uncompressed=len(content), sha256=hashlib.sha256(content).hexdigest())


def _page(title: str, spec: str) -> str:
    """A page that holds all it needs. A name in the data cannot end the script that it lies in."""
    import vl_convert

    return PAGE.format(
        title=html.escape(title),
        script=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_version()),
        spec=spec.replace("<", "\\u003c"),
    )


def _version() -> str:
    """The version of Vega-Lite that Altair speaks, such as `6.1`."""
    import altair as alt

    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def _chart(title: str, rows: Sequence[tuple[date, str, Any]]) -> alt.LayerChart:
    import altair as alt

    names = list(dict.fromkeys(series for _, series, _ in rows))
    days = sorted({day for day, _, _ in rows})
    # With a time, a date is local: without one it is UTC's, which is the day before west of Greenwich.
    moments = {day: f"{day.isoformat()}T00:00:00" for day in days}
    values = [{"date": moments[day], "series": name, "value": float(value)} for day, name, value in rows]
    color, dash = (
        alt.Scale(domain=names, range=[choice[number % len(choice)] for number in range(len(names))])
        for choice in (COLORS, DASHES)
    )
    picked = alt.selection_point(fields=["series"], bind="legend", name="picked")
    drawn = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("date:T", title=None, axis=_days(days, moments)),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=True), axis=alt.Axis(format=",.2~f", tickCount=6)),
        color=alt.Color("series:N", title=None, sort=names, scale=color),
        opacity=alt.condition(picked, alt.value(1), alt.value(0.1)),
        tooltip=[
            alt.Tooltip("date:T", title="Date", format="%Y-%m-%d"),
            alt.Tooltip("series:N", title="Series"),
            alt.Tooltip("value:Q", title="Value", format=",.2~f"),
        ],
    )
    line = drawn.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("series:N", title=None, sort=names, scale=dash)
    )
    dots = drawn.mark_point(filled=True, size=36, fillOpacity=1 if len(days) <= DOTTED_DAYS else 0)
    chart = (
        alt.layer(line, dots.add_params(picked))
        .properties(width=WIDTH, height=HEIGHT)
        .properties(title=alt.Title(title, anchor="start", fontSize=16, offset=12, limit=WIDTH))
        .configure(font=FONT, background="white", padding=16)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=12, gridColor="#e6e6e6", domainColor="#999999", tickColor="#999999")
        .configure_legend(labelFontSize=12, labelLimit=240, symbolType="stroke", symbolSize=160, symbolStrokeWidth=3)
    )
    return cast("alt.LayerChart", chart)


def _days(days: Sequence[date], moments: Mapping[date, str]) -> alt.Axis:
    """A tick a day when they are few."""
    import altair as alt

    form = "%b %-d, %Y" if days and days[0].year != days[-1].year else "%b %-d"
    if len(days) <= TICKS:
        return alt.Axis(format=form, grid=False, labelOverlap=True, values=[moments[day] for day in days])
    return alt.Axis(format=form, grid=False, labelOverlap=True, tickCount=TICKS)
