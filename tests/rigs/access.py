"""Exports that some roles see and others do not, and Airflow's API server, asked about them as one user after another.

    python -P tests/rigs/access.py < commands

runs each line of the input, a command of Airflow's command line.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import requests

from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

IMPORTS = '''"""Exports of the tests."""
from include.exports import *
'''
EXPORT = """airflow_dag(
    DatasetExport(
        name="{name}", owner="tests", mode="incremental", schedule=Daily(), files=JsonFiles(), access={access},
        source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at")),
        destination=LocalDestination(path="{root}/out", prefix="{name}"), folder="%EXPORT_TIME%",
    ),
    doc=__doc__,
)
"""
DAY = datetime(2024, 5, 1, tzinfo=UTC)
"""The window that the exports have run for begins here."""
PATIENCE_SECONDS = 180.0
"""What Airflow gets to start, to answer, and to end."""


@dataclass
class Airflow:
    """An API server that runs."""

    root: Path
    environment: Mapping[str, str]
    address: str
    passwords: Mapping[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """Of who has signed in."""
    run_ids: dict[str, str] = field(default_factory=dict)
    """The run of each export."""

    def ask(self, user: str | None, method: str, path: str, body: object = None, **names: object) -> requests.Response:
        """The answer to a request of a user; of somebody who has not signed in without one.

        What stands in braces in path and body are names; the export is `campaigns`, and the run its own, unless others
        are given.
        """
        names = {"dag_id": "campaigns", **names}
        names = {"dag_run_id": self.run_ids.get(str(names["dag_id"]), "none"), **names}

        def filled(text: str) -> str:
            return re.sub(r"\{(\w+)\}", lambda name: str(names.get(name[1], name[0])), text)

        headers = {"Authorization": f"Bearer {self._token(user)}"} if user else {}
        document = json.loads(filled(json.dumps(body)))
        url = self.address + filled(path)
        return requests.request(method, url, json=document, headers=headers, timeout=PATIENCE_SECONDS)

    def _token(self, user: str) -> str:
        if user not in self.tokens:
            login = {"username": user, "password": self.passwords[user]}
            signed_in = requests.post(f"{self.address}/auth/token", json=login, timeout=PATIENCE_SECONDS)
            signed_in.raise_for_status()
            self.tokens[user] = signed_in.json()["access_token"]
        return self.tokens[user]

    def list(self, user: str, path: str, key: str, name: str = "dag_id") -> set[str] | int:
        """The names in a list as a user gets it, or the status with which it is refused."""
        answer = self.ask(user, "GET", f"{path}?limit=1000")
        return {entry[name] for entry in answer.json()[key]} if answer.ok else answer.status_code


def environment(root: Path, home: str, **more: str) -> dict[str, str]:
    """The environment of the Airflow at `home` in `root`."""
    settings = {
        **os.environ,
        "AIRFLOW_HOME": str(root / home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        **more,
    }
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    return settings


def declare(root: Path, file: str, exports: Mapping[str, Mapping[str, str]]) -> None:
    """Write a file with exports, each with its `access`."""
    (root / "dags").mkdir(exist_ok=True)
    calls = [EXPORT.format(name=name, access=access, root=root) for name, access in exports.items()]
    (root / "dags" / f"{file}.py").write_text("".join([IMPORTS, *calls]))


def run(root: Path, home: str) -> None:
    """Run every export once, from a lake of three records."""
    (root / "lake").mkdir()
    at = pa.array([DAY + timedelta(hours=hour) for hour in range(3)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": [1, 2, 3], "at": at}), root / "lake" / "a.parquet")
    window = (DAY.isoformat(), (DAY + timedelta(days=1)).isoformat())
    runs = PROJECT / "tests" / "rigs" / "dag_runs.py"
    _python([runs, root / home, root / "dags", *window], environment(root, home))


def command_line(settings: Mapping[str, str], commands: Iterable[str]) -> None:
    """Run commands of Airflow one after another. Each alone would import Airflow anew, which takes seconds."""
    _python([__file__], settings, "\n".join(commands))


def _python(command: Iterable[object], settings: Mapping[str, str], read: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-P", *map(str, command)],
        cwd=PROJECT,
        env=settings,
        input=read,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]


@contextmanager
def serving(root: Path, settings: Mapping[str, str]) -> Iterator[Airflow]:
    """The API server of an Airflow, nobody having signed in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = root / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"],
            cwd=PROJECT,
            env={**settings, "AIRFLOW__API__PORT": str(port), "AIRFLOW__API__BASE_URL": address},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(address):
            assert process.poll() is None, log.read_text()[-5000:]
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.2)
        yield Airflow(root, settings, address)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/api/v2/version", timeout=PATIENCE_SECONDS).ok
    except requests.ConnectionError:
        return False


def main() -> None:
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    for line in sys.stdin:
        program, *arguments = shlex.split(line)
        assert program == "airflow", line
        asked: Any = parser.parse_args(arguments)
        asked.func(asked)


if __name__ == "__main__":
    main()
