"""A run that is killed at any instant and run again delivers what it would have delivered, and leaves nothing else."""

import json
import subprocess
import sys
from pathlib import Path

RIG = Path(__file__).parents[1] / "rigs" / "killing.py"


def test_killed_at_every_file_system_operation_and_run_again(tmp_path):
    """Half-way, a manifest that is there names complete files only; the rig checks that after every kill."""
    finished = subprocess.run(
        [sys.executable, str(RIG), str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    first, *runs = map(json.loads, finished.stdout.splitlines())
    assert first["operations"] > 50
    assert len(runs) == first["operations"]
    assert all(run["killed"] for run in runs)
    assert [run["operation"] for run in runs if not run["same"]] == []
