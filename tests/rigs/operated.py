"""The exports of the tests that operate a running Airflow, and what is known of them."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from tests.rigs.postgres import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rigs.postgres import Postgres
    from tests.rigs.running import Airflow

DAG = '''"""An export of the tests."""
from include.exports import *
airflow_dag(
    DatasetExport(
        name="{name}", owner="tests", mode="incremental", retries=Retries(count=3, delay=1, max_delay=1), {more},
        files=JsonFiles(), destination=LocalDestination(path="{root}/out"),
    ),
    doc=__doc__,
)
'''
LAKE = 'source=LakeSource(path="{root}/lake", time_column=TimeColumn(name="at"))'
TABLE = 'source=SqlSource(conn_id="db", table="events", time_column=TimeColumn(name="at")), order_by=("id",)'
EXPORTS = {
    "scheduled": f'{LAKE}, schedule=Daily(start="2024-05-01", end="2024-05-04")',
    "daily": f"{LAKE}, schedule=Daily()",
    "prague": f'{LAKE}, schedule=Daily(timezone="Europe/Prague")',
    "monthly": f"{LAKE}, schedule=Monthly()",
    "hourly": f"{LAKE}, schedule=Every(hours=1)",
    "refused": 'source=LakeSource(path="{root}/gone", time_column=TimeColumn(name="at")), schedule=Daily(),'
    ' alerts=(EmailAlert(to=("on-call@example.org",), conn_id="mail"),)',
    "late": f"{TABLE}, schedule=Daily(), late_after=3, alerts=(WebhookAlert(conn_id='hook', on=('late',)),)",
    "survivor": f"{TABLE}, schedule=Daily()",
    "contested": 'source=LakeSource(path="{root}/contested", time_column=TimeColumn(name="at")),'
    ' schedule=Daily(start="2024-05-01", end="2024-05-06")',
    "on_orders": f'{LAKE}, schedule=OnAsset(asset="orders", uri="s3://lake/orders")',
    "posted": f'{LAKE}, schedule=OnAsset(asset="outside")',
    "chained": f'{LAKE}, schedule=OnAsset(asset="posted")',
    "shown": f'{LAKE}, schedule=Daily(start="2024-05-01", end="2024-05-03"), display_name="Hours for Partners",'
    ' description="Every hour there was", tags=("partners",),'
    ' elsewhere={{"new_bucket": LocalDestination(path="{root}/elsewhere")}}',
}
UPSTREAM = '''"""A DAG upstream that loads what exports read."""
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, task
with DAG("loads", schedule=CronDataIntervalTimetable("0 0 * * *", timezone="UTC"), catchup=False):
    @task(outlets=[Asset("orders", uri="s3://lake/orders")])
    def load(): ...
    load()
'''
SUCCESS = "success"


def files(root: Path) -> dict[str, str]:
    """The text of each file of the DAGs folder, by its name."""
    texts = {name: DAG.format(name=name, root=root, more=more.format(root=root)) for name, more in EXPORTS.items()}
    return texts | {"loads": UPSTREAM}


def rows(path: Path, numbers: range) -> None:
    """Write a file of a lake that has a row an hour since the beginning of 2024, with that number as its id."""
    first = datetime(2024, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(hours=number) for number in numbers]
    table = pa.table({"id": list(numbers), "at": pa.array(hours, pa.timestamp("us", "UTC"))})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


def delivered(root: Path, name: str) -> dict[str, list[str]]:
    """The instants of the rows in each folder that has a manifest, read by way of the manifest."""
    found = {}
    for path in sorted((root / "out" / name).rglob("_manifest.json")):
        entries = json.loads(path.read_bytes())["entries"]
        lines = [
            line
            for entry in entries
            for line in gzip.decompress(Path(entry["url"].removeprefix("file://")).read_bytes()).splitlines()
        ]
        found[path.parent.name.removeprefix("exportTime=")] = [json.loads(line)["at"] for line in lines]
    return found


def hours(start: str, end: str) -> list[str]:
    """Every full hour from `start` on and before `end`, in UTC."""
    moment, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    found = []
    while moment < last:
        found.append(moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
        moment += timedelta(hours=1)
    return found


def backfill(running: Airflow, name: str, start: str, end: str, reprocess: str = "none") -> None:
    body = {"dag_id": name, "from_date": start, "to_date": end, "max_active_runs": 4, "reprocess_behavior": reprocess}
    running.ask("/backfills", body)


@contextmanager
def locked(postgres: Postgres, database: str) -> Iterator[None]:
    """Let nobody read the table meanwhile: who asks for its rows waits."""
    settings = {"host": "127.0.0.1", "port": postgres.port, "user": USER, "password": PASSWORD, "dbname": database}
    with psycopg.connect(**settings) as connection:
        connection.execute("lock table events in access exclusive mode")
        yield
