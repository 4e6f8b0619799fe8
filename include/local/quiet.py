"""Keeps Airflow's own output out of ours."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextmanager
def only(logger: str) -> Iterator[Path]:
    """Like `output_to` a log under the Airflow home, whose path this gives; what `logger` says goes to stderr too."""
    log = Path(os.environ["AIRFLOW_HOME"]) / "logs" / "run.log"
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as stderr:
        handler = logging.StreamHandler(stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logging.getLogger(logger).addHandler(handler)
        try:
            with output_to(log):
                yield log
        finally:
            logging.getLogger(logger).removeHandler(handler)


def _point(stdout: int, stderr: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(stdout, sys.stdout.fileno())
    os.dup2(stderr, sys.stderr.fileno())
