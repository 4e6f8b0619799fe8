"""Runs one window of an export through its real DAG, in this process, without a scheduler."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.exports.errors import NotEligible
from include.exports.schedules import Once

if TYPE_CHECKING:
    from datetime import datetime

    from airflow.sdk import Context

    from include.exports.definition import Export

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    state: str
    """`success` or `failed`."""
    published: dict[str, Any] | None
    """What `publish_manifest` returned; None when it was skipped or not reached."""


def run(export: Export, start: datetime | None, end: datetime | None, *, resend: bool = False) -> Outcome:
    """Run the export's DAG for `[start, end)`; a full export as of `end`, or as of its own time without one. Of a full
    export, a `start` asks for a range of time.

    What is run is `export` as it is given, which may differ from its file in where it delivers. Airflow's database must
    exist. Task logs go to this process's output; why a task failed is logged here, too. Raises `NotEligible` when
    Airflow does not find a DAG of its name.
    """
    from airflow.dag_processing.dagbag import DagBag

    from include.exports.dag import build

    bag = DagBag()
    if export.name not in bag.dags:
        problems = "".join(f"\n{file}: {problem}" for file, problem in bag.import_errors.items())
        raise NotEligible(f"Airflow finds no DAG {export.name!r} in {bag.dag_folder}; check its settings{problems}")
    dag = build(export, bag.dags[export.name].doc_md)
    dag.deadline = None  # Airflow runs no DAG that has one without a scheduler, and who waits sees how late it is
    for task in dag.tasks:
        task.retry_delay = task.max_retry_delay = timedelta(seconds=1)  # somebody is waiting
        for event in ("on_failure_callback", "on_retry_callback"):
            setattr(task, event, [*getattr(task, event), _failed])
    conf: dict[str, Any] = {"resend": resend}
    if start:
        conf["window_start"] = start.isoformat()
    if end:
        conf["window_end"] = end.isoformat()
    logical_date = export.schedule.starts if isinstance(export.schedule, Once) else None
    finished = dag.test(logical_date=logical_date, run_conf=conf)
    published = finished.get_task_instance("publish_manifest").xcom_pull(task_ids="publish_manifest")
    return Outcome(state=str(finished.state), published=published)


def _failed(context: Context) -> None:
    log.error("%s: %s", context["ti"].task_id, context["exception"])
