"""Runs that somebody triggers, through the real DAG: none ends as a success without having done anything."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RIG = Path(__file__).parents[1] / "rigs" / "asked_runs.py"
DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="events", owner="tests", mode="incremental",
        schedule=Daily(timezone="Europe/Oslo", start="2024-03-30"), retries=Retries(count=0),
        source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at")), files=JsonFiles(),
        destination=LocalDestination(path="{root}/out"),
        elsewhere={{"partner": LocalDestination(path="{root}/partner")}},
    ),
    doc=__doc__,
)
'''
FUTURE = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
DAYS = ("2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z")
"""March 31 in Oslo, which has no hour from two to three."""
RUNS = {
    "before the start": ("2024-03-15T12:00:00+00:00", {}),
    "without a date": (None, {}),
    "in the future": (None, {"window_start": DAYS[0], "window_end": FUTURE.isoformat()}),
    "in the hour that is left out": ("2024-03-31T02:30:00+01:00", {}),
    "after the hour that is left out": ("2024-04-01T12:00:00+02:00", {}),
    "dry run": (None, {"window_start": DAYS[0], "window_end": DAYS[1], "dry_run": True}),
    "elsewhere": (None, {"window_start": DAYS[0], "window_end": DAYS[1], "elsewhere": "partner"}),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def ended(root) -> dict[str, dict]:
    """How each of these runs ended."""
    (root / "lake").mkdir()
    (root / "dags").mkdir()
    at = [datetime(2024, 3, 30, tzinfo=UTC) + timedelta(hours=hour) for hour in range(72)]
    pq.write_table(pa.table({"at": pa.array(at, pa.timestamp("us", "UTC"))}), root / "lake/a.parquet")
    (root / "dags/events.py").write_text(DAG.format(root=root))
    lines = [json.dumps({"name": "events", "logical_date": date, "conf": conf}) for date, conf in RUNS.values()]
    finished = subprocess.run(
        [sys.executable, "-P", str(RIG), str(root / "home"), str(root / "dags")],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-5000:]
    (root / "log").write_text(finished.stderr)
    return dict(zip(RUNS, map(json.loads, finished.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("before the start", "is before the schedule's first window, which is open to the left"),
        ("without a date", "is incremental, and this run has no window"),
        ("in the future", "has not ended, it is"),
    ],
)
def test_what_cannot_be_exported_fails_with_the_reason(ended, root, asked, said):
    run = ended[asked]
    assert (run["state"], run["tasks"]["validate_eligibility"], run["published"]) == ("failed", "failed", None)
    assert said in (root / "log").read_text()


def test_a_date_in_the_hour_that_the_clock_leaves_out_stands_for_the_day_before_it(ended, root):
    run = ended["in the hour that is left out"]
    assert run["state"] == "success"
    assert run["published"]["manifest"] == f"file://{root}/out/events/exportTime=202403302300/_manifest.json"
    assert run["published"]["rows"] == 23, "from midnight UTC, where the records begin, to midnight in Oslo"


def test_the_day_with_the_hour_left_out_has_the_other_hours(ended):
    assert ended["after the hour that is left out"]["state"] == "success"
    assert ended["after the hour that is left out"]["published"]["rows"] == 23


def test_a_dry_run_ends_as_skipped_and_says_so(ended, root):
    run = ended["dry run"]
    assert (run["tasks"]["validate_eligibility"], run["tasks"]["publish_manifest"]) == ("skipped", "skipped")
    assert run["published"] is None
    assert "events: eligible; a dry run ends here, nothing was read or delivered" in (root / "log").read_text()


def test_a_run_is_delivered_to_the_other_destination_that_was_chosen(ended, root):
    run = ended["elsewhere"]
    assert run["state"] == "success"
    assert run["published"]["manifest"] == f"file://{root}/partner/events/exportTime=202403312200/_manifest.json"
    assert run["published"]["rows"] == 23
