"""When an export runs. Each run covers the interval since the run before it, or what an asset's events say has changed:
a schedule is also a list of windows."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from include.exports.model import Part
from include.exports.paths import TimeZone

Unit = Literal["second", "minute", "hour", "day", "month", "year"]


def _time_of_day(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f"{value!r} is not a time of day; write hours and minutes such as '02:00'")
    return value


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Repeated(Part):
    """What every repeating schedule declares besides its rhythm."""

    timezone: TimeZone = "UTC"
    """IANA time zone in which the schedule is meant; days are days of this zone, also across DST changes."""
    start: datetime | None = None
    """Windows from here on are exported, those that have passed as well. The first window of an incremental export is
    open to the left: it also has what is older, so a window before it is refused, and one that is asked for with other
    bounds keeps them. Without an offset it is meant in `timezone`. When absent, only windows that end after the export
    was switched on are exported, and none is open to the left."""
    end: datetime | None = None
    """Windows that begin at or after this instant are not exported. Without an offset it is meant in `timezone`."""

    @property
    def unit(self) -> Unit:
        """The finest unit of time in which the ends of two windows can differ."""
        return "day"

    @property
    def cron(self) -> str:
        """The instants at which windows end, as a cron expression in `timezone`."""
        raise NotImplementedError

    @property
    def starts(self) -> datetime | None:
        """`start` as an instant, in UTC."""
        return _instant(self.start, self.timezone) if self.start else None

    @property
    def ends(self) -> datetime | None:
        """`end` as an instant, in UTC."""
        return _instant(self.end, self.timezone) if self.end else None

    @property
    def last_start(self) -> datetime | None:
        """The last instant at which a window may begin, in UTC: `ends` is the first at which none may."""
        return self.ends - timedelta(microseconds=1) if self.ends else None

    def __str__(self) -> str:
        return f"{self.cron} {self.timezone}"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.starts and self.ends and self.starts >= self.ends:
            raise ValueError(f"start {self.start} must be before end {self.end}")
        return self


class Once(Part):
    """A single run."""

    type: Literal["once"] = "once"
    timezone: TimeZone = "UTC"
    """IANA time zone in which `at` is meant."""
    at: datetime
    """When it runs, and the time that names its folder. In the past means as soon as the export is switched on."""

    @property
    def starts(self) -> datetime:
        """`at` as an instant, in UTC."""
        return _instant(self.at, self.timezone)

    @property
    def ends(self) -> None:
        """It ends with its one run."""

    @property
    def unit(self) -> Unit:
        """The time of its run is given to the minute."""
        return "minute"

    def __str__(self) -> str:
        return "once"


class OnAsset(Part):
    """Each time an upstream asset changes: a run for every event of it, and for every window that events tell of.

    The window of an `incremental` run is the one that the event says, by `window_start` and `window_end` in its extra
    as an export's own events have them, else the data interval of the run that the event comes from. When events of
    several windows come at once, the run covers the oldest and starts a run for each of the others. An event without
    a window fails its run, which names it. A `full` run has everything as of the event.
    """

    type: Literal["on_asset"] = "on_asset"
    timezone: TimeZone = "UTC"
    """IANA time zone of the days and hours in names of folders."""
    asset: Annotated[str, Field(min_length=1)]
    """Name of the asset. That of an export is the export's name. An asset that no DAG declares becomes known to Airflow
    by this, so that other systems can post its events to the REST API."""
    uri: Annotated[str, Field(min_length=1)] | None = None
    """URI of the asset, when a DAG declares it with one: `Asset("orders", uri="s3://lake/orders")`. Of two assets that
    share a name but not a URI, Airflow disables one."""

    @property
    def starts(self) -> None:
        """It has no first window."""

    @property
    def ends(self) -> None:
        """It goes on as long as the asset changes."""

    @property
    def unit(self) -> Unit:
        """An event may come, and its window end, at any time."""
        return "minute"

    def __str__(self) -> str:
        return f"on asset {self.asset}"


class Every(Repeated):
    """Every so many minutes or hours, counted from midnight."""

    type: Literal["every"] = "every"
    minutes: Literal[5, 10, 15, 20, 30] | None = None
    """Minutes between two runs."""
    hours: Literal[1, 2, 3, 4, 6, 8, 12] | None = None
    """Hours between two runs. Only divisors of a day: with 9, windows would differ in length every day."""

    @property
    def unit(self) -> Unit:
        return "minute" if self.minutes else "hour"

    @property
    def cron(self) -> str:
        return f"*/{self.minutes} * * * *" if self.minutes else f"0 */{self.hours} * * *"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.minutes is None) == (self.hours is None):
            raise ValueError("every needs either minutes or hours; write one of them")
        return self


class Daily(Repeated):
    """Every day at one time of day."""

    type: Literal["daily"] = "daily"
    at: TimeOfDay = "00:00"
    """Time of day, `HH:MM`. A day's window runs from this time to the same time of the next day."""

    @property
    def cron(self) -> str:
        return f"{_minute_hour(self.at)} * * *"


class Weekly(Repeated):
    """Every week on one day."""

    type: Literal["weekly"] = "weekly"
    on: Weekday = "monday"
    """Day of the week."""
    at: TimeOfDay = "00:00"
    """Time of day, `HH:MM`."""

    @property
    def cron(self) -> str:
        return f"{_minute_hour(self.at)} * * {self.on[:3]}"


class Monthly(Repeated):
    """Every month on one day."""

    type: Literal["monthly"] = "monthly"
    on: int = Field(default=1, ge=1, le=28)
    """Day of the month, 1 to 28: every month has it."""
    at: TimeOfDay = "00:00"
    """Time of day, `HH:MM`."""

    @property
    def cron(self) -> str:
        return f"{_minute_hour(self.at)} {self.on} * *"


def _expression(value: str) -> str:
    from croniter import CroniterBadDateError, croniter

    if re.search(r"(?<![a-z])[hr](?![a-z])", value, re.IGNORECASE):
        raise ValueError(f"{value!r} leaves a time to chance (H, R), so windows would differ; write the number itself")
    if len(value.split()) != 5 or not croniter.is_valid(value):  # noqa: PLR2004  # Airflow's cron has five fields
        raise ValueError(f"{value!r} is not a cron expression of five fields; write one such as '30 6 * * mon-fri'")
    try:
        croniter(value, datetime(2000, 1, 1)).get_next()  # noqa: DTZ001  # any day does: it looks 50 years ahead
    except CroniterBadDateError:
        raise ValueError(f"{value!r} never comes, such as February 30; write days that its months have") from None
    return value


class Cron(Repeated):
    """At the instants of a cron expression."""

    type: Literal["cron"] = "cron"
    expression: Annotated[str, AfterValidator(_expression)]
    """Minute, hour, day of month, month, day of week."""

    @property
    def unit(self) -> Unit:
        return "minute"

    @property
    def cron(self) -> str:
        return self.expression


Schedule = Annotated[Once | Every | Daily | Weekly | Monthly | Cron | OnAsset, Field(discriminator="type")]


def _instant(moment: datetime, timezone: str) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)


def _minute_hour(at: str) -> str:
    return f"{int(at[3:])} {int(at[:2])}"
