"""Every metric, against figures that plain Python computes from the same events."""

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pytest

from include.exports import CampaignResults, EventLake, EventTables, Rules
from include.exports.campaigns import figures
from include.exports.campaigns.metrics.rates import RATES
from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.engine import connect
from include.exports.sources import Request
from include.local import messages
from include.local.events import Campaign, Event, generate, write_lake, write_tables
from tests.rigs.campaign_oracle import Oracle

DAYS = 9
HOUR = 3600
LATENESS = timedelta(days=4)
CASES = int(os.environ.get("CAMPAIGN_CASES", "8"))
"""How many times CAMPAIGNS campaigns are made up, each time others."""
CAMPAIGNS = 5

NO_SESSIONS = (
    "influenced opens are 0: there are neither users.behaviors.app.SessionStart events nor"
    " users.messages.pushnotification.InfluencedOpen ones"
)

Key = tuple[date | None, str, str, str | None, str]
"""Day (None: all of them), campaign, channel, variation (None: all of them), metric."""


def measured(source: CampaignResults, start: datetime, zone: str) -> dict[Key, Decimal]:
    local = start.astimezone(ZoneInfo(zone))
    request = Request(
        start=start,
        end=(local + timedelta(days=DAYS)).astimezone(UTC),
        columns=tuple(figures.COLUMNS),
        timezone=zone,
    )
    (shard,) = figures.shards(source, request)
    with connect() as con, figures.records(source, request, shard, con) as sql:
        rows = con.sql(f"select date, campaign_id, channel, variation_id, metric, value from ({sql})").fetchall()
    assert len({row[:5] for row in rows}) == len(rows)
    return {row[:5]: row[5] for row in rows}


def made_up(seed: int) -> list[Campaign]:
    """Campaigns of one channel with variants, and of several channels; with and without a control group."""
    rng = Random(seed)  # noqa: S311  # made up, and the same every time
    names = sorted(messages.CHANNELS)
    return [
        Campaign(
            id=f"{seed}-{number}",
            name=f"Campaign {number}",
            channels=tuple(rng.sample(names, rng.choice((1, 1, 2, 5)))),
            variants=rng.randint(1, 8),
            control=rng.random() < 0.5,
        )
        for number in range(CAMPAIGNS)
    ]


def assert_figures(found: dict[Key, Decimal], oracle: Oracle) -> None:
    assert {key: value for key, value in found.items() if value} == {k: v for k, v in oracle.figures.items() if v}


@pytest.mark.parametrize(
    ("seed", "zone", "start", "form"),
    [
        (1, "UTC", datetime(2024, 2, 27, tzinfo=UTC), "avro"),
        (2, "Asia/Seoul", datetime(2024, 5, 31, 15, tzinfo=UTC), "ndjson"),
        (4, "America/New_York", datetime(2024, 10, 31, 4, tzinfo=UTC), "parquet"),
    ],
)
def test_every_figure_is_that_of_plain_python(tmp_path, seed, zone, start, form):
    """With duplicates, late events, users in several variants, a control group, and days of 23 and 25 hours."""
    events = list(generate(made_up(seed), start=start, days=DAYS, users=6, seed=seed))
    write_lake(events, tmp_path, form)
    source = CampaignResults(events=EventLake(path=str(tmp_path), format=form, lateness=LATENESS))
    in_time = [
        (event.type, event.record)
        for event in events
        if event.processed // HOUR * HOUR < event.record["time"] + LATENESS.total_seconds()
    ]
    first = start.astimezone(ZoneInfo(zone)).date()
    assert_figures(measured(source, start, zone), Oracle(in_time, first, DAYS, zone))


@pytest.mark.parametrize("seed", range(CASES))
def test_figures_of_many_campaigns_are_those_of_plain_python(tmp_path, monkeypatch, seed):
    """From tables, some days of which lie before those that are asked for and after them."""
    zone = ("UTC", "America/New_York", "Asia/Seoul")[seed % 3]
    start = datetime(2024, 3, 6 + seed % 5, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    rules = Rules() if seed % 2 else Rules(influenced_by="sessions", revenue_by="purchases")
    before = start - timedelta(days=18)
    events = list(generate(made_up(seed), start=before, days=DAYS + 21, users=12, seed=seed))
    with closing(sqlite3.connect(tmp_path / "share.db")) as database:
        write_tables(events, database)
    monkeypatch.setenv("AIRFLOW_CONN_SHARE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "share.db")}))
    source = CampaignResults(events=EventTables(conn_id="share"), rules=rules)
    first = start.astimezone(ZoneInfo(zone)).date()
    oracle = Oracle([(event.type, event.record) for event in events], first, DAYS, zone, share=bool(seed % 2))
    assert_figures(measured(source, start, zone), oracle)


def test_the_oracle_knows_every_metric():
    """Each has a figure that is not zero in what is made up, so none is only compared as nothing with nothing."""
    start = datetime(2024, 2, 27, tzinfo=UTC)
    campaigns = [
        Campaign(id=channel, name=channel, channels=(channel,), variants=2, control=True)
        for channel in messages.CHANNELS
    ]
    events = generate(campaigns, start=start, days=DAYS, users=200)
    oracle = Oracle([(event.type, event.record) for event in events], start.date(), DAYS, "UTC")
    known = {(channel, metric) for (_, _, channel, _, metric), value in oracle.figures.items() if value}
    assert known == {(channel.name, metric.name) for channel in CHANNELS for metric in channel.metrics}


def test_a_rate_divides_metrics_that_its_channels_have():
    metrics = {channel.name: {metric.name for metric in channel.metrics} for channel in CHANNELS}
    assert [rate for rate in RATES for name in rate.channels if not {rate.of, rate.per} <= metrics[name]] == []


def test_every_documented_field_of_the_api_is_a_metric():
    assert [name for channel in CHANNELS for name in set(channel.api) - {m.name for m in channel.metrics}] == []


def test_what_is_left_out_is_said_in_the_log(tmp_path, caplog):
    start = datetime(2024, 2, 27, tzinfo=UTC)
    campaign = Campaign(id="push", name="Push", channels=("ios_push",))
    events = [
        Event(
            event.type, event.record | ({"platform": "watch"} if event.type.endswith(".Open") else {}), event.processed
        )
        for event in generate([campaign], start=start, days=DAYS, users=60)
        if not event.type.endswith("SessionStart")
    ]
    last = int((start + timedelta(days=DAYS)).timestamp())
    records = {event.record["id"]: event.record for event in events if event.record["time"] < last}.values()
    euros = sum(record.get("currency") == "EUR" for record in records)
    watches = sum(record.get("platform") == "watch" for record in records)
    write_lake(events, tmp_path, "ndjson")
    measured(CampaignResults(events=EventLake(path=str(tmp_path), format="ndjson")), start, "UTC")
    assert [record.getMessage() for record in caplog.records] == [
        NO_SESSIONS,
        f"left out: {euros} purchases in other currencies than US dollars (EUR), which no revenue contains",
        f"left out: {watches} push events of a platform that is not known (watch), which no channel counts",
    ]
