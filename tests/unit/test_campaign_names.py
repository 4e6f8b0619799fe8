"""Which campaigns are exported, and under which names, by tables beside those of the events."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    Daily,
    EventLake,
    EventTables,
    LocalDestination,
)
from include.exports.campaigns import figures
from include.exports.engine import connect
from include.exports.errors import DefinitionError, NotEligible
from include.exports.sources import Request
from include.local.events import Campaign, generate, write_lake, write_tables

START = datetime(2024, 3, 10, tzinfo=UTC)
CAMPAIGNS = [Campaign(id=name, name=f"{name} by its events", channels=("email",)) for name in ("spring", "welcome")]
SHARE = EventTables(conn_id="share")


@pytest.fixture
def share(tmp_path, monkeypatch):
    """A database with events of two campaigns."""
    monkeypatch.setenv("AIRFLOW_CONN_SHARE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "share.db")}))
    with closing(sqlite3.connect(tmp_path / "share.db")) as database:
        write_tables(generate(CAMPAIGNS, start=START, days=3, users=5), database)
        yield database


def change(database, table: str, *rows: tuple) -> None:
    database.execute(f"CREATE TABLE {table} (ID, TIME, APP_GROUP_ID, API_ID, NAME)")
    database.executemany(f"INSERT INTO {table} VALUES (?, ?, 'app', ?, ?)", rows)
    database.commit()


def at(day: int) -> int:
    return int((START + timedelta(days=day)).timestamp())


def names(source: CampaignResults, column: str = "campaign_name") -> list[tuple]:
    """Day, campaign and name of each record, once."""
    request = Request(start=START, end=START + timedelta(days=3), columns=tuple(figures.COLUMNS), timezone="UTC")
    (shard,) = figures.shards(source, request)
    with connect() as con, figures.records(source, request, shard, con) as sql:
        key = "campaign_id" if column == "campaign_name" else "variation_id"
        query = f"select distinct date, {key}, {column} from ({sql}) where date is not null and {key} is not null"
        return con.sql(f"{query} order by all").fetchall()


def test_a_campaign_has_the_name_that_it_had_at_the_end_of_the_day(share):
    change(
        share,
        "CHANGELOGS_CAMPAIGN_SHARED",
        ("1", at(-400), "spring", "Draft"),
        ("2", at(-1), "spring", "Spring Sale"),
        ("3", at(1) + 60, "spring", "Spring Sale, last days"),
        ("4", at(30), "spring", "Archived"),
    )
    assert names(CampaignResults(events=SHARE, campaigns=("spring",))) == [
        (date(2024, 3, 10), "spring", "Spring Sale"),
        (date(2024, 3, 11), "spring", "Spring Sale, last days"),
        (date(2024, 3, 12), "spring", "Spring Sale, last days"),
    ]


def test_a_variation_is_named_by_its_snapshots(share):
    change(share, "SNAPSHOTS_CAMPAIGN_MESSAGE_VARIATION_SHARED", ("1", at(-9), "spring-v1", "Blue button"))
    found = names(CampaignResults(events=SHARE, campaigns=("spring",)), "variation_name")
    assert {row[1:] for row in found} == {("spring-v1", "Blue button")}


@pytest.mark.usefixtures("share")
def test_without_tables_of_names_a_warning_says_where_names_are_from(caplog):
    assert {row[2] for row in names(CampaignResults(events=SHARE))} == {None}
    assert [record.getMessage() for record in caplog.records if "CHANGELOGS" in record.getMessage()] == [
        "share has no table CHANGELOGS_CAMPAIGN_SHARED: names are those that events have"
    ]


def test_a_tag_selects_the_campaigns_that_have_it(share, tmp_path):
    share.execute("CREATE TABLE campaign_tags (campaign_api_id, tag)")
    share.execute("INSERT INTO campaign_tags VALUES ('spring', 'sale'), ('spring', 'it''s'), ('welcome', 'other')")
    share.commit()
    write_lake(generate(CAMPAIGNS, start=START, days=3, users=5), tmp_path / "lake", "ndjson")
    lake = EventLake(path=str(tmp_path / "lake"), format="ndjson")
    assert {row[1] for row in names(CampaignResults(events=SHARE, tag="it's"))} == {"spring"}
    assert {row[1] for row in names(CampaignResults(events=lake, names=SHARE, tag="other"))} == {"welcome"}
    with pytest.raises(NotEligible, match="share: no campaign has the tag 'sole' in CAMPAIGN_TAGS; correct the tag"):
        names(CampaignResults(events=SHARE, tag="sole"))


@pytest.mark.usefixtures("share")
def test_a_tag_without_a_table_of_tags_is_refused():
    with pytest.raises(NotEligible, match="share: there is no table CAMPAIGN_TAGS; make it, or correct conn_id"):
        names(CampaignResults(events=SHARE, tag="sale"))


@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        ({"tag": "sale", "campaigns": ("spring",)}, "campaigns are selected by a list or by a tag; write one of them"),
        ({"tag": "sale"}, "a tag is looked up in tables; say where with `names`"),
    ],
)
def test_a_selection_that_could_not_be_meant_is_refused(selection, problem):
    with pytest.raises(DefinitionError, match=problem):
        CampaignResultsExport(
            name="results",
            owner="tests",
            source=CampaignResults(events=EventLake(path="lake"), **selection),
            mode="incremental",
            schedule=Daily(timezone="UTC"),
            files=CsvFiles(),
            destination=LocalDestination(path="exports"),
        )
