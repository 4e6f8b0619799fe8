"""The window that somebody asks for when they trigger a run."""

import pytest
from airflow.sdk.execution_time.context import set_current_context

from include.exports.errors import NotEligible
from include.exports.trigger_form import asked_window


def asked(export, start, end):
    with set_current_context({"params": {"window_start": start, "window_end": end}}):
        return asked_window(export)


def test_both_bounds_are_the_window_and_none_is_the_run_s_own(daily):
    start, end = asked(daily, "2019-11-24T09:00:00+09:00", "2019-11-24T06:00:30Z")
    assert (start.isoformat(), end.isoformat()) == ("2019-11-24T09:00:00+09:00", "2019-11-24T06:00:30+00:00")
    assert asked(daily, None, None) is None


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2019-11-24T00:00:00Z", None, "give both, or neither"),
        (None, "2019-11-24T00:00:00Z", "give both, or neither"),
        ("2019-11-24T00:00:00", "2019-11-25T00:00:00Z", "is not a window; both need a UTC offset and whole seconds"),
        ("2019-11-24T00:00:00Z", "2019-11-25T00:00:00", "is not a window; both need a UTC offset and whole seconds"),
        ("2019-11-24T00:00:00.5Z", "2019-11-25T00:00:00Z", "is not a window; both need a UTC offset and whole seconds"),
        ("2019-11-24T00:00:00Z", "2019-11-25T00:00:00.000001Z", "both need a UTC offset and whole seconds"),
        ("2019-11-25T00:00:00Z", "2019-11-25T00:00:00Z", "start is before end"),
    ],
)
def test_what_is_not_a_window_is_refused(daily, start, end, message):
    with pytest.raises(NotEligible, match=message):
        asked(daily, start, end)


def test_a_full_export_can_be_asked_for_a_moment_alone(daily):
    full = type(daily)(**(dict(daily) | {"mode": "full"}))
    start, end = asked(full, None, "2019-11-24T06:00:30Z")
    assert (start, end.isoformat()) == (None, "2019-11-24T06:00:30+00:00")
    with pytest.raises(NotEligible, match="give both, or neither"):
        asked(full, "2019-11-24T06:00:30Z", None)
