"""Campaign results through their real DAG, and verified afterwards by the command line."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from include.local.events import Campaign, generate, write_lake

RIG = Path(__file__).parents[1] / "rigs" / "dag_runs.py"
DAG = '''"""Results of the tests."""
from include.exports import *
airflow_dag(
    CampaignResultsExport(
        name="results", owner="tests", mode="incremental", late_days=2, schedule=Daily(),
        source=CampaignResults(events=EventLake(path="{root}/lake")),
        files=CsvFiles(), destination=LocalDestination(path="{root}/out"),
    ),
    doc=__doc__,
)
'''


def test_a_run_publishes_its_day_and_those_before_it_and_they_verify(tmp_path):
    campaign = Campaign(id="spring", name="Spring Sale", channels=("email", "ios_push"))
    start = datetime(2024, 5, 1, tzinfo=UTC)
    write_lake(generate([campaign], start=start, days=3, users=20), tmp_path / "lake", "avro")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "results.py").write_text(DAG.format(root=tmp_path))
    ended = subprocess.run(
        [
            sys.executable, "-P", str(RIG), str(tmp_path / "home"), str(tmp_path / "dags"),
            "2024-05-03T00:00:00Z", "2024-05-04T00:00:00Z",
        ],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-5000:]
    (run,) = map(json.loads, ended.stdout.splitlines())
    manifests = [tmp_path / f"out/results/exportTime=2024050{day}0000/_manifest.json" for day in (2, 3, 4)]
    assert run["state"] == "success"
    assert run["published"]["manifest"] == f"file://{manifests[-1]}"
    assert run["published"]["restated"] == [f"file://{manifest}" for manifest in manifests[:-1]]
    assert run["tasks"]["shard.deliver_files[0]"] == ["success", 1]
    for manifest in manifests:
        command = [sys.executable, "-m", "include.exports", "verify", str(manifest)]
        verified = subprocess.run(command, capture_output=True, text=True, check=False)
        assert verified.stdout.splitlines()[-1] == "6 files, 0 differ from the manifest", verified.stderr
