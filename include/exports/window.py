"""The window of a run: which records it covers, and the scheduled time that names its folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.exports.errors import NotEligible
from include.exports.schedules import OnAsset, Once, Repeated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.timetables.base import DataInterval
    from pendulum import DateTime

    from include.exports.definition import Export


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open interval of event time, `[start, end)`; aware, UTC."""

    start: datetime | None
    """First instant, included; None is open to the left."""
    end: datetime | None
    """First instant that is not included; None is open to the right."""
    as_of: datetime
    """The scheduled time: the end of the interval that the run stands for."""

    @property
    def key(self) -> str:
        """The window as a file name. Two windows of one export never share one."""
        if self.end is None:
            return f"full_{_digits(self.as_of)}"
        return f"{_digits(self.start) if self.start else 'open'}_{_digits(self.as_of)}"

    @property
    def document(self) -> dict[str, str | None]:
        """The window as asset events tell of it, for people and for programs."""
        start, end = (moment.isoformat() if moment else None for moment in (self.start, self.end))
        return {"window": str(self), "window_start": start, "window_end": end}

    def __str__(self) -> str:
        if self.end is None:
            return f"everything as of {self.as_of.isoformat()}"
        return f"[{self.start.isoformat() if self.start else 'open'}, {self.end.isoformat()})"


def window(export: Export, start: datetime | None, end: datetime | None, run_after: datetime) -> Window:
    """The window of a run with this data interval; the same for the same arguments, whenever it is asked.

    A full export has all records as of the interval's end, or of `run_after` when the run has no interval; of one that
    can be asked for a range, a `start` is that of the range.

    An incremental one needs an interval; its schedule's first one is open to the left, and what ends before that is
    part of it. Only an asset's event can say itself that an interval is open to the left. Raises `NotEligible`.
    """
    if export.mode == "full" or isinstance(export.schedule, Once):
        as_of = (end or run_after).astimezone(UTC)
        if export.RANGES and start and end:
            return Window(start=start.astimezone(UTC), end=as_of, as_of=as_of)
        return Window(start=None, end=None, as_of=as_of)
    on_asset = isinstance(export.schedule, OnAsset)
    if end is None or (start is None and not on_asset) or (start and start >= end):
        raise NotEligible(
            f"{export.name} is incremental, and this run has no window: its data interval is {start} to {end}."
            f" Trigger it with window_start and window_end{'' if on_asset else ', or start a backfill'}"
        )
    if start is None:
        return Window(start=None, end=end.astimezone(UTC), as_of=end.astimezone(UTC))
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first = next(intervals(export.schedule), None) if export.FROM_THE_BEGINNING else None
    if first and end <= first[0]:
        raise NotEligible(
            f"{export.name}: {start.isoformat()} to {end.isoformat()} is before the schedule's first window, which is"
            f" open to the left and has these records: export that one, {first[0].isoformat()} to"
            f" {first[1].isoformat()}, or declare an earlier start"
        )
    return Window(start=None if (start, end) == first else start, end=end, as_of=end)


def intervals(schedule: Repeated | OnAsset) -> Iterator[tuple[datetime, datetime]]:
    """The data intervals that the scheduler runs, in UTC: none without a start, endless without an end.

    Adjacent intervals share their border, so windows tile, also across DST changes.
    """
    if isinstance(schedule, Repeated) and schedule.starts:
        yield from _after(None, schedule, asked_since=None)


def interval_at(schedule: Repeated, instant: datetime) -> tuple[datetime, datetime]:
    """The data interval of a schedule that contains `instant`, in UTC, whether or not it is between start and end."""
    from pendulum import instance

    from include.exports.timetable import repeated

    before = repeated(schedule).infer_manual_data_interval(run_after=instance(instant))
    return next(_after(before, schedule, asked_since=before.start))


def latest_interval(schedule: Repeated, now: datetime) -> tuple[datetime, datetime]:
    """The last data interval of a schedule that is complete at `now`, and not past the schedule's end."""
    from pendulum import instance

    from include.exports.timetable import repeated

    until = min(moment for moment in (now, schedule.ends) if moment)
    interval = repeated(schedule).infer_manual_data_interval(run_after=instance(until))
    return interval.start.astimezone(UTC), interval.end.astimezone(UTC)


def _digits(moment: datetime) -> str:
    return f"{moment.year:04}{moment:%m%dT%H%M%S}"  # %Y alone does not pad


def _after(
    previous: DataInterval | None, schedule: Repeated, *, asked_since: DateTime | None
) -> Iterator[tuple[datetime, datetime]]:
    """The intervals after `previous`: those of the scheduler, or all, as a backfill asks for since some instant."""
    from airflow.timetables.base import TimeRestriction

    from include.exports.timetable import repeated

    timetable, restriction = repeated(schedule), TimeRestriction(asked_since, None, catchup=True)
    while info := timetable.next_dagrun_info(last_automated_data_interval=previous, restriction=restriction):
        previous = info.data_interval
        if previous is None:  # only timetables of partitions have runs without one
            return
        yield previous.start.astimezone(UTC), previous.end.astimezone(UTC)
