"""The Open Bandit campaigns as message events, next to the sample that they are made of."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from include.exports import CampaignResults, CampaignResultsExport, CsvFiles, EventLake, LocalDestination, Weekly
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.window import window
from include.local import open_bandit
from include.local.lake import SAMPLE


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The delivered results of all three campaigns."""
    root = tmp_path_factory.mktemp("open_bandit")
    export = CampaignResultsExport(
        name="results",
        owner="tests",
        source=CampaignResults(events=EventLake(path=str(open_bandit.build(root / "lake")))),
        mode="full",
        days=7,
        layout="by_statistic",
        schedule=Weekly(on="sunday"),
        files=CsvFiles(compression="none"),
        destination=LocalDestination(path=str(root / "out")),
    )
    end = datetime(2019, 12, 1, tzinfo=UTC)
    covered = window(export, None, end, end)
    stages = Stages(export, covered, Staging(f"file://{root}/staging", "results", covered.key, "run"))
    for shard in stages.validate_eligibility():
        stages.extract_records(shard)
        stages.serialize_files(shard)
        stages.deliver_files(shard)
    stages.publish_manifest()
    return root / "out" / "results" / "exportTime=201912010000"


@pytest.mark.parametrize("campaign", ["all", "men", "women"])
def test_impressions_and_clicks_are_those_of_the_sample_a_day_and_policy(folder: Path, campaign: str) -> None:
    sample = pq.read_table(SAMPLE)
    for statistic, counted in (("impressions", None), ("clicks", 1)):
        (file,) = folder.glob(f"open-bandit-{campaign}-in_app_message-{statistic}-0*.csv")
        rows = list(csv.DictReader(io.StringIO(file.read_text())))
        assert [row["Date"] for row in rows] == [f"2019-11-{day}" for day in range(24, 31)]
        for policy, column in open_bandit.POLICIES.items():
            mine = pc.and_(pc.equal(sample["campaign"], campaign), pc.equal(sample["policy"], policy))
            if counted:
                mine = pc.and_(mine, pc.equal(sample["click"], counted))
            expected = sample.filter(mine)
            days = pc.value_counts(pc.strftime(expected["timestamp"], "%Y-%m-%d")).to_pylist()
            assert {row["Date"]: int(row[column]) for row in rows} == {f"2019-11-{day}": 0 for day in range(24, 31)} | {
                day["values"]: day["counts"] for day in days
            }


def test_building_it_again_leaves_it_as_it_is(tmp_path: Path) -> None:
    first = open_bandit.build(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in first.rglob("*.avro")}
    assert open_bandit.build(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*.avro")} == files
    assert len(files) == 14, "a file a day and type of event"
