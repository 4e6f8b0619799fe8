"""The export of what campaigns did, by date."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from include.exports.campaigns import comparison, data_series, multichannel, multivariate, tidy, totals
from include.exports.campaigns.figures import CampaignResults
from include.exports.campaigns.tidy import Names
from include.exports.definition import Export
from include.exports.errors import NotEligible, Problem
from include.exports.formats.json import JsonFiles
from include.exports.schedules import Every, Once
from include.exports.sources import Request
from include.exports.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import duckdb

    from include.exports.schedules import Unit
    from include.exports.tables import Table


Layout = Literal["groups", "all_series", "tidy", "by_statistic", "by_variant", "data_series"]

LAYOUTS: Mapping[Layout, str] = MappingProxyType(
    {
        "groups": "a file a group of series: messages sent, e-mail, in-app, iOS and Android push, further channels",
        "all_series": "a file with every series",
        "tidy": "a file with a figure a row",
        "by_statistic": "a file a campaign and statistic, a variant a column",
        "by_variant": "a file a campaign and variant, a statistic a column",
        "data_series": "a document a campaign, as the API answers",
    }
)
CHARTED = ("groups", "by_statistic", "by_variant")


class CampaignResultsExport(Export):
    """Exports the results of campaigns by date. Days are days of the schedule's time zone; none is left out."""

    type: Literal["campaign_results"] = "campaign_results"
    source: CampaignResults
    """Which campaigns, and where their message events are."""
    mode: Literal["incremental", "full"]
    """`incremental`: a folder a day, for each day that has ended in the run's interval. `full`: one folder with the
    last `days` days that have ended, or with those that are asked for, and files of their totals, of the rates of these
    and of a comparison of the variants."""
    days: int = Field(default=90, ge=1)
    """How many days a `full` export has when it is not asked for others."""
    late_days: int = Field(default=14, ge=0, le=90)
    """How many days before its own an `incremental` run computes again, because events arrive late. A day whose files
    stay the same keeps its manifest; another one gets a new generation."""

    layout: Layout = "groups"
    """What a file is. Multichannel: each of the `groups` of series; all of them side by side in one (`all_series`); or
    a figure a row (`tidy`). Multivariate, a file a campaign and: `by_statistic`, a variant a column; `by_variant`, a
    statistic a column. `data_series`: what Braze's API would answer, a JSON document a campaign."""
    names: Names = "series"
    """What columns are called: as the series of Braze's charts (`series`), or as the fields of its API (`api`)."""
    charts: bool = False
    """Also draw the historical performance graph of each file of a `full` export, as a PNG and as an interactive page:
    for `groups`, of each campaign that has the group's channels. Nothing but zeros is not drawn."""

    RANGES: ClassVar[bool] = True

    @property
    def outline(self) -> tuple[str, ...]:
        whole = ("totals", "rates", "comparison of the variants") if self._has_totals else ()
        charts = ("a chart of each, as PNG and HTML",) if self.charts else ()
        return (LAYOUTS[self.layout], *charts, *whole)

    @property
    def _has_totals(self) -> bool:
        return self.mode == "full" and self.layout != "data_series"

    def subfolder(self, window: Window) -> str:
        """Of a range that was asked for: it is not what readers of the folder expect there."""
        if self.mode == "incremental":
            return ""
        first, after = self._range(window)
        return "" if (after - first).days == self.days else f"{first}_{after - timedelta(days=1)}"

    @property
    def unit(self) -> Unit:
        return "day"

    def windows(self, window: Window) -> tuple[Window, ...]:
        """The days that the run publishes, or the one range of days of a full export."""
        zone = ZoneInfo(self.schedule.timezone)
        after = window.as_of.astimezone(zone).date()
        if window.start is None:
            return (_days(after - timedelta(days=self.days), after, zone),)
        own = window.start.astimezone(zone).date()
        if own >= after:
            raise NotEligible(f"{self.name}: no day of {zone} ends in {window}; ask for whole days")
        if self.mode == "full":
            return (_days(own, after, zone),)
        first = own - timedelta(days=self.late_days)
        if self.schedule.starts:  # what is older is nobody's window
            first = min(own, max(first, self.schedule.starts.astimezone(zone).date()))
        return tuple(_day(first + timedelta(days=number), zone) for number in range((after - first).days))

    def request(self, start: datetime | None, end: datetime | None) -> Request:
        return Request(start=start, end=end, timezone=self.schedule.timezone)

    def tables(self, con: duckdb.DuckDBPyConnection, window: Window) -> tuple[Table, ...]:
        first, after = self._range(window)
        tidy.show(con, first, after)
        made: Iterable[Table]
        match self.layout:
            case "groups":
                made = multichannel.tables(con, first, after, self.names, charts=self.charts)
            case "all_series":
                made = multichannel.together(con, first, after, self.names)
            case "by_statistic" | "by_variant":
                made = multivariate.tables(con, self.layout, first, after, self.names, charts=self.charts)
            case "tidy":
                made = tidy.tables(self.names)
            case "data_series":
                made = data_series.tables(con)
        if not self._has_totals:
            return tuple(made)
        whole = (*totals.tables(first, after, self.names), *comparison.tables(con, first, after, self.names))
        return (*made, *whole)

    def _range(self, window: Window) -> tuple[date, date]:
        """The first day of a window, and the one after its last."""
        zone = ZoneInfo(self.schedule.timezone)
        first, after = (moment.astimezone(zone).date() for moment in (window.start, window.end) if moment)
        return first, after

    def problems(self) -> list[Problem]:
        found = super().problems()
        if self.mode == "incremental" and isinstance(self.schedule, Once | Every):
            given = repr(self.schedule.type)
            found.append(Problem("schedule", f"{given} has no days of its own; use mode 'full', or 'daily' or longer"))
        if self.charts and (self.mode == "incremental" or self.layout not in CHARTED):
            rule = f"charts are of many days of {', '.join(CHARTED)}"
            found.append(Problem("charts", f"{rule}; use mode 'full' and one of these layouts, or leave charts out"))
        if self.layout == "data_series" and not isinstance(self.files, JsonFiles):
            found.append(Problem("files", f"{self.files.type!r} cannot hold what the API answers; use JsonFiles"))
        return found


def _day(day: date, zone: ZoneInfo) -> Window:
    return _days(day, day + timedelta(days=1), zone)


def _days(first: date, after: date, zone: ZoneInfo) -> Window:
    start, end = (datetime.combine(day, time.min, zone).astimezone(UTC) for day in (first, after))
    return Window(start=start, end=end, as_of=end)
