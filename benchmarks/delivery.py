"""One delivery of files to a local store, by this project or by a client of the store, in a process of its own."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from benchmarks import data
from benchmarks.clients import CLIENTS
from benchmarks.measure import isolated, timed
from include.exports import DatasetExport, JsonFiles, LakeSource, Once
from include.local import stores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.clients import Client
    from benchmarks.measure import Case, Run
    from include.local.stores import LocalStore

OURS = "deliver"
"""This project's contestant."""
LARGE, SMALL = "large", "small"
BYTES, FILES, SMALL_BYTES = 1 << 30, 10_000, 10_000
"""Of the one large file; how many small ones, and of each of them."""
AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


def measure(case: Case, source: Path) -> Run:
    """Let the contestant deliver the files of the folder `source` to a new server of the kind, which is empty."""
    with TemporaryDirectory(dir=data.DATA) as folder, stores.serve(case.kind, Path(folder)) as store:
        return isolated(_measure, case, source, store)


def _measure(case: Case, source: Path, store: LocalStore) -> Run:
    os.environ |= {f"AIRFLOW_CONN_{conn_id.upper()}": text for conn_id, text in store.connections.items()}
    send = CONTESTANTS[case.kind][case.contestant]
    send(sorted(data.files(1, 1000).iterdir()), store, "warm-up")  # imports what the contestant needs
    files = sorted(source.iterdir())

    def work() -> int:
        send(files, store, "measured")
        return sum(file.stat().st_size for file in files)

    return timed(work)


def ours(files: Sequence[Path], store: LocalStore, folder: str) -> None:
    """This project's stage: notes the paths, puts the files, verifies each. They are called by their SHA-256."""
    from include.exports.deliver import deliver
    from include.exports.extract import StagedFile
    from include.exports.plan import plan
    from include.exports.serialize import SerializedTable
    from include.exports.staging import Staging
    from include.exports.window import Window

    export = DatasetExport(
        name="benchmark",
        owner="benchmarks",
        source=LakeSource(path="unread"),
        mode="full",
        schedule=Once(at=AS_OF),
        files=JsonFiles(compression="none"),
        folder=folder,
        destination=store.destination,
    )
    window = Window(start=None, end=None, as_of=AS_OF)
    with TemporaryDirectory(dir=files[0].parents[1]) as root:  # links stay on one file system
        staging = Staging(f"file://{root}", export.name, window.key, "run")
        stage = Path(staging.url.removeprefix("file://"), "files")
        stage.mkdir(parents=True)
        staged = []
        for file in files:
            os.link(file, stage / file.name)
            size = file.stat().st_size
            staged.append(StagedFile(run="run", stage="files", sha256=file.name, size=size, rows=1, uncompressed=size))
        table = SerializedTable(
            window=window.key, name=None, title="", extension=".json", form={}, columns=[], files=staged
        )
        deliver(plan(export, window), 0, 1, [table], staging)


CONTESTANTS: Mapping[str, Mapping[str, Client]] = MappingProxyType(
    {kind: {OURS: ours, **clients} for kind, clients in CLIENTS.items()}
)
"""Who delivers to each kind of destination, by name."""
