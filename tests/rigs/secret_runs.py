"""Runs one export through its DAG again and again, changed as it is told, in an Airflow of its own.

    python -P tests/rigs/secret_runs.py <home> <dags folder> <changes>

`changes` is a JSON file: fields of the export that are replaced, by the name of a run. The logs are masked as Airflow
masks them in a worker's files, and go to stderr. One line of JSON for each run: its name, its state and its task logs.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

from include.local import database, environment

home, folder, changes = map(Path, sys.argv[1:4])
for name in [name for name in os.environ if name.startswith("AIRFLOW__") or name == "AIRFLOW_HOME"]:
    del os.environ[name]
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
environment.prepare(home=home, dotenv=home / ".env")
output = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to stdout
database.initialize()

from airflow.sdk.log import configure_logging  # noqa: E402  # after the environment is prepared

from include.exports import catalog  # noqa: E402
from include.exports.definition import Export  # noqa: E402
from include.exports.run import run  # noqa: E402

configure_logging()  # DAG.test() logs through another masker, which knows no connection
(declared,) = catalog.read(folder).declared
for name, fields in json.loads(changes.read_text()).items():
    document = declared.export.model_dump(mode="json") | fields
    export: Export = type(declared.export).model_validate(document)
    day = [datetime.fromisoformat(f"2024-05-0{number}T00:00:00Z") for number in (1, 2)]
    output.write(json.dumps({"name": name, "state": run(export, *day).state}) + "\n")
    output.flush()
