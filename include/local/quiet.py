"""Keeps Airflow's own output out of ours."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def output_to(log: Path) -> Iterator[None]:
    """While this is open, what this process and those it starts write to stdout and stderr is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    streams = (sys.stdout, sys.stderr)
    saved = [os.dup(stream.fileno()) for stream in streams]
    with log.open("ab") as file:
        _point(file.fileno(), file.fileno())
        try:
            yield
        finally:
            _point(*saved)
            for copy in saved:
                os.close(copy)


def _point(stdout: int, stderr: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(stdout, sys.stdout.fileno())
    os.dup2(stderr, sys.stderr.fileno())
