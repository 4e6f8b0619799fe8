"""Processes that outlive the command that starts them, and the record by which a later command ends them all.

Each is started in a session of its own. What it starts stays in that session, also when it becomes an orphan, so that
nothing has to be found by its name.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATIENCE_SECONDS = 15.0
"""What a process gets to end by itself."""


def start(record: Path, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A new process in the project's folder that writes to `log`, added to `record`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    created = psutil.Process(process.pid).create_time()
    record.write_text(json.dumps({**_read(record), process.pid: created}))
    return process


def alive(record: Path) -> list[psutil.Process]:
    """Every process of the recorded sessions that has not ended."""
    return [process for leader in _sessions(record) for process in _members(leader)]


def stop(record: Path) -> int:
    """End every recorded process, what was started last first, and remove the record. Returns how many there were.

    In each session those that no other of it has started are asked to end, and end their own; what is left after
    `PATIENCE_SECONDS` is killed. Raises `TimeoutError` when some survive that too.
    """
    count = len(alive(record))
    for leader in reversed(_sessions(record)):
        members = _members(leader)
        for process in members:
            with suppress(psutil.NoSuchProcess):
                if process.parent() not in members:
                    process.send_signal(signal.SIGTERM)
        _wait(leader)
        for process in _members(leader):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        _wait(leader)
    if left := alive(record):
        raise TimeoutError(f"processes {[process.pid for process in left]} do not end; they are in {record}")
    record.unlink(missing_ok=True)
    return count


def _wait(leader: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _members(leader) and time.monotonic() < deadline:
        time.sleep(0.1)


def _members(leader: int) -> list[psutil.Process]:
    """The processes of a session; those that have ended, and that nobody has taken note of, do not count."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _sessions(record: Path) -> list[int]:
    """The leaders of the sessions that are still the recorded ones, in the order of their start."""
    return [int(leader) for leader, created in _read(record).items() if _same(int(leader), created)]


def _read(record: Path) -> dict[str, float]:
    """Id of each session's leader, with the time of its creation."""
    return json.loads(record.read_text()) if record.exists() else {}


def _same(leader: int, created: float) -> bool:
    """Whether the session is still the recorded one.

    Its id is not given again while one of its members lives. Once all have ended, and after a reboot, it can be.
    """
    if created < psutil.boot_time():
        return False
    try:
        return abs(psutil.Process(leader).create_time() - created) < 1
    except psutil.NoSuchProcess:
        return True
