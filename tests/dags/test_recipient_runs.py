"""Recipients exports through their DAG: who may run them, what is on record, and which link is mailed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.local import profiles
from include.local.events import Campaign, generate, write_lake
from tests.rigs import inbox
from tests.rigs.inbox import Mailbox

RIG = Path(__file__).parents[1] / "rigs" / "dag_runs.py"
DAG = '''"""Recipients of the tests."""
from include.exports import *
airflow_dag(
    RecipientsExport(
        name="{name}", owner="crm", schedule=Daily(), source=CampaignRecipients(
            events=EventLake(path="{root}/lake"), campaign="spring",
            profiles=Profiles(table=LakeSource(path="{root}/profiles")),
        ),
        permissions=Permissions(
            export_user_data=Grants(users=({user!r},), roles=("marketing",)), view_pii=Grants(roles=("privacy",))
        ),
        destination=LocalDestination(path="{root}/out"),
        link=EmailLink(conn_id="mail", to=("jun", "eve")),
    ),
    doc=__doc__,
)
'''
PEOPLE = {
    "crm": {"roles": ["privacy"], "email": "crm@example.org"},
    "jun": {"roles": ["marketing", "privacy"], "email": "jun@example.org"},
    "eve": {"roles": ["marketing"], "email": "eve@example.org"},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("recipients")


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with inbox.mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def ended(root, mailbox) -> dict[str, dict]:
    """How the runs of an export whose owner may, and of one whose owner may not run it have ended, by name."""
    campaign = Campaign(id="spring", name="Spring", channels=("email",), control=True)
    write_lake(generate([campaign], start=datetime(2024, 5, 1, tzinfo=UTC), days=1, users=30), root / "lake", "avro")
    profiles.write_lake(profiles.generate([f"user-{number:06d}" for number in range(30)]), root / "profiles")
    (root / "dags").mkdir()
    for name, user in (("allowed", "crm"), ("refused", "nobody")):
        (root / "dags" / f"{name}.py").write_text(DAG.format(name=name, user=user, root=root))
    connections = {
        "AIRFLOW_CONN_MAIL": mailbox.connection,
        "AIRFLOW_CONN_EXPORTS_LINK_KEY": f"generic://:{'k' * 64}@",
        "AIRFLOW_VAR_EXPORTS_PEOPLE": json.dumps(PEOPLE),
    }
    done = subprocess.run(
        [
            sys.executable, "-P", str(RIG), str(root / "home"), str(root / "dags"),
            "2024-05-01T00:00:00Z", "2024-05-04T00:00:00Z",
        ],
        capture_output=True, text=True, check=False, env=os.environ | connections,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    (root / "log").write_text(done.stderr)
    return {run["name"]: run for run in map(json.loads, done.stdout.splitlines())}


def audited(root: Path, name: str) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in sorted((root / "home" / "audit" / name).rglob("*.json"))]


def test_the_owner_and_who_is_declared_and_may_see_the_files_get_a_mail_with_links(ended, mailbox, root):
    assert ended["allowed"]["state"] == "success"
    manifest = json.loads(Path(ended["allowed"]["published"]["manifest"].removeprefix("file://")).read_bytes())
    rows = manifest["export"]["tables"][0]["record_count"]
    assert sorted(to for (to,), _ in mailbox.received) == ["crm@example.org", "jun@example.org"]
    for (to,), message in mailbox.received:
        text = message.get_body().get_content()
        links = re.findall(r'href="([^"]+)"', text)
        assert message["Subject"] == f"allowed: {rows} rows"
        assert f"All Recipient Data of campaign spring: {rows} rows." in text
        assert [entry["url"].rpartition("/")[2] in text for entry in manifest["entries"]] == [True, True]
        assert [link.startswith("http://localhost:8080/exports/files/?token=") for link in links] == [True, True], to
    assert "'eve' gets no link: the definition does not grant the right to see the files" in (root / "log").read_text()


def test_each_run_leaves_a_record_of_who_what_when_rows_and_where(ended, root):
    allowed, delivered, linked = audited(root, "allowed")
    assert {name: delivered[name] for name in ("event", "user", "triggered_by", "run_type", "export", "what")} == {
        "event": "delivered",
        "user": "crm",
        "triggered_by": "dag_test",
        "run_type": "manual",
        "export": "allowed",
        "what": "All Recipient Data of campaign spring",
    }
    url = ended["allowed"]["published"]["manifest"]
    tables = json.loads(Path(url.removeprefix("file://")).read_bytes())["export"]["tables"]
    assert delivered["rows"] == {table["name"]: table["record_count"] for table in tables}
    assert delivered["where"] == url
    assert (allowed["event"], allowed["where"]) == ("allowed", "allowed/exportTime=202405040000")
    assert list(linked["to"]) == ["crm", "jun"]


def test_a_run_for_who_may_not_is_refused_before_anything_is_read_and_is_on_record(ended, root):
    assert ended["refused"]["state"] == "failed"
    assert ended["refused"]["tasks"]["validate_eligibility[-1]"] == ["failed", 1]
    (refused,) = audited(root, "refused")
    reason = "refused: 'crm' may not export user data; grant export_user_data in the definition"
    assert (refused["event"], refused["reason"]) == ("refused", reason)
