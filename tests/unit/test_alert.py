"""Alerts say what the log says, and no server keeps the others from being told."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from airflow.sdk.log import mask_secret

from include.exports import EmailAlert, WebhookAlert, alert
from include.exports.alert import Notice, send
from tests.rigs import inbox
from tests.rigs.inbox import Hooks

FACTS = dict.fromkeys(Notice.model_fields, "") | {"export": "events", "event": "failure", "stage": "deliver_files"}


@pytest.fixture
def hooks(monkeypatch) -> Iterator[Hooks]:
    with inbox.hooks() as box:
        address = {"conn_type": "http", "host": f"http://127.0.0.1:{box.port}"}
        monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps(address))
        yield box


@contextmanager
def silence(until: Event) -> Iterator[tuple[int, list[str]]]:
    """A server that says nothing to who connects until an event, or for 20 seconds: its port, and what it gave up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended: list[str] = []

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:  # the test has ended
                    return
                until.wait(20)
                ended.append("connection")
                connection.close()

        Thread(target=answer, daemon=True).start()
        yield server.getsockname()[1], ended
        server.shutdown(socket.SHUT_RDWR)


def test_a_server_that_says_nothing_keeps_no_other_alert_from_being_sent(hooks, monkeypatch):
    monkeypatch.setattr(alert, "TIMEOUT", 4)
    told = Event()
    with silence(told) as (port, ended):
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": {"disable_ssl": True}}
        monkeypatch.setenv("AIRFLOW_CONN_SILENT", json.dumps(smtp))
        mute = EmailAlert(to=("on-call@example.org",), conn_id="silent")
        send((mute, WebhookAlert(conn_id="hook", endpoint="told")), Notice(**FACTS))
        assert ([body["export"] for body in hooks.at("/told")], ended) == (["events"], [])
        told.set()


def test_what_is_masked_in_the_log_is_masked_in_an_alert(hooks):
    mask_secret("sig-of-a-canary")
    facts = {"reason": "GET https://store/?sig=sig-of-a-canary failed", "remedy": "renew sig-of-a-canary"}
    send((WebhookAlert(conn_id="hook", endpoint="masked"),), Notice(**FACTS | facts))
    (body,) = hooks.at("/masked")
    assert (body["reason"], body["remedy"]) == ("GET https://store/?sig=*** failed", "renew ***")


def test_a_very_long_reason_is_cut(hooks):
    send((WebhookAlert(conn_id="hook", endpoint="long"),), Notice(**FACTS | {"reason": "x" * 1_000_000}))
    (body,) = hooks.at("/long")
    assert body["reason"] == "x" * alert.LONGEST + " … (the log has the rest)"
