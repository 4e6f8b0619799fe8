"""Runs one window of an export through its real DAG, in this process, without a scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.exports.schedules import Once

if TYPE_CHECKING:
    from datetime import datetime

    from include.exports.definition import DatasetExport


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: str
    """`success` or `failed`."""
    published: dict[str, Any] | None
    """What `publish_manifest` returned; None when it was skipped or not reached."""


def run(export: DatasetExport, start: datetime | None, end: datetime | None, *, resend: bool = False) -> Outcome:
    """Run the export's DAG for `[start, end)`; a full export as of `end`, or as of its own time without one.

    Airflow's database must exist. The DAG must be in Airflow's DAGs folder. A failure shows in the task logs, which
    go to this process's output.
    """
    from airflow.dag_processing.dagbag import DagBag

    dag = DagBag().dags[export.name]
    for task in dag.tasks:
        task.retry_delay = task.max_retry_delay = timedelta(seconds=1)  # somebody is waiting
    conf: dict[str, Any] = {"resend": resend}
    if start and end:
        conf |= {"window_start": start.isoformat(), "window_end": end.isoformat()}
    logical_date = export.schedule.starts if isinstance(export.schedule, Once) else None
    finished = dag.test(logical_date=logical_date, run_conf=conf)
    published = finished.get_task_instance("publish_manifest").xcom_pull(task_ids="publish_manifest")
    return Outcome(state=str(finished.state), published=published)
