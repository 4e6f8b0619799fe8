"""Who sees, runs and changes which exports, with both auth managers, as docs/OPERATING.md says."""

import importlib.resources
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from include.exports import LocalDestination
from include.exports.destinations import connect
from include.exports.paths import PROJECT
from include.exports.share import address
from tests.rigs import access as rig
from tests.rigs.access import Airflow

_, SECTION = (PROJECT / "docs" / "OPERATING.md").read_text().split("## Who may do what\n")
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)).replace("\\\n", "").splitlines()

FILES = {
    "campaigns": {"campaigns": {"marketing": "run", "finance": "see"}},
    "two_in_one": {"moved": {"marketing": "run"}, "payroll": {}},
    "early": {"early": {"press": "see"}},  # a role that nobody has made
}

ONE = "/api/v2/dags/{dag_id}"
RUN = ONE + "/dagRuns/{dag_run_id}"
TASK = RUN + "/taskInstances/publish_manifest"
BACKFILL = {"dag_id": "{dag_id}", "from_date": str(rig.DAY), "to_date": str(rig.DAY), "reprocess_behavior": "completed"}
POOL = {"pool": "exports_sources", "slots": 4, "description": "", "include_deferred": False}
ROWS = {
    "see an export, its runs, logs, XCom and source": [
        ("GET", ONE, None, 200),
        ("GET", ONE + "/details", None, 200),
        ("GET", "/api/v2/dagSources/{dag_id}", None, 200),
        ("GET", RUN, None, 200),
        ("GET", RUN + "/taskInstances", None, 200),
        ("GET", TASK + "/logs/1", None, 200),
        ("GET", TASK + "/xcomEntries/return_value", None, 200),
        ("GET", TASK + "/links", None, 200),
        ("GET", "/api/v2/backfills?dag_id={dag_id}", None, 200),
        ("GET", "/ui/dags?dag_ids={dag_id}", None, 200),  # from here on what pages of the UI are made from
        ("GET", "/ui/grid/runs/{dag_id}", None, 200),
        ("GET", "/ui/structure/structure_data?dag_id={dag_id}", None, 200),
    ],
    "trigger, backfill, clear, mark, pause": [
        ("POST", ONE + "/dagRuns", {"logical_date": None, "conf": {}}, 200),
        ("POST", "/api/v2/backfills/dry_run", BACKFILL, 200),
        ("POST", RUN + "/clear", {"dry_run": True}, 200),
        ("POST", ONE + "/clearTaskInstances", {"dag_run_id": "{dag_run_id}", "dry_run": True}, 200),
        ("PATCH", RUN, {"state": "success"}, 200),
        ("PATCH", TASK + "/dry_run", {"new_state": "failed"}, 200),
        ("PATCH", ONE, {"is_paused": True}, 200),
    ],
    "delete runs, and what Airflow knows of an export": [
        ("DELETE", ONE + "/dagRuns/none", None, 404),
        ("DELETE", RUN + "/taskInstances/none", None, 404),
    ],
    "see assets, their events, and import errors": [
        ("GET", "/api/v2/assets", None, 200),
        ("GET", "/api/v2/assets/events", None, 200),
        ("GET", "/api/v2/importErrors", None, 200),
    ],
    "see pools": [("GET", "/api/v2/pools", None, 200)],
    "see the audit log": [("GET", "/api/v2/eventLogs", None, 200)],
    "see and change connections and variables, change pools": [
        ("GET", "/api/v2/connections", None, 200),
        ("GET", "/api/v2/variables", None, 200),
        ("DELETE", "/api/v2/connections/none", None, 404),
        ("DELETE", "/api/v2/variables/none", None, 404),
        ("PATCH", "/api/v2/pools/exports_sources", POOL, 200),
    ],
}
"""Requests for each row of the documentation's table, with the answer to whom may make them. All others get a 403."""

SIMPLE = ("viewer", "user", "op", "admin")
MAY_IN_SIMPLE = dict(zip(ROWS, (SIMPLE, SIMPLE[1:], SIMPLE[1:], SIMPLE, SIMPLE, SIMPLE, SIMPLE[2:]), strict=True))

TEAM = {"kim": "marketing", "jun": "finance", "eve": "Public"}
STAFF = {"vic": "Viewer", "uma": "User", "oli": "Op", "ada": "Admin"}
USERS = {**TEAM, **STAFF, "lee": "curious"}
"""The users of FAB, each with a role."""
CURIOUS = (
    "airflow roles create curious",
    "airflow roles add-perms curious -a can_read -r Assets 'Asset Aliases' ImportError",
)
MAY_IN_FAB = dict(
    zip(
        ROWS,
        (
            ("kim", "jun", *STAFF),
            ("kim", "uma", "oli", "ada"),
            ("uma", "oli", "ada"),
            tuple(STAFF),
            tuple(STAFF),
            ("ada",),
            ("oli", "ada"),
        ),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder with exports, and the home `simple` of the Airflow in which each has run once."""
    root = tmp_path_factory.mktemp("access")
    for file, exports in FILES.items():
        rig.declare(root, file, exports)
    rig.run(root, "simple")
    return root


@pytest.fixture(scope="module")
def simple(root) -> Iterator[Airflow]:
    """SimpleAuthManager, with a user of each role, named as the role."""
    users = ",".join(f"{role}:{role}" for role in SIMPLE)
    with rig.serving(root, rig.environment(root, "simple", AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=users)) as airflow:
        made_up = root / "simple" / "simple_auth_manager_passwords.json.generated"
        airflow.passwords = json.loads(made_up.read_text())
        airflow.run_ids = run_ids(airflow, "viewer")
        yield airflow


@pytest.fixture(scope="module")
def fab(root) -> Iterator[Airflow]:
    """FAB, set up by the commands of the documentation for an Airflow that has run exports before."""
    (root / "fab").mkdir()
    shutil.copy(root / "simple" / "airflow.db", root / "fab")
    (root / "dags" / "broken.py").write_text(rig.IMPORTS + 'airflow_dag(DatasetExport(name="merger_with_acme"))')
    documented = [line for line in COMMANDS if line.startswith("airflow ")]
    (kim,) = (line for line in documented if "-u kim" in line)
    others = [kim.replace("kim", user).replace("marketing", USERS[user]) for user in {*USERS} - {"kim", "ada"}]
    commands = [*documented, *CURIOUS, *others, "airflow dags reserialize"]
    commands = [re.sub(r"users create .*-u (\w+).*", r"\g<0> -p \1", command) for command in commands]
    setting = dict(line.removeprefix("export ").split("=") for line in COMMANDS if line.startswith("export "))
    settings = rig.environment(root, "fab", AIRFLOW__FAB__CACHE_TTL="0", **setting)
    rig.command_line(settings, commands)
    with rig.serving(root, settings) as airflow:
        airflow.passwords = {user: user for user in USERS}
        airflow.run_ids = run_ids(airflow, "ada")
        yield airflow


def run_ids(airflow: Airflow, user: str) -> dict[str, str]:
    """The run of each export."""
    runs = airflow.ask(user, "GET", ONE + "/dagRuns", dag_id="~").json()["dag_runs"]
    return {run["dag_id"]: run["dag_run_id"] for run in runs}


def test_the_table_of_the_documentation_has_the_rows_that_are_held_here():
    first = [line.split("|")[1].strip() for line in SECTION.splitlines() if line.startswith("| ")]
    assert first[2:] == [*ROWS, "change an export"]


@pytest.mark.parametrize("row", ROWS)
def test_simple_auth_manager_lets_the_roles_of_the_table(simple, row):
    for method, path, body, allowed in ROWS[row]:
        answers = {user: simple.ask(user, method, path, body).status_code for user in SIMPLE}
        assert answers == {user: allowed if user in MAY_IN_SIMPLE[row] else 403 for user in SIMPLE}, (method, path)


@pytest.mark.parametrize("row", ROWS)
def test_fab_lets_the_roles_of_the_table(fab, row):
    users = (*TEAM, *STAFF)
    for method, path, body, allowed in ROWS[row]:
        answers = {user: fab.ask(user, method, path, body).status_code for user in users}
        assert answers == {user: allowed if user in MAY_IN_FAB[row] else 403 for user in users}, (method, path)


def test_simple_auth_manager_does_not_ask_the_definition(simple):
    assert simple.list("viewer", "/api/v2/dags", "dags") == {"campaigns", "early", "moved", "payroll"}
    assert simple.ask("user", "POST", ONE + "/dagRuns", {"logical_date": None}, dag_id="payroll").ok


LISTS = {
    "/api/v2/dags": ("dags", "dag_id"),
    "/ui/dags": ("dags", "dag_id"),
    "/api/v2/dags/~/dagRuns": ("dag_runs", "dag_id"),
    "/api/v2/dags/~/dagRuns/~/taskInstances": ("task_instances", "dag_id"),
    "/api/v2/dags/~/dagRuns/~/taskInstances/~/xcomEntries": ("xcom_entries", "dag_id"),
}


@pytest.mark.parametrize("path", LISTS)
def test_lists_have_what_a_role_sees_and_nothing_else(fab, path):
    listed = {user: fab.list(user, path, *LISTS[path]) for user in ("kim", "jun", "eve")}
    assert listed == {"kim": {"campaigns", "moved"}, "jun": {"campaigns"}, "eve": 403}
    assert fab.list("vic", path, *LISTS[path]) >= {"campaigns", "moved", "payroll"}


def requests_of(fab: Airflow, *methods: str) -> list[tuple[str, str]]:
    """All that the API and the UI can be asked with these methods, but to sign in and out."""
    public = fab.ask(None, "GET", "/openapi.json").json()
    private = importlib.resources.files("airflow.api_fastapi.core_api.openapi") / "_private_ui.yaml"
    found = {**public["paths"], **yaml.safe_load(private.read_text())["paths"]}
    return [
        (method.upper(), path)
        for path, offered in found.items()
        for method in offered
        if method.upper() in methods and "/auth/" not in path
    ]


def test_an_export_that_a_user_does_not_see_is_to_them_as_one_that_does_not_exist(fab):
    backfill = fab.ask("ada", "POST", "/api/v2/backfills", BACKFILL, dag_id="payroll").json()["id"]
    assets = fab.ask("ada", "GET", "/api/v2/assets").json()["assets"]
    (asset,) = (asset["id"] for asset in assets if asset["name"] == "payroll")
    (*_, event) = fab.ask("ada", "GET", "/api/v2/eventLogs?dag_id=payroll").json()["event_logs"]
    there = {"dag_id": "payroll", "backfill_id": backfill, "asset_id": asset, "event_log_id": event["event_log_id"]}
    gone = {"dag_id": "nothing", "backfill_id": 10**6, "asset_id": 10**6, "event_log_id": 10**6}
    more = {"task_id": "publish_manifest", "xcom_key": "return_value", "version_number": 1, "map_index": -1}
    more |= {"try_number": 1, "task_try_number": 1, "run_id": fab.run_ids["payroll"]}
    told = set()
    for method, path in requests_of(fab, "GET"):
        for asked in {path, path if "{dag_id}" in path else path + "?dag_id={dag_id}"}:
            answers = {user: fab.ask(user, method, asked, **there, **more) for user in ("ada", "kim", "eve")}
            if "payroll" in answers["ada"].text:
                told.add(path)
            assert "payroll" not in answers["kim"].text + answers["eve"].text, asked
            other = fab.ask("kim", method, asked, **gone, **more)
            assert (answers["kim"].status_code, answers["kim"].text) == (other.status_code, other.text), asked
    assert {ONE, RUN, "/api/v2/dags", "/api/v2/assets/events", "/api/v2/backfills/{backfill_id}", "/ui/dags"} <= told


def test_who_has_not_signed_in_is_told_nothing_of_exports(fab):
    answered = {path for method, path in requests_of(fab, "GET") if fab.ask(None, method, path).status_code != 401}
    assert answered == {"/api/v2/monitor/health", "/api/v2/version"}


def test_no_request_changes_what_a_user_does_not_run(fab):
    done = set()
    for method, path in requests_of(fab, "POST", "PUT", "PATCH", "DELETE"):
        hidden = fab.ask("kim", method, path, {}, dag_id="payroll", task_id="publish_manifest")
        assert not hidden.ok, (path, hidden.text)
        if fab.ask("jun", method, path, {}, task_id="publish_manifest").ok:
            done.add(path)
    assert done == {ONE + "/favorite", ONE + "/unfavorite"}  # stars in the user's own list


@pytest.mark.parametrize(("user", "export"), [("jun", "campaigns"), ("kim", "payroll")])
def test_many_at_once_are_no_way_around(fab, user, export):
    run_id = fab.run_ids[export]
    run = {"dag_id": export, "dag_run_id": run_id}
    task = run | {"task_id": "publish_manifest", "new_state": "failed"}
    for dag_id in ("~", export, "campaigns"):
        for path, body in (
            (ONE + "/dagRuns", {"actions": [{"action": "update", "entities": [run | {"state": "failed"}]}]}),
            (ONE + "/dagRuns", {"actions": [{"action": "delete", "entities": [run]}]}),
            (ONE + "/dagRuns/~/taskInstances", {"actions": [{"action": "update", "entities": [task]}]}),
        ):
            answer = fab.ask(user, "PATCH", path, body, dag_id=dag_id)
            assert answer.status_code == 403 or answer.json()["update"]["errors"][0]["status_code"] == 403, answer.text
        cleared = fab.ask(user, "POST", ONE + "/clearDagRuns", {"dag_runs": [run], "dry_run": False}, dag_id=dag_id)
        assert cleared.status_code == 403
    assert fab.ask("ada", "GET", RUN, dag_id=export).json()["state"] == "success"
    tasks = fab.ask("ada", "GET", RUN + "/taskInstances", dag_id=export).json()["task_instances"]
    assert {task["state"] for task in tasks} == {"success"}


def test_who_runs_an_export_operates_it_in_their_own_name(fab):
    def kim(method: str, path: str, body: object = None, **names: object) -> dict:
        answer = fab.ask("kim", method, path, body, **names)
        assert answer.ok, answer.text
        return answer.json()

    run = kim("POST", ONE + "/dagRuns", {"logical_date": None})
    assert run["triggering_user_name"] == "kim"  # whom `permissions` and the Variable exports_people know
    asked = {"dag_run_id": run["dag_run_id"]}
    assert kim("PATCH", RUN, {"state": "failed"}, **asked)["state"] == "failed"
    assert kim("POST", RUN + "/clear", {"dry_run": False}, **asked)["state"] == "queued"  # late_after notwithstanding
    backfill = kim("POST", "/api/v2/backfills", BACKFILL)["id"]
    for done, expected in (("pause", "is_paused"), ("unpause", "id"), ("cancel", "completed_at")):
        assert kim("PUT", f"/api/v2/backfills/{backfill}/{done}")[expected]
    assert kim("PATCH", ONE, {"is_paused": False})["is_paused"] is False
    assert kim("PATCH", ONE, {"is_paused": True})["is_paused"] is True


def test_the_source_of_several_exports_is_for_who_sees_all_of_them(fab):
    source = {user: fab.ask(user, "GET", "/api/v2/dagSources/moved").json()["content"] for user in ("kim", "vic")}
    assert 'name="payroll"' in source["vic"]
    assert source["kim"].startswith("REDACTED")


def test_rights_to_assets_and_import_errors_tell_of_exports_that_the_role_does_not_see(fab):
    assert fab.list("lee", "/api/v2/assets", "assets", "name") >= {"campaigns", "payroll"}
    assert fab.list("lee", "/api/v2/assets/events", "asset_events", "source_dag_id") == set()
    errors = fab.ask("lee", "GET", "/api/v2/importErrors").json()["import_errors"]
    assert [error["filename"] for error in errors] == ["broken.py"]  # early.py was read before its role was asked for
    assert "merger_with_acme" in errors[0]["stack_trace"]


def test_a_link_gives_its_file_to_its_user_alone_whatever_they_see(fab):
    folder = LocalDestination(path=str(fab.root / "out"))
    (file,) = (fab.root / "out" / "payroll").rglob("part-*")
    with connect(folder) as store:
        path = str(file.relative_to(fab.root / "out"))
        link = "/exports" + address(timedelta(hours=1), folder, store, path, "kim").partition("/exports")[2]
    answers = {user: fab.ask(user, "GET", link) for user in ("kim", "jun", "ada", None)}
    assert {user: answer.status_code for user, answer in answers.items()} == {
        "kim": 200,
        "jun": 403,
        "ada": 403,
        None: 401,
    }
    assert answers["kim"].content == file.read_bytes()


def test_the_definition_alone_decides_and_a_role_must_have_been_made(fab):
    errors = fab.ask("ada", "GET", "/api/v2/importErrors").json()["import_errors"]
    (early,) = (error["stack_trace"] for error in errors if error["filename"] == "early.py")
    assert "for DAG 'early' includes a role named 'press', but that role does not exist" in early
    assert "early" not in fab.list("ada", "/api/v2/dags", "dags")
    assert fab.ask("kim", "GET", ONE, dag_id="moved").ok

    rig.declare(fab.root, "two_in_one", {"moved": {}, "payroll": {"finance": "see"}})
    rig.command_line(fab.environment, ["airflow roles create press", "airflow dags reserialize"])

    assert fab.list("kim", "/api/v2/dags", "dags") == {"campaigns"}
    assert fab.list("jun", "/api/v2/dags", "dags") == {"campaigns", "payroll"}
    assert {"early", "moved"} <= fab.list("ada", "/api/v2/dags", "dags")
