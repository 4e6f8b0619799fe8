"""Every metric of e-mail, push and campaigns, against figures that plain Python computes from the same events."""

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from include.exports import CampaignResults, EventLake, EventTables
from include.exports.campaigns import figures
from include.exports.engine import connect
from include.exports.sources import Request
from include.local.events import Campaign, generate, write_lake, write_tables

DAYS = 9
WEEK, MONTH = 7 * 86_400, 30 * 86_400
LATENESS = timedelta(days=4)

Key = tuple[date, str, str, str | None, str]
"""Day, campaign, channel, variation (None: all of them), metric."""


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


class Oracle:
    """The same figures, from the events as Python objects."""

    def __init__(self, events, start: datetime, zone: str) -> None:
        self.zone = ZoneInfo(zone)
        first = start.astimezone(self.zone).date()
        self.days = {first + timedelta(days=number) for number in range(DAYS)}
        self.figures: defaultdict[Key, Decimal] = defaultdict(Decimal)
        in_time = {
            event.record["id"]: event
            for event in events
            if event.processed // 3600 * 3600 < event.record["time"] + LATENESS.total_seconds()
        }
        self.by_type = defaultdict(list)
        for event in in_time.values():
            self.by_type[event.type.removeprefix("users.").removeprefix("messages.")].append(event.record)
        self.messages = [*self.by_type["email.Send"], *self.by_type["pushnotification.Send"]]
        self.email()
        self.push()
        self.campaign()

    def day(self, record) -> date:
        return datetime.fromtimestamp(record["time"], self.zone).date()

    def add(self, record, channel, metric, amount=1, day=None) -> None:
        day = day or self.day(record)
        if day in self.days:
            for variation in (record["message_variation_id"], None):
                self.figures[day, record["campaign_id"], channel, variation, metric] += amount

    def recipients(self, records, channel) -> None:
        users = defaultdict(set)
        for record in records:
            for variation in (record["message_variation_id"], None):
                users[self.day(record), record["campaign_id"], channel, variation, "unique_recipients"].add(
                    record["user_id"]
                )
        self.figures |= {key: Decimal(len(found)) for key, found in users.items() if key[0] in self.days}

    def email(self) -> None:
        for kind, metric in {
            "Send": "sent",
            "Delivery": "delivered",
            "Open": "opens",
            "Click": "clicks",
            "Bounce": "bounces",
            "SoftBounce": "soft_bounces",
            "Deferral": "deferrals",
            "MarkAsSpam": "reported_spam",
            "Unsubscribe": "unsubscribes",
        }.items():
            for record in self.by_type[f"email.{kind}"]:
                self.add(record, "email", metric)
        for record in self.by_type["email.Open"]:
            if record["machine_open"] == "true":
                self.add(record, "email", "machine_open")
                if record["is_amp"]:
                    self.add(record, "email", "machine_amp_open")
        for record in self.by_type["email.Click"]:
            if record["is_suspected_bot_click"]:
                self.add(record, "email", "suspected_bot_clicks")
        self.uniques()
        self.recipients(self.by_type["email.Send"], "email")

    def uniques(self) -> None:
        for kind, metric in (("Open", "unique_opens"), ("Click", "unique_clicks")):
            last: dict = {}
            for record in sorted(self.by_type[f"email.{kind}"], key=lambda record: (record["time"], record["id"])):
                key = record["message_variation_id"], record["dispatch_id"], record["email_address"]
                if key not in last or record["time"] - last[key] >= WEEK:
                    self.add(record, "email", metric)
                last[key] = record["time"]

    def push(self) -> None:
        sent = {self.message(record): record["platform"] for record in self.by_type["pushnotification.Send"]}
        on = defaultdict(list)
        for kind in ("Send", "Bounce", "InfluencedOpen", "Open"):
            for record in self.by_type[f"pushnotification.{kind}"]:
                # Without a platform it is not counted when its message came too late to be counted.
                if platform := record["platform"] or sent.get(self.message(record)):
                    on[f"{platform}_push", kind].append(record)
        for (channel, kind), records in on.items():
            for record in records:
                self.pushed(record, channel, kind)
            if kind == "Send":
                self.recipients(records, channel)

    def message(self, record) -> tuple[str, str, str]:
        return record["user_id"], record["message_variation_id"], record["dispatch_id"]

    def pushed(self, record, channel, kind) -> None:
        match kind:
            case "Send" | "Bounce":
                self.add(record, channel, "sent" if kind == "Send" else "bounces")
            case "InfluencedOpen" if channel != "web_push":
                self.add(record, channel, "influenced_opens")
                self.add(record, channel, "total_opens")
            case "Open":
                if record["button_action_type"] != "CLOSE":
                    self.add(record, channel, "direct_opens")
                    self.add(record, channel, "total_opens")
                if record["button_string"] is None:
                    self.add(record, channel, "body_clicks")

    def campaign(self) -> None:
        self.recipients(self.messages, "campaign")
        for record in self.by_type["campaigns.EnrollInControl"]:
            self.add(record, "campaign", "enrolled")
        for record in self.by_type["campaigns.Conversion"]:
            suffix = str(record["conversion_behavior_index"] or "")
            self.add(record, "campaign", f"conversions{suffix}")
            before = [
                message["time"]
                for message in [*self.messages, *self.by_type["campaigns.EnrollInControl"]]
                if message["user_id"] == record["user_id"]
                and message["message_variation_id"] == record["message_variation_id"]
                and 0 <= record["time"] - message["time"] <= MONTH
            ]
            day = self.day({"time": max(before)}) if before else self.day(record)
            self.add(record, "campaign", f"conversions{suffix}_by_send_time", day=day)
        for bought in self.by_type["behaviors.Purchase"]:
            if bought["currency"] != "USD":
                continue
            for campaign in {message["campaign_id"] for message in self.messages}:
                before = [
                    (message["time"], message["message_variation_id"])
                    for message in self.messages
                    if message["campaign_id"] == campaign
                    and message["user_id"] == bought["user_id"]
                    and message["time"] <= bought["time"]
                ]
                latest = max((time for time, _ in before), default=None)
                if latest is not None and bought["time"] - latest <= 3 * 86_400:
                    variation = min(variation for time, variation in before if time == latest)
                    record = bought | {"campaign_id": campaign, "message_variation_id": variation}
                    self.add(record, "campaign", "revenue", Decimal(str(bought["price"])))


@pytest.mark.parametrize(
    ("seed", "zone", "start", "form"),
    [
        (1, "UTC", datetime(2024, 2, 27, tzinfo=UTC), "avro"),
        (2, "Asia/Seoul", datetime(2024, 5, 31, 15, tzinfo=UTC), "ndjson"),
        (3, "America/New_York", datetime(2024, 3, 6, 5, tzinfo=UTC), "ndjson"),
        (4, "America/New_York", datetime(2024, 10, 31, 4, tzinfo=UTC), "parquet"),
    ],
)
def test_every_figure_is_that_of_plain_python(tmp_path, seed, zone, start, form):
    """With duplicates, late events, users in several variants, a control group, and days of 23 and 25 hours."""
    campaigns = [
        Campaign(id="one", name="One", channels=("email",), variants=3, control=True),
        Campaign(id="many", name="Many", channels=("email", "ios_push", "android_push", "kindle_push", "web_push")),
    ]
    events = list(generate(campaigns, start=start, days=DAYS, users=25, seed=seed))
    write_lake(events, tmp_path, form)
    source = CampaignResults(events=EventLake(path=str(tmp_path), format=form, lateness=LATENESS))
    expected = Oracle(events, start, zone).figures
    found = measured(source, start, zone)
    assert {key: value for key, value in found.items() if value} == {k: v for k, v in expected.items() if v}
    assert expected.keys() <= found.keys()


def test_tables_of_a_database_give_the_same_figures(tmp_path, monkeypatch):
    start = datetime(2024, 2, 27, tzinfo=UTC)
    campaign = Campaign(id="many", name="Many", channels=("email", "ios_push"), control=True)
    events = list(generate([campaign], start=start, days=DAYS, users=25, seed=5))
    with closing(sqlite3.connect(tmp_path / "share.db")) as database:
        write_tables(events, database)
    monkeypatch.setenv("AIRFLOW_CONN_SHARE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "share.db")}))
    write_lake(events, tmp_path / "lake", "ndjson")
    late = EventLake(path=str(tmp_path / "lake"), format="ndjson", lateness=timedelta(days=40))
    found = measured(CampaignResults(events=EventTables(conn_id="share")), start, "UTC")
    assert found == measured(CampaignResults(events=late), start, "UTC")
    assert sum(found.values()) > 0
