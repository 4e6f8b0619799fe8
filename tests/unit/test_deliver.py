"""How the files of a shard are sent, several at once."""

import logging
from dataclasses import replace
from threading import Lock
from time import sleep

import pytest

from include.exports import JsonFiles, progress
from include.exports.destinations import local
from include.exports.errors import DeliveryInterrupted

FILES = 60
AT_ONCE = 4


@pytest.fixture
def sent(rig, monkeypatch):
    """The paths that were asked to be sent, of an export of 60 files that are sent 4 at once."""
    monkeypatch.setattr(local, "CAPABILITIES", replace(local.CAPABILITIES, parallel=AT_ONCE))
    rig.declare(files=JsonFiles(max_rows=1))
    rig.lake(FILES)
    put, paths = local.LocalStore.put, []

    def noted(store, source, path, *rest):
        paths.append(path)
        return put(store, source, path, *rest)

    monkeypatch.setattr(local.LocalStore, "put", noted)
    return paths


def test_a_file_that_fails_stops_the_others_and_the_next_try_loses_nothing(rig, sent, monkeypatch):
    put = local.LocalStore.put

    def fails_at_the_tenth(store, source, path, *rest):
        if "part-00009" in path:
            raise DeliveryInterrupted("on purpose")
        sleep(0.01)
        return put(store, source, path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(local.LocalStore, "put", fails_at_the_tenth)
        with pytest.raises(DeliveryInterrupted, match="on purpose"):
            rig.run(run="one")
    assert len(sent) < FILES / 2, "what was not begun is not begun any more"
    assert [path for path in rig.delivered() if path.endswith("_manifest.json")] == []
    assert rig.run(run="one")["files"] == FILES
    assert len(rig.parts()) == FILES
    assert rig.broken() == []


def test_so_many_files_are_sent_at_once_as_the_destination_takes(rig, sent, monkeypatch):
    put, counting, now, most = local.LocalStore.put, Lock(), 0, 0

    def counted(*arguments):
        nonlocal now, most
        with counting:
            now += 1
            most = max(most, now)
        sleep(0.01)
        result = put(*arguments)
        with counting:
            now -= 1
        return result

    monkeypatch.setattr(local.LocalStore, "put", counted)
    rig.run()
    assert most == AT_ONCE
    assert [path.partition("-")[2][:5] for path in sorted(sent)] == [f"{number:05d}" for number in range(FILES)]


def test_a_file_that_takes_long_says_how_far_it_has_come(rig, monkeypatch, caplog):
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(local, "CHUNK", 100)
    rig.lake(1_000)
    with caplog.at_level(logging.INFO):
        rig.run()
    lines = [record.getMessage() for record in caplog.records if record.name == "include.exports.deliver"]
    first_file = next(number for number, line in enumerate(lines) if line.startswith("delivered file://"))
    assert first_file > 10, lines
    assert lines[-1].startswith("delivered 1,000 rows, ")
