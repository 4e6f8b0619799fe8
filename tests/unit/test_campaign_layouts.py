"""What is made of the same figures in each layout, from figures that are written down here."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from include.exports import (
    CampaignResults,
    CampaignResultsExport,
    CsvFiles,
    Daily,
    EventLake,
    JsonFiles,
    LocalDestination,
)
from include.exports.engine import connect
from include.exports.errors import DefinitionError
from include.exports.formats import module
from include.exports.window import Window
from tests.rigs.files import write

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from include.exports.tables import Table

WINDOW = Window(
    start=datetime(2024, 5, 1, tzinfo=UTC),
    end=datetime(2024, 5, 4, tzinfo=UTC),
    as_of=datetime(2024, 5, 4, tzinfo=UTC),
)
DAYS = ["2024-05-01", "2024-05-02", "2024-05-03"]

FIGURES = [
    # day, campaign, channel, variation, metric, value; nothing on the second day
    (1, "ab", "email", None, "sent", 30), (3, "ab", "email", None, "sent", 5),
    (1, "ab", "email", "a", "sent", 10), (3, "ab", "email", "a", "sent", 5),
    (1, "ab", "email", "b", "sent", 20),
    (1, "ab", "email", None, "opens", 7), (1, "ab", "email", "a", "opens", 3), (1, "ab", "email", "b", "opens", 4),
    (1, "ab", "campaign", None, "conversions", 6), (3, "ab", "campaign", None, "conversions", 1),
    (1, "ab", "campaign", "a", "conversions", 2), (3, "ab", "campaign", "a", "conversions", 1),
    (1, "ab", "campaign", "b", "conversions", 4), (3, "ab", "campaign", "c", "conversions", 1),
    (1, "ab", "campaign", None, "unique_recipients", 30), (3, "ab", "campaign", None, "unique_recipients", 5),
    (None, "ab", "campaign", None, "distinct_recipients", 31),
    (1, "ab", "campaign", None, "revenue", "12.50"), (1, "ab", "campaign", "a", "revenue", "12.50"),
    (1, "ab", "campaign", "c", "enrolled", 9),
    (1, "text", "sms", None, "sent", 8), (1, "text", "sms", "t", "sent", 8),
    (1, "text", "campaign", None, "unique_recipients", 8),
]  # fmt: skip
"""Campaign `ab` has two variants and the control group `c`; `text` is an SMS."""


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    con = connect(2)
    con.execute(
        "create table records (date date, campaign_id varchar, campaign_name varchar, channel varchar,"
        " variation_id varchar, variation_name varchar, metric varchar, value decimal(18, 2))"
    )
    for day, campaign, channel, variation, metric, value in FIGURES:
        row = [
            day and DAYS[day - 1], campaign, campaign.upper(), channel,
            variation, variation and f"Variant {variation.upper()}", metric, value,
        ]  # fmt: skip
        con.execute("insert into records values (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return con


def declared(**fields: Any) -> CampaignResultsExport:
    usual = {
        "name": "results",
        "owner": "tests",
        "source": CampaignResults(events=EventLake(path="lake")),
        "mode": "full",
        "schedule": Daily(),
        "files": CsvFiles(compression="none"),
        "destination": LocalDestination(path="out"),
    }
    return CampaignResultsExport(**(usual | fields))


def made(con: duckdb.DuckDBPyConnection, **fields: Any) -> dict[str, Table]:
    """The tables by name; none of them is wrong."""
    tables = declared(**fields).tables(con, WINDOW)
    for table in tables:
        con.execute(f"create or replace temp table made as {table.query}")
        assert not (table.check and con.sql(table.check).fetchall()), table.name
    return {f"{table.name}{table.files.extension if table.files else ''}": table for table in tables}


def rows(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> list[list[str]]:
    """The fields of the table's CSV file, its header first."""
    write(CsvFiles(compression="none"), con, table.query or "", path / "file")
    return list(csv.reader((path / "file").read_text().splitlines()))


def test_the_groups_have_every_day_of_every_campaign_and_a_further_channel_has_its_own(con, tmp_path):
    tables = made(con)
    assert list(tables) == [
        "messages_sent", "email_engagement", "in_app_message_engagement", "ios_push_engagement",
        "android_push_engagement", "sms_engagement", "campaign", "totals", "rates", "comparison",
    ]  # fmt: skip
    assert rows(con, tables["messages_sent"], tmp_path) == [
        ["Date", "Campaign ID", "Campaign", "Total Messages Sent", "Push", "Email", "In-App Message", "SMS"],
        ["2024-05-01", "ab", "AB", "30", "0", "30", "0", "0"],
        ["2024-05-01", "text", "TEXT", "8", "0", "0", "0", "8"],
        ["2024-05-02", "ab", "AB", "0", "0", "0", "0", "0"],
        ["2024-05-02", "text", "TEXT", "0", "0", "0", "0", "0"],
        ["2024-05-03", "ab", "AB", "5", "0", "5", "0", "0"],
        ["2024-05-03", "text", "TEXT", "0", "0", "0", "0", "0"],
    ]


def test_all_series_in_one_file_say_their_channel(con, tmp_path):
    header, first, *_ = rows(con, made(con, layout="all_series")["results"], tmp_path)
    found = dict(zip(header, first, strict=True))
    assert found["Email Message: Sent"] == found["Messages Sent: Total Messages Sent"] == "30"
    assert found["iOS Push: Bounces"] == found["Email Message: Bounces"] == "0"
    assert found["Campaign Results: Revenue"] == "12.50"


def test_columns_can_have_the_names_of_the_api(con, tmp_path):
    tables = made(con, names="api")
    assert rows(con, tables["email_engagement"], tmp_path)[:2] == [
        ["time", "campaign_id", "campaign_name", "delivered", "sent", "opens", "clicks", "bounces", "reported_spam"],
        ["2024-05-01", "ab", "AB", "0", "30", "7", "0", "0", "0"],
    ]


def test_by_statistic_a_variant_is_a_column_and_the_control_group_is_where_it_has_a_meaning(con, tmp_path):
    tables = made(con, layout="by_statistic")
    assert rows(con, tables["ab-email-sent"], tmp_path) == [
        ["Date", "Campaign ID", "Campaign", "Variant A", "Variant B"],
        ["2024-05-01", "ab", "AB", "10", "20"],
        ["2024-05-02", "ab", "AB", "0", "0"],
        ["2024-05-03", "ab", "AB", "5", "0"],
    ]
    assert rows(con, tables["ab-campaign-conversions"], tmp_path) == [
        ["Date", "Campaign ID", "Campaign", "Variant A", "Variant B", "Variant C"],
        ["2024-05-01", "ab", "AB", "2", "4", "0"],
        ["2024-05-02", "ab", "AB", "0", "0", "0"],
        ["2024-05-03", "ab", "AB", "1", "0", "1"],
    ]
    assert [name for name in tables if name.startswith("ab-email")] == [
        f"ab-email-{metric}" for metric in ("delivered", "sent", "opens", "clicks", "bounces", "reported_spam")
    ]
    assert tables["ab-email-sent"].title == "AB: Email Number Sent by Date for Each Variant"


def test_by_variant_a_statistic_is_a_column(con, tmp_path):
    tables = made(con, layout="by_variant")
    header, first, *_ = rows(con, tables["ab-a"], tmp_path)
    assert header[3:9] == ["Number Delivered", "Number Sent", "Opens", "Clicks", "Bounces", "Spam Reports"]
    assert dict(zip(header, first, strict=True))["Revenue"] == "12.50"
    assert rows(con, tables["ab-c"], tmp_path)[:2] == [
        ["Date", "Campaign ID", "Campaign", "Conversions", "Conversions (B)", "Conversions (C)", "Conversions (D)",
         "Revenue", "Enrolled"],
        ["2024-05-01", "ab", "AB", "0", "0", "0", "0", "0.00", "9"],
    ]  # fmt: skip


def test_the_long_form_has_a_figure_a_row(con, tmp_path):
    found = rows(con, made(con, layout="tidy")["results"], tmp_path)
    assert found[0] == ["Date", "Campaign ID", "Campaign", "Channel", "Statistic", "Variant ID", "Variant", "Value"]
    assert ["2024-05-02", "ab", "AB", "Email", "Opened", "a", "Variant A", "0.00"] in found
    series = {(campaign, channel, variation, metric) for day, campaign, channel, variation, metric, _ in FIGURES if day}
    assert len(found) == 1 + 3 * len(series)


def test_totals_are_the_sums_of_days_and_say_where_people_are_counted_once(con, tmp_path):
    found = rows(con, made(con)["totals"], tmp_path)
    assert found[0] == [
        "Campaign ID", "Campaign", "Channel", "Statistic", "Variant ID", "Variant", "Total", "Counted",
    ]  # fmt: skip
    assert ["ab", "AB", "Campaign", "Unique Recipients", "", "", "35.00", "sum of days"] in found
    assert ["ab", "AB", "Campaign", "Distinct Recipients", "", "", "31.00", "each once in all days"] in found
    assert ["ab", "AB", "Email", "Sent", "a", "Variant A", "15.00", "sum of days"] in found
    assert ["ab", "AB", "Campaign", "Conversion Rate", "", "", "0.200000"] in rows(con, made(con)["rates"], tmp_path)


def test_a_day_alone_has_no_totals(con):
    assert "totals" not in made(con, mode="incremental")


def test_the_api_shape_is_what_braze_documents(con, tmp_path):
    tables = made(con, layout="data_series", files=JsonFiles(compression="none"))
    assert list(tables) == ["data_series-ab", "data_series-text"]
    write(JsonFiles(compression="none"), con, tables["data_series-ab"].query or "", tmp_path / "file")
    answer = json.loads((tmp_path / "file").read_text())
    assert answer["message"] == "success"
    assert [day["time"] for day in answer["data"]] == DAYS
    first = answer["data"][0]
    assert list(first) == [
        "time", "messages", "conversions_by_send_time", "conversions1_by_send_time", "conversions2_by_send_time",
        "conversions3_by_send_time", "conversions", "conversions1", "conversions2", "conversions3",
        "unique_recipients", "revenue",
    ]  # fmt: skip
    assert (first["conversions"], first["unique_recipients"], first["revenue"]) == (6, 30, 12.5)
    a, b, control = first["messages"]["email"]
    assert [one["variation_name"] for one in (a, b, control)] == ["Variant A", "Variant B", "Variant C"]
    assert (a["sent"], a["opens"], a["conversions"], b["sent"]) == (10, 3, 2, 20)
    assert (control["enrolled"], "sent" in control, "enrolled" in a) == (9, False, False)
    write(JsonFiles(compression="none"), con, tables["data_series-text"].query or "", tmp_path / "file")
    (sms,) = json.loads((tmp_path / "file").read_text())["data"][1]["messages"]["sms"]
    assert sms == {
        "variation_api_id": "t", "sent": 0, "sent_to_carrier": 0, "delivered": 0, "rejected": 0, "delivery_failed": 0,
        "clicks": 0, "opt_out": 0, "help": 0,
    }  # fmt: skip


def test_each_group_has_a_chart_of_each_campaign_that_has_its_channels(con):
    tables = made(con, charts=True)
    drawn = [name for name in tables if name.endswith(".png")]
    assert drawn == [
        "ab-messages_sent-graph.png", "text-messages_sent-graph.png", "ab-email_engagement-graph.png",
        "text-sms_engagement-graph.png", "ab-campaign-graph.png", "text-campaign-graph.png",
    ]  # fmt: skip
    chart = tables["ab-email_engagement-graph-page.html"]
    assert chart.title == "AB: Email Message Engagement by Date"
    assert con.sql(chart.query or "").fetchall()[3:6] == [
        (datetime.fromisoformat(day).date(), "Sent", value) for day, value in zip(DAYS, (30, 0, 5), strict=True)
    ]


def test_a_chart_by_statistic_has_a_line_a_variant(con):
    chart = made(con, layout="by_statistic", charts=True)["ab-email-opens-graph.png"]
    assert list(dict.fromkeys(row[1] for row in con.sql(chart.query or "").fetchall())) == ["Variant A", "Variant B"]
    assert module(chart.files).__name__ == "include.exports.formats.chart"


def test_ids_that_a_path_cannot_have_are_told_apart_by_a_hash():
    from include.exports.campaigns.tidy import slug

    assert slug("5f0c-ab_1") == "5f0c-ab_1"
    assert slug("a/b").startswith("a_b_")
    assert slug("a/b") != slug("a b")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"charts": True, "mode": "incremental"},
            "charts: charts are of many days of groups, by_statistic, by_variant",
        ),
        ({"charts": True, "layout": "tidy"}, "charts: charts are of many days of groups, by_statistic, by_variant"),
        ({"layout": "data_series"}, "files: 'csv' cannot hold what the API answers; use JsonFiles"),
        ({"layout": "by_statistics"}, "layout: 'by_statistics' is not allowed; did you mean 'by_statistic'?"),
    ],
)
def test_what_cannot_be_is_refused(fields, problem):
    with pytest.raises(DefinitionError) as error:
        declared(**fields)
    assert problem in str(error.value)
