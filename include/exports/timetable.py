"""The timetables of exports: Airflow's own, with the schedule's start and end inside them instead of on the DAG.

A DAG hands its start and end date to its tasks. For a run that somebody triggers with a logical date outside of them,
Airflow makes no task and calls the run a success: an export that did nothing and says it is done. Kept here, they bound
what the scheduler starts by itself and nothing else. `plugins/timetables.py` makes these classes known to Airflow.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from airflow.sdk import Asset
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.simple import OnceTimetable
from pendulum import instance

from include.exports.schedules import OnAsset, Once

if TYPE_CHECKING:
    from airflow.timetables.base import DataInterval, Timetable
    from pendulum import DateTime

    from include.exports.schedules import Repeated


class RepeatedTimetable(CronDataIntervalTimetable):
    """Runs with data intervals, from one instant of a cron expression to the next."""

    def __init__(self, cron: str, timezone: str, start: datetime | None, last_start: datetime | None) -> None:
        super().__init__(cron, timezone=timezone)
        self._cron, self._zone, self._start, self._last_start = cron, timezone, start, last_start

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"{self._cron} {self._zone}"

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run after `last_automated_data_interval`.

        The scheduler asks without limits, since the DAG has none: the schedule's hold, and what has passed since a
        declared start is caught up. A backfill asks with limits of its own.
        """
        if restriction.earliest is None:
            restriction = TimeRestriction(
                earliest=instance(self._start) if self._start else None,
                latest=instance(self._last_start) if self._last_start else None,
                catchup=self._start is not None,
            )
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )

    def _get_prev(self, current: DateTime) -> DateTime:
        """The instant before `current`: the one from which `_get_next` comes to `current`, also across clock changes.

        Airflow's counts back on the wall clock. A time that the clock skipped is then found after `current`, and
        between two windows there would be a gap.
        """
        earlier = current
        while (found := super()._get_prev(earlier)) >= current:
            earlier -= timedelta(hours=1)
        while (later := self._get_next(found)) < current:
            found = later
        return found

    def serialize(self) -> dict[str, Any]:
        """The arguments of the constructor as JSON."""
        start, last_start = (moment and moment.isoformat() for moment in (self._start, self._last_start))
        return {"cron": self._cron, "timezone": self._zone, "start": start, "last_start": last_start}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that `serialize` wrote."""
        start, last_start = (data[name] and datetime.fromisoformat(data[name]) for name in ("start", "last_start"))
        return cls(data["cron"], data["timezone"], start, last_start)


class SingleTimetable(OnceTimetable):
    """One run, at an instant or as soon as possible after it."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self._at = at

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"once at {self._at:%Y-%m-%d %H:%M} UTC"

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The run, unless it was."""
        del restriction  # there is nothing to limit
        return None if last_automated_data_interval else DagRunInfo.exact(instance(self._at))

    def serialize(self) -> dict[str, Any]:
        """The argument of the constructor as JSON."""
        return {"at": self._at.isoformat()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """The timetable that `serialize` wrote."""
        return cls(datetime.fromisoformat(data["at"]).astimezone(UTC))


def timetable(schedule: Once | Repeated | OnAsset) -> Timetable | Asset:
    """Airflow's timetable for a schedule, or the asset for one on an asset."""
    match schedule:
        case Once():
            return SingleTimetable(schedule.starts)
        case OnAsset():
            return upstream(schedule)
    return repeated(schedule)


def upstream(schedule: OnAsset) -> Asset:
    """The asset of a schedule. Not a reference to it: Airflow tells runs of references nothing of the events."""
    return Asset(schedule.asset, uri=schedule.uri or schedule.asset)


def repeated(schedule: Repeated) -> RepeatedTimetable:
    """The timetable of a schedule that repeats."""
    return RepeatedTimetable(schedule.cron, schedule.timezone, schedule.starts, schedule.last_start)
