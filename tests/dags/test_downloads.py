"""Links to files in Airflow's own API server: opened, ended, tampered with, used by somebody else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys
from datetime import timedelta
from pathlib import Path
from include.local import database, environment
root = Path(sys.argv[1])
environment.prepare(home=root / "home", dotenv=root / ".env")
output = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
database.initialize()
import jwt
from airflow.api_fastapi.app import create_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi.testclient import TestClient
from include.exports import LocalDestination
from include.exports.destinations import connect
from include.exports.share import ALGORITHM, AUDIENCE, address

destination = LocalDestination(path=str(root / "out"))
app = create_app()
manager = app.state.auth_manager

def link(user, path="a/part-1.csv.zip", expires=timedelta(hours=4)):
    with connect(destination) as store:
        return address(expires, destination, store, path, user).removeprefix("http://localhost:8080")

def forged(**changes):
    claims = jwt.decode(link("kim").partition("token=")[2], options={"verify_signature": False})
    return "/exports/files/?token=" + jwt.encode(claims | changes, "x" * 64, ALGORITHM)

def flipped(url):
    head, _, signature = url.rpartition(".")
    return f"{head}.{signature[::-1]}"

with TestClient(app, base_url="http://localhost:8080") as client:
    def opened(url, user):
        headers = {}
        if user:
            token = manager.generate_jwt(SimpleAuthManagerUser(username=user, role="viewer"))
            headers = {"Authorization": f"Bearer {token}"}
        answer = client.get(url, headers=headers)
        text = answer.text if answer.status_code != 200 else answer.content.decode()
        said = [answer.headers.get(name) for name in ("content-disposition", "cache-control")]
        return [answer.status_code, text, *said]

    answers = {
        "opened": opened(link("kim"), "kim"),
        "opened again": opened(link("kim"), "kim"),
        "not signed in": opened(link("kim"), None),
        "somebody else": opened(link("kim"), "eve"),
        "ended": opened(link("kim", expires=timedelta(seconds=-1)), "kim"),
        "signature changed": opened(flipped(link("kim")), "kim"),
        "signed with another key": opened(forged(sub="eve"), "eve"),
        "unsigned": opened("/exports/files/?token=" + jwt.encode({"sub": "eve", "aud": AUDIENCE}, None, "none"), "eve"),
        "gone": opened(link("kim", "a/part-2.csv.zip"), "kim"),
        "no token": opened("/exports/files/", "kim"),
    }
output.write(json.dumps(answers))
output.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, list]:
    """Status, body, name and caching of what each kind of link gets."""
    root = tmp_path_factory.mktemp("downloads")
    (root / "out" / "a").mkdir(parents=True)
    (root / "out" / "a" / "part-1.csv.zip").write_bytes(b"the file")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    more = {
        "AIRFLOW_CONN_EXPORTS_LINK_KEY": f"generic://:{'k' * 64}@",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "kim:viewer,eve:viewer",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=inherited | more,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout)


def test_who_a_link_was_made_for_gets_the_file_as_often_as_asked(answers):
    whole = [200, "the file", "attachment; filename*=UTF-8''part-1.csv.zip", "private, no-store"]
    assert answers["opened"] == answers["opened again"] == whole


@pytest.mark.parametrize(
    ("link", "status", "says"),
    [
        ("not signed in", 401, "Not authenticated"),
        ("somebody else", 403, "this link was made for somebody else; ask for one of your own"),
        ("ended", 410, "this link has ended; ask for a new one: python -m include.exports share"),
        ("signature changed", 403, "this link is not one of ours, or was changed; "),
        ("signed with another key", 403, "this link is not one of ours, or was changed; "),
        ("unsigned", 403, "this link is not one of ours, or was changed; "),
        ("gone", 410, "this file is gone: a later run has replaced it; ask for a new link"),
        ("no token", 422, "token"),
    ],
)
def test_nobody_else_gets_it_and_is_told_why(answers, link, status, says):
    assert (answers[link][0], says in answers[link][1]) == (status, True), answers[link]
