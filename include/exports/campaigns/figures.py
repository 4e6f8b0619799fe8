"""The figures of campaigns as a source of records: one a day, campaign, channel, variation and metric.

A figure of a day depends on the day and on the events, not on the run. Which series a day has, and how far before and
after it events are looked for, is therefore counted from the day: `REACH` to both sides.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import model_validator

from include.exports.campaigns import event_lake, names
from include.exports.campaigns.event_tables import EventTables
from include.exports.campaigns.events import Events, files, found
from include.exports.campaigns.measure import Measurement, measure
from include.exports.campaigns.rules import Rules
from include.exports.errors import NotEligible
from include.exports.model import Part
from include.exports.sources import Column, Request, Shard, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    import duckdb

REACH = timedelta(days=30)
"""The longest that a conversion can follow its message. A series without any event for so long is over."""

COLUMNS = {
    "date": "DATE",
    "campaign_id": "VARCHAR",
    "campaign_name": "VARCHAR",
    "channel": "VARCHAR",
    "variation_id": "VARCHAR",
    "variation_name": "VARCHAR",
    "metric": "VARCHAR",
    "value": "DECIMAL(18,2)",
}
"""A record. `variation_id` is NULL in the figures of all variations together, and `date` in a figure of all days
together, such as `distinct_recipients`."""


class CampaignResults(Part):
    """The figures of campaigns, from message events."""

    type: Literal["campaign_results"] = "campaign_results"
    events: Events
    """Where the message events are."""
    campaigns: tuple[str, ...] = ()
    """API ids of the campaigns; every campaign that has events when empty."""
    tag: str | None = None
    """The campaigns that have this tag now, instead of `campaigns`."""
    names: EventTables | None = None
    """The database whose tables hold what campaigns are called and how they are tagged. When absent: that of the
    events, when they are in one. `CHANGELOGS_CAMPAIGN_SHARED` and `SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED` are
    Braze's; `CAMPAIGN_TAGS`, with `CAMPAIGN_API_ID` and `TAG`, is a team's own, because Braze shares no tags."""
    rules: Rules = Rules()
    """How metrics count that Braze documents in part: influenced opens, revenue, in-app messages sent."""

    @model_validator(mode="after")
    def _one_selection(self) -> Self:
        """A tag beside a list could mean both or either."""
        if self.tag and self.campaigns:
            raise ValueError("campaigns are selected by a list or by a tag; write one of them")
        if self.tag and not self.tables:
            raise ValueError("a tag is looked up in tables; say where with `names`")
        return self

    @property
    def tables(self) -> EventTables | None:
        """Where names and tags are, if anywhere."""
        return self.names or (self.events if isinstance(self.events, EventTables) else None)

    @property
    def time_column(self) -> None:
        """None: a record is of a day already."""


def describe(source: CampaignResults, request: Request) -> tuple[Column, ...]:
    """The columns of `COLUMNS`."""
    import duckdb

    del source, request
    return tuple(Column(name=name, type=duckdb.sqltype(type_)) for name, type_ in COLUMNS.items())


def newest(source: CampaignResults, request: Request) -> datetime | None:
    """Nothing: `late_days` computes again what came late."""
    del source, request
    raise NotEligible("conditions.fresh_within: campaign results have late_days for what comes late; remove it")


def shards(source: CampaignResults, request: Request) -> tuple[Shard, ...]:
    """One shard: a user who did something twice must be seen twice. Its files are those of all events of the run."""
    return (Shard(index=0, files=files(source.events, *_span(request))),)


def statement(source: CampaignResults, request: Request, shard: Shard) -> Statement:
    """In words: the SQL of the metrics is in their reference."""
    del source
    days = _days(request)
    types = {event_lake.type_of(file) if "event_type=" in file else file for file in shard.files}
    return Statement(
        sql=f"figures of {len(days)} day(s) from {len(types)} type(s) of message events",
        parameters={"first day": days[0], "last day": days[-1], "timezone": request.timezone},
    )


@contextmanager
def records(source: CampaignResults, request: Request, shard: Shard, con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """The figures of every day of the request, zero where nothing happened, in order."""
    source.rules.apply(con)
    start, end = _span(request)
    names.load(source.tables, con)
    campaigns = source.campaigns
    if source.tag and source.tables:
        campaigns = names.tagged(source.tables, con, source.tag)
    what = Measurement(
        events=source.events,
        places=source.rules.chosen(found(source.events, shard.files), source.events.type),
        days=_days(request),
        timezone=request.timezone,
        campaigns=campaigns,
        start=start,
        end=end,
        reach=REACH,
    )
    relation = measure(con, what)
    yield f"select {', '.join(request.columns or COLUMNS)} from {relation} order by all"


def _span(request: Request) -> tuple[datetime, datetime]:
    if request.start is None or request.end is None:
        raise NotEligible("figures are of days: a run without a window has none")
    return request.start - REACH, request.end + REACH


def _days(request: Request) -> list[date]:
    """The days of the request, in its time zone."""
    if request.start is None or request.end is None:
        raise NotEligible("figures are of days: a run without a window has none")
    zone = ZoneInfo(request.timezone)
    first, after = (moment.astimezone(zone).date() for moment in (request.start, request.end))
    return [first + timedelta(days=number) for number in range((after - first).days)]
