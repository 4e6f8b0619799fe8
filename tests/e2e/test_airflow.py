"""What people do with exports in a running Airflow, and what becomes of a run when parts of Airflow die.

`make e2e` runs it. It is not part of `make test`: on SQLite, Airflow's scheduler itself fails now and then.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.rigs import inbox
from tests.rigs import running as rig
from tests.rigs.inbox import Hooks, Mailbox
from tests.rigs.postgres import PASSWORD, USER, Postgres
from tests.rigs.running import Airflow

pytestmark = pytest.mark.large

DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="{name}", owner="tests", mode="incremental", retries=Retries(count=3, delay=1, max_delay=1), {more},
        files=JsonFiles(), destination=LocalDestination(path="{root}/out"),
    ),
    doc=__doc__,
)
'''
LAKE = 'source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at"))'
TABLE = 'source=SqlSource(conn_id="db", table="events", time_column=TimeColumn(name="at")), order_by=("id",)'
EXPORTS = {
    "scheduled": f'{LAKE}, schedule=Daily(start="2024-05-01", end="2024-05-04")',
    "daily": f"{LAKE}, schedule=Daily()",
    "prague": f'{LAKE}, schedule=Daily(timezone="Europe/Prague")',
    "monthly": f"{LAKE}, schedule=Monthly()",
    "hourly": f"{LAKE}, schedule=Every(hours=1)",
    "refused": 'source=LakeSource(path="{root}/gone", time_column=TimeColumn(name="at")), schedule=Daily(),'
    ' alerts=(EmailAlert(to=("on-call@example.org",), conn_id="mail"),)',
    "late": f"{TABLE}, schedule=Daily(), late_after=3, alerts=(WebhookAlert(conn_id='hook', on=('late',)),)",
    "survivor": f"{TABLE}, schedule=Daily()",
}
SUCCESS = "success"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with inbox.mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def hooks() -> Iterator[Hooks]:
    with inbox.hooks() as box:
        yield box


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    """The name of a database whose table `events` has a row an hour of May 2024."""
    postgres.run("create database operating")
    postgres.run("create table events (id int primary key, at timestamptz not null)", "operating")
    hours = "generate_series(timestamptz '2024-05-01 00:00+00', '2024-05-31 23:00+00', '1 hour')"
    postgres.run(f"insert into events select row_number() over (), hour from {hours} as hour", "operating")
    return "operating"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder with a lake that has a row an hour of the first half of 2024."""
    root = tmp_path_factory.mktemp("operating")
    (root / "lake").mkdir()
    first = datetime(2024, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(hours=hour) for hour in range(182 * 24)]
    rows = {"id": list(range(len(hours))), "at": pa.array(hours, pa.timestamp("us", "UTC"))}
    pq.write_table(pa.table(rows), root / "lake" / "hours.parquet")
    return root


@pytest.fixture(scope="module")
def running(root, mailbox, hooks, postgres, database) -> Iterator[Airflow]:
    """An Airflow with the exports."""
    home = root / "home"
    (home / "dags").mkdir(parents=True)
    for name, more in EXPORTS.items():
        (home / "dags" / f"{name}.py").write_text(DAG.format(name=name, root=root, more=more.format(root=root)))
    connections = {
        "AIRFLOW_CONN_MAIL": mailbox.connection,
        "AIRFLOW_CONN_HOOK": json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{hooks.port}"}),
        "AIRFLOW_CONN_DB": postgres.airflow(database),
    }
    with rig.running(home, connections) as started:
        yield started


@contextmanager
def locked(postgres: Postgres, database: str) -> Iterator[None]:
    """Let nobody read the table meanwhile: who asks for its rows waits."""
    settings = {"host": "127.0.0.1", "port": postgres.port, "user": USER, "password": PASSWORD, "dbname": database}
    with psycopg.connect(**settings) as connection:
        connection.execute("lock table events in access exclusive mode")
        yield


def delivered(root: Path, name: str) -> dict[str, list[str]]:
    """The instants of the rows in each folder that has a manifest, read by way of the manifest."""
    found = {}
    for path in sorted((root / "out" / name).rglob("_manifest.json")):
        entries = json.loads(path.read_bytes())["entries"]
        lines = [
            line
            for entry in entries
            for line in gzip.decompress(Path(entry["url"].removeprefix("file://")).read_bytes()).splitlines()
        ]
        found[path.parent.name.removeprefix("exportTime=")] = [json.loads(line)["at"] for line in lines]
    return found


def hours(start: str, end: str) -> list[str]:
    """Every full hour from `start` on and before `end`, in UTC."""
    moment, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    found = []
    while moment < last:
        found.append(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
        moment += timedelta(hours=1)
    return found


def backfill(running: Airflow, name: str, start: str, end: str, reprocess: str = "none") -> None:
    body = {"dag_id": name, "from_date": start, "to_date": end, "max_active_runs": 4, "reprocess_behavior": reprocess}
    running.ask("/backfills", body)


def test_the_scheduler_delivers_the_declared_windows_and_no_others(running, root):
    running.unpause("scheduled")
    runs = running.ended("scheduled", "scheduled", count=3)
    assert [run["state"] for run in runs] == [SUCCESS] * 3
    found = delivered(root, "scheduled")
    assert list(found) == ["202405020000", "202405030000", "202405040000"]
    assert found["202405020000"] == hours("2024-01-01T00:00+00:00", "2024-05-02T00:00+00:00"), "open to the left"
    assert found["202405030000"] == hours("2024-05-02T00:00+00:00", "2024-05-03T00:00+00:00")


@pytest.mark.parametrize(
    ("name", "between", "windows"),
    [
        (
            "daily",
            ("2024-05-10T00:00:00Z", "2024-05-12T00:00:00Z"),
            {
                "202405110000": ("2024-05-10T00:00+00:00", "2024-05-11T00:00+00:00"),
                "202405120000": ("2024-05-11T00:00+00:00", "2024-05-12T00:00+00:00"),
                "202405130000": ("2024-05-12T00:00+00:00", "2024-05-13T00:00+00:00"),
            },
        ),
        (
            "prague",
            ("2024-03-29T23:00:00Z", "2024-03-31T22:00:00Z"),
            {
                "202403302300": ("2024-03-29T23:00+00:00", "2024-03-30T23:00+00:00"),
                "202403312200": ("2024-03-30T23:00+00:00", "2024-03-31T22:00+00:00"),
                "202404012200": ("2024-03-31T22:00+00:00", "2024-04-01T22:00+00:00"),
            },
        ),
        (
            "hourly",
            ("2024-05-10T22:00:00Z", "2024-05-11T00:00:00Z"),
            {
                "202405102300": ("2024-05-10T22:00+00:00", "2024-05-10T23:00+00:00"),
                "202405110000": ("2024-05-10T23:00+00:00", "2024-05-11T00:00+00:00"),
                "202405110100": ("2024-05-11T00:00+00:00", "2024-05-11T01:00+00:00"),
            },
        ),
        (
            "monthly",
            ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            {
                "202403010000": ("2024-02-01T00:00+00:00", "2024-03-01T00:00+00:00"),
                "202404010000": ("2024-03-01T00:00+00:00", "2024-04-01T00:00+00:00"),
            },
        ),
    ],
)
def test_a_backfill_delivers_the_windows_that_begin_in_its_range(running, root, name, between, windows):
    running.unpause(name)
    backfill(running, name, *between)
    assert {run["state"] for run in running.ended(name, "backfill", count=len(windows))} == {SUCCESS}
    found = {folder: rows for folder, rows in delivered(root, name).items() if folder.startswith("2024")}
    assert found == {folder: hours(*window) for folder, window in windows.items()}, "and the schedule's latest window"


def test_a_refused_run_is_told_by_mail_within_a_minute(running, mailbox):
    running.unpause("refused")
    run = running.trigger("refused", window_start="2024-05-01T00:00:00Z", window_end="2024-05-02T00:00:00Z")

    def mails() -> list[str]:
        bodies = [message.get_body(("html",)).get_content() for _, message in mailbox.received]
        return [body for body in bodies if f"<td>{run}</td>" in body]

    running.until(mails, 60)
    (text,) = mails()
    assert "gone does not exist" in text
    (link,) = [word for word in text.split("<td>") if "/dags/refused/runs/" in word]
    assert link.startswith((running.home / "address").read_text())


def test_a_run_that_is_late_is_told_while_it_goes_on(running, root, hooks, postgres, database):
    with locked(postgres, database):
        running.unpause("late")
        run = running.trigger("late", window_start="2024-05-01T00:00:00Z", window_end="2024-05-02T00:00:00Z")
        running.until(lambda: [body for _, body in hooks.received if body["run"] == run], 60)
        (body,) = (body for _, body in hooks.received if body["run"] == run)
        assert [one["state"] for one in running.runs("late", "manual")] == ["running"]
    assert (body["export"], body["event"], body["run"]) == ("late", "late", run)
    assert body["window"] == "2024-05-01T00:00:00Z to 2024-05-02T00:00:00Z"
    assert "0:00:03 after it was queued" in body["reason"]
    assert body["link"] == f"{(running.home / 'address').read_text()}/dags/late/runs/{run}"
    assert running.ended("late", "manual", count=1)[0]["state"] == SUCCESS
    assert delivered(root, "late")["202405020000"] == hours("2024-05-01T00:00+00:00", "2024-05-02T00:00+00:00")


def kill_the_task(_: Airflow, task: psutil.Process) -> None:
    task.kill()


def kill_the_worker(_: Airflow, task: psutil.Process) -> None:
    task.parent().kill()
    task.kill()


def kill_the_scheduler(running: Airflow, _: psutil.Process) -> None:
    running.kill("airflow scheduler")


def kill_everything(running: Airflow, _: psutil.Process) -> None:
    running.kill("airflow")


KILLS = [kill_the_task, kill_the_worker, kill_the_scheduler, kill_everything]


@pytest.mark.parametrize("kill", KILLS)
def test_a_run_whose_processes_are_killed_is_taken_up_again(running, root, postgres, database, kill):
    day = 10 + KILLS.index(kill)
    window = {"window_start": f"2024-05-{day}T00:00:00Z", "window_end": f"2024-05-{day + 1}T00:00:00Z"}
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    running.unpause("survivor")
    running.ended("survivor", "scheduled", count=1)
    with locked(postgres, database):
        run = running.trigger("survivor", **window)
        running.until(lambda: postgres.run(waits) == [(1,)], 60)
        kill(running, running.connected_to(postgres.port))
        postgres.run("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'")
    running.start()
    ended = {one["dag_run_id"]: one["state"] for one in running.ended("survivor", "manual", count=1, patience=120)}
    assert ended[run] == SUCCESS, running.tasks("survivor", run)
    folder = f"202405{day + 1}0000"
    assert delivered(root, "survivor")[folder] == hours(f"2024-05-{day}T00:00+00:00", f"2024-05-{day + 1}T00:00+00:00")
