"""Kills a run at one of its file system operations after another, runs it again, and prints what was delivered.

A program of its own, so that each run is a fork of a process that has imported everything but started no thread:

    python tests/rigs/killing.py <folder>

It publishes a window, changes the lake, and then, for every operation that publishing the change takes, kills a run
at it and runs it again: from the task that was killed, as Airflow retries it, and every other time from the start, as
a person clears it. One line of JSON for each operation.
"""

import hashlib
import importlib
import json
import logging
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb

from include.exports import (
    Daily,
    DatasetExport,
    HivePartition,
    JsonFiles,
    LakeSource,
    LocalDestination,
    ManifestFile,
    TimeColumn,
    Views,
)
from include.exports.stages import Stages
from include.exports.staging import Staging
from include.exports.window import Window

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
STAGES = ("validate_eligibility", "extract_records", "serialize_files", "deliver_files", "publish_manifest")

IMPORTED_LATER = (
    "airflow.sdk",
    "include.exports.formats.json",
    "include.exports.sources.lake",
    "isal.igzip_threaded",
    "pyarrow.parquet",
    "upath.implementations.local",
)
"""What a run would import for itself, once for each fork."""

logging.disable(logging.INFO)
root = Path(sys.argv[1])
lake, delivered, staging = root / "lake", root / "delivered", root / "staging"

EXPORT = DatasetExport(
    name="events",
    owner="tests",
    source=LakeSource(
        path=str(lake),
        time_column=TimeColumn(name="at"),
        partition=HivePartition(column="day"),
        shard_bytes=1,
    ),
    mode="incremental",
    schedule=Daily(),
    files=JsonFiles(compression="gzip", max_rows=400),
    destination=LocalDestination(path=str(delivered)),
    manifest=ManifestFile(views=Views(files="files.txt", sha256sums="SHA256SUMS", adobe=True)),
)
WINDOW = Window(
    start=datetime(2024, 5, 1, tzinfo=UTC),
    end=datetime(2024, 5, 2, tzinfo=UTC),
    as_of=datetime(2024, 5, 2, tzinfo=UTC),
)


def write_lake(rows: dict[str, int]) -> None:
    folder = lake / "day=2024-05-01"
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in rows.items():
        duckdb.connect().execute(
            f"copy (select i as id, timestamptz '2024-05-01 00:00:00Z' + i * interval 1 second as at"
            f" from range({count}) t(i)) to '{folder}/{name}.parquet'"
        )


def run(run_id: str, done: Path, kill_at: int | None) -> int:
    """Run what `done` does not list, in a child process; returns how many operations it made, -1 when it was killed."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        count = 0

        def operation(event: str, args: tuple[object, ...]) -> None:
            nonlocal count
            if event in OPERATIONS and str(args[0]).startswith(str(root)):
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        stages = Stages(EXPORT, WINDOW, Staging(f"file://{staging}", "events", WINDOW.key, run_id))
        finished = done.read_text().split() if done.exists() else []
        sys.addaudithook(operation)
        shards = range(2)
        for stage in STAGES:
            calls = [()] if stage in ("validate_eligibility", "publish_manifest") else [(shard,) for shard in shards]
            for call in calls:
                task = f"{stage}{call}".replace(" ", "")
                if task not in finished:
                    getattr(stages, stage)(*call)
                    finished.append(task)
                    done.write_text("\n".join(finished))
        os.write(writer, str(count).encode())
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as result:
        text = result.read()
    if status and kill_at is None:
        raise SystemExit(f"a run that was not killed failed with status {status}")
    return int(text) if text else -1


def snapshot() -> dict[str, str]:
    """Every file that is delivered, with its hash; a manifest is there only with everything it names."""
    files = {
        str(path.relative_to(delivered)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(delivered.rglob("*"))
        if path.is_file()
    }
    for path in delivered.rglob("_manifest.json"):
        for entry in json.loads(path.read_bytes())["entries"]:
            file = Path(unquote(urlsplit(entry["url"]).path))
            assert file.stat().st_size == entry["meta"]["content_length"], f"{file} is not complete"
            assert files[str(file.relative_to(delivered))] == entry["meta"]["sha256"], f"{file} has other bytes"
    return files


def say(document: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def prepare() -> None:
    """Deliver a first generation, change the lake, and keep that state."""
    root.mkdir()
    write_lake({"a": 1000, "b": 900})
    run("first", root / "done-first", None)
    first = len(snapshot())
    assert first == 3 + 3 + 3 + 1, f"{first} files"
    write_lake({"a": 1000, "b": 500})
    shutil.copytree(root, kept)


def restore() -> None:
    shutil.rmtree(root)
    shutil.copytree(kept, root)


for module in IMPORTED_LATER:
    importlib.import_module(module)
kept = root.with_name(f"{root.name}-kept")
done = root / "done-second"
prepare()
operations = run("second", done, None)
wanted = snapshot()
say({"operations": operations, "wanted": wanted})
for number in range(operations):
    restore()
    killed = run("second", done, number) == -1
    snapshot()
    if number % 2:
        done.unlink(missing_ok=True)
    run("second", done, None)
    say({"operation": number, "killed": killed, "same": snapshot() == wanted})
