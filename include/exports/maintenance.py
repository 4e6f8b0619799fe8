"""The Airflow DAG that cleans up after all exports."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, TaskInstanceState, get_current_context, task

from include.exports.dag import staging_area
from include.exports.definition import MAINTENANCE
from include.exports.errors import NotEligible

STAGING_DAYS_VARIABLE = "exports_staging_days"
"""Airflow Variable with the days that staging is kept, at least one; seven when it is not set."""

MOST_DAYS = 36_500
"""A century: what a mistake must not make of a time."""


def kept(days: str) -> timedelta:
    """How long staging is kept. Raises `NotEligible` for less than a day: a run would lose its own while it waits for a
    slot or a repetition.
    """
    try:
        number = float(days)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST_DAYS:
        raise NotEligible(
            f"Airflow Variable {STAGING_DAYS_VARIABLE!r} is {days!r}; write a number of days from 1 to {MOST_DAYS}:"
            " runs under way need their staging"
        )
    return timedelta(days=number)


def build(doc: str | None) -> DAG:
    """The DAG that cleans up every day, and tells of schedules that end."""
    with DAG(
        dag_id=MAINTENANCE,
        schedule="@daily",
        description="Removes what exports have staged and nobody needs any more",
        doc_md=doc,
        tags=["export", "maintenance"],
        catchup=False,
    ) as dag:

        @task
        def clean_staging() -> dict[str, int]:
            """Remove the staging of runs that ended longer ago than it is kept, and what they have never published."""
            from airflow.sdk import Variable

            from include.exports import catalog
            from include.exports.maintain import maintain

            staged = kept(Variable.get(STAGING_DAYS_VARIABLE, default="7"))
            exports = {item.export.name: item.export for item in catalog.read().declared}
            return asdict(maintain(*staging_area(), datetime.now(UTC) - staged, exports))

        @task
        def announce_endings() -> list[str]:
            """Tell of schedules that end in 30, 7 or 1 days, and were not so near when this task succeeded last."""
            from include.exports import catalog
            from include.exports.endings import announce

            context, now = get_current_context(), datetime.now(UTC)
            # Not the run that succeeded last: cleaning may fail day after day, and the same would be told each time.
            last = context["ti"].get_previous_ti(state=TaskInstanceState.SUCCESS)
            since = last.start_date if last and last.start_date else now - timedelta(days=1)
            exports = [item.export for item in catalog.read().declared]
            return announce(exports, since, now, context["dag_run"].run_id, context["ti"].log_url)

        clean_staging()
        announce_endings()
    return dag
