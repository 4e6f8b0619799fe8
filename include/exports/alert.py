"""Tells people that a task of an export has failed for good."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Mapping


def _addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise ValueError(f"{value!r} is not an e-mail address; write one such as 'data@example.org'")
    return values


class EmailAlert(Part):
    """An e-mail when a task has failed and is not tried again."""

    type: Literal["email"] = "email"
    to: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_addresses)]
    """Addresses."""
    conn_id: str = Field(default="smtp_default", min_length=1)
    """Airflow connection of the SMTP server; its extra names the sender as `from_email`."""


def alert(alerts: tuple[EmailAlert, ...], owner: str, context: Mapping[str, Any]) -> None:
    """Send every alert about the task of `context`, Airflow's context of a failed task.

    Raises what the SMTP provider raises; Airflow logs that and goes on. Sent through the hook and not through its
    notifier, which would take braces in an error message for a template.
    """
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    ti, run = context["ti"], context["dag_run"]
    facts = {
        "export": ti.dag_id,
        "run": run.run_id,
        "window": f"{run.data_interval_start} to {run.data_interval_end}",
        "stage": ti.task_id,
        "reason": context.get("exception"),
        "owner": owner,
        "log": ti.log_url,
    }
    rows = "".join(f"<tr><th>{name}</th><td>{html.escape(str(fact))}</td></tr>" for name, fact in facts.items())
    for each in alerts:
        with SmtpHook(smtp_conn_id=each.conn_id) as smtp:
            smtp.send_email_smtp(
                to=list(each.to),
                subject=f"{ti.dag_id}: {ti.task_id} failed",
                html_content=f"<table>{rows}</table>",
            )
