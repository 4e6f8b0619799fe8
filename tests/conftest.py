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


def starts_airflow(nodeid: str) -> bool:
    """Whether a test has a running Airflow. One of them runs until all tests of its process have ended."""
    file = nodeid.partition("::")[0]
    return "/airflow/" in file or file.endswith(("/test_access.py", "/test_up.py"))


class Together(LoadScopeScheduling):
    """Gives tests that run side by side to processes by what they share: a file its servers, and those that start
    Airflow the look for a free port, which takes one at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return "airflow" if starts_airflow(nodeid) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """Called where tests run side by side."""
    return Together(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A running Airflow takes the time of the tests after it, so those that start one come last. Side by side with
    others they come first, because they take longest."""
    items.sort(key=lambda item: starts_airflow(item.nodeid), reverse=hasattr(config, "workerinput"))


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's database with the pools of airflow_settings.yaml, for tests that run DAGs."""
    database.initialize()
