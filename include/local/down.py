"""Stops the Airflow that `include.local.up` has started, all of it: `make down`."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from include.local import environment, processes


def main() -> None:
    """End every process of it, and say how many there were."""
    environment.prepare()
    ended = processes.stop(Path(os.environ["AIRFLOW_HOME"]) / "processes.json")
    Console(highlight=False).print(f"Airflow stopped: {ended} processes" if ended else "Airflow does not run")


if __name__ == "__main__":
    main()
