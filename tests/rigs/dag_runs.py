"""Runs every export of a DAGs folder through its DAG in an Airflow of its own, and prints how each one ended.

    python tests/rigs/dag_runs.py <home> <dags folder> <start> <end>

The start and end are the window that is asked for. One line of JSON for each run: state of the run, tries and states
of its tasks, what was published, and the asset events.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tests.rigs import own_airflow

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
start, end = (datetime.fromisoformat(text) for text in sys.argv[3:5])
output = own_airflow.begin(home, folder)

from airflow.models.asset import AssetEvent, AssetModel  # noqa: E402  # after Airflow is configured
from airflow.models.dagrun import DagRun  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from sqlalchemy import select  # noqa: E402

from include.exports import catalog  # noqa: E402
from include.exports.run import run  # noqa: E402

for declared in catalog.read(folder).declared:
    outcome = run(declared.export, start, end)
    with create_session() as session:
        finished = session.scalars(
            select(DagRun).where(DagRun.dag_id == declared.export.name).order_by(DagRun.id.desc())
        ).first()
        tasks = {
            f"{ti.task_id}[{ti.map_index}]": [str(ti.state), ti.try_number]
            for ti in sorted(finished.get_task_instances(session=session), key=lambda ti: (ti.task_id, ti.map_index))
        }
        events = session.scalars(
            select(AssetEvent)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetModel.name == declared.export.name)
        ).all()
        document = {
            "name": declared.export.name,
            "state": outcome.state,
            "published": outcome.published,
            "tasks": tasks,
            "events": [event.extra for event in events],
        }
    output.write(json.dumps(document) + "\n")
    output.flush()
