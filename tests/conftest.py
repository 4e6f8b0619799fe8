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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What shares servers stays together where tests run side by side: a file, a destination, the running Airflow."""
    for item in items:
        rig = item.callspec.params.get("rig", "") if hasattr(item, "callspec") else ""
        place = item.path.parent if item.path.parent.name == "airflow" else item.path
        item.add_marker(pytest.mark.xdist_group(f"{place}{rig}"))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database with the pools of airflow_settings.yaml, for tests that run DAGs."""
    database.initialize()
