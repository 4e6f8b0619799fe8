"""`make up` and `make down`: a real Airflow in the background, and nothing of it afterwards."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.exports.paths import PROJECT
from include.local import processes
from include.local.rest import Rest

DAG = '''
"""Greets."""

from airflow.sdk import dag, task

@dag(schedule=None, is_paused_upon_creation=False)
def greet():
    @task(pool="exports_sources")
    def say():
        return "hello"
    say()

greet()
'''


def make(target: str, home: Path) -> str:
    environment = os.environ | {"AIRFLOW_HOME": str(home), "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags")}
    command = [sys.executable, "-m", f"include.local.{target}"]
    done = subprocess.run(command, cwd=PROJECT, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "greet.py").write_text(DAG)
    (tmp_path / "dags" / "broken.py").write_text("import airflow  # a dag\nraise ValueError('broken on purpose')\n")
    yield tmp_path
    processes.stop(tmp_path / "processes.json")


def test_airflow_runs_a_dag_in_the_background_until_it_is_stopped(home: Path) -> None:
    said = make("up", home)

    address = (home / "address").read_text()
    assert f"Airflow runs at {address}" in said
    written = [(home / name).stat().st_mtime for name in ("airflow.cfg", "address")]
    assert written == sorted(written), "one key for all, before there is a component that would make its own"
    assert "Exports: greet\n" in said
    assert "\nbroken.py cannot be read:\n" in said
    assert "ValueError: broken on purpose" in said
    assert make("up", home).startswith(f"Airflow runs already at {address}")

    airflow = Rest(address)
    password = json.loads((home / "simple_auth_manager_passwords.json.generated").read_text())["admin"]
    assert f"user admin, password {password}" in said
    airflow.log_in("admin", password)
    run = airflow.ask("/api/v2/dags/greet/dagRuns", {"logical_date": None})["dag_run_id"]
    while (state := airflow.ask(f"/api/v2/dags/greet/dagRuns/{run}")["state"]) in ("queued", "running"):
        time.sleep(0.2)
    assert state == "success"

    assert make("down", home).startswith("Airflow stopped: ")
    assert processes.alive(home / "processes.json") == []
    assert not airflow.healthy()
    assert make("down", home) == "Airflow does not run\n"
