"""From when on a run can be late. `plugins/deadlines.py` makes this known to Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk.definitions.deadline import BaseDeadlineReference  # airflow.sdk exports this without types

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session


class FirstQueuedAt(BaseDeadlineReference):
    """When the run was queued for the first time.

    Airflow's own DAGRUN_QUEUED_AT moves on when a run is cleared. Airflow 3.3 fails at that, and so cannot clear a run
    or a task of a DAG that counts from it (https://github.com/apache/airflow/issues/70368).
    """

    required_kwargs: ClassVar[set[str]] = {"dag_id", "run_id"}

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        return session.scalar(select(DagRun.queued_at).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
