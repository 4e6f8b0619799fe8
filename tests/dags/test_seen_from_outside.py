"""What other systems learn of a run: asset events that start consumers, OpenLineage, and the link to the manifest."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RUNS = Path(__file__).parents[1] / "rigs" / "dag_runs.py"
EXPORT = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="watched", owner="tests", mode="incremental", schedule=Daily(), files=JsonFiles(),
        columns=Columns(rename={{"id": "number"}}),
        source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at")),
        destination=LocalDestination(path="{root}/out"), folder="%EXPORT_TIME%",
    ),
    doc=__doc__,
)
'''
CONSUMER = '''"""A DAG that loads what an export has published."""
from airflow.sdk import DAG, Asset, task
with DAG("consumer", schedule=[Asset("watched")], is_paused_upon_creation=False):
    @task
    def load(triggering_asset_events=None): ...
    load()
'''


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Where an export with a consumer ran, in an Airflow that writes its OpenLineage events to a file."""
    root = tmp_path_factory.mktemp("seen")
    (root / "lake").mkdir()
    (root / "dags").mkdir()
    at = pa.array([1714521600000000 + i for i in range(3)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"id": [1, 2, 3], "at": at}), root / "lake" / "a.parquet")
    (root / "dags" / "watched.py").write_text(EXPORT.format(root=root))
    (root / "dags" / "consumer.py").write_text(CONSUMER)
    transport = {"TYPE": "file", "LOG_FILE_PATH": str(root / "events"), "APPEND": "true"}
    finished = subprocess.run(
        [sys.executable, "-P", RUNS, root / "home", root / "dags", "2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {f"OPENLINEAGE__TRANSPORT__{name}": value for name, value in transport.items()},
    )
    assert finished.returncode == 0, finished.stderr[-5000:]
    return root


def test_what_is_published_queues_a_run_of_its_consumer(root):
    with sqlite3.connect(root / "home" / "airflow.db") as database:
        queued = database.execute(
            "select target_dag_id, a.name from asset_dag_run_queue q join asset a on a.id = q.asset_id"
        ).fetchall()
    assert queued == [("consumer", "watched")]


def test_openlineage_is_told_what_was_read_and_what_was_written(root):
    events = [json.loads(line) for line in (root / "events").read_text().splitlines()]
    (published,) = (
        event
        for event in events
        if event["job"]["name"] == "watched.publish_manifest" and event["eventType"] == "COMPLETE"
    )
    ((read,), (written,)) = published["inputs"], published["outputs"]
    assert (read["namespace"], read["name"]) == ("file", f"{root}/lake")
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert (written["namespace"], written["name"]) == ("file", f"{root}/out/exportTime=202405020000")
    columns = [(field["name"], field["type"]) for field in written["facets"]["schema"]["fields"]]
    assert columns == [("number", "bigint"), ("at", "timestamp with time zone")]
    statistics = written["outputFacets"]["outputStatistics"]
    (entry,) = json.loads((root / "out/exportTime=202405020000/_manifest.json").read_bytes())["entries"]
    assert (statistics["rowCount"], statistics["fileCount"]) == (3, 1)
    assert statistics["size"] == entry["meta"]["content_length"]


def test_a_manifest_that_no_browser_opens_is_shown_where_airflow_shows_its_address(root):
    with sqlite3.connect(root / "home" / "airflow.db") as database:
        ((link,),) = database.execute("select value from xcom where key = 'manifest_link'").fetchall()
    assert json.loads(link).endswith("/tasks/publish_manifest/xcom")
