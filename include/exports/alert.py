"""Tells people what became of a run: that it began, delivered, had nothing to deliver, failed, or is late.

An alert is sent after the task that it is about has ended, so a server that is slow or down delays and fails nothing.
Each one is tried for itself, and none takes the time of the others; what cannot be sent is in the task's log.
"""

from __future__ import annotations

import html
import logging
import re
import time
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Literal, assert_never

from pydantic import AfterValidator, Field

from include.exports.destinations.connection import connection
from include.exports.model import Model, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

Occasion = Literal["start", "success", "skip", "failure", "late", "ending"]

TIMEOUT = 15
"""Seconds that all alerts about one event have. A while after the end of a task Airflow kills what its callbacks still
do: 20 seconds, unless `[core] task_success_overtime` says otherwise."""

LONGEST = 4_000
"""Characters of a reason or remedy. Errors of databases quote whole statements, and chats refuse long messages."""


def _addresses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise ValueError(f"{value!r} is not an e-mail address; write one such as 'data@example.org'")
    return values


class _Alert(Part):
    on: Annotated[tuple[Occasion, ...], Field(min_length=1)] = ("failure",)
    """When it is sent. `start`: the run was found eligible. `success`: its window is current. `skip`: it held no
    records. `failure`: a task has failed and is not tried again. `late`: the run has not ended `late_after` it was
    queued; the runs of a backfill wait for each other and are never late.
    `ending`: the schedule ends in 30, 7 or 1 days."""


class EmailAlert(_Alert):
    """An e-mail."""

    type: Literal["email"] = "email"
    to: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_addresses)]
    """Addresses."""
    conn_id: str = Field(default="smtp_default", min_length=1)
    """Airflow connection of the SMTP server; its extra names the sender as `from_email`."""


class SlackAlert(_Alert):
    """A message to a Slack channel."""

    type: Literal["slack"] = "slack"
    conn_id: str = Field(default="slack_default", min_length=1)
    """Airflow connection of type `slackwebhook`: the incoming webhook of the channel."""


class AppriseAlert(_Alert):
    """A message through Apprise, which knows PagerDuty, Opsgenie, Teams, Telegram and a hundred others."""

    type: Literal["apprise"] = "apprise"
    conn_id: str = Field(default="apprise_default", min_length=1)
    """Airflow connection of type `apprise`; its extra holds the addresses as `config`."""
    tag: str = Field(default="all", min_length=1)
    """Which of the connection's addresses are told; `all` is every one."""


class WebhookAlert(_Alert):
    """A POST of the facts as a JSON object."""

    type: Literal["webhook"] = "webhook"
    conn_id: Annotated[str, Field(min_length=1)]
    """Airflow connection of type `http`: address, login and headers."""
    endpoint: str = ""
    """Path below the connection's address."""


Alert = Annotated[EmailAlert | SlackAlert | AppriseAlert | WebhookAlert, Field(discriminator="type")]


class Alerts(Model):
    """Alerts of every export, as the Airflow Variable `exports_alerts` holds them: `{"alerts": [...]}`."""

    alerts: tuple[Alert, ...]


class Notice(Model):
    """What is told. Its fields are the rows of an e-mail, the lines of a message and the keys of a webhook's JSON."""

    export: str
    """The export, which is its Airflow DAG."""
    event: Occasion
    window: str
    stage: str
    """The task that it is about; of a run that is late, those that have not ended are shown by the link."""
    reason: str
    remedy: str
    owner: str
    run: str
    """Airflow's run id."""
    link: str
    """The run in the Airflow UI, or the log of the task that failed."""

    @property
    def subject(self) -> str:
        """One line."""
        what = {
            "start": "began",
            "success": "delivered",
            "skip": "had nothing to deliver",
            "late": "is late",
            "ending": "its schedule ends",
        }
        return f"{self.export}: {what.get(self.event) or f'{self.stage} failed'}"

    @property
    def text(self) -> str:
        """A line a fact; those that do not apply are left out."""
        return "\n".join(f"{name}: {fact}" for name, fact in self if fact)


def send(alerts: Sequence[Alert], notice: Notice) -> None:
    """Send those alerts that are for such an event. Raises nothing: what fails is logged.

    Servers that answer byte by byte pass every timeout of the hooks, so each alert has a thread, which is left behind
    when it has had its share of the time. They do not begin at once: `dag.test` finds connections for one at a time.
    """
    notice, until = _presentable(notice), time.monotonic() + TIMEOUT
    due = [each for each in alerts if notice.event in each.on]
    for number, each in enumerate(due):
        sending = Thread(target=_try, args=(each, notice), daemon=True)
        sending.start()
        sending.join(max(0.0, until - time.monotonic()) / (len(due) - number))
        if sending.is_alive():
            log.warning("the %s alert through connection %r is not waited for: no answer", each.type, each.conn_id)


def _presentable(notice: Notice) -> Notice:
    """The notice without secrets, as the log has it, and not too long."""
    from airflow.sdk.log import redact  # type: ignore[attr-defined]  # it masks the log with this

    facts = {name: str(redact(fact)) for name, fact in notice}
    for name in ("reason", "remedy"):
        if len(facts[name]) > LONGEST:
            facts[name] = f"{facts[name][:LONGEST]} … (the log has the rest)"
    return Notice.model_validate(facts)


def _try(alert: Alert, notice: Notice) -> None:
    try:
        _send(alert, notice)
    except Exception as error:  # noqa: BLE001  # a provider raises whatever its library raises
        what = f"{type(error).__name__}: {error}"
        log.warning("the %s alert through connection %r could not be sent: %s", alert.type, alert.conn_id, what)
    else:
        log.info("sent the %s alert through connection %r: %s", alert.type, alert.conn_id, notice.subject)


def _send(alert: Alert, notice: Notice) -> None:
    """Through the providers' hooks and not their notifiers, which would take braces in a message for a template."""
    connection(alert.conn_id)  # so that what is secret in it is masked in what the hooks log
    match alert:
        case EmailAlert():
            from airflow.providers.smtp.hooks.smtp import SmtpHook

            facts = ((name, html.escape(str(fact))) for name, fact in notice if fact)
            rows = "".join(f"<tr><th>{name}</th><td>{fact}</td></tr>" for name, fact in facts)
            with SmtpHook(smtp_conn_id=alert.conn_id) as smtp:
                smtp.send_email_smtp(to=list(alert.to), subject=notice.subject, html_content=f"<table>{rows}</table>")
        case SlackAlert():
            from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

            hook = SlackWebhookHook(slack_webhook_conn_id=alert.conn_id, timeout=TIMEOUT)
            hook.send_text(html.escape(f"{notice.subject}\n{notice.text}", quote=False))  # Slack's rule: & < >
        case AppriseAlert():
            from airflow.providers.apprise.hooks.apprise import AppriseHook
            from apprise import NotifyFormat, NotifyType

            kind = {
                "failure": NotifyType.FAILURE,
                "late": NotifyType.WARNING,
                "ending": NotifyType.WARNING,
                "success": NotifyType.SUCCESS,
            }
            AppriseHook(apprise_conn_id=alert.conn_id).notify(
                body=notice.text,
                title=notice.subject,
                notify_type=kind.get(notice.event, NotifyType.INFO),
                body_format=NotifyFormat.TEXT,
                tag=alert.tag,
            )
        case WebhookAlert():
            from airflow.providers.http.hooks.http import HttpHook

            HttpHook(http_conn_id=alert.conn_id).run(
                alert.endpoint,
                data=notice.model_dump_json(),
                headers={"Content-Type": "application/json"},
                extra_options={"timeout": TIMEOUT},
            )
        case _:
            assert_never(alert)
