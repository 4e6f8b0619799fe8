"""Real processes, started by one command and ended by another."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from include.local import processes


def started(folder: Path, code: str) -> tuple[Path, subprocess.Popen[bytes]]:
    record, log = folder / "processes.json", folder / "log"
    process = processes.start(record, [sys.executable, "-c", code], log)
    deadline = time.monotonic() + 30
    while "ready" not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)
    return record, process


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 1.0)


def test_a_process_ends_its_own_children_when_it_is_asked_to(tmp_path: Path) -> None:
    record, leader = started(
        tmp_path,
        """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
def end(*_):
    child.terminate()
    child.wait()
    print("ended my child", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(600)
""",
    )

    assert processes.stop(record) == 2
    assert (tmp_path / "log").read_text() == "ready\nended my child\n"
    assert processes.alive(record) == []
    assert not record.exists()
    assert leader.wait() == 0


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_what_ignores_the_request_is_killed_with_its_children_of_another_process_group(tmp_path: Path) -> None:
    record, leader = started(tmp_path, STUBBORN + "time.sleep(600)")

    assert processes.stop(record) == 2
    assert processes.alive(record) == []
    assert leader.wait() == -signal.SIGKILL


def test_an_orphan_is_found_by_its_session(tmp_path: Path) -> None:
    record, leader = started(tmp_path, STUBBORN + "os._exit(0)")
    leader.wait()

    assert processes.stop(record) == 1
    assert processes.alive(record) == []


def test_a_record_of_before_the_reboot_names_nobody(tmp_path: Path) -> None:
    record = tmp_path / "processes.json"
    own = psutil.Process()
    record.write_text(f'{{"{own.pid}": {psutil.boot_time() - 1}}}')

    assert processes.stop(record) == 0
    assert own.is_running()
