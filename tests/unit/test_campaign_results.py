"""Results of campaigns through all stages: what is delivered, and which days a later run touches."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    Daily,
    EventLake,
    LocalDestination,
    XlsxFiles,
)
from include.exports.cli.terminal import asked
from include.exports.errors import VerificationError
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.verify import verify
from include.exports.window import window
from include.local.events import Campaign, Event, generate, write_lake

START = datetime(2024, 3, 10, 15, tzinfo=UTC)
"""Midnight of March 11 in Seoul."""
GROUPS = ["messages_sent", "email_engagement", "in_app_message_engagement", "ios_push_engagement"]
GROUPS += ["android_push_engagement", "campaign"]


class Results:
    """A results export of one campaign's events, which lie in a temporary folder."""

    def __init__(self, root: Path, **changes: object) -> None:
        self.root, self.runs = root, 0
        declared = {
            "name": "results",
            "owner": "tests",
            "source": CampaignResults(events=EventLake(path=str(root / "lake"), format="ndjson")),
            "mode": "incremental",
            "late_days": 3,
            "schedule": Daily(timezone="Asia/Seoul"),
            "files": CsvFiles(compression="none"),
            "destination": LocalDestination(path=str(root / "delivered")),
        }
        self.export = CampaignResultsExport(**(declared | changes))

    def run(self, day: int, first: int | None = None) -> dict:
        """The run of a day; of a full export, that of what ends with it, or of the days from `first` on."""
        start = START + timedelta(days=day)
        asked = first if self.export.mode == "full" else day
        begin = None if asked is None else START + timedelta(days=asked)
        covered = window(self.export, begin, start + timedelta(days=1), start)
        self.runs += 1
        staging = Staging(f"file://{self.root}/staging", self.export.name, covered.key, f"run {self.runs}")
        stages = Stages(self.export, covered, staging)
        for shard in stages.validate_eligibility():
            stages.extract_records(shard)
            stages.serialize_files(shard)
            stages.deliver_files(shard)
        return stages.publish_manifest()

    def manifests(self) -> dict[str, dict]:
        """Every manifest, by the day whose end it is of."""
        found = sorted((self.root / "delivered").rglob("_manifest.json"))
        return {path.parent.name.removeprefix("exportTime="): json.loads(path.read_bytes()) for path in found}

    def table(self, day: str, name: str) -> list[dict[str, str]]:
        manifest = self.manifests()[day]
        (table,) = (table for table in manifest["export"]["tables"] if table["name"] == name)
        (file,) = table["files"]
        (path,) = (self.root / "delivered").rglob(file)
        return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture
def results(tmp_path) -> Results:
    campaign = Campaign(id="spring", name="Spring Sale", channels=("email", "ios_push", "android_push"))
    write_lake(generate([campaign], start=START, days=4, users=40), tmp_path / "lake", "ndjson")
    return Results(tmp_path)


def test_a_run_publishes_its_day_and_the_days_before_it_each_with_all_groups(results):
    published = results.run(3)
    manifests = results.manifests()
    assert list(manifests) == ["202403111500", "202403121500", "202403131500", "202403141500"]
    assert published["restated"] == [manifest for manifest in published["restated"] if "1500/_manifest" in manifest]
    assert len(published["restated"]) == 3
    for manifest in manifests.values():
        assert [table["name"] for table in manifest["export"]["tables"]] == GROUPS
        assert manifest["schema"] == {"elements": []}
    assert manifests["202403111500"]["export"]["interval"] == {
        "start": "2024-03-10T15:00:00+00:00",
        "end": "2024-03-11T15:00:00+00:00",
        "timezone": "Asia/Seoul",
    }


def test_a_file_has_the_documented_series_of_its_group(results):
    results.run(0)
    (row,) = results.table("202403111500", "email_engagement")
    assert list(row) == [
        "Date", "Campaign ID", "Campaign", "Emails Delivered", "Sent", "Opened", "Clicks", "Bounces",
        "Reported as Spam",
    ]  # fmt: skip
    assert (row["Date"], row["Campaign ID"], row["Campaign"]) == ("2024-03-11", "spring", "Spring Sale")
    (sent,) = results.table("202403111500", "messages_sent")
    assert int(sent["Email"]) == int(row["Sent"]) > 0
    assert int(sent["Total Messages Sent"]) == int(sent["Email"]) + int(sent["Push"]) + int(sent["In-App Message"])


def test_a_day_on_which_nothing_happened_is_there_with_zeros(results):
    results.run(25)
    (row,) = results.table("202404051500", "ios_push_engagement")
    assert list(row.values())[:3] == ["2024-04-05", "spring", "Spring Sale"]
    assert set(list(row.values())[3:]) == {"0"}


def test_a_late_event_makes_a_new_generation_of_its_day_alone(results):
    results.run(3)
    before = results.manifests()
    sent = next(
        event
        for event in generate([Campaign(id="spring", name="Spring Sale", channels=("email",))], start=START, days=1,
                              users=1, seed=9)
        if event.type == "users.messages.email.Send"
    )  # fmt: skip
    late = Event(sent.type, sent.record | {"time": int(START.timestamp()) + 90_000}, sent.processed + 5 * 86_400)
    write_lake([late], results.root / "lake", "ndjson")
    published = results.run(4)
    after = results.manifests()
    assert published["generation"] == 1
    assert [manifest.rpartition("=")[2] for manifest in published["restated"]] == ["202403121500/_manifest.json"]
    assert after["202403121500"]["export"]["generation"] == 2
    assert {day for day in before if before[day] != after[day]} == {"202403121500"}


def test_runs_that_publish_the_same_day_agree_about_it(results):
    results.run(1)
    before = results.manifests()
    for day in (2, 3, 0, 1):
        results.run(day)
    after = results.manifests()
    assert {day: after[day] for day in before} == before


def test_a_full_export_is_one_folder_with_all_days(results):
    full = Results(results.root, name="full", mode="full", days=10)
    full.run(3)
    (day,) = full.manifests()
    rows = full.table(day, "email_engagement")
    assert [row["Date"] for row in rows] == [f"2024-03-{number:02d}" for number in range(5, 15)]
    assert {row["Sent"] for row in rows[:6]} == {"0"}


def test_a_range_that_is_asked_for_has_a_folder_of_its_own(results):
    full = Results(results.root, name="full", mode="full", days=10)
    full.run(3)
    before = full.manifests()
    full.run(3, first=1)
    after = full.manifests()
    assert {day: after[day] for day in before} == before
    assert [row["Date"] for row in full.table("2024-03-12_2024-03-14", "campaign")] == [
        "2024-03-12",
        "2024-03-13",
        "2024-03-14",
    ]


def test_an_empty_day_that_is_skipped_keeps_no_other_one_from_its_manifest(results):
    skipping = Results(results.root, on_empty="skip")
    assert skipping.run(0)["generation"] == 1
    assert list(skipping.manifests()) == ["202403111500"]


class Losing(CampaignResultsExport):
    """Loses the first day of every table."""

    def tables(self, con, window):
        made = super().tables(con, window)
        return tuple(replace(table, query=f"from ({table.query}) offset 1") for table in made)


def test_days_that_do_not_sum_to_their_total_are_not_delivered(results):
    losing = Results(results.root)
    losing.export = Losing(**dict(losing.export))
    with pytest.raises(VerificationError, match="messages_sent: Total Messages Sent: the days sum to 0, the total is "):
        losing.run(0)
    assert losing.manifests() == {}


def test_what_is_delivered_verifies(results):
    results.run(0)
    for manifest in (results.root / "delivered").rglob("_manifest.json"):
        verdicts = verify(manifest.read_bytes(), lambda url: io.FileIO(url.removeprefix("file://")))
        rows = 1 if manifest.parent.name.endswith("202403111500") else 0
        assert [(verdict.rows, verdict.problems) for verdict in verdicts] == [(rows, ())] * 6 * rows


def test_charts_and_workbooks_verify_too(results):
    full = Results(results.root, name="full", mode="full", days=3, charts=True, files=XlsxFiles())
    full.run(3)
    (manifest,) = (results.root / "delivered" / "full").rglob("_manifest.json")
    verdicts = verify(manifest.read_bytes(), lambda url: io.FileIO(url.removeprefix("file://")))
    assert {verdict.problems for verdict in verdicts} == {()}
    assert {(Path(verdict.url).suffix, verdict.rows is None) for verdict in verdicts} == {
        (".xlsx", False),
        (".png", True),
        (".html", True),
    }
    (email,) = (verdict for verdict in verdicts if "/email_engagement-0" in verdict.url)
    assert email.rows == 3
    (picture,) = manifest.parent.glob("spring-email_engagement-graph-0*.png")
    picture.write_bytes(picture.read_bytes()[:-10])
    problems = [
        verdict.problems
        for verdict in verify(manifest.read_bytes(), lambda url: io.FileIO(url.removeprefix("file://")))
        if verdict.problems
    ]
    assert "cannot be decoded: a png file that ends early" in problems[0]


def test_commands_take_every_window_that_is_asked_for_and_none_besides(results):
    found = asked(results.export, "2024-03-12..2024-03-14")
    assert [plan.window.start for plan in found] == [
        START + timedelta(days=1),
        START + timedelta(days=2),
    ]
    full = Results(results.root, name="full", mode="full", days=10).export
    assert [len(asked(full, text)) for text in ("2024-03-12", "2024-03-01..2024-03-03")] == [1, 1]
    (of_ten,), (of_two,) = asked(full, "2024-03-12"), asked(full, "2024-03-01..2024-03-03")
    assert of_ten.window.end - of_ten.window.start == timedelta(days=10)
    assert of_two.window.end - of_two.window.start == timedelta(days=2)
