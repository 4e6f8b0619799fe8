"""Turns a shard's staged records into the files that will be delivered."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from include.exports import formats
from include.exports.engine import THREADS, connect, literal
from include.exports.errors import VerificationError
from include.exports.extract import StagedFile
from include.exports.formats import parquet
from include.exports.formats.parquet import ParquetFiles
from include.exports.progress import Progress

if TYPE_CHECKING:
    from include.exports.definition import DatasetExport, Files
    from include.exports.staging import Staging

log = logging.getLogger(__name__)

PROBE_ROWS = 20_000
"""Rows that are written once more, on trial, to learn how many bytes a row takes in the declared format."""


def serialize(export: DatasetExport, shard: int, staged: StagedFile, staging: Staging) -> list[StagedFile]:
    """Stage the files of a shard, in order of their rows; none when it has no rows.

    Parquet that keeps the declared limits is delivered as it was staged. Files are about equally large, so there is no
    tiny last one. Raises `VerificationError` when the rows written are not those staged.
    """
    if staged.rows == 0 and not (export.on_empty == "file" and shard == 0):
        return []
    files, stage = export.files, f"serialize-{shard:05d}"
    if isinstance(files, ParquetFiles) and _file_count(files, staged.rows, staged.size / max(staged.rows, 1)) == 1:
        return [staged]
    writer, progress = formats.module(files), Progress(log, "serialized")
    result: list[StagedFile] = []
    origin = staging.of(staged.run)
    threads = parquet.threads(staged.uncompressed / max(staged.rows, 1)) if files.type == "parquet" else THREADS
    with (
        origin.open_local(staged.stage, staged.sha256) as source,
        staging.scratch(stage) as scratch,
        connect(threads, spill=scratch / "spill") as con,
    ):

        def rows(first: int, count: int) -> str:
            return (
                f"select * exclude file_row_number from read_parquet({literal(str(source))}, file_row_number=true)"
                f" where file_row_number >= {first} and file_row_number < {first + count}"
            )

        row_bytes = 0.0
        if files.max_bytes and staged.rows:
            probe = min(PROBE_ROWS, staged.rows)
            trial = writer.write(files, con, rows(0, probe), scratch / "probe", Progress(log, "probed"))
            row_bytes = trial.size / probe
        done = 0
        while done < staged.rows or not result:
            left = staged.rows - done
            count = math.ceil(left / _file_count(files, left, row_bytes))
            written = writer.write(files, con, rows(done, count), scratch / "file", progress)
            staging.add(stage, scratch / "file", written.sha256)
            result.append(StagedFile.of(written, staging.run, stage))
            done, row_bytes = done + count, written.size / max(written.rows, 1)
    progress.done()
    if (total := sum(file.rows for file in result)) != staged.rows:
        raise VerificationError(f"shard {shard}: {staged.rows} rows are staged but {total} were written")
    return result


def _file_count(files: Files, rows: int, row_bytes: float) -> int:
    """How many files `rows` rows of about `row_bytes` each need so that none passes the declared limits."""
    by_rows = math.ceil(rows / files.max_rows) if files.max_rows else 1
    by_bytes = math.ceil(rows * row_bytes / files.max_bytes) if files.max_bytes else 1
    return max(1, min(max(by_rows, by_bytes), rows))
