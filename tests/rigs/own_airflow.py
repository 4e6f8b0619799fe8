"""What the programs of the rigs begin with: an Airflow of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from include.local import database, environment

if TYPE_CHECKING:
    from pathlib import Path


def begin(home: Path, folder: Path) -> TextIO:
    """Make this process an Airflow whose home is `home` and whose DAGs lie in `folder`. Returns where its results go:
    Airflow logs to stdout, which is stderr from now on. Call it before anything else imports airflow.
    """
    for name in [name for name in os.environ if name.startswith("AIRFLOW__") or name == "AIRFLOW_HOME"]:
        del os.environ[name]
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
    environment.prepare(home=home, dotenv=home / ".env")
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    database.initialize()
    return output
