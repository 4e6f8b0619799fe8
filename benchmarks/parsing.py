"""One round of Airflow's DAG processor through a DAGs folder, with a database that knows no DAG yet."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sysconfig
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import data, definitions
from benchmarks.definitions import OURS
from benchmarks.measure import isolated, timed
from include.exports.paths import PROJECT

if TYPE_CHECKING:
    from benchmarks.measure import Case, Run

AIRFLOW = Path(sysconfig.get_path("scripts"), "airflow")
NAME = "parsing"
KINDS = ("files", "one file")
"""Each DAG in a file of its own, or all in one."""
EXPORTS = 1000
PATIENCE = 600
"""Seconds that Airflow has for one file. A thousand DAGs in one take nearly as long as its defaults, 30 and 50."""


def folder(case: Case, count: int) -> Path:
    """A new DAGs folder with what is parsed."""
    made = data.partial_folder(data.DATA / f"{case.contestant}-{case.kind.replace(' ', '-')}")
    definitions.write(case.contestant, count, made, one_file=case.kind == "one file")
    return made


def measure(count: int, case: Case, source: Path) -> Run:
    """Let the DAG processor parse each file of the folder `source` once, as a new Airflow; `count` DAGs come of it."""
    return isolated(_measure, count, case, source)


def _measure(count: int, case: Case, source: Path) -> Run:
    with TemporaryDirectory(dir=data.DATA) as home:
        os.environ |= {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__DAGS_FOLDER": str(source),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": str(PATIENCE),
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": str(PATIENCE),
        }
        if case.contestant == OURS:
            os.environ |= {"AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"), "PYTHONPATH": str(PROJECT)}
        _airflow("db", "migrate")

        def work() -> int:
            _airflow("dag-processor", "--num-runs", "1")
            with closing(sqlite3.connect(f"{home}/airflow.db")) as database:
                sizes = database.execute("select length(data) from serialized_dag").fetchall()
                errors = database.execute("select stacktrace from import_error limit 1").fetchall()
            if errors or len(sizes) != count:
                raise RuntimeError(f"{len(sizes)} of {count} DAGs came of {case}: {errors}")
            return sum(size for (size,) in sizes)

        return timed(work)


def _airflow(*arguments: str) -> None:
    subprocess.run([AIRFLOW, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
