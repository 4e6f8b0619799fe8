"""A window's bounds are exact in the column's own terms, and windows tile whatever the clock does."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from include.exports.errors import NotEligible
from include.exports.time_column import TimeColumn, bound, instant

NEW_YORK = ZoneInfo("America/New_York")
MIDNIGHT = datetime(2013, 3, 10, tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, datetime(2013, 3, 10, 5, tzinfo=UTC)),
        ({"kind": "timestamp"}, datetime(2013, 3, 10, 5)),
        ({"kind": "timestamp", "timezone": "America/New_York"}, datetime(2013, 3, 10)),
        ({"kind": "date", "timezone": "America/New_York"}, date(2013, 3, 10)),
        ({"kind": "text", "format": "%Y-%m-%d", "timezone": "America/New_York"}, "2013-03-10"),
        ({"kind": "text", "format": "%Y%m%d%H", "timezone": "UTC"}, "2013031005"),
        ({"kind": "epoch_seconds"}, 1362891600),
        ({"kind": "epoch_milliseconds"}, 1362891600000),
    ],
)
def test_a_bound_is_written_as_the_column_stores_time(fields: dict[str, str], expected: object) -> None:
    actual = bound(MIDNIGHT, TimeColumn(name="t", **fields))
    assert (actual, type(actual)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("fields", "instant"),
    [
        ({"kind": "date"}, MIDNIGHT),
        ({"kind": "date", "timezone": "America/New_York"}, MIDNIGHT + timedelta(hours=12)),
        ({"kind": "text", "format": "%Y-%m-%d"}, MIDNIGHT),
        ({"kind": "epoch_seconds"}, MIDNIGHT + timedelta(milliseconds=1)),
        ({"kind": "epoch_milliseconds"}, MIDNIGHT + timedelta(microseconds=1)),
    ],
)
def test_a_bound_finer_than_the_column_is_refused(fields: dict[str, str], instant: datetime) -> None:
    with pytest.raises(NotEligible, match=r"'t' .* the column is coarser; choose windows"):
        bound(instant, TimeColumn(name="t", **fields))


def test_a_midnight_that_the_clock_skips_bounds_its_day() -> None:
    sao_paulo = ZoneInfo("America/Sao_Paulo")
    skipped = datetime(2013, 10, 20, tzinfo=sao_paulo).astimezone(UTC)
    days = TimeColumn(name="t", kind="date", timezone="America/Sao_Paulo")
    assert skipped.astimezone(sao_paulo).hour == 1
    assert bound(skipped, days) == date(2013, 10, 20)


@given(
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "America/Havana", "Australia/Lord_Howe", "Asia/Seoul"]),
    first=st.datetimes(datetime(2012, 1, 1), datetime(2014, 1, 1)).map(lambda value: value.replace(tzinfo=UTC)),
    minutes=st.sampled_from([7, 30, 60, 1440]),
    clock=st.datetimes(datetime(2012, 1, 1), datetime(2014, 3, 1)),
)
def test_every_wall_clock_value_lies_in_exactly_one_window(
    zone: str, first: datetime, minutes: int, clock: datetime
) -> None:
    local = TimeColumn(name="t", kind="timestamp", timezone=zone)
    bounds = [bound(first + index * timedelta(minutes=minutes), local) for index in range(300)]
    assert bounds == sorted(bounds)  # type: ignore[type-var]
    holding = [start for start, end in pairwise(bounds) if start <= clock < end]  # type: ignore[operator]
    assert len(holding) == (bounds[0] <= clock < bounds[-1])  # type: ignore[operator]


def test_the_repeated_hour_belongs_to_its_first_occurrence() -> None:
    berlin = TimeColumn(name="t", kind="timestamp", timezone="Europe/Berlin")
    quarters = [datetime(2013, 10, 27, 0, 30, tzinfo=UTC) + index * timedelta(minutes=30) for index in range(4)]
    assert [bound(quarter, berlin) for quarter in quarters] == [
        datetime(2013, 10, 27, 2, 30),
        datetime(2013, 10, 27, 3, 0),
        datetime(2013, 10, 27, 3, 0),
        datetime(2013, 10, 27, 3, 0),
    ]


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"kind": "date"}, date(9999, 12, 31)),
        ({"kind": "date"}, "infinity"),
        ({"kind": "epoch_seconds"}, 2**62),
        ({"kind": "epoch_milliseconds"}, 2**62),
        ({"kind": "text", "format": "%Y-%m-%d"}, "unknown"),
        ({}, "infinity"),
    ],
)
def test_a_value_that_is_no_time_of_the_calendar_is_refused(fields: dict[str, str], value: object) -> None:
    with pytest.raises(NotEligible, match=f"time column 't' .*: '{value}' is no time that says when a record happened"):
        instant(value, TimeColumn.model_validate({"name": "t", **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "'Mars/Olympus' is not a time zone of the IANA database"),
        ({"timezone": "../etc"}, "'../etc' is not a time zone"),
        ({"timezone": "Asia/Seoul"}, "'Asia/Seoul' has no meaning for kind 'timestamptz', an instant; remove it"),
        ({"format": "%Y"}, "'%Y' has no meaning for kind 'timestamptz'; remove it or use kind 'text'"),
        ({"kind": "text"}, "is required by kind 'text'"),
        ({"kind": "text", "format": "%d.%m.%Y"}, "'%d.%m.%Y' does not sort as text"),
        ({"kind": "text", "format": "%Y-%d"}, "does not sort as text"),
        ({"kind": "text", "format": "%y-%m"}, "does not sort as text"),
        ({"kind": "text", "format": "yesterday"}, "does not sort as text"),
        ({"kind": "text", "format": "%Y-%"}, "does not sort as text"),
    ],
)
def test_a_time_column_that_cannot_work_is_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TimeColumn.model_validate({"name": "t", **fields})
    assert message in str(caught.value)
