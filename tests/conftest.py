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


@pytest.hookimpl(tryfirst=True)  # before xdist, which reads the groups then
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, what shares servers stays together: a file, a destination, all that start Airflow,
    which look for a free port one after the other. What takes longest begins first."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)
    for item in items:
        rig = item.callspec.params.get("rig", "") if hasattr(item, "callspec") else ""
        starts_airflow = item.path.parent.name == "airflow" or item.path.name in {"test_access.py", "test_up.py"}
        item.add_marker(pytest.mark.xdist_group("airflow" if starts_airflow else f"{item.path}{rig}"))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database with the pools of airflow_settings.yaml, for tests that run DAGs."""
    database.initialize()
