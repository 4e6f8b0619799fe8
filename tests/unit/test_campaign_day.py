"""The day of an event is that of the zone's clocks, also where they change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from include.exports.campaigns.day import local_day
from include.exports.engine import connect


@pytest.mark.parametrize(
    ("zone", "about"),
    [
        ("UTC", datetime(2024, 2, 28, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2024, 2, 28, tzinfo=UTC)),
        ("America/New_York", datetime(2024, 3, 10, 7, tzinfo=UTC)),
        ("America/New_York", datetime(2024, 11, 3, 6, tzinfo=UTC)),
        ("America/Havana", datetime(2024, 3, 10, 5, tzinfo=UTC)),  # there is no midnight
        ("Australia/Lord_Howe", datetime(2024, 4, 6, 15, tzinfo=UTC)),  # by half an hour
        ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a whole day is left out
        ("Africa/Casablanca", datetime(2024, 3, 25, tzinfo=UTC)),  # there and back again within a month
    ],
)
def test_a_day_is_that_of_the_zones_clocks(zone, about):
    start, end = about - timedelta(days=20), about + timedelta(days=25)
    times = [*range(int(start.timestamp()), int(end.timestamp()), 607)]
    times += range(int(about.timestamp()) - 7200, int(about.timestamp()) + 7200)
    expected = [datetime.fromtimestamp(time, ZoneInfo(zone)).date() for time in times]
    with connect() as con:
        con.execute('create table events as select unnest(?::bigint[]) as "time"', [times])
        found = con.sql(f"select {local_day(start, end, ZoneInfo(zone))} from events").fetchall()
    assert [day for (day,) in found] == expected
