"""The export of what campaigns did, by date."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from include.exports.campaigns import multichannel
from include.exports.campaigns.figures import CampaignResults
from include.exports.definition import Export
from include.exports.errors import NotEligible, Problem
from include.exports.schedules import Every, Once
from include.exports.sources import Request
from include.exports.window import Window

if TYPE_CHECKING:
    import duckdb

    from include.exports.schedules import Unit
    from include.exports.tables import Table


class CampaignResultsExport(Export):
    """Exports the results of campaigns by date. Days are days of the schedule's time zone; none is left out."""

    type: Literal["campaign_results"] = "campaign_results"
    source: CampaignResults
    """Which campaigns, and where their message events are."""
    mode: Literal["incremental", "full"]
    """`incremental`: a folder a day, for each day that has ended in the run's interval. `full`: one folder with the
    last `days` days that have ended."""
    days: int = Field(default=90, ge=1)
    """How many days a `full` export has."""
    late_days: int = Field(default=14, ge=0, le=90)
    """How many days before its own an `incremental` run computes again, because events arrive late. A day whose files
    stay the same keeps its manifest; another one gets a new generation."""

    @property
    def unit(self) -> Unit:
        return "day"

    def windows(self, window: Window) -> tuple[Window, ...]:
        """The days that the run publishes, or the one range of days of a full export."""
        zone = ZoneInfo(self.schedule.timezone)
        after = window.as_of.astimezone(zone).date()
        if self.mode == "full" or window.start is None:
            return (_days(after - timedelta(days=self.days), after, zone),)
        own = window.start.astimezone(zone).date()
        if own >= after:
            raise NotEligible(f"{self.name}: no day of {zone} ends in {window}; ask for whole days")
        first = own - timedelta(days=self.late_days)
        if self.schedule.starts:  # what is older is nobody's window
            first = min(own, max(first, self.schedule.starts.astimezone(zone).date()))
        return tuple(_day(first + timedelta(days=number), zone) for number in range((after - first).days))

    def request(self, start: datetime | None, end: datetime | None) -> Request:
        return Request(start=start, end=end, timezone=self.schedule.timezone)

    def tables(self, con: duckdb.DuckDBPyConnection, window: Window) -> tuple[Table, ...]:
        del con
        zone = ZoneInfo(self.schedule.timezone)
        first, after = (moment.astimezone(zone).date() for moment in (window.start, window.end) if moment)
        return multichannel.tables(first, after)

    def problems(self) -> list[Problem]:
        found = super().problems()
        if self.mode == "incremental" and isinstance(self.schedule, Once | Every):
            given = repr(self.schedule.type)
            found.append(Problem("schedule", f"{given} has no days of its own; use mode 'full', or 'daily' or longer"))
        return found


def _day(day: date, zone: ZoneInfo) -> Window:
    return _days(day, day + timedelta(days=1), zone)


def _days(first: date, after: date, zone: ZoneInfo) -> Window:
    start, end = (datetime.combine(day, time.min, zone).astimezone(UTC) for day in (first, after))
    return Window(start=start, end=end, as_of=end)
