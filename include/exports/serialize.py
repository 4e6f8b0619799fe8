"""Turns a shard's staged records into the files that will be delivered."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.exports import formats
from include.exports.engine import THREADS, connect, literal
from include.exports.errors import VerificationError
from include.exports.extract import StagedFile
from include.exports.formats import parquet
from include.exports.formats.parquet import ParquetFiles
from include.exports.formats.text import columns
from include.exports.manifest import form
from include.exports.progress import Progress
from include.exports.tables import MADE, RECORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

    from include.exports.definition import Export, Files
    from include.exports.formats.chart import ChartFiles
    from include.exports.sources import Column
    from include.exports.staging import Staging
    from include.exports.tables import Table
    from include.exports.window import Window

log = logging.getLogger(__name__)

ARRANGED = ParquetFiles(compression="snappy")
"""How the rows of a table lie while its files are written."""

PROBE_ROWS = 20_000
"""Rows that are written once more, on trial, to learn how many bytes a row takes in the declared format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SerializedTable:
    """The files of one table in one window, complete in staging."""

    window: str
    """Key of the window that publishes it."""
    name: str | None
    """None for the records themselves."""
    title: str
    extension: str
    form: dict[str, Any]
    """What a reader has to know of its format, in the words of the manifest."""
    columns: list[tuple[str, str]]
    """Name and type of each column; empty for the records themselves, whose columns are those of the export."""
    files: list[StagedFile]
    """In the order of their rows."""


def serialize(
    export: Export, windows: Sequence[Window], shard: int, staged: StagedFile, staging: Staging
) -> list[SerializedTable]:
    """Stage the files of a shard, for each window that the run publishes, oldest first.

    A table without rows has no files. Parquet that keeps the declared limits is delivered as it was staged. Raises
    `VerificationError` when the rows written are not those staged, or a table's check finds something.
    """
    result: list[SerializedTable] = []
    with (
        staging.of(staged.run).open_local(staged.stage, staged.sha256) as records,
        staging.scratch(f"serialize-{shard:05d}") as scratch,
        connect(_threads(export.files, staged), spill=scratch / "spill") as con,
    ):
        con.execute(f"create view {RECORDS} as from read_parquet({literal(str(records))})")
        write = _Writer(con, scratch, staging, shard, empty=export.on_empty == "file" and shard == 0)
        for window in windows:
            for table in export.tables(con, window):
                files = table.files or export.files
                result.append(write.table(table, files, window, records, staged))
    write.progress.done()
    return result


class _Writer:
    """Writes the tables of a shard, one after another."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, scratch: Path, staging: Staging, shard: int, *, empty: bool
    ) -> None:
        self.con, self.scratch, self.staging, self.shard, self.empty = con, scratch, staging, shard, empty
        self.stage, self.progress = f"serialize-{shard:05d}", Progress(log, "serialized")

    def table(
        self, table: Table, files: Files | ChartFiles, window: Window, records: Path, staged: StagedFile
    ) -> SerializedTable:
        shape: list[Column] = []
        if table.query:
            shape = columns(self.con, table.query)
            arranged = self.scratch / "arranged"
            rows = parquet.write(ARRANGED, self.con, table.query, arranged, Progress(log, "arranged")).rows
            self._check(table, arranged)
            written = self._files(files, arranged, rows)
        elif _fits(files, staged):
            written = [staged]
        else:
            written = self._files(files, records, staged.rows)
        return SerializedTable(
            window=window.key,
            name=table.name,
            title=table.title,
            extension=files.extension,
            form=form(files),
            columns=[(column.name, str(column.type)) for column in shape],
            files=written,
        )

    def _check(self, table: Table, arranged: Path) -> None:
        if table.check is None:
            return
        self.con.execute(f"create or replace view {MADE} as from read_parquet({literal(str(arranged))})")
        if wrong := [str(problem) for (problem,) in self.con.sql(table.check).fetchall()]:
            raise VerificationError(f"{table.name}: {'; '.join(wrong[:5])}; nothing was delivered")

    def _files(self, files: Files | ChartFiles, source: Path, rows: int) -> list[StagedFile]:
        """The rows of a Parquet file as files that keep the declared limits, about equally large."""
        writer = formats.module(files)
        result: list[StagedFile] = []
        if rows == 0 and not self.empty:
            return []

        def some(first: int, count: int) -> str:
            return (
                f"select * exclude file_row_number from read_parquet({literal(str(source))}, file_row_number=true)"
                f" where file_row_number >= {first} and file_row_number < {first + count}"
            )

        row_bytes = 0.0
        if files.max_bytes and rows:
            probe = min(PROBE_ROWS, rows)
            trial = writer.write(files, self.con, some(0, probe), self.scratch / "probe", Progress(log, "probed"))
            row_bytes = trial.size / probe
        done = 0
        while done < rows or not result:
            left = rows - done
            count = math.ceil(left / _file_count(files, left, row_bytes))
            written = writer.write(files, self.con, some(done, count), self.scratch / "file", self.progress)
            self.staging.add(self.stage, self.scratch / "file", written.sha256)
            result.append(StagedFile.of(written, self.staging.run, self.stage))
            done, row_bytes = done + count, written.size / max(written.rows, 1)
        if files.has_records and (total := sum(file.rows for file in result)) != rows:
            raise VerificationError(f"shard {self.shard}: {rows} rows are staged but {total} were written")
        return result


def _fits(files: Files | ChartFiles, staged: StagedFile) -> bool:
    """Whether the staged Parquet can be delivered as it is."""
    by_row = staged.size / max(staged.rows, 1)
    return isinstance(files, ParquetFiles) and staged.rows > 0 and _file_count(files, staged.rows, by_row) == 1


def _threads(files: Files, staged: StagedFile) -> int:
    return parquet.threads(staged.uncompressed / max(staged.rows, 1)) if files.type == "parquet" else THREADS


def _file_count(files: Files | ChartFiles, rows: int, row_bytes: float) -> int:
    """How many files `rows` rows of about `row_bytes` each need so that none passes the declared limits."""
    by_rows = math.ceil(rows / files.max_rows) if files.max_rows else 1
    by_bytes = math.ceil(rows * row_bytes / files.max_bytes) if files.max_bytes else 1
    return max(1, min(max(by_rows, by_bytes), rows))
