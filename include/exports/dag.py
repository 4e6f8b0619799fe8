"""The Airflow DAG of an export. The only module that knows Airflow's tasks, and what our errors mean to them.

    validate_eligibility ▶ [ extract_records ▶ serialize_files ▶ deliver_files ] x shard ▶ publish_manifest
    other_windows ▶ run_other_windows x window          of an incremental export on an asset

Tasks hand each other only the run's shard numbers; plans, summaries and files go through staging. A task that is
killed at any instant and run again ends as if it had run once.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, get_args

from airflow.sdk import (
    DAG,
    Asset,
    get_current_context,
    task,
    task_group,
)
from airflow.sdk.definitions.callback import AsyncCallback  # airflow.sdk exports these without types
from airflow.sdk.definitions.deadline import DeadlineAlert
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.exports import trigger_form
from include.exports.alert import Alerts, Occasion
from include.exports.audit import Event, record
from include.exports.cover import cover, others
from include.exports.errors import ExportError, NotEligible, NothingToExport
from include.exports.lineage import report
from include.exports.link import ManifestLink
from include.exports.notice import late, tell
from include.exports.overdue import FirstQueuedAt
from include.exports.permissions import Person, acting_user, person
from include.exports.schedules import OnAsset, Repeated
from include.exports.timetable import timetable, upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from include.exports.definition import Export
    from include.exports.stages import Stages

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

STAGING_VARIABLE = "exports_staging"
"""Airflow Variable with the URL of the staging area; `staging/` under the Airflow home when it is not set."""

STAGING_CONNECTION_VARIABLE = "exports_staging_conn_id"
"""Airflow Variable with the connection of the staging area, when that is an object store."""

AUDIT_VARIABLE = "exports_audit"
"""Airflow Variable with the URL of the audit area; `audit/` under the Airflow home when it is not set."""

AUDIT_CONNECTION_VARIABLE = "exports_audit_conn_id"
"""Airflow Variable with the connection of the audit area, when that is an object store."""

ACCESS: dict[str, dict[str, Collection[str]]] = {
    "see": {"DAGs": {"can_read"}, "DAG Runs": {"can_read"}},
    "run": {"DAGs": {"can_read", "can_edit"}, "DAG Runs": {"can_read", "can_create"}},
}
"""What the rights of a role in a definition are in Airflow's words.

Airflow has no more rights than these to a single DAG. Those to tasks, logs and the like a role has for all exports that
it sees, and gets from who makes it: docs/OPERATING.md.
"""


def build(export: Export, doc: str | None) -> DAG:
    """The DAG of `export`, with `doc` as its documentation in the UI."""
    published = Asset(name=export.name, group="exports")
    told = {event: functools.partial(tell, event, export) for event in get_args(Occasion)}
    overdue = {
        "alerts": Alerts(alerts=export.alerts).model_dump_json(),
        "owner": export.owner,
        "after": str(export.late_after),
    }
    with DAG(
        dag_id=export.name,
        dag_display_name=export.display_name or export.name,
        schedule=timetable(export.schedule),  # start and end too, which the DAG must not have
        description=export.description,
        doc_md=doc,
        tags=[*export.tags, "export", export.mode, export.destination.type, *_ends(export)],
        params=trigger_form.params(export),
        max_active_tasks=8,
        deadline=DeadlineAlert(
            reference=FirstQueuedAt(),
            interval=export.late_after,
            callback=AsyncCallback(late, kwargs=overdue),
            name="late",
        ),
        default_args={
            "owner": export.owner,
            "retries": export.retries.count,
            "retry_delay": export.retries.delay,
            "retry_exponential_backoff": 2.0,
            "max_retry_delay": export.retries.max_delay,
            "on_failure_callback": told["failure"],
        },
    ) as dag:

        @task(on_success_callback=told["start"], on_skipped_callback=told["skip"])
        @_airflow_errors
        def validate_eligibility() -> list[int]:
            """Decide whether the run may start and what it will read; fix both in staging."""
            params, stages = get_current_context()["params"], _stages(export, begins=True)
            return stages.validate_eligibility(resend=bool(params["resend"]), dry_run=bool(params["dry_run"]))

        @task(pool=export.pools.source)
        @_airflow_errors
        def extract_records(shard: int) -> dict[str, Any]:
            """Read a shard's records and stage them as Parquet."""
            return _stages(export).extract_records(shard)

        @task
        @_airflow_errors
        def serialize_files(extracted: dict[str, Any]) -> dict[str, Any]:
            """Write the shard's files in the declared format."""
            return _stages(export).serialize_files(extracted["shard"])

        @task(pool=export.pools.destination)
        @_airflow_errors
        def deliver_files(serialized: dict[str, Any]) -> dict[str, Any]:
            """Copy the shard's files to the destination and verify them there."""
            return _stages(export).deliver_files(serialized["shard"])

        @task_group
        def shard(index: int) -> Any:
            return deliver_files(serialize_files(extract_records(index)))  # type: ignore[arg-type]  # XComs until run

        @task(
            outlets=[published],
            pool=export.pools.destination,
            on_success_callback=told["success"],
            on_skipped_callback=told["skip"],
        )
        @_airflow_errors
        def publish_manifest(delivered: Any, *, outlet_events: Any = None) -> dict[str, Any]:  # noqa: ARG001  # the order
            """Make the delivered files current by writing the manifest, then remove what it replaced."""
            stages = _stages(export)
            result = stages.publish_manifest()
            outlet_events[published].extra = result | stages.window.document
            _record(stages, "delivered", rows=stages.delivered_rows(), where=result["manifest"])
            report(export, result, get_current_context()["task"])
            return result

        @task
        @_airflow_errors
        def send_links(published: Any) -> dict[str, list[str]]:  # noqa: ARG001  # the order
            """Mail links to the delivered files to who asked for them."""
            stages = _stages(export)
            sent = stages.send_links(_person(stages))
            _record(stages, "linked", to=sent)
            return sent

        last = publish_manifest(shard.expand(index=validate_eligibility()))
        last.operator.operator_extra_links = (ManifestLink(),)  # type: ignore[attr-defined]  # an XCom until run
        if export.link:
            send_links(last)
        if export.mode == "incremental" and isinstance(export.schedule, OnAsset):
            _run_other_windows(export, export.schedule)
    # None at all takes back what a former definition gave. Handed to DAG, it would make each parse warn.
    dag.access_control = {role: ACCESS[right] for role, right in export.access.items()}
    return dag


def _run_other_windows(export: Export, schedule: OnAsset) -> None:
    """Tasks that start a run for each further window that the events of an asset tell of: each is a run of its own in
    the UI, that fails, is repeated and is cleared by itself."""
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

    asset = upstream(schedule)

    @task(inlets=[asset])
    def other_windows(*, inlet_events: Any = None) -> list[dict[str, Any]]:
        """Which windows of the events are not the run's own, also of those that have come since.

        Airflow keeps one note of an asset that has changed: events that come between the note and its run start none,
        and are only told to the run of the next event.
        """
        context = get_current_context()
        since = inlet_events[asset].after(context["dag_run"].run_after.isoformat())
        found = others(export, context, since)
        log.info("%d more windows: %s", len(found), ", ".join(each["trigger_run_id"] for each in found))
        return found

    TriggerDagRunOperator.partial(
        task_id="run_other_windows", trigger_dag_id=export.name, logical_date=None, skip_when_already_exists=True
    ).expand_kwargs(other_windows())


def _stages(export: Export, *, begins: bool = False) -> Stages:
    """The stages of the run that the current task belongs to, as the person may run them whom it acts for.

    Who that is, is fixed when the run begins.
    """
    from include.exports.stages import Stages
    from include.exports.staging import Staging

    context = get_current_context()
    run, export = context["dag_run"], export.at(context["params"].get("elsewhere"))
    covered = cover(export, context)
    root, conn_id = staging_area()
    staging = Staging(root=root, conn_id=conn_id, export=export.name, window=covered.key, run=run.run_id)
    stages = Stages(export, covered, staging)
    if not export.AUDITED and not export.link:
        return stages
    if begins:
        staging.write("person.json", person(acting_user(run, export.owner)).model_dump())
    try:
        acting = replace(stages, export=export.acting_for(_person(stages)))
    except NotEligible as refusal:
        _record(stages, "refused", reason=str(refusal))
        raise
    if begins:
        _record(acting, "allowed", where=acting.plan.folder)
    return acting


def _person(stages: Stages) -> Person:
    """Whom the run acts for."""
    return Person(**stages.staging.read("person.json"))


def _record(stages: Stages, event: Event, **facts: Any) -> None:
    """Leave an audit record of what the run does, if its export is on record."""
    from airflow.configuration import AIRFLOW_HOME
    from airflow.sdk import Variable

    if not stages.export.AUDITED:
        return
    run = get_current_context()["dag_run"]
    root = Variable.get(AUDIT_VARIABLE, default=f"file://{AIRFLOW_HOME}/audit")
    conn_id = Variable.get(AUDIT_CONNECTION_VARIABLE, default=None)
    triggered = {"triggered_by": run.triggering_user_name, "run_type": run.run_type.value}
    place = replace(stages.staging, root=root, conn_id=conn_id)
    record(place, event, stages.export, _person(stages), triggered, **facts)


def _ends(export: Export) -> list[str]:
    """The last day of the schedule, as a tag."""
    ends = export.schedule.end if isinstance(export.schedule, Repeated) else None
    return [f"ends {ends:%Y-%m-%d}"] if ends else []


def staging_area() -> tuple[str, str | None]:
    """URL and connection of the staging area."""
    from airflow.configuration import AIRFLOW_HOME
    from airflow.sdk import Variable

    root: str = Variable.get(STAGING_VARIABLE, default=f"file://{AIRFLOW_HOME}/staging")
    return root, Variable.get(STAGING_CONNECTION_VARIABLE, default=None)


def _airflow_errors(stage: Callable[P, R]) -> Callable[P, R]:
    """Our errors in Airflow's words: what cannot pass fails at once, what may pass is raised and retried."""

    @functools.wraps(stage)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return stage(*args, **kwargs)
        except NothingToExport as nothing:
            raise AirflowSkipException(str(nothing)) from nothing
        except ExportError as error:
            log.error("%s: %s", type(error).__name__, error)  # noqa: TRY400  # Airflow adds the traceback, which hides it
            if error.retry:
                raise
            raise AirflowFailException(f"{type(error).__name__}: {error}") from error

    return translated
