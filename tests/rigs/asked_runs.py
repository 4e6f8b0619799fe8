"""Runs exports as somebody triggers them, in an Airflow of its own, and prints how each run ended.

    python -P tests/rigs/asked_runs.py <home> <dags folder> < runs

Each line of the input is a JSON object: the `name` of the export, the `logical_date` (null for none) and the `conf` of
the trigger form. Each line of the output has the run's state, the states of its tasks, and what was published.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tests.rigs import own_airflow

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
output = own_airflow.begin(home, folder)

from include.exports import catalog, dag  # noqa: E402  # after Airflow is configured

declared = {item.export.name: item.export for item in catalog.read(folder).declared}
for line in sys.stdin:
    asked = json.loads(line)
    built = dag.build(declared[asked["name"]], None)
    built.deadline = None  # Airflow runs no DAG that has one without a scheduler
    logical_date = asked["logical_date"] and datetime.fromisoformat(asked["logical_date"])
    run = built.test(logical_date=logical_date, run_conf=asked["conf"])
    instances = run.get_task_instances()
    published = run.get_task_instance("publish_manifest").xcom_pull(task_ids="publish_manifest")
    states = {ti.task_id: str(ti.state) for ti in instances}
    output.write(json.dumps({"state": str(run.state), "tasks": states, "published": published}) + "\n")
    output.flush()
