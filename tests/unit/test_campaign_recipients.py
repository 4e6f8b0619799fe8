"""Recipients exports through all stages, compared with plain Python over the same events and profiles."""

import csv
import io
import json
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pyarrow.parquet as pq
import pytest

from include.exports import (
    CampaignRecipients,
    CsvFiles,
    Daily,
    EventLake,
    EventTables,
    Grants,
    JsonFiles,
    LakeSource,
    LocalDestination,
    Once,
    ParquetFiles,
    Permissions,
    Profiles,
    RecipientsExport,
    SqlSource,
)
from include.exports.errors import DefinitionError, NotEligible, SourceRefused
from include.exports.permissions import Person
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.verify import verify
from include.exports.window import window
from include.local import profiles
from include.local.events import Campaign, Event, generate, write_lake, write_tables

START = datetime(2024, 3, 10, tzinfo=UTC)
END = START + timedelta(days=60)
DAY = 86_400
CAMPAIGN = Campaign(id="spring", name="Spring Sale", channels=("email",), variants=3, control=True)
ALL = [
    "Appboy ID", "country", "created_at", "created_from", "devices", "date_of_birth", "email",
    "unsubscribed_from_emails_at", "user_id", "first_name", "first_session", "gender", "google_ad_ids", "city",
    "IDFAs", "IDFVs", "language", "last_app_version_used", "last_name", "last_session",
    "number_of_google_ad_ids", "number_of_IDFAs", "number_of_IDFVs", "number_of_push_tokens",
    "number_of_roku_ad_ids", "number_of_windows_ad_ids", "phone_number", "opted_into_push_at",
    "unsubscribed_from_push_at", "random_bucket", "roku_ad_ids", "session_count", "timezone",
    "in_app_purchase_total", "user_aliases", "windows_ad_ids",
]  # fmt: skip
"""As documented."""
MINE = [*ALL, "favourite_item", "clicked_item", "variation_name", "variation_api_id", "in_control"]
RECEIVED = {
    "users.messages.email.Send",
    "users.messages.pushnotification.Send",
    "users.messages.inappmessage.Impression",
    "users.messages.contentcard.Impression",
    "users.messages.sms.Delivery",
}
SENT = RECEIVED - {"users.messages.contentcard.Impression", "users.messages.sms.Delivery"} | {
    "users.messages.contentcard.Send",
    "users.messages.sms.Send",
}
ENROLLED = "users.campaigns.EnrollInControl"
KIM = Person(user="kim")


class Recipients:
    """A recipients export of events and profiles in a temporary folder."""

    def __init__(self, root: Path, campaign: Campaign = CAMPAIGN, users: int = 400, form: str = "ndjson") -> None:
        self.root, self.runs = root, 0
        self.events = list(
            generate([campaign, Campaign(id="x", name="X", channels=("sms",))], start=START, days=5, users=users)
        )
        self.profiles = profiles.generate([f"user-{number:06d}" for number in range(users)])
        daily = [Event(one.type, one.record, -(-one.processed // DAY) * DAY) for one in self.events]  # few folders
        write_lake(daily, root / "lake", form)
        profiles.write_lake(self.profiles, root / "profiles")
        self.source = CampaignRecipients(
            events=EventLake(path=str(root / "lake"), format=form, lateness=timedelta(days=14)),
            campaign="spring",
            profiles=Profiles(
                table=LakeSource(path=str(root / "profiles")),
                custom_attributes=("favourite_item",),
                custom_events=("clicked_item",),
            ),
        )

    def declare(self, grain: str = "user", **changes: object) -> RecipientsExport:
        everybody = Grants(users=("crm",))
        declared = {
            "name": "recipients",
            "owner": "crm",
            "source": self.source.model_copy(update={"grain": grain}),
            "schedule": Once(at=END),
            "permissions": Permissions(export_user_data=everybody, view_pii=everybody),
            "destination": LocalDestination(path=str(self.root / "delivered")),
        }
        return RecipientsExport(**(declared | changes))

    def run(self, export: RecipientsExport, start: datetime | None = None, end: datetime = END) -> dict:
        covered = window(export, start, end, END)
        self.runs += 1
        stages = Stages(
            export, covered, Staging(f"file://{self.root}/staging", export.name, covered.key, f"run {self.runs}")
        )
        for shard in stages.validate_eligibility():
            stages.extract_records(shard)
            stages.serialize_files(shard)
            stages.deliver_files(shard)
        self.published = stages.publish_manifest()
        return json.loads(Path(self.published["manifest"].removeprefix("file://")).read_bytes())

    def table(self, manifest: dict, name: str) -> list[Path]:
        (table,) = (table for table in manifest["export"]["tables"] if table["name"] == name)
        return [path for file in table["files"] for path in (self.root / "delivered").rglob(file)]

    def rows(self, manifest: dict, name: str = "recipients") -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        for path in self.table(manifest, name):
            with ZipFile(path) as archive:
                for member in archive.namelist():
                    rows += csv.DictReader(io.StringIO(archive.read(member).decode()))
        return rows

    def reconciliation(self, manifest: dict) -> dict[str, int]:
        (path,) = self.table(manifest, "reconciliation")
        return {row["step"]: int(row["number"]) for row in csv.DictReader(io.StringIO(path.read_text()))}


class Expected:
    """Who received the campaign, in plain Python."""

    def __init__(self, recipients: Recipients, start: int = 0, end: float = END.timestamp()) -> None:
        self.messages, self.sends = defaultdict(list), defaultdict(int)
        self.profiles = {profile["braze_id"]: profile for profile in recipients.profiles}
        seen = set()
        for event in recipients.events:
            record = event.record
            late = event.processed - record["time"] >= 14 * 86_400
            if (
                record["id"] in seen
                or record.get("campaign_id") != "spring"
                or not start <= record["time"] < end
                or late
            ):
                continue
            seen.add(record["id"])
            if event.type in RECEIVED or event.type == ENROLLED:
                variation = (record["message_variation_id"], record["message_variation_name"])
                control = event.type == ENROLLED
                self.messages[record["user_id"]].append(
                    (record["time"], *variation, control, record["external_user_id"])
                )
            if event.type in SENT:
                self.sends[record["user_id"]] += 1

    def state(self, user: str) -> str:
        profile = self.profiles.get(user)
        if profile is None:
            return "missing"
        return "merged" if profile["merged_into"] else "deleted" if profile["deleted_at"] else "current"

    def received(self, user: str) -> int:
        return sum(not control for *_, control, _ in self.messages.get(user, ()))

    def last(self) -> dict[str, tuple]:
        """By user, in order: variation, its name, control."""
        return {user: max(found)[1:4] for user, found in sorted(self.messages.items())}


@pytest.fixture
def recipients(tmp_path: Path) -> Recipients:
    return Recipients(tmp_path)


def test_all_recipient_data_has_the_documented_columns_and_a_row_for_each_current_profile(recipients):
    rows = recipients.rows(recipients.run(recipients.declare()))
    expected = Expected(recipients)
    last = {user: last for user, last in expected.last().items() if expected.state(user) == "current"}
    assert list(rows[0]) == MINE
    assert [row["Appboy ID"] for row in rows] == list(last)
    assert [(row["variation_api_id"], row["variation_name"], row["in_control"]) for row in rows] == [
        (variation, name, str(control).lower()) for variation, name, control in last.values()
    ]
    for row in rows:
        profile = expected.profiles[row["Appboy ID"]]
        assert row["user_id"] == profile["user_id"]
        assert row["email"] == (profile["email"] or "")
        assert row["phone_number"] == f"'{profile['phone_number']}"
        assert row["last_name"] == profile["last_name"].replace("+", "'+")
        assert row["first_name"] == profile["first_name"].replace("=", "'=")
        assert row["favourite_item"] == (profile["favourite_item"] or "").replace("-17", "'-17")
        assert row["clicked_item"] == str(profile["clicked_item"])
        assert row["in_app_purchase_total"].startswith("'-") == (profile["in_app_purchase_total"] < 0)
        assert {row[name] for name in ("devices", "IDFAs", "windows_ad_ids")} == {""}


def test_users_of_several_variants_and_of_the_control_group_are_there_once_with_the_last(recipients):
    expected = Expected(recipients)
    several = [user for user, found in expected.messages.items() if len({variation for _, variation, *_ in found}) > 1]
    rows = recipients.rows(recipients.run(recipients.declare()))
    assert len(several) > 20
    assert sum(row["in_control"] == "true" for row in rows) > 20
    assert len({row["Appboy ID"] for row in rows}) == len(rows)


def test_email_addresses_are_of_users_who_have_one(recipients):
    manifest = recipients.run(recipients.declare(kind="email_addresses"))
    rows = recipients.rows(manifest, "email_addresses")
    expected = Expected(recipients)
    users = [user for user in expected.last() if expected.state(user) == "current" and expected.profiles[user]["email"]]
    assert list(rows[0]) == [
        "user_id", "first_name", "last_name", "email", "unsubscribed_from_emails_at", "opted_in_to_emails_at",
        "user_aliases",
    ]  # fmt: skip
    assert [row["email"] for row in rows] == [expected.profiles[user]["email"] for user in users]
    steps = recipients.reconciliation(manifest)
    assert steps["rows"] == len(users)
    assert steps["without_email"] < 0


def test_recipients_without_a_profile_are_kept_and_flagged_when_that_is_asked_for(recipients):
    rows = recipients.rows(recipients.run(recipients.declare(include_deleted=True)))
    expected = Expected(recipients)
    assert [(row["Appboy ID"], row["profile"]) for row in rows] == [
        (user, expected.state(user)) for user in expected.last()
    ]
    assert {row["profile"] for row in rows} == {"current", "deleted", "merged", "missing"}
    for row in rows:
        if row["profile"] != "current":
            assert row["user_id"] == row["Appboy ID"].replace("user-", "customer-")
            assert row["email"] == row["phone_number"] == row["first_name"] == ""


@pytest.mark.parametrize(
    "channels", [("email",), ("sms",), ("content_cards",), ("email", "ios_push", "in_app_message")]
)
@pytest.mark.parametrize("changes", [{}, {"include_deleted": True}, {"grain": "send"}])
def test_the_reconciliation_leads_from_sends_to_rows(tmp_path, channels, changes):
    campaign = Campaign(id="spring", name="Spring", channels=channels, variants=2, control=True)
    recipients = Recipients(tmp_path, campaign, users=150)
    manifest = recipients.run(recipients.declare(**changes))
    steps, expected = recipients.reconciliation(manifest), Expected(recipients)
    users = expected.messages.keys() | expected.sends.keys()
    received = [user for user in users if expected.received(user)]
    assert steps["sends"] == sum(expected.sends.values())
    assert steps["unique_recipients"] == len(received)
    assert steps["sends_not_received"] == -sum(
        expected.sends.get(user, 0) for user in users if not expected.received(user)
    )
    assert steps["further_sends"] == -sum(max(expected.sends.get(user, 0) - 1, 0) for user in received)
    assert steps["control_group"] == sum(user in expected.messages and not expected.received(user) for user in users)
    for state in ("deleted", "merged", "missing"):
        lost = sum(expected.state(user) == state for user in expected.messages if expected.messages[user])
        assert steps[f"{state}_profiles"] == (0 if changes.get("include_deleted") else -lost)
    numbers = list(steps.values())
    names = list(steps)
    unique = names.index("unique_recipients")
    assert sum(numbers[:unique]) == steps["unique_recipients"]
    assert sum(numbers[unique:-1]) == steps["rows"] == len(recipients.rows(manifest))


def test_a_row_a_message_has_the_time_at_which_it_was_received(recipients):
    rows = recipients.rows(recipients.run(recipients.declare(grain="send")))
    expected = Expected(recipients)
    assert [(row["Appboy ID"], row["variation_api_id"], row["received_at"]) for row in rows] == [
        (user, variation, f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%S}.000000Z")
        for user in sorted(expected.messages)
        if expected.state(user) == "current"
        for time, variation, *_ in sorted(expected.messages[user])
    ]
    assert len(rows) > len({row["Appboy ID"] for row in rows})


def test_a_window_has_those_who_received_a_message_in_it(recipients):
    export = recipients.declare(mode="incremental", schedule=Daily())
    day = START + timedelta(days=2)
    rows = recipients.rows(recipients.run(export, day, day + timedelta(days=1)))
    expected = Expected(recipients, int(day.timestamp()), int(day.timestamp()) + 86_400)
    assert [row["Appboy ID"] for row in rows] == [user for user in expected.last() if expected.state(user) == "current"]
    assert 0 < len(rows) < 300


def test_files_have_5000_users_in_one_archive_and_what_is_delivered_verifies(recipients):
    export = recipients.declare()
    assert export.files == CsvFiles(compression="zip", member_rows=5000, formula_guard="numbers")
    manifest = recipients.run(recipients.declare(files=export.files.model_copy(update={"member_rows": 100})))
    (archive,) = recipients.table(manifest, "recipients")
    assert archive.name.endswith(".csv.zip")
    with ZipFile(archive) as opened:
        lengths = [opened.read(name).count(b"\n") - 1 for name in opened.namelist()]
    assert lengths[:-1] == [100] * (len(lengths) - 1)
    document = Path(recipients.published["manifest"].removeprefix("file://")).read_bytes()
    verdicts = verify(document, lambda url: io.FileIO(url.removeprefix("file://")))
    assert [(verdict.rows, verdict.problems) for verdict in verdicts] == [(sum(lengths), ()), (12, ())]


def test_ndjson_and_parquet_have_values_as_they_are(recipients):
    manifest = recipients.run(recipients.declare(files=JsonFiles(compression="none")))
    (path,) = recipients.table(manifest, "recipients")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    (parquet,) = recipients.table(recipients.run(recipients.declare(files=ParquetFiles())), "recipients")
    read = pq.read_table(parquet).to_pylist()
    phones = {profile["phone_number"] for profile in recipients.profiles}
    assert {row["phone_number"] for row in rows} <= phones
    assert [row["phone_number"] for row in rows] == [row["phone_number"] for row in read]
    assert [row["in_control"] for row in rows] == [row["in_control"] for row in read]


def test_a_run_that_is_repeated_changes_nothing(recipients):
    before = recipients.run(recipients.declare())
    assert recipients.run(recipients.declare()) == before
    assert recipients.published["changed"] is False


def test_events_and_profiles_are_read_from_tables_of_a_database(recipients, monkeypatch):
    database = recipients.root / "share.db"
    with sqlite3.connect(database) as share:
        write_tables([Event(one.type, one.record, 0) for one in recipients.events], share)
        profiles.write_table(recipients.profiles, share)
        share.execute("CREATE TABLE SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED (ID, TIME, APP_GROUP_ID, API_ID, NAME)")
        names = {
            (one.record.get("message_variation_id"), one.record.get("message_variation_name"))
            for one in recipients.events
            if "message_variation_id" in one.record
        }
        share.executemany(
            "INSERT INTO SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED VALUES ('s', 0, 'w', ?, ?)",
            sorted(map(list, names)),
        )
    monkeypatch.setenv("AIRFLOW_CONN_SHARE", f"sqlite:///{database}")
    from_lake = recipients.rows(recipients.run(recipients.declare()))
    text = {name: "VARCHAR" if kind == "TIMESTAMPTZ" else kind for name, kind in profiles.TYPES.items()}
    recipients.source = CampaignRecipients(
        events=EventTables(conn_id="share"),
        campaign="spring",
        profiles=Profiles(
            table=SqlSource(conn_id="share", table="profiles", types=text),
            custom_attributes=("favourite_item",),
            custom_events=("clicked_item",),
        ),
    )
    from_tables = recipients.rows(recipients.run(recipients.declare()))
    times = ("created_at", "unsubscribed_from_emails_at")
    assert [{k: v for k, v in row.items() if k not in times} for row in from_tables] == [
        {k: v for k, v in row.items() if k not in times} for row in from_lake
    ]


def test_columns_that_are_called_otherwise_are_declared_and_a_misspelt_one_refuses_the_run(recipients):
    declared = recipients.source.profiles.model_copy(update={"columns": {"city": "country"}})
    recipients.source = recipients.source.model_copy(update={"profiles": declared})
    rows = recipients.rows(recipients.run(recipients.declare()))
    assert [row["city"] for row in rows] == [row["country"] for row in rows]
    wrong = declared.model_copy(update={"custom_events": ("clicked",)})
    recipients.source = recipients.source.model_copy(update={"profiles": wrong})
    with pytest.raises(NotEligible, match=r"^source\.profiles: the table has no clicked; it has braze_id, "):
        recipients.run(recipients.declare())


def test_a_table_with_a_user_twice_is_refused(recipients):
    profiles.write_lake(recipients.profiles[:1], recipients.root / "profiles" / "more")
    with pytest.raises(SourceRefused, match="has user 'user-000000' more than once; give it one row a user"):
        recipients.run(recipients.declare())


def test_who_may_not_export_user_data_is_refused(recipients):
    with pytest.raises(NotEligible, match="'kim' may not export user data; grant export_user_data in the definition"):
        recipients.declare().acting_for(KIM)


def test_without_view_pii_email_and_phone_are_neither_staged_nor_delivered_and_the_email_kind_is_refused(recipients):
    crm = Grants(users=("crm",))
    rights = Permissions(export_user_data=Grants(users=("crm",), roles=("marketing",)), view_pii=crm)
    kim = Person(user="kim", roles=("marketing",))
    full = recipients.run(recipients.declare(permissions=rights))
    manifest = recipients.run(recipients.declare(permissions=rights).acting_for(kim))
    rows = recipients.rows(manifest)
    assert list(rows[0]) == [name for name in MINE if name not in ("email", "phone_number")]
    assert "exportTime=202405090000-without-pii/" in manifest["entries"][0]["url"]
    assert len(rows) == len(recipients.rows(full))
    staged = [path for path in (recipients.root / "staging").rglob("*") if path.parent.name.startswith("extract")]
    names = [set(pq.read_schema(path).names) for path in staged]
    assert sorted("email" in found for found in names) == [False, True]
    assert sorted("phone_number" in found for found in names) == [False, True]
    with pytest.raises(NotEligible, match="'kim' may not see e-mail addresses; grant view_pii in the definition"):
        recipients.declare(permissions=rights, kind="email_addresses").acting_for(kim)


def test_an_owner_who_may_not_run_it_is_an_error_of_the_definition(recipients):
    with pytest.raises(DefinitionError) as refused:
        recipients.declare(permissions=Permissions(export_user_data=Grants(users=("kim",))), kind="email_addresses")
    rule = "scheduled runs act for the owner 'crm', who does not hold it; grant it to them"
    assert [(problem.field, problem.message) for problem in refused.value.problems] == [
        ("permissions.export_user_data", rule),
        ("permissions.view_pii", rule),
    ]


def test_a_definition_is_plain_data(recipients):
    export = recipients.declare()
    assert RecipientsExport.model_validate_json(export.model_dump_json()) == export
