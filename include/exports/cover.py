"""The window that a run covers, whatever started it: the scheduler, a backfill, a person, or an asset that has changed.

Nothing else looks at the dates of a run, so that they mean one thing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.exports.errors import NotEligible
from include.exports.schedules import OnAsset
from include.exports.window import Window, window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from include.exports.definition import Export

Asked = tuple[datetime | None, datetime]
"""Start, None when it is open, and end."""


def cover(export: Export, context: Mapping[str, Any]) -> Window:
    """The window of the run of `context`, Airflow's context of one of its tasks.

    It is what was asked for in the trigger form; else the oldest window that the events tell of by which an asset
    started the run; else the run's data interval, which for a full export only says as of when. Raises `NotEligible`
    when there is none, or an event tells of none.
    """
    run = context["dag_run"]
    asked = _asked(export, context["params"])
    if asked and run.run_type == "backfill":  # its dialog has the fields of the form, too
        raise NotEligible(
            f"{export.name}: a backfill has the windows of its range, and window_start and window_end would give all of"
            " its runs the same one; start it without them"
        )
    if asked is None:
        told, refusals = _told(export, _events(export, context))
        if refusals:
            raise NotEligible("; ".join(refusals))
        asked = next(iter(told), None)
    own_start = None if export.mode == "full" else run.data_interval_start  # an interval is no range asked for
    start, end = asked or (own_start, run.data_interval_end)
    return window(export, start, end, run.run_after)


def others(export: Export, context: Mapping[str, Any], since: Iterable[Any]) -> list[dict[str, Any]]:
    """What starts a run for each window that is not the one of the run of `context`: arguments of
    `TriggerDagRunOperator`, the same ones for the same events.

    They are the windows of which events tell that started the run, and of events `since`. When one that started it
    tells of none, the run covers none, and all are here.
    """
    told, refusals = _told(export, _events(export, context))
    if not told and not refusals:  # somebody started it, and events start runs of their own
        return []
    own = [] if refusals else list(told)[:1]
    later, _ = _told(export, since)  # what is wrong with these, the run says that Airflow starts for them
    left = {asked: at for asked, at in told.items() if asked not in own} | later
    return [
        {
            "trigger_run_id": f"{window(export, start, end, end).key}__{at.isoformat()}",
            "conf": {"window_start": start and start.isoformat(), "window_end": end.isoformat()},
        }
        for (start, end), at in left.items()
    ]


def _asked(export: Export, params: Mapping[str, Any]) -> Asked | None:
    """The window that was asked for when the run was triggered. One without a start is of a full export, or, as events
    may tell, open to the left."""
    texts = (params["window_start"], params["window_end"])
    if texts == (None, None):
        return None
    closed = export.mode == "incremental" and not isinstance(export.schedule, OnAsset)
    if texts[1] is None or (texts[0] is None and closed):
        raise NotEligible(f"{export.name}: window_start and window_end go together; give both, or neither")
    return _exact(export, *texts)


def _events(export: Export, context: Mapping[str, Any]) -> Iterator[Any]:
    """The events by which an asset started the run, as far as they say what to export."""
    if export.mode == "incremental" and isinstance(export.schedule, OnAsset):
        for events in context["triggering_asset_events"].values():
            yield from events


def _told(export: Export, events: Iterable[Any]) -> tuple[dict[Asked, datetime], list[str]]:
    """The windows that events tell of, the oldest first, each with the time of the last event that does; and why others
    tell of none."""
    told: dict[Asked, datetime] = {}
    refusals = []
    for event in events:
        try:
            asked = _window(export, event)
        except NotEligible as refusal:
            refusals.append(str(refusal))
        else:
            told[asked] = max(event.timestamp, told.get(asked, event.timestamp))
    first = datetime.min.replace(tzinfo=UTC)
    return dict(sorted(told.items(), key=lambda item: (item[0][1], item[0][0] or first))), refusals


def _window(export: Export, event: Any) -> Asked:
    """The window of an event: what its extra says, else the data interval of the run that it comes from."""
    if "window_end" in event.extra:
        return _exact(export, event.extra.get("window_start"), event.extra["window_end"])
    run = event.source_dag_run
    if run is None or run.data_interval_start is None or run.data_interval_start == run.data_interval_end:
        source = f"the run {event.source_run_id} of {event.source_dag_id}" if run else "outside of Airflow"
        raise NotEligible(
            f"{export.name}: the event of {event.asset.name!r} at {event.timestamp.isoformat(timespec='seconds')}, from"
            f" {source}, tells of no window: it has no data interval; trigger the export with window_start and"
            " window_end, and have what emits the event put both into its extra"
        )
    return run.data_interval_start.astimezone(UTC), run.data_interval_end.astimezone(UTC)


def _exact(export: Export, start_text: Any, end_text: Any) -> Asked:
    """The instants of a window that somebody wrote."""
    try:
        start, end = (datetime.fromisoformat(text) if text else None for text in (start_text, end_text))
    except (TypeError, ValueError):
        start = end = None
    exact = all(moment.tzinfo and not moment.microsecond for moment in (start, end) if moment)
    if end is None or not exact or (start and start >= end):
        raise NotEligible(
            f"{export.name}: {start_text} to {end_text} is not a window; both need a UTC offset and whole seconds, and"
            " start is before end"
        )
    return start and start.astimezone(UTC), end.astimezone(UTC)
