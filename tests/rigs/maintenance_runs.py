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

from include.local import database, environment

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
for name in [name for name in os.environ if name.startswith("AIRFLOW__") or name == "AIRFLOW_HOME"]:
    del os.environ[name]
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
environment.prepare(home=home, dotenv=home / ".env")
output = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
database.initialize()

from airflow.dag_processing.dagbag import DagBag  # noqa: E402  # after the environment is prepared

dag = DagBag().dags["exports_maintenance"]
begun = datetime.now(UTC)
for number, days in enumerate(sys.argv[3:]):
    os.environ["AIRFLOW_VAR_EXPORTS_STAGING_DAYS"] = days
    run = dag.test(logical_date=begun + timedelta(seconds=number))
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    told = run.get_task_instance("announce_endings").xcom_pull(task_ids="announce_endings")
    output.write(json.dumps({"tasks": states, "told": told}) + "\n")
    output.flush()
