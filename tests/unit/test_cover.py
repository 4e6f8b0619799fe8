"""The window that a run covers, by what started it."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.api.datamodels._generated import AssetReferenceAssetEventDagRun
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

from include.exports import OnAsset
from include.exports.cover import cover, others
from include.exports.errors import NotEligible

DAY = datetime(2024, 5, 1, tzinfo=UTC)
RUN_ID = "asset_triggered__2024-06-01T10:00:00+00:00"


def day(number):
    return DAY + timedelta(days=number - 1)


def at(minute):
    return datetime(2024, 6, 1, 10, minute, tzinfo=UTC)


def event(extra=None, interval=None, source="load", minute=0):
    """An asset event as a task is told of it; `interval` is that of the run it comes from."""
    found = AssetEventDagRunReferenceResult(
        asset=AssetReferenceAssetEventDagRun(name="orders", uri="orders", extra={}),
        extra=extra or {},
        source_task_id=source,
        source_dag_id=source,
        source_run_id=source and "run",
        source_map_index=-1,
        source_aliases=[],
        timestamp=at(minute),
    )
    if interval:
        start, end = interval
        found.__dict__["source_dag_run"] = SimpleNamespace(data_interval_start=start, data_interval_end=end)
    if source is None:
        assert found.source_dag_run is None, "which asks Airflow only when there is a run"
    return found


def window(start, end):
    return {"window_start": start and start.isoformat(), "window_end": end.isoformat()}


def context(*events, start=None, end=None, params=None, kind="asset_triggered"):
    return {
        "params": {"window_start": None, "window_end": None} | (params or {}),
        "dag_run": SimpleNamespace(
            run_id=RUN_ID,
            run_type=kind,
            data_interval_start=start,
            data_interval_end=end,
            run_after=datetime(2024, 6, 1, 10, 0, 0, 5, tzinfo=UTC),
        ),
        "triggering_asset_events": TriggeringAssetEventsAccessor.build(events),
    }


def covered(export, *args, **kwargs):
    found = cover(export, context(*args, **kwargs))
    return found.start, found.end


@pytest.fixture
def on_asset(daily):
    return daily.model_copy(update={"schedule": OnAsset(asset="orders")})


def asked(export, start, end):
    return covered(export, params={"window_start": start, "window_end": end})


def test_what_was_asked_for_is_the_window_else_the_run_s_interval(daily):
    of_run = {"start": datetime(2019, 11, 26, tzinfo=UTC), "end": datetime(2019, 11, 27, tzinfo=UTC)}
    params = {"window_start": "2019-11-25T09:00:00+09:00", "window_end": "2019-11-25T06:00:30Z"}
    assert covered(daily, **of_run) == (of_run["start"], of_run["end"])
    start, end = covered(daily, **of_run, params=params)
    assert (start.isoformat(), end.isoformat()) == ("2019-11-25T00:00:00+00:00", "2019-11-25T06:00:30+00:00")


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
        ("yesterday", "2019-11-25T00:00:00Z", "yesterday to 2019-11-25T00:00:00Z is not a window"),
    ],
)
def test_what_is_not_a_window_is_refused(daily, start, end, message):
    with pytest.raises(NotEligible, match=message):
        asked(daily, start, end)


def test_a_backfill_has_no_window_besides_those_of_its_range(daily):
    with pytest.raises(NotEligible, match="would give all of its runs the same one; start it without them"):
        covered(daily, params=window(day(1), day(2)), kind="backfill")


def test_a_full_export_can_be_asked_for_a_moment_alone(daily):
    full = daily.model_copy(update={"mode": "full"})
    moment = cover(full, context(params={"window_start": None, "window_end": "2019-11-24T06:00:30Z"}))
    assert (moment.end, moment.as_of.isoformat()) == (None, "2019-11-24T06:00:30+00:00")
    with pytest.raises(NotEligible, match="give both, or neither"):
        asked(full, "2019-11-24T06:00:30Z", None)


def test_an_event_tells_of_the_interval_of_its_run(on_asset):
    assert covered(on_asset, event(interval=(day(1), day(2)))) == (day(1), day(2))


def test_what_an_event_says_itself_goes_before_the_interval_of_its_run(on_asset):
    assert covered(on_asset, event(window(day(3), day(5)), (day(1), day(2)))) == (day(3), day(5))


def test_an_event_can_tell_of_a_window_that_is_open_to_the_left(on_asset):
    """The first window of an export upstream is."""
    found = cover(on_asset, context(event(window(None, day(2)))))
    assert (found.start, found.end, found.as_of) == (None, day(2), day(2))


def test_each_window_of_several_events_is_covered_once_the_oldest_by_the_run_itself(on_asset):
    events = [
        event(interval=(day(3), day(4)), minute=1),
        event(window(day(1), day(2)), minute=2),
        event(interval=(day(1), day(2)), minute=3),
        event(window(None, day(3)), minute=4),
    ]
    assert covered(on_asset, *events) == (day(1), day(2))
    runs = others(on_asset, context(*events), [])
    assert runs == [
        {"trigger_run_id": "open_20240503T000000__2024-06-01T10:04:00+00:00", "conf": window(None, day(3))},
        {
            "trigger_run_id": "20240503T000000_20240504T000000__2024-06-01T10:01:00+00:00",
            "conf": window(day(3), day(4)),
        },
    ]
    for run in runs:
        start, end = covered(on_asset, params=run["conf"])
        assert window(start, end) == run["conf"], "a run that is started covers what it was started for"
        assert others(on_asset, context(params=run["conf"]), events) == []


def test_windows_of_later_events_are_run_too_the_run_s_own_once_more(on_asset):
    """They may have changed after the run has read them."""
    own, same, other = ((day(1), day(2)), (day(2), day(3)), (day(3), day(4)))
    first = [event(interval=own, minute=1), event(interval=same, minute=2)]
    later = [event(interval=own, minute=5), event(interval=same, minute=6), event(interval=other, minute=7)]
    found = {run["trigger_run_id"].split("__")[1]: run["conf"] for run in others(on_asset, context(*first), later)}
    assert found == {
        "2024-06-01T10:05:00+00:00": window(*own),
        "2024-06-01T10:06:00+00:00": window(*same),
        "2024-06-01T10:07:00+00:00": window(*other),
    }
    told_to_the_next = others(on_asset, context(event(interval=own, minute=5), *later[1:]), [])
    ids = {run["trigger_run_id"] for run in others(on_asset, context(*first), later)}
    assert {run["trigger_run_id"] for run in told_to_the_next} < ids, "so that Airflow knows them as the same runs"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (event(source=None), "from outside of Airflow, tells of no window"),
        (event(interval=(None, None)), "from the run run of load, tells of no window"),
        (event(interval=(day(1), day(1))), "tells of no window"),
        (event({"window_start": "2024-05-01", "window_end": "2024-05-02"}), "both need a UTC offset"),
        (event({"window_start": None, "window_end": None}), "None to None is not a window"),
        (event({"window_end": 20240502}), "20240502 is not a window"),
    ],
)
def test_an_event_without_a_window_is_refused_and_the_windows_of_others_are_run(on_asset, bad, said):
    with pytest.raises(NotEligible, match=said):
        covered(on_asset, bad)
    told = [event(interval=(day(1), day(2))), bad, event(interval=(day(2), day(3)))]
    with pytest.raises(NotEligible, match=said):
        covered(on_asset, *told)
    assert [run["conf"] for run in others(on_asset, context(*told), [])] == [
        window(day(1), day(2)),
        window(day(2), day(3)),
    ]


def test_a_run_on_an_asset_that_nothing_has_told_a_window_is_refused(on_asset):
    with pytest.raises(NotEligible, match=r"no window: .* Trigger it with window_start and window_end$"):
        covered(on_asset)


def test_a_full_export_on_an_asset_has_everything_as_of_the_event(on_asset):
    full = on_asset.model_copy(update={"mode": "full"})
    found = cover(full, context(event(interval=(day(1), day(2))), event(source=None)))
    assert (found.start, found.end) == (None, None)
    assert found.as_of == datetime(2024, 6, 1, 10, 0, 0, 5, tzinfo=UTC)
    assert others(full, context(event(interval=(day(1), day(2)))), []) == []
