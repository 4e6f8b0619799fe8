"""Exports run through their real DAGs: what Airflow makes of each ending."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rigs import inbox
from tests.rigs.inbox import Hooks, Mailbox

RIG = Path(__file__).parents[1] / "rigs" / "dag_runs.py"
DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="{name}", owner="tests", mode="incremental", schedule=Daily(), retries=Retries(count=2),
        source={source}, files=JsonFiles(), destination=LocalDestination(path="{root}/out"), {more}
    ),
    doc=__doc__,
)
'''
LAKE = 'LakeSource(path="{path}", time_column=TimeColumn(name="at"), shard_bytes=1)'
DATABASE = 'SqlSource(conn_id="gone", table="t", time_column=TimeColumn(name="at"))'
DOWN = "EmailAlert(to=('on-call@example.org',), conn_id='down', on=('start', 'success'))"
HOOK = "WebhookAlert(conn_id='hook', endpoint='own', on=('start', 'success', 'skip', 'failure'))"
SUCCESS, FAILED, SKIPPED, UPSTREAM = "success", "failed", "skipped", "upstream_failed"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with inbox.mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    with inbox.hooks() as box:
        yield box


@pytest.fixture(scope="module")
def ended(root, mailbox, hooks) -> dict[str, dict]:
    """How each of these exports ended, by its name."""
    lake, dags = root / "lake", root / "dags"
    lake.mkdir()
    dags.mkdir()
    day = datetime(2024, 5, 1, tzinfo=UTC)
    for name in ("a", "b"):
        at = pa.array([day + timedelta(seconds=i) for i in range(100)], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"id": list(range(100)), "at": at}), lake / f"{name}.parquet")
    for name, values in {
        "delivers": {"more": f"alerts=({DOWN}, {HOOK}, SlackAlert(on=('success',)), AppriseAlert(on=('success',)))"},
        "has_nothing": {"more": f'filter="id < 0", on_empty="skip", alerts=({HOOK},)'},
        "is_refused": {
            "source": LAKE.format(path=root / "nothing<b>{{ 7 * 7 }}"),
            "more": 'alerts=(EmailAlert(to=("on-call@example.org",), conn_id="mail"),)',
        },
        "is_interrupted": {"source": DATABASE, "more": 'order_by=("id",)'},
    }.items():
        text = DAG.format(**({"name": name, "root": root, "source": LAKE.format(path=lake), "more": ""} | values))
        (dags / f"{name}.py").write_text(text)
    slack = {"schema": "http", "host": f"127.0.0.1:{hooks.port}/services", "password": "T/B/X"}
    apprise = {"path": f"json://127.0.0.1:{hooks.port}/apprise", "tag": "ops"}
    connections = {
        "AIRFLOW_CONN_GONE": "postgres://u:p@127.0.0.1:1/db",
        "AIRFLOW_CONN_MAIL": mailbox.connection,
        "AIRFLOW_CONN_DOWN": json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": 1}),
        "AIRFLOW_CONN_HOOK": json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{hooks.port}/alerts"}),
        "AIRFLOW_CONN_SLACK_DEFAULT": json.dumps({"conn_type": "slackwebhook"} | slack),
        "AIRFLOW_CONN_APPRISE_DEFAULT": json.dumps({"conn_type": "apprise", "extra": {"config": apprise}}),
        "AIRFLOW_VAR_EXPORTS_ALERTS": '{"alerts": [{"type": "webhook", "conn_id": "hook", "endpoint": "all"}]}',
    }
    finished = subprocess.run(
        [sys.executable, "-P", str(RIG), str(root / "home"), str(dags), "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | connections,
    )
    assert finished.returncode == 0, finished.stderr[-5000:]
    (root / "log").write_text(finished.stderr)
    return {document["name"]: document for document in map(json.loads, finished.stdout.splitlines())}


def test_an_export_runs_one_shard_beside_the_other_and_publishes_once(ended):
    assert ended["delivers"]["state"] == SUCCESS
    assert ended["delivers"]["tasks"] == {
        "publish_manifest[-1]": [SUCCESS, 1],
        "shard.deliver_files[0]": [SUCCESS, 1],
        "shard.deliver_files[1]": [SUCCESS, 1],
        "shard.extract_records[0]": [SUCCESS, 1],
        "shard.extract_records[1]": [SUCCESS, 1],
        "shard.serialize_files[0]": [SUCCESS, 1],
        "shard.serialize_files[1]": [SUCCESS, 1],
        "validate_eligibility[-1]": [SUCCESS, 1],
    }


def test_the_asset_event_says_what_was_published(ended, root):
    manifest = root / "out/delivers/exportTime=202405020000/_manifest.json"
    document = json.loads(manifest.read_bytes())
    published = {
        "manifest": f"file://{manifest}",
        "generation": 1,
        "changed": True,
        "rows": 200,
        "files": 2,
        "bytes": document["meta"]["content_length"],
        "restated": [],
    }
    assert document["meta"]["record_count"] == 200
    assert ended["delivers"]["published"] == published
    assert ended["delivers"]["events"] == [
        published
        | {
            "window": "[2024-05-01T00:00:00+00:00, 2024-05-02T00:00:00+00:00)",
            "window_start": "2024-05-01T00:00:00+00:00",
            "window_end": "2024-05-02T00:00:00+00:00",
        }
    ]


def test_an_empty_window_that_is_to_be_skipped_skips_and_emits_nothing(ended, root):
    run = ended["has_nothing"]
    assert run["tasks"]["publish_manifest[-1]"] == [SKIPPED, 1]
    assert (run["published"], run["events"]) == (None, [])
    assert not (root / "out/has_nothing").exists()


def test_a_refusal_fails_at_once_and_is_not_tried_again(ended, root):
    run = ended["is_refused"]
    assert run["state"] == FAILED
    assert run["tasks"]["validate_eligibility[-1]"] == [FAILED, 1]
    assert run["tasks"]["publish_manifest[-1]"] == [UPSTREAM, 0]
    assert (
        f"NotEligible: {root}/nothing<b>{{{{ 7 * 7 }}}} does not exist; check source.path" in (root / "log").read_text()
    )


def test_who_is_to_be_told_of_a_failure_gets_an_email_that_says_what_why_and_where(ended, mailbox, root):
    assert ended["is_refused"]["state"] == FAILED
    ((recipients, message),) = mailbox.received
    assert recipients == ["on-call@example.org"]
    assert message["subject"] == "is_refused: validate_eligibility failed"
    text = message.get_body(("html",)).get_content()
    for part in (
        "<tr><th>export</th><td>is_refused</td></tr>",
        f"{root}/nothing&lt;b&gt;{{{{ 7 * 7 }}}} does not exist</td></tr>",
        "<tr><th>remedy</th><td>check source.path",
        "<tr><th>owner</th><td>tests</td></tr>",
        "/dags/is_refused/runs/",
    ):
        assert part in text


def test_who_is_to_be_told_is_told_that_a_run_began_and_delivered_and_where(ended, hooks):
    manifest = ended["delivers"]["published"]["manifest"]
    size = ended["delivers"]["published"]["bytes"]
    posted = [body for body in hooks.at("/alerts/own") if body["export"] == "delivers"]
    link = posted[0]["link"]
    assert [body["event"] for body in posted] == ["start", "success"]
    assert link.startswith("http")
    assert "/dags/delivers/runs/" in link
    window = "[2024-05-01T00:00:00+00:00, 2024-05-02T00:00:00+00:00)"
    facts = {"export": "delivers", "window": window, "owner": "tests", "run": posted[0]["run"], "remedy": ""}
    assert posted == [
        facts | {"event": "start", "stage": "validate_eligibility", "reason": "", "link": link},
        facts
        | {
            "event": "success",
            "stage": "publish_manifest",
            "reason": f"200 rows in 2 files, {size:,} bytes, generation 1: {manifest}",
            "link": link.replace("validate_eligibility", "publish_manifest"),
        },
    ]


def test_slack_and_apprise_are_told_in_words(ended, hooks):
    manifest = ended["delivers"]["published"]["manifest"]
    (slack,) = hooks.at("/services/T/B/X")
    (apprise,) = hooks.at("/apprise")
    assert slack["text"].startswith("delivers: delivered\nexport: delivers\nevent: success\n")
    assert manifest in slack["text"]
    assert (apprise["title"], apprise["type"]) == ("delivers: delivered", "success")
    assert manifest in apprise["message"]


def test_a_server_that_is_down_fails_no_run_and_keeps_no_alert_from_the_others(ended, root):
    assert ended["delivers"]["state"] == SUCCESS
    assert (root / "log").read_text().count("the email alert through connection 'down' could not be sent") == 2


def test_an_empty_window_is_told_as_such(ended, hooks):
    assert ended["has_nothing"]["state"] == SUCCESS
    posted = [body for body in hooks.at("/alerts/own") if body["export"] == "has_nothing"]
    assert [body["event"] for body in posted] == ["start", "skip"]


def test_the_alerts_of_all_exports_come_besides_their_own(ended, hooks):
    assert ended["is_refused"]["state"] == FAILED
    posted = {body["export"]: body for body in hooks.at("/alerts/all")}
    assert posted.keys() == {"is_refused", "is_interrupted"}, "those that failed"
    assert posted["is_refused"]["reason"].endswith("does not exist")
    assert posted["is_refused"]["remedy"] == "check source.path, and that it is mounted on the worker"


def test_an_interruption_is_tried_again_as_often_as_declared(ended):
    run = ended["is_interrupted"]
    assert run["state"] == FAILED
    assert run["tasks"]["validate_eligibility[-1]"] == [FAILED, 3]


def test_the_log_says_what_was_decided_and_how_far_it_came(ended, root):
    assert ended["delivers"]["state"] == SUCCESS
    log = (root / "log").read_text()
    for line in (
        "delivers: [2024-05-01T00:00:00+00:00, 2024-05-02T00:00:00+00:00) into delivers/exportTime=202405020000",
        "2 columns, 2 shard(s), 2 file(s) to read",
        'select "id", "at"',
        "serialized 100 rows",
        "delivered 100 rows",
        f"published file://{root}/out/delivers/exportTime=202405020000/_manifest.json: generation 1",
    ):
        assert line in log
