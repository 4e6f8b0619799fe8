"""A schedule that comes to its end is announced, once for each time before it."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from include.exports import Daily, Once, WebhookAlert
from include.exports.endings import announce
from tests.rigs import inbox

END = datetime(2024, 6, 30, 22, tzinfo=UTC)
"""July 1 in Oslo."""


@pytest.fixture
def ending(daily):
    schedule = Daily(timezone="Europe/Oslo", end="2024-07-01")
    alert = WebhookAlert(conn_id="hook", endpoint="own", on=("ending",))
    return daily.model_copy(update={"schedule": schedule, "alerts": (alert,)})


def told(export, since, until):
    return announce([export], since, until, "run", "link")


def test_a_month_a_week_and_a_day_before_the_end_it_is_told_once_by_daily_runs(ending, monkeypatch):
    with inbox.hooks() as hooks:
        connection = {"conn_type": "http", "host": f"http://127.0.0.1:{hooks.port}/alerts"}
        monkeypatch.setenv("AIRFLOW_CONN_HOOK", json.dumps(connection))
        days = [END - timedelta(days=40 - day, hours=12) for day in range(45)]
        dates = [until.date().isoformat() for since, until in pairwise(days) if told(ending, since, until)]
        assert dates == ["2024-06-01", "2024-06-24", "2024-06-30"]
        posted = hooks.at("/alerts/own")
    assert [body["reason"] for body in posted] == [
        f"its last window begins before 2024-06-30T22:00:00+00:00, {days} day(s) from now" for days in (30, 7, 1)
    ]
    assert {body["event"] for body in posted} == {"ending"}


def test_after_a_pause_only_the_nearest_is_told(ending):
    assert told(ending, END - timedelta(days=31), END - timedelta(days=6)) == ["events"]
    assert told(ending, END - timedelta(days=6), END - timedelta(days=5)) == []


def test_without_an_end_nothing_is_told(daily):
    always = datetime(2000, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
    assert told(daily.model_copy(update={"schedule": Daily()}), *always) == []
    assert told(daily.model_copy(update={"schedule": Once(at="2024-07-01")}), *always) == []
