"""Makes the tests an Airflow of their own, before anything imports airflow."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from include.local import database, environment

pytest_plugins = ["tests.rigs.postgres"]

for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[name]  # what the person has configured for other Airflows must not decide our tests
HOME = TemporaryDirectory(prefix="exports-tests-")
environment.prepare(home=Path(HOME.name) / "airflow", dotenv=Path(HOME.name) / ".env")


class Together(LoadScopeScheduling):
    """Gives tests that run side by side to processes by what they share: a file its servers, and those that start
    Airflow the look for a free port, which takes one at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "airflow" if "/airflow/" in file or file.endswith(("/test_access.py", "/test_up.py")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Called where tests run side by side."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database with the pools of airflow_settings.yaml, for tests that run DAGs."""
    database.initialize()
