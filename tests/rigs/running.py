"""A real Airflow with scheduler, API server, DAG processor and triggerer, driven as people drive it: by REST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote

from include.exports.paths import PROJECT
from include.local import processes
from include.local.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import psutil

FAST = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
}
"""What Airflow notices after minutes by default, it notices after seconds here."""


@dataclass
class Airflow:
    """An Airflow that runs on this machine."""

    home: Path
    environment: Mapping[str, str]
    rest: Rest
    password: str

    def ask(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        """GET, or POST or `method` with `body`, below `/api/v2`; again when SQLite was busy."""
        for _ in range(20):
            try:
                return self.rest.ask(f"/api/v2{path}", body, method)
            except HTTPError as error:
                error.close()  # its connection, which who catches it would leave open
                if error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                time.sleep(0.5)
        return self.rest.ask(f"/api/v2{path}", body, method)

    @property
    def address(self) -> str:
        """Where its UI is."""
        return (self.home / "address").read_text()

    def unpause(self, dag: str) -> None:
        """Let the scheduler run a DAG."""
        self.ask(f"/dags/{dag}", {"is_paused": False}, "PATCH")

    def trigger(self, dag: str, **conf: object) -> str:
        """Start a manual run; its id."""
        run_id: str = self.ask(f"/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return run_id

    def runs(self, dag: str, kind: str) -> list[dict[str, Any]]:
        """The runs of a DAG that are `scheduled`, `manual` or `backfill`, oldest window first."""
        found: list[dict[str, Any]] = self.ask(f"/dags/{dag}/dagRuns?limit=1000&run_type={kind}")["dag_runs"]
        return sorted(found, key=lambda run: (run["data_interval_start"] or "", run["dag_run_id"]))

    def ended(self, dag: str, kind: str, count: int, patience: float = 90) -> list[dict[str, Any]]:
        """The runs of a DAG of a kind, once there are `count` and all of them have ended."""

        def states() -> list[str]:
            return [run["state"] for run in self.runs(dag, kind)]

        self.until(
            lambda: len(states()) >= count and set(states()) <= {"success", "failed"},
            patience,
            lambda: f"the {kind} runs of {dag} are {states()}",
        )
        return self.runs(dag, kind)

    def tasks(self, dag: str, run: str) -> dict[str, tuple[str, int]]:
        """State and number of tries of each task of a run; that of a mapped one with its index."""
        found = self.ask(f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances?limit=100")["task_instances"]
        return {
            task["task_id"] + (f"[{task['map_index']}]" if task["map_index"] >= 0 else ""): (
                task["state"],
                task["try_number"],
            )
            for task in found
        }

    def result(self, dag: str, run: str) -> dict[str, Any]:
        """What `publish_manifest` returned."""
        path = f"/dags/{dag}/dagRuns/{quote(run)}/taskInstances/publish_manifest/xcomEntries/return_value"
        published: dict[str, Any] = self.ask(path)["value"]
        return published

    def until(self, condition: Callable[[], object], patience: float, state: Callable[[], str] = str) -> None:
        """Wait until something holds; fails with `state()` when it does not in `patience` seconds."""
        deadline = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < deadline, f"after {patience} s still: {state()}"
            time.sleep(0.2)

    def processes(self, text: str) -> list[psutil.Process]:
        """Its processes with that text in their command line."""
        return [one for one in processes.alive(self.home / "processes.json") if text in " ".join(one.cmdline())]

    def connected_to(self, port: int) -> psutil.Process:
        """The one process of it that has a connection to a port of this machine."""
        (found,) = (
            one for one in self.processes("") if any(to.raddr and to.raddr.port == port for to in one.net_connections())
        )
        return found

    def kill(self, text: str) -> None:
        """SIGKILL all of its processes that have a text in their command line."""
        for process in self.processes(text):
            process.kill()

    def start(self) -> None:
        """Start what does not run, as whoever keeps Airflow running does."""
        make("up", self.environment)
        self.rest = Rest((self.home / "address").read_text())
        self.rest.log_in("admin", self.password)


def make(target: str, environment: Mapping[str, str]) -> str:
    """`make up` or `make down`; what it says."""
    command = [sys.executable, "-m", f"include.local.{target}"]
    done = subprocess.run(command, cwd=PROJECT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def running(home: Path, environment: Mapping[str, str]) -> Iterator[Airflow]:
    """An Airflow whose home is `home` and whose exports lie in `home/dags`."""
    settings = os.environ | FAST | environment
    settings |= {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        make("up", settings)
        password = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text())["admin"]
        rest = Rest((home / "address").read_text())
        rest.log_in("admin", password)
        yield Airflow(home, settings, rest, password)
    finally:
        for process in processes.alive(home / "processes.json"):
            process.kill()  # nothing is kept, so nothing need end in order
        processes.stop(home / "processes.json")
