"""Says what Airflow says about a run, as the notice of an alert: the callbacks of an export's DAG and of its tasks."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from include.exports.alert import Alert, Alerts, Notice, Occasion, send
from include.exports.cover import cover
from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.exports.definition import Export

log = logging.getLogger(__name__)

ALERTS_VARIABLE = "exports_alerts"
"""Airflow Variable with alerts of every export, besides its own: a JSON object `{"alerts": [{"type": ..., ...}]}`."""


def tell(event: Occasion, export: Export, context: Mapping[str, Any]) -> None:
    """Send the alerts of `export` about the end of the task of `context`, Airflow's context of a task."""
    ti, run = context["ti"], context["dag_run"]
    if (run.conf or {}).get("dry_run"):  # who asks for one looks at its log
        return
    reason, remedy = "", ""
    if event == "failure":
        reason, remedy = _why(context.get("exception"))
    if event == "success":
        done = ti.xcom_pull(task_ids=ti.task_id)
        reason = "{rows:,} rows in {files} files, {bytes:,} bytes, generation {generation}: {manifest}".format(**done)
    notice = Notice(
        export=ti.dag_id,
        event=event,
        window=_covered(export, context),
        stage=ti.task_id,
        reason=reason,
        remedy=remedy,
        owner=export.owner,
        run=run.run_id,
        link=ti.log_url,
    )
    publish(export.alerts, notice)


def publish(alerts: Sequence[Alert], notice: Notice) -> None:
    """Send a notice through an export's own alerts, and through those of every export."""
    send([*alerts, *_of_all()], notice)


async def late(alerts: str, owner: str, after: str, context: Mapping[str, Any]) -> None:
    """Send the alerts about a run that has passed its deadline, from the triggerer.

    `alerts` is the JSON of `Alerts`; `context` holds the run and the deadline as Airflow's API shows them. A run of a
    backfill waits for its turn among the others and is never late.
    """
    from airflow.configuration import conf

    run, deadline = context["dag_run"], context["deadline"]
    if run["run_type"] == "backfill":
        return
    dag_id, run_id = run["dag_id"], run["dag_run_id"]
    notice = Notice(
        export=dag_id,
        event="late",
        window=_window(run),
        stage="",
        reason=f"has not ended by {deadline['deadline_time']}, {after} after it was queued",
        remedy="see in the UI which task it waits for; it goes on unless you stop it",
        owner=owner,
        run=run_id,
        link=f"{conf.get('api', 'base_url', fallback='http://localhost:8080').rstrip('/')}/dags/{dag_id}/runs/{run_id}",
    )
    # The hooks wait for their servers, and the triggerer must not.
    await asyncio.to_thread(publish, Alerts.model_validate_json(alerts).alerts, notice)


def _why(exception: BaseException | str | None) -> tuple[str, str]:
    """Reason and remedy of a failure, in the order of words in our errors. A task that was lost has no exception."""
    if exception is None:
        return "its process was killed, or its worker was lost", "see whether memory ran out there, then clear the task"
    reason, _, remedy = str(exception).rpartition("; ")
    return (reason, remedy) if reason else (remedy, "read the task's log")


def _covered(export: Export, context: Mapping[str, Any]) -> str:
    """The window of the run of a task; empty when it is refused for having none, and where the DAG processor tells of a
    task that was lost: it knows less than a task does."""
    try:
        return str(cover(export, context))
    except (NotEligible, KeyError):
        return ""


def _window(run: Mapping[str, Any]) -> str:
    """The window that was asked for when the run was triggered, else that of the run; empty when an asset started it,
    whose events the triggerer is not told of."""
    asked = run["conf"] or {}
    start = asked.get("window_start") or run["data_interval_start"]
    end = asked.get("window_end") or run["data_interval_end"]
    return f"[{start or 'open'}, {end})" if end else ""


def _of_all() -> tuple[Alert, ...]:
    """The alerts of every export. When the Variable is wrong there are none, and the log says so: an export's own are
    sent all the same."""
    from airflow.sdk import Variable

    document = Variable.get(ALERTS_VARIABLE, default=None)
    try:
        return Alerts.model_validate_json(document).alerts if document else ()
    except ValueError as error:
        log.warning("nobody is told through Airflow Variable %r, which cannot be read: %s", ALERTS_VARIABLE, error)
        return ()
