"""Says in the task log, every few seconds, how far a long step has come."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

EVERY_SECONDS = 5.0


class Progress:
    """Counts rows and bytes of one step and logs them with their rate: `serialized 1,200,000 rows, 96.1 MB, …`.

    Several threads may count.
    """

    def __init__(self, log: logging.Logger, verb: str) -> None:
        self._log, self._verb = log, verb
        self._began = self._said = time.monotonic()
        self._counting = Lock()
        self.rows = self.bytes = 0

    def advance(self, *, rows: int = 0, size: int = 0) -> None:
        """Add to the counts; log when the last line is old enough."""
        with self._counting:
            self.rows += rows
            self.bytes += size
            if time.monotonic() - self._said < EVERY_SECONDS:
                return
            self._said = time.monotonic()
        self._log.info(self.line())

    def sent(self, size: int) -> None:
        """Add bytes that were sent."""
        self.advance(size=size)

    def done(self) -> None:
        """Log the final counts."""
        self._log.info(self.line())

    def line(self) -> str:
        """The counts so far, for people."""
        seconds = max(time.monotonic() - self._began, 0.001)
        counts = [f"{self.bytes / 1e6:,.1f} MB"]
        rates = [f"{self.bytes / 1e6 / seconds:,.1f} MB/s"]
        if self.rows:  # while DuckDB writes Parquet, only the file's size is known
            counts.insert(0, f"{self.rows:,} rows")
            rates.insert(0, f"{self.rows / seconds:,.0f} rows/s")
        return f"{self._verb} {', '.join(counts)} in {seconds:,.1f} s ({', '.join(rates)})"
