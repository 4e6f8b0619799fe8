"""Staging is removed when it is old, and nothing is forgotten that may still lie at a destination."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from include.exports import LocalDestination
from include.exports.errors import NotEligible
from include.exports.maintain import Removed, maintain
from include.exports.maintenance import kept

NOW = datetime(2024, 5, 8, tzinfo=UTC)
JOURNAL = b'{"destination": "file:///out", "manifest": "events/_manifest.json", "paths": []}'


@pytest.fixture
def write(tmp_path):
    def file(name: str, day: int) -> Path:
        path = tmp_path / "staging" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JOURNAL if path.name.startswith("uploads-") else b"12345")
        at = datetime(2024, 5, day, tzinfo=UTC).timestamp()
        os.utime(path, (at, at))
        return path

    return file


def left(tmp_path: Path) -> list[str]:
    root = tmp_path / "staging"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_run_is_removed_when_its_newest_file_is_old(tmp_path, write):
    for name, day in (("old", 1), ("young", 7)):
        write(f"events/w1/{name}/plan.json", day)
        write(f"events/w1/{name}/extract-00000/abc", 1)
    write("events/w1/last_published.json", 7)
    assert maintain(f"file://{tmp_path}/staging", None, NOW.replace(day=4), {}) == Removed(
        runs=1, files=2, bytes=10, delivered=0
    )
    assert left(tmp_path) == [
        "events/w1/last_published.json",
        "events/w1/young/extract-00000/abc",
        "events/w1/young/plan.json",
    ]
    assert not (tmp_path / "staging/events/w1/old").exists()


def test_the_journal_of_a_run_that_nothing_was_published_after_stays(tmp_path, write):
    write("events/w1/crashed/uploads-00000.json", 2)
    write("events/w1/crashed/extract-00000/abc", 1)
    write("events/w1/last_published.json", 1)
    maintain(f"file://{tmp_path}/staging", None, NOW.replace(day=4), {})
    assert left(tmp_path) == ["events/w1/crashed/uploads-00000.json", "events/w1/last_published.json"]
    write("events/w1/last_published.json", 3)
    maintain(f"file://{tmp_path}/staging", None, NOW.replace(day=4), {})
    assert left(tmp_path) == ["events/w1/last_published.json"]


def test_a_run_whose_files_come_and_go_meanwhile_is_left_alone(tmp_path, write):
    write("events/w1/old/plan.json", 1)
    kept = write("events/w1/running/plan.json", 7)
    looked = Event()

    def work() -> None:
        scratch = kept.parent / "scratch"
        while not looked.is_set():
            scratch.mkdir()
            for number in range(50):
                (scratch / str(number)).write_bytes(b"")
            for file in scratch.iterdir():
                file.unlink()
            scratch.rmdir()

    running = Thread(target=work)
    running.start()
    try:
        for _ in range(300):
            maintain(f"file://{tmp_path}/staging", None, NOW.replace(day=4), {})
    finally:
        looked.set()
        running.join()
    assert left(tmp_path) == ["events/w1/running/plan.json"]


def test_a_staging_area_that_is_not_there_yet_is_no_error(tmp_path):
    assert maintain(f"file://{tmp_path}/staging", None, NOW, {}) == Removed(runs=0, files=0, bytes=0, delivered=0)


@pytest.mark.parametrize("days", ["0", "0.5", "-1", "nan", "inf", "a week"])
def test_staging_that_would_be_removed_from_under_runs_is_not_cleaned(days):
    with pytest.raises(NotEligible, match=f"'exports_staging_days' is '{days}'; write a number of days from 1"):
        kept(days)


def test_what_a_run_has_left_elsewhere_is_removed_though_a_later_one_has_published_here(rig):
    rig.lake(10)
    partner = LocalDestination(path=str(rig.root / "elsewhere"))
    rig.declare(elsewhere={"partner": partner})
    here, staging = rig.export, f"file://{rig.root}/staging"
    rig.export = here.at("partner")
    rig.deliver()  # and is killed before it publishes
    rig.export = here
    rig.run()
    published = rig.delivered()
    (part,) = (rig.root / "elsewhere").rglob("part-*")

    after = datetime.now(UTC) + timedelta(days=1)
    assert maintain(staging, None, after, {}).delivered == 0, "its export is not declared"
    assert part.exists()
    assert maintain(staging, None, after, {"events": here}).delivered == 1
    assert not part.exists()
    assert rig.delivered() == published
    assert left(rig.root) == [name for name in left(rig.root) if "uploads" not in name]


def test_staging_is_kept_as_long_as_the_variable_says():
    assert kept("1.5") == timedelta(hours=36)
