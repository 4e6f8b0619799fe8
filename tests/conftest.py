"""Makes the tests an Airflow of their own, before anything imports airflow."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from include.local import database, environment

pytest_plugins = ["tests.rigs.postgres"]

for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]  # what the person has configured for other Airflows must not decide our tests
HOME = TemporaryDirectory(prefix="exports-tests-")
environment.prepare(home=Path(HOME.name) / "airflow", dotenv=Path(HOME.name) / ".env")


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database with the pools of airflow_settings.yaml, for tests that run DAGs."""
    database.initialize()
