"""Definitions that many tests start from."""

import json

import airflow  # noqa: F401  # configures logging when it is imported, after which a caplog begun before hears nothing
import pytest

from include.exports import Daily, DatasetExport, JsonFiles, LakeSource, LocalDestination, TimeColumn
from tests.rigs.runs import KEY, Runs


@pytest.fixture
def daily(tmp_path) -> DatasetExport:
    """A daily incremental export from a lake to a folder."""
    return DatasetExport(
        name="events",
        owner="tests",
        source=LakeSource(path=str(tmp_path / "lake"), time_column=TimeColumn(name="at")),
        mode="incremental",
        schedule=Daily(start="2019-11-24", end="2019-12-01"),
        files=JsonFiles(),
        destination=LocalDestination(path=str(tmp_path / "delivered")),
    )


@pytest.fixture
def rig(tmp_path, daily, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_KEY", json.dumps({"conn_type": "generic", "password": KEY}))
    return Runs(tmp_path, daily)
