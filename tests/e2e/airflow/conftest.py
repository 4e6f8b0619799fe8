"""One running Airflow, with PostgreSQL as its database, for all tests of this folder."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.rigs import inbox, operated
from tests.rigs import postgres as servers
from tests.rigs import running as rig
from tests.rigs.inbox import Hooks, Mailbox
from tests.rigs.postgres import PASSWORD, USER, Postgres
from tests.rigs.running import Airflow


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    with inbox.mailbox() as box:
        yield box


@pytest.fixture(scope="session")
def hooks() -> Iterator[Hooks]:
    with inbox.hooks() as box:
        yield box


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> str:
    """The name of a database whose table `events` has a row an hour of May 2024."""
    postgres.run("create database operating")
    postgres.run("create table events (id int primary key, at timestamptz not null)", "operating")
    hours = "generate_series(timestamptz '2024-05-01 00:00+00', '2024-05-31 23:00+00', '1 hour')"
    postgres.run(f"insert into events select row_number() over (), hour from {hours} as hour", "operating")
    return "operating"


@pytest.fixture(scope="session")
def root(tmp_path_factory) -> Path:
    """A folder with lakes that have a row an hour of the first half of 2024."""
    root = tmp_path_factory.mktemp("operating")
    for lake in ("lake", "contested"):
        operated.rows(root / lake / "hours.parquet", range(182 * 24))
    return root


@pytest.fixture(scope="session")
def metadata() -> Iterator[str]:
    """The URL of an empty database. On SQLite the scheduler itself fails now and then."""
    with servers.server() as server:
        server.run("create database airflow")
        yield f"{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/airflow"


@pytest.fixture(scope="session")
def connections(mailbox, hooks, postgres, database) -> dict[str, str]:
    """The Airflow connections to the servers of the tests."""
    return {
        "AIRFLOW_CONN_MAIL": mailbox.connection,
        "AIRFLOW_CONN_HOOK": json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{hooks.port}"}),
        "AIRFLOW_CONN_DB": postgres.airflow(database),
    }


@pytest.fixture(scope="session")
def running(root, connections, metadata) -> Iterator[Airflow]:
    """An Airflow with the exports."""
    home = root / "home"
    (home / "dags").mkdir(parents=True)
    for name, text in operated.files(root).items():
        (home / "dags" / f"{name}.py").write_text(text)
    settings = connections | {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{metadata}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+asyncpg://{metadata}",
    }
    with rig.running(home, settings) as started:
        yield started
