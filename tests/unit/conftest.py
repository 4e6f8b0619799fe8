"""Definitions that many tests start from."""

import pytest

from include.exports import Daily, DatasetExport, JsonFiles, LakeSource, LocalDestination, TimeColumn


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
