"""Starts Airflow on this machine in the background and waits until its exports are there: `make up`."""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError

from rich.console import Console

from include.local import database, environment, events, lake, open_bandit, processes, profiles
from include.local.quiet import output_to
from include.local.rest import Rest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from subprocess import Popen

COMPONENTS: dict[str, tuple[str, ...]] = {
    "api-server": (),  # first, and so the last to be stopped: tasks report to it until they end
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),  # on one machine the API server reads the files of the logs
    "scheduler": ("--skip-serve-logs",),
}
FIRST_PORT = 8080
USER = "admin"
PASSWORDS = "simple_auth_manager_passwords.json.generated"
"""Where Airflow looks for passwords, in its home. It would make the file itself, but readable for everybody."""
PATIENCE_SECONDS = 180.0
"""What Airflow gets to become healthy and to read the DAGs. The first start also compiles all that it imports."""


def main() -> None:
    """Start what of Airflow does not run, and print its address and login. Exits with 1 when it does not start."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    environment.prepare()
    home = Path(os.environ["AIRFLOW_HOME"])
    record, address, logs = home / "processes.json", home / "address", home / "logs"
    # The API server calls its processes api_server.
    commands = [" ".join(process.cmdline()).replace("_", "-") for process in processes.alive(record)]
    missing = [name for name in COMPONENTS if not any(f"airflow {name}" in command for command in commands)]
    if not missing:
        console.print(f"Airflow runs already at {address.read_text()}, {_login(home)}; make down stops it")
        return
    lake.build()
    events.build()
    open_bandit.build()
    profiles.build()
    if not (home / PASSWORDS).exists():
        environment.write_secret(home / PASSWORDS, json.dumps({USER: secrets.token_urlsafe(12)}))
    with output_to(logs / "database.log"):
        database.initialize()
        _configure()
    if commands:
        console.print(f"Starting what has ended of Airflow at {address.read_text()}: {', '.join(missing)}")
    else:
        address.write_text(f"http://127.0.0.1:{next(port for port in count(FIRST_PORT) if _free(port))}")
        console.print(f"Starting Airflow at {address.read_text()}, with its logs in {logs}")
    airflow = Rest(address.read_text())
    try:
        started = _start(missing, record, address.read_text(), logs)
        _until(lambda: _lets_in(airflow, home), started)
        _until(lambda: _read(airflow), started)
    except TimeoutError as error:
        processes.stop(record)
        console.print(f"Airflow did not start: {error}")
        sys.exit(1)
    for file, reason in airflow.import_errors().items():
        console.print(f"{file} cannot be read:\n{reason}")
    console.print(f"Airflow runs at {address.read_text()}, {_login(home)}; make down stops it")
    console.print(f"Exports: {', '.join(sorted(airflow.dags()))}")


def _configure() -> None:
    """Write Airflow's own configuration, if there is none: components that start at once would each make a key for
    what they encrypt, and not read what the others have written."""
    from airflow.configuration import write_default_airflow_configuration_if_needed

    write_default_airflow_configuration_if_needed()


def _start(components: Sequence[str], record: Path, address: str, logs: Path) -> dict[Path, Popen[bytes]]:
    """The components, by their logs."""
    os.environ |= {
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__PORT": address.rpartition(":")[2],
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",  # a new file is noticed while its author still looks
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # or each task of a small export waits a second
    }
    started = {}
    for name in components:
        log = logs / f"{name}.log"
        command = [sys.executable, "-m", "airflow", name, *COMPONENTS[name]]
        started[log] = processes.start(record, command, log)
    return started


def _until(condition: Callable[[], bool], started: dict[Path, Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        for log, process in started.items():
            if process.poll() is not None:
                raise TimeoutError(f"{log.stem} ended with {process.returncode}; its log is {log}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"it is not ready after {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.5)


def _lets_in(airflow: Rest, home: Path) -> bool:
    """Whether it is healthy and ours: another Airflow may have taken the port first, and does not know the password."""
    if not airflow.healthy():
        return False
    try:
        airflow.log_in(USER, _password(home))
    except HTTPError:
        return False
    return True


def _read(airflow: Rest) -> bool:
    """Whether every file of the DAGs folder has been read, with or without success."""
    folder = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    seen = {*airflow.dags().values(), *(str(folder / name) for name in airflow.import_errors())}
    return {str(path) for path in folder.rglob("*.py")} <= seen


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _password(home: Path) -> str:
    return str(json.loads((home / PASSWORDS).read_text())[USER])


def _login(home: Path) -> str:
    return f"user {USER}, password {_password(home)}"


if __name__ == "__main__":
    main()
