"""The day of an event in a time zone, as arithmetic: a database's own time zones take longer than all else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

HOUR, DAY = 3600, 86_400


def local_day(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """SQL of the date of `time`, unix seconds from `start` to `end`, in the zone: days of 23 and 25 hours included."""
    first, last = (int(moment.timestamp()) for moment in (start, end))
    hours = range(first, last + HOUR, HOUR)
    changes = [
        (_change(hour - HOUR, hour, zone), _offset(hour, zone))
        for hour in hours[1:]
        if _offset(hour - HOUR, zone) != _offset(hour, zone)
    ]
    offset = str(_offset(first, zone))
    for moment, after in changes:
        offset = f'case when "time" >= {moment} then {after} else {offset} end'
    return f"date '1970-01-01' + cast((\"time\" + {offset}) // {DAY} as int)"


def _offset(moment: int, zone: ZoneInfo) -> int:
    """Seconds that the zone's clocks are ahead of UTC."""
    ahead = datetime.fromtimestamp(moment, UTC).astimezone(zone).utcoffset() or timedelta()
    return int(ahead.total_seconds())


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """The first second with the offset of `after`."""
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(middle, zone) == _offset(before, zone) else (before, middle)
    return after
