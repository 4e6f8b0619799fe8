"""Runs one export through its DAG again and again, changed as it is told, in an Airflow of its own.

    python -P tests/rigs/secret_runs.py <home> <dags folder> <changes>

`changes` is a JSON file: fields of the export that are replaced, by the name of a run. The logs are masked as Airflow
masks them in a worker's files, and go to stderr. One line of JSON for each run: its name, its state and its task logs.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tests.rigs import own_airflow

home, folder, changes = map(Path, sys.argv[1:4])
output = own_airflow.begin(home, folder)

from airflow.sdk.log import configure_logging  # noqa: E402  # after Airflow is configured

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
