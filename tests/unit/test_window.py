"""Windows: which interval a run covers, and that the windows of a schedule tile."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.exports import Cron, Daily, Every, Monthly, Weekly
from include.exports.errors import NotEligible
from include.exports.window import Window, interval_at, intervals, latest_interval, window

ZONES = [
    "UTC",
    "Asia/Seoul",
    "Europe/Oslo",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
]
ODD_ZONES = ["Pacific/Apia", "America/Caracas"]
"""Left out a whole day; changed by half an hour. Apia's clock also skips 03:00 every year."""

EXPRESSIONS = [
    "30 6 * * mon-fri",
    "0 0 1,15 * *",
    "7 */5 * * *",
    "*/30 1-5 * * *",
    "15,45 1-3 * * *",
    "0,20,40 0-4 * * *",
    "30 1,2,3 * * *",
    "45 2 * * *",
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedules():
    time = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
    common = {
        "timezone": st.sampled_from([*ZONES, *ODD_ZONES]),
        "start": st.datetimes(min_value=datetime(2010, 1, 1), max_value=datetime(2037, 1, 1)),
    }
    return st.one_of(
        st.builds(Daily, at=time, **common),
        st.builds(Weekly, at=time, on=st.sampled_from(["monday", "sunday"]), **common),
        st.builds(Monthly, at=time, on=st.integers(1, 28), **common),
        st.builds(Every, hours=st.sampled_from([1, 2, 3, 4, 6, 8, 12]), **common),
        st.builds(Every, minutes=st.sampled_from([5, 10, 15, 20, 30]), **common),
        st.builds(Cron, expression=st.sampled_from(EXPRESSIONS), **common),
    )


@settings(max_examples=150, deadline=None)
@given(schedules())
def test_windows_tile_without_gap_or_overlap(schedule):
    found = list(islice(intervals(schedule), 60))
    assert len(found) == 60
    assert all(start < end for start, end in found)
    assert all(one[1] == two[0] for one, two in pairwise(found))


@settings(max_examples=60, deadline=None)
@given(
    expression=st.sampled_from([*EXPRESSIONS, "*/20 * * * *", "0 * * * *", "0 */6 * * *"]),
    change=st.sampled_from(
        [
            ("Europe/Berlin", "2024-03-30"),
            ("Europe/Berlin", "2024-10-26"),
            ("America/New_York", "2024-03-09"),
            ("America/New_York", "2024-11-02"),
            ("America/Sao_Paulo", "2018-11-03"),
            ("Australia/Lord_Howe", "2024-04-06"),
            ("Australia/Lord_Howe", "2024-10-05"),
            ("Pacific/Apia", "2011-12-28"),
        ]
    ),
    minutes=st.integers(0, 4000),
)
def test_windows_tile_around_a_clock_change(expression, change, minutes):
    """And the window of any instant, as the command line asks for it, is the scheduler's."""
    timezone, start = change
    schedule = Cron(expression=expression, timezone=timezone, start=start)
    instant = schedule.starts + timedelta(minutes=minutes)
    found = list(islice(intervals(schedule), 160))
    assert all(start < end for start, end in found)
    assert all(one[1] == two[0] for one, two in pairwise(found))
    if found[0][0] <= instant < found[-1][1]:
        assert interval_at(schedule, instant) in found


def test_a_time_that_the_clock_skips_leaves_no_gap():
    half_hours = Cron(expression="*/30 1-5 * * *", timezone="Europe/Berlin", start="2024-03-31T01:30")
    assert list(islice(intervals(half_hours), 3)) == [
        (at("2024-03-31T00:30"), at("2024-03-31T01:00")),
        (at("2024-03-31T01:00"), at("2024-03-31T01:30")),
        (at("2024-03-31T01:30"), at("2024-03-31T02:00")),
    ]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(ZONES), st.dates(min_value=datetime(2010, 1, 1).date(), max_value=datetime(2036, 1, 1).date()))
def test_daily_windows_begin_at_the_local_time_of_day_across_a_whole_year(zone, first):
    """Where a clock change skips that time, the window begins when the clock has jumped."""
    from zoneinfo import ZoneInfo

    schedule = Daily(at="03:00", timezone=zone, start=datetime(first.year, first.month, first.day))
    for start, _ in islice(intervals(schedule), 366):
        assert f"{start.astimezone(ZoneInfo(zone)):%H:%M}" == "03:00"


def test_a_clock_change_makes_a_local_day_longer_or_shorter():
    oslo = Daily(timezone="Europe/Oslo", start="2024-10-26", end="2024-10-29")
    assert [end - start for start, end in intervals(oslo)] == [timedelta(hours=hours) for hours in (24, 25, 24)]


def test_no_window_begins_at_or_after_the_end():
    days = Daily(start="2019-11-24", end="2019-11-26")
    assert list(intervals(days)) == [
        (at("2019-11-24"), at("2019-11-25")),
        (at("2019-11-25"), at("2019-11-26")),
    ]


def test_the_window_that_contains_an_instant():
    weeks = Weekly(on="monday", timezone="Asia/Seoul")
    assert interval_at(weeks, at("2019-11-24T15:00")) == (at("2019-11-24T15:00"), at("2019-12-01T15:00"))
    assert interval_at(weeks, at("2019-11-24T14:59")) == (at("2019-11-17T15:00"), at("2019-11-24T15:00"))


def test_the_latest_window_is_complete_and_not_past_the_end():
    assert latest_interval(Daily(), at("2019-11-24T12:00")) == (at("2019-11-23"), at("2019-11-24"))
    assert latest_interval(Daily(end="2019-11-20"), at("2019-11-24T12:00")) == (at("2019-11-19"), at("2019-11-20"))


def test_the_first_window_of_an_incremental_export_is_open_to_the_left(daily):
    assert window(daily, at("2019-11-24"), at("2019-11-25"), at("2020-01-01")) == Window(
        start=None, end=at("2019-11-25"), as_of=at("2019-11-25")
    )
    assert window(daily, at("2019-11-25"), at("2019-11-26"), at("2020-01-01")) == Window(
        start=at("2019-11-25"), end=at("2019-11-26"), as_of=at("2019-11-26")
    )


def test_other_bounds_than_those_of_the_first_window_are_kept(daily):
    assert window(daily, at("2019-11-24"), at("2019-11-24T06:00"), at("2020-01-01")) == Window(
        start=at("2019-11-24"), end=at("2019-11-24T06:00"), as_of=at("2019-11-24T06:00")
    )


def test_what_ends_before_the_first_window_is_in_it_already_and_refused(daily):
    with pytest.raises(
        NotEligible, match="is before the schedule's first window, which is open to the left"
    ) as refused:
        window(daily, at("2019-11-23"), at("2019-11-24"), at("2020-01-01"))
    assert "2019-11-24T00:00:00+00:00 to 2019-11-25T00:00:00+00:00" in str(refused.value)


def test_an_incremental_run_without_an_interval_is_refused(daily):
    for start, end in ((None, None), (at("2019-11-25"), at("2019-11-25"))):
        with pytest.raises(NotEligible, match="has no window"):
            window(daily, start, end, at("2020-01-01"))


def test_a_full_export_has_everything_as_of_the_end_of_its_interval_or_of_the_run(daily):
    full = daily.model_copy(update={"mode": "full"})
    assert window(full, at("2019-11-25"), at("2019-11-26"), at("2020-01-01")).as_of == at("2019-11-26")
    assert window(full, None, None, at("2020-01-01")) == Window(start=None, end=None, as_of=at("2020-01-01"))


def test_windows_of_one_export_have_different_keys():
    keys = {
        Window(start=None, end=at("2024-01-02"), as_of=at("2024-01-02")).key,
        Window(start=at("2024-01-01"), end=at("2024-01-02"), as_of=at("2024-01-02")).key,
        Window(start=at("2024-01-01T00:00:01"), end=at("2024-01-02"), as_of=at("2024-01-02")).key,
        Window(start=None, end=None, as_of=at("2024-01-02")).key,
    }
    assert len(keys) == 4


def test_the_key_of_a_window_has_years_of_four_digits():
    ancient = Window(start=at("0001-01-01"), end=at("0999-01-01"), as_of=at("0999-01-01"))
    assert ancient.key == "00010101T000000_09990101T000000"
