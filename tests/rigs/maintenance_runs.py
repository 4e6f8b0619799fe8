"""Runs exports_maintenance several times in an Airflow of its own, and prints how each run ended.

    python -P tests/rigs/maintenance_runs.py <home> <dags folder> <days>...

A run for each value of the Airflow Variable `exports_staging_days`. Each line of the output is a JSON object: the
states of the tasks, and the exports whose end was announced.
"""

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.rigs import own_airflow

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
output = own_airflow.begin(home, folder)

from airflow.dag_processing.dagbag import DagBag  # noqa: E402  # after Airflow is configured

dag = DagBag().dags["exports_maintenance"]
begun = datetime.now(UTC)
for number, days in enumerate(sys.argv[3:]):
    os.environ["AIRFLOW_VAR_EXPORTS_STAGING_DAYS"] = days
    run = dag.test(logical_date=begun + timedelta(seconds=number))
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    told = run.get_task_instance("announce_endings").xcom_pull(task_ids="announce_endings")
    output.write(json.dumps({"tasks": states, "told": told}) + "\n")
    output.flush()
