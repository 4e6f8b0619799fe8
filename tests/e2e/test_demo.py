"""`make demo`, on a copy of the project's files without anything that an earlier run has made."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from include.exports.paths import PROJECT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("dags", "include", "plugins"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".env.example", "airflow_settings.yaml"):
        shutil.copy(PROJECT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")  # where Azurite is
    return tmp_path


@pytest.fixture
def one_sample(clone: Path) -> Path:
    """A copy with the one sample that has every kind of file."""
    for file in (clone / "dags").glob("*.py"):
        if file.name != "impressions_full.py":
            file.unlink()
    return clone


def demo(clone: Path, *store: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(clone, *store), check=False, capture_output=True)


def command(clone: Path, *store: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH"))}
    return {
        "args": [sys.executable, "-m", "include.local.demo", *store],
        "cwd": clone,
        "env": environment,
        "text": True,
    }


def delivered(clone: Path) -> dict[str, tuple[int, bytes]]:
    """Each delivered file with its time of change, which a file that is written again would lose, and its bytes."""
    files = [path for path in sorted((clone / "exports").rglob("*")) if path.is_file()]
    return {str(path.relative_to(clone)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def test_it_delivers_every_sample_and_a_second_run_changes_nothing(clone: Path) -> None:
    first = demo(clone)
    files = delivered(clone)
    second = demo(clone)

    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    assert delivered(clone) == files
    days = [gzip.decompress(content) for name, (_, content) in files.items() if name.endswith(".json.gz")]
    assert sum(day.count(b"\n") for day in days) == 60_000
    for name in files:
        assert f" {Path(name).name}  " in first.stdout
    for said in (first.stdout, second.stdout):
        assert [line.split(":")[0] for line in said.splitlines() if line.startswith(("clicks", "impressions"))] == [
            "clicks_for_partner",
            "impressions_daily",
            "impressions_full",
        ]
        assert said.count("\n60,000 rows, ") == 2
        assert "[info" not in said
    manifests = [name for name in files if name.endswith("/_manifest.json")]
    assert first.stdout.count("  as it was\n") == 0
    assert second.stdout.count("  as it was\n") == len(manifests)


def test_a_failure_shows_its_reason_and_the_log(one_sample: Path) -> None:
    day = one_sample / "lake" / "open_bandit" / "day=2019-11-26"
    day.mkdir(parents=True)
    (day / "impressions.parquet").write_text("this is not Parquet")

    failed = demo(one_sample)

    assert failed.returncode == 1
    assert "impressions_full failed, everything; the whole log is .airflow/logs/demo.log\n" in failed.stdout
    assert "AirflowFailException: SourceRefused: " in failed.stdout
    assert "impressions.parquet" in failed.stdout
    assert "Traceback" not in failed.stdout


@pytest.mark.parametrize("kind", ["s3", "sftp"])
def test_at_a_server_it_shows_what_it_reads_back_and_that_a_second_run_changes_nothing(
    one_sample: Path, kind: str
) -> None:
    at_server = demo(one_sample, kind)
    in_folder = demo(one_sample)

    assert (at_server.returncode, at_server.stderr) == (0, "")
    assert re.search(r"^Destination: \w+Destination\(conn_id='.+', .+='.+'\)$", at_server.stdout, re.MULTILINE)
    assert re.search(
        rf"^└── {kind}://.+/warehouse/impressions/exportTime=201912010000/$", at_server.stdout, re.MULTILINE
    )
    parts = re.compile(r" (part-\S+  .+ bytes, 20,000 rows)$", re.MULTILINE)
    assert parts.findall(at_server.stdout) == parts.findall(in_folder.stdout)
    assert len(parts.findall(at_server.stdout)) == 3
    assert "\nrun again: impressions_full, generation 1  as it was\n" in at_server.stdout
    assert "[info" not in at_server.stdout


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_does_not_outlive_the_command(one_sample: Path, how: signal.Signals) -> None:
    with subprocess.Popen(**command(one_sample, "s3"), stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("Destination: S3Destination("):
                break
        servers = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(how)
    assert servers, "ministack is a process of its own"
    assert psutil.wait_procs(servers, timeout=10)[1] == []


def test_a_server_that_is_not_installed_is_named_with_what_installs_it(one_sample: Path) -> None:
    (one_sample / ".venv").unlink()
    refused = demo(one_sample, "blob")
    assert (refused.returncode, refused.stderr) == (1, "")
    said = refused.stdout.splitlines()[-1]
    assert said.startswith("A server of blob does not start: ")
    assert said.endswith("does not exist; install Azurite: make .venv/azurite/synced")


def test_what_is_no_kind_of_store_is_refused(clone: Path) -> None:
    refused = demo(clone, "s4")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.fullmatch(r"STORE=s4 is not one of local, .*\bs3\b.*\n", refused.stderr)
