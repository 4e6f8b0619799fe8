"""Which column holds the event time, and what a window's instants are compared with in it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from include.exports.errors import NotEligible, Problem
from include.exports.model import Part, Problems
from include.exports.paths import TimeZone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SORTABLE = "YmdHMSf"
"""strftime directives from the coarsest to the finest: text written in this order sorts like the time it means."""


class TimeColumn(Part):
    """The column that says when a record happened. Records without a value in it belong to no window."""

    name: str = Field(min_length=1)
    """Name of the column, exactly as the source spells it."""
    kind: Literal["timestamptz", "timestamp", "date", "epoch_seconds", "epoch_milliseconds", "text"] = "timestamptz"
    """How the column stores time: an instant (`timestamptz`, `epoch_seconds`, `epoch_milliseconds`), or the reading of
    a clock on a wall in `timezone` (`timestamp`, `date`, `text`)."""
    timezone: TimeZone = "UTC"
    """IANA name of the zone in which `timestamp`, `date` and `text` values are to be read, such as `Asia/Seoul`. A
    value in the hour that a clock change repeats is read as its first occurrence."""
    format: str | None = None
    """strftime format of a `text` column, such as `%Y-%m-%d %H:%M:%S`. It must sort as text, so it goes from the year
    down without leaving anything out."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        """A zone or format that has no effect would be believed to have one."""
        found = []
        if self.kind in ("timestamptz", "epoch_seconds", "epoch_milliseconds") and self.timezone != "UTC":
            message = f"{self.timezone!r} has no meaning for kind {self.kind!r}, an instant; remove it"
            found.append(Problem("timezone", message))
        if self.kind != "text" and self.format is not None:
            message = f"{self.format!r} has no meaning for kind {self.kind!r}; remove it or use kind 'text'"
            found.append(Problem("format", message))
        if self.kind == "text" and self.format is None:
            found.append(Problem("format", "is required by kind 'text'; write one such as '%Y-%m-%d %H:%M:%S'"))
        elif self.kind == "text" and not _sorts(self.format or ""):
            rule = "use %Y %m %d %H %M %S %f in this order, from the year down to the precision of the column"
            found.append(Problem("format", f"{self.format!r} does not sort as text; {rule}"))
        if found:
            raise Problems(found)
        return self


def _sorts(form: str) -> bool:
    directives = "".join(letter or "%" for letter in re.findall("%(.?)", form))
    return directives != "" and SORTABLE.startswith(directives)


def bound(instant: datetime, time_column: TimeColumn) -> datetime | date | int | str:
    """What the column is compared with so that `value >= bound(start) and value < bound(end)` is the window.

    An aware datetime in UTC, a naive datetime, a date, a number or a text, as `kind` asks for. Bounds never decrease
    as instants increase, also across a clock change, so windows tile. Raises `NotEligible` for an instant that the
    column is too coarse for, such as noon for a column of dates.
    """
    value: date | int | str
    zone = ZoneInfo(time_column.timezone)
    wall = _wall_clock(instant, zone)
    match time_column.kind:
        case "timestamptz":
            return instant.astimezone(UTC)
        case "timestamp":
            return wall
        case "date":
            value = wall.date()
            exact = _is(datetime.combine(value, time.min), wall, instant, zone)
        case "text":
            value = wall.strftime(time_column.format or "")
            read = datetime.strptime(value, time_column.format or "")  # noqa: DTZ007  # naive like `wall`
            exact = _is(read, wall, instant, zone)
        case "epoch_seconds":
            value, rest = divmod(instant - EPOCH, timedelta(seconds=1))
            exact = not rest
        case "epoch_milliseconds":
            value, rest = divmod(instant - EPOCH, timedelta(milliseconds=1))
            exact = not rest
    if not exact:
        raise NotEligible(
            f"time column {time_column.name!r} ({time_column.format or time_column.kind}, {time_column.timezone}) "
            f"cannot be compared with {instant.isoformat()}: the column is coarser; choose windows that start and end "
            "on its precision"
        )
    return value


def instant(value: Any, time_column: TimeColumn) -> datetime:
    """When a record happened that has this value in the column, aware; of a day, when it ended.

    Raises `NotEligible` for a value that is no time of the calendar, such as an infinite one or the end of all days.
    """
    try:
        return _instant(value, time_column)
    except (ValueError, OverflowError) as error:
        raise NotEligible(
            f"time column {time_column.name!r} ({time_column.format or time_column.kind}): {str(value)!r} is no time"
            f" that says when a record happened ({error}); correct the record, or name another column"
        ) from error


def _instant(value: Any, time_column: TimeColumn) -> datetime:
    zone = ZoneInfo(time_column.timezone)
    match time_column.kind:
        case "epoch_seconds":
            return EPOCH + timedelta(seconds=float(value))
        case "epoch_milliseconds":
            return EPOCH + timedelta(milliseconds=float(value))
        case "text":
            wall = datetime.strptime(str(value), time_column.format or "")  # noqa: DTZ007  # read in the column's zone
        case "date":
            wall = datetime.combine(date.fromisoformat(str(value)), time.min) + timedelta(days=1)
        case "timestamptz" | "timestamp":
            wall = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return wall if wall.tzinfo else wall.replace(tzinfo=zone)


def _wall_clock(instant: datetime, zone: ZoneInfo) -> datetime:
    """What the clock shows. While it repeats an hour, the end of that hour: every value in it has already happened."""
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    if local.fold:
        wall = wall.replace(second=0, microsecond=0)
        while zone.utcoffset(wall) != zone.utcoffset(wall.replace(fold=1)):
            wall += timedelta(minutes=1)
    return wall


def _is(value: datetime, wall: datetime, instant: datetime, zone: ZoneInfo) -> bool:
    """Whether `value` is the bound itself, or a midnight that the clock skipped on the way to it."""
    return value == wall or value.replace(tzinfo=zone).astimezone(UTC) == instant
