"""What is told of a run, when Airflow or who configured it says less than it should."""

import json
import logging
from types import SimpleNamespace

import airflow  # noqa: F401  # configures logging when it is imported, after which a caplog begun before hears nothing
import pytest

from include.exports import WebhookAlert
from include.exports.notice import tell
from tests.rigs import inbox


@pytest.fixture
def told(daily, monkeypatch):
    """Tells a webhook of the export that a task has failed; what it was posted."""
    with inbox.hooks() as hooks:
        host = f"http://127.0.0.1:{hooks.port}"
        monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps({"conn_type": "http", "host": host}))
        export = daily.model_copy(update={"alerts": (WebhookAlert(conn_id="hook"),)})

        def fail(**context):
            ti = SimpleNamespace(dag_id="events", task_id="deliver_files", log_url="http://airflow/log")
            tell("failure", export, {"ti": ti, "dag_run": SimpleNamespace(conf=None, run_id="run")} | context)
            return [body for _, body in hooks.received]

        yield fail


def test_a_variable_that_cannot_be_read_silences_no_alert_of_an_export(told, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW_VAR_EXPORTS_ALERTS", json.dumps({"alerts": [{"type": "slak"}]}))
    with caplog.at_level(logging.WARNING):
        ((body),) = told(exception=ValueError("no route; look at the cable"))
    assert (body["reason"], body["remedy"]) == ("no route", "look at the cable")
    assert "nobody is told through Airflow Variable 'exports_alerts', which cannot be read" in caplog.text


def test_a_task_that_was_lost_is_told_as_lost(told):
    """Of such a one Airflow knows no exception, and its DAG processor no parameters."""
    ((body),) = told()
    assert body["reason"] == "its process was killed, or its worker was lost"
    assert body["window"] == ""
