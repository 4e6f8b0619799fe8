"""The windows that the scheduler, backfills and upstream assets export in a running Airflow."""

import hashlib
import json
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from tests.rigs.operated import SUCCESS, backfill, delivered, hours, rows


def test_the_scheduler_delivers_the_declared_windows_and_no_others(running, root):
    running.unpause("scheduled")
    runs = running.ended("scheduled", "scheduled", count=3)
    assert [run["state"] for run in runs] == [SUCCESS] * 3
    found = delivered(root, "scheduled")
    assert list(found) == ["202405020000", "202405030000", "202405040000"]
    assert found["202405020000"] == hours("2024-01-01T00:00+00:00", "2024-05-02T00:00+00:00"), "open to the left"
    assert found["202405030000"] == hours("2024-05-02T00:00+00:00", "2024-05-03T00:00+00:00")


@pytest.mark.parametrize(
    ("name", "between", "windows"),
    [
        (
            "daily",
            ("2024-05-10T00:00:00Z", "2024-05-12T00:00:00Z"),
            {
                "202405110000": ("2024-05-10T00:00+00:00", "2024-05-11T00:00+00:00"),
                "202405120000": ("2024-05-11T00:00+00:00", "2024-05-12T00:00+00:00"),
                "202405130000": ("2024-05-12T00:00+00:00", "2024-05-13T00:00+00:00"),
            },
        ),
        (
            "prague",
            ("2024-03-29T23:00:00Z", "2024-03-31T22:00:00Z"),
            {
                "202403302300": ("2024-03-29T23:00+00:00", "2024-03-30T23:00+00:00"),
                "202403312200": ("2024-03-30T23:00+00:00", "2024-03-31T22:00+00:00"),
                "202404012200": ("2024-03-31T22:00+00:00", "2024-04-01T22:00+00:00"),
            },
        ),
        (
            "hourly",
            ("2024-05-10T22:00:00Z", "2024-05-11T00:00:00Z"),
            {
                "202405102300": ("2024-05-10T22:00+00:00", "2024-05-10T23:00+00:00"),
                "202405110000": ("2024-05-10T23:00+00:00", "2024-05-11T00:00+00:00"),
                "202405110100": ("2024-05-11T00:00+00:00", "2024-05-11T01:00+00:00"),
            },
        ),
        (
            "monthly",
            ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
            {
                "202403010000": ("2024-02-01T00:00+00:00", "2024-03-01T00:00+00:00"),
                "202404010000": ("2024-03-01T00:00+00:00", "2024-04-01T00:00+00:00"),
            },
        ),
    ],
)
def test_a_backfill_delivers_the_windows_that_begin_in_its_range(running, root, name, between, windows):
    running.unpause(name)
    backfill(running, name, *between)
    assert {run["state"] for run in running.ended(name, "backfill", count=len(windows))} == {SUCCESS}
    found = {folder: rows for folder, rows in delivered(root, name).items() if folder.startswith("2024")}
    assert found == {folder: hours(*window) for folder, window in windows.items()}, "and the schedule's latest window"


def day(number: int) -> tuple[str, str]:
    """Begin and end of a day of May 2024."""
    return f"2024-05-{number:02}T00:00:00Z", f"2024-05-{number + 1:02}T00:00:00Z"


def post(running, asset: str, **extra: str) -> None:
    """Tell Airflow, as another system does, that an asset has changed."""
    (found,) = (each["id"] for each in running.ask("/assets?limit=100")["assets"] if each["name"] == asset)
    running.ask("/assets/events", {"asset_id": found, "extra": extra})


def test_an_event_of_an_asset_exports_the_interval_of_the_run_that_it_comes_from(running, root):
    """Of every run of a backfill upstream, although their events come at once and Airflow starts fewer runs."""
    running.unpause("on_orders")
    running.unpause("loads")
    backfill(running, "loads", "2024-05-10T00:00:00Z", "2024-05-13T00:00:00Z")
    wanted = {f"202405{number + 1}0000": hours(*day(number)) for number in (10, 11, 12, 13)}
    running.until(
        lambda: wanted.items() <= delivered(root, "on_orders").items(),
        120,
        lambda: str([*delivered(root, "on_orders")]),
    )


def test_events_that_another_system_posts_say_their_windows_and_so_do_those_of_an_export(running, root):
    for name in ("chained", "posted"):
        running.unpause(name)
    for number in (1, 2, 2, 3):
        start, end = day(number)
        post(running, "outside", window_start=start, window_end=end)
    wanted = {f"2024050{number + 1}0000": hours(*day(number)) for number in (1, 2, 3)}
    running.until(lambda: delivered(root, "chained") == wanted, 120)
    assert delivered(root, "posted") == wanted


def test_an_event_without_a_window_fails_its_run(running):
    running.unpause("posted")
    before = len(running.ended("posted", "asset_triggered", count=0))
    post(running, "outside")
    runs = running.ended("posted", "asset_triggered", count=before + 1)
    assert [run["state"] for run in runs][-1] == "failed"


def test_an_export_on_an_asset_has_no_backfill(running):
    with pytest.raises(HTTPError) as refused:
        backfill(running, "on_orders", *day(1))
    assert refused.value.code == 422


def test_backfills_the_schedule_manual_runs_and_clears_at_once_leave_one_generation_a_window(running, root):
    days = range(1, 6)
    running.unpause("contested")
    # A backfill of runs that the scheduler is about to create itself can end the scheduler, in Airflow 3.3.2.
    running.until(lambda: len(running.runs("contested", "scheduled")) == 5, 60)
    for number in range(3):
        backfill(running, "contested", "2024-05-01T00:00:00Z", "2024-05-05T00:00:00Z", "completed")
        if number == 0:
            with pytest.raises(HTTPError) as refused:  # Airflow runs one backfill of a DAG at a time
                backfill(running, "contested", *day(1), "completed")
            assert refused.value.code == 409
            for each in days:
                start, end = day(each)
                running.trigger("contested", window_start=start, window_end=end)
        else:
            for run in running.runs("contested", "manual"):
                running.ask(f"/dags/contested/dagRuns/{quote(run['dag_run_id'])}/clear", {"dry_run": False})
        complete(running, "contested")
    assert {run["state"] for run in running.ended("contested", "manual", count=5, patience=120)} == {SUCCESS}
    assert {run["state"] for run in running.runs("contested", "backfill")} == {SUCCESS}
    assert generations(root, "contested") == dict.fromkeys(days, 1), "the records are the same each time"
    everything = delivered(root, "contested")
    assert everything["202405020000"] == hours("2024-01-01T00:00+00:00", day(1)[1])
    assert [everything[f"2024050{each + 1}0000"] for each in (2, 3, 4, 5)] == [
        hours(*day(each)) for each in (2, 3, 4, 5)
    ]

    rows(root / "contested" / "more.parquet", range(123 * 24, 124 * 24))  # May 3 has every hour once more
    backfill(running, "contested", "2024-05-01T00:00:00Z", "2024-05-05T00:00:00Z", "completed")
    complete(running, "contested")
    assert generations(root, "contested") == {1: 1, 2: 1, 3: 2, 4: 1, 5: 1}
    assert sorted(delivered(root, "contested")["202405040000"]) == sorted(hours(*day(3)) * 2)


def complete(running, name: str) -> None:
    """Wait until all runs have ended, and close the backfill: Airflow itself looks for that every 30 seconds."""

    def states() -> list[str]:
        return [run["state"] for run in running.ask(f"/dags/{name}/dagRuns?limit=100")["dag_runs"]]

    running.until(lambda: set(states()) <= {SUCCESS, "failed"}, 120, lambda: str(states()))
    for each in running.ask(f"/backfills?dag_id={name}&limit=100")["backfills"]:
        if not each["completed_at"]:
            running.ask(f"/backfills/{each['id']}/cancel", {}, "PUT")


def generations(root, name: str) -> dict[int, int]:
    """The generation of each day, after a look at its folder: what the manifest names is there, and nothing else."""
    found = {}
    for folder in (root / "out" / name).iterdir():
        manifest = json.loads((folder / "_manifest.json").read_bytes())
        named = {entry["url"].removeprefix("file://"): entry["meta"] for entry in manifest["entries"]}
        assert {str(path) for path in folder.iterdir()} == {*named, str(folder / "_manifest.json")}
        for path in folder.glob("part-*"):
            content, meta = path.read_bytes(), named[str(path)]
            assert (len(content), hashlib.sha256(content).hexdigest()) == (meta["content_length"], meta["sha256"])
        found[int(manifest["export"]["interval"]["end"][8:10]) - 1] = manifest["export"]["generation"]
    return dict(sorted(found.items()))
