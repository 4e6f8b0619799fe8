"""Exports run through their real DAGs: what Airflow makes of each ending."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiosmtpd.controller import Controller

if TYPE_CHECKING:
    from email.message import EmailMessage

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
SUCCESS, FAILED, SKIPPED, UPSTREAM = "success", "failed", "skipped", "upstream_failed"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


class Mailbox:
    """Keeps what an SMTP server is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], EmailMessage]] = []
        self.port = 0

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802, ARG002  # aiosmtpd's name
        self.received.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return "250 OK"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    """A real SMTP server on a free port."""
    box = Mailbox()
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        box.port = probe.getsockname()[1]
    server = Controller(box, hostname="127.0.0.1", port=box.port)
    server.start()
    yield box
    server.stop()


@pytest.fixture(scope="module")
def ended(root, mailbox) -> dict[str, dict]:
    """How each of these exports ended, by its name."""
    lake, dags = root / "lake", root / "dags"
    lake.mkdir()
    dags.mkdir()
    day = datetime(2024, 5, 1, tzinfo=UTC)
    for name in ("a", "b"):
        at = pa.array([day + timedelta(seconds=i) for i in range(100)], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"id": list(range(100)), "at": at}), lake / f"{name}.parquet")
    for name, values in {
        "delivers": {},
        "has_nothing": {"more": 'filter="id < 0", on_empty="skip"'},
        "is_refused": {
            "source": LAKE.format(path=root / "nothing<b>{{ 7 * 7 }}"),
            "more": 'alerts=(EmailAlert(to=("on-call@example.org",), conn_id="mail"),)',
        },
        "is_interrupted": {"source": DATABASE, "more": 'order_by=("id",)'},
    }.items():
        text = DAG.format(**({"name": name, "root": root, "source": LAKE.format(path=lake), "more": ""} | values))
        (dags / f"{name}.py").write_text(text)
    connections = {
        "AIRFLOW_CONN_GONE": "postgres://u:p@127.0.0.1:1/db",
        "AIRFLOW_CONN_MAIL": json.dumps({
            "conn_type": "smtp", "host": "127.0.0.1", "port": mailbox.port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "exports@example.org"},
        }),
    }  # fmt: skip
    finished = subprocess.run(
        [sys.executable, str(RIG), str(root / "home"), str(dags), "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"],
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
        published | {"window": "[2024-05-01T00:00:00+00:00, 2024-05-02T00:00:00+00:00)"}
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
        f"{root}/nothing&lt;b&gt;{{{{ 7 * 7 }}}} does not exist; check source.path",
        "<tr><th>owner</th><td>tests</td></tr>",
        "/dags/is_refused/runs/",
    ):
        assert part in text


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
