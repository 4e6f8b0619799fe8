"""The DAG that cleans up, run as Airflow runs it: what one of its tasks cannot do keeps the other from nothing."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.exports.paths import PROJECT

RIG = Path(__file__).parents[1] / "rigs" / "maintenance_runs.py"
DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="ends", owner="tests", mode="full", schedule=Daily(end="{end}"), source=LakeSource(path="{root}/lake"),
        files=JsonFiles(), destination=LocalDestination(path="{root}/out"),
    ),
    doc=__doc__,
)
'''


def test_an_end_is_told_once_also_while_cleaning_fails_day_after_day(tmp_path):
    (tmp_path / "dags").mkdir()
    shutil.copy(PROJECT / "dags/exports_maintenance.py", tmp_path / "dags")
    end = datetime.now(UTC) + timedelta(days=30, hours=-1)
    (tmp_path / "dags/ends.py").write_text(DAG.format(root=tmp_path, end=end.isoformat()))
    finished = subprocess.run(
        [sys.executable, "-P", str(RIG), str(tmp_path / "home"), str(tmp_path / "dags"), "0", "0", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-5000:]
    runs = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [run["tasks"]["clean_staging"] for run in runs] == ["failed", "failed", "success"]
    assert [run["told"] for run in runs] == [["ends"], [], []]
    assert "NotEligible: Airflow Variable 'exports_staging_days' is '0'; write a number of days" in finished.stderr
