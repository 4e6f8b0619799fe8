"""Who writes the records of a folder of Parquet files as one file: this project and its peers.

Each contestant has the signature `(source, kind, target)`: the folder to read, `json`, `csv` or `parquet`, and an
empty folder to write to. JSON and CSV are gzipped, Parquet is compressed by zstd. Each returns the bytes it wrote.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from include.exports import (
    CsvFiles,
    DatasetExport,
    JsonFiles,
    LakeSource,
    LocalDestination,
    Once,
    ParquetFiles,
    engine,
    formats,
)
from include.exports.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import polars as pl

    from include.exports.definition import Files

log = logging.getLogger(__name__)

AS_OF = datetime(2024, 1, 1, tzinfo=UTC)
FILES: Mapping[str, Files] = MappingProxyType(
    {
        "json": JsonFiles(compression="gzip"),
        "csv": CsvFiles(compression="gzip"),
        "parquet": ParquetFiles(compression="zstd"),
    }
)


def serializer(source: Path, kind: str, target: Path) -> int:
    """This project's serializer alone."""
    with engine.connect() as con:
        files = FILES[kind]
        written = formats.module(files).write(files, con, _query(source), target / "file", Progress(log, "wrote"))
    return written.size


def stages(source: Path, kind: str, target: Path) -> int:
    """This project's whole path: validate, extract, serialize, deliver with verification, publish the manifest."""
    from include.exports.stages import Stages
    from include.exports.staging import Staging
    from include.exports.window import Window

    export = DatasetExport(
        name="benchmark",
        owner="benchmarks",
        source=LakeSource(path=str(source)),
        mode="full",
        schedule=Once(at=AS_OF),
        files=FILES[kind],
        destination=LocalDestination(path=str(target / "delivered")),
    )
    window = Window(start=None, end=None, as_of=AS_OF)
    run = Stages(export, window, Staging(f"file://{target}/staging", export.name, window.key, "run"))
    for shard in run.validate_eligibility():
        run.extract_records(shard)
        run.serialize_files(shard)
        run.deliver_files(shard)
    return int(run.publish_manifest()["bytes"])


def copy(source: Path, kind: str, target: Path) -> int:
    """DuckDB's own COPY, with its default settings."""
    import duckdb

    file = target / "file"
    codec = "zstd" if kind == "parquet" else "gzip"
    with duckdb.connect(config={"threads": engine.THREADS}) as con:
        con.execute(f"copy ({_query(source)}) to '{file}' (format {kind}, compression {codec})")
    return file.stat().st_size


def polars(source: Path, kind: str, target: Path) -> int:
    """polars' streaming engine, gzip at level 1. It writes no nested CSV, so that gets JSON, as ours does."""
    import polars as pl

    file = target / "file"
    records = pl.scan_parquet(source / "*.parquet")
    match kind:
        case "json":
            records.sink_ndjson(file, compression="gzip", compression_level=1, check_extension=False)
        case "csv":
            flat = [_flat(name, type_) for name, type_ in records.collect_schema().items()]
            records.select(flat).sink_csv(file, compression="gzip", compression_level=1, check_extension=False)
        case "parquet":
            records.sink_parquet(file, compression="zstd")
    return file.stat().st_size


CONTESTANTS: Mapping[str, Callable[[Path, str, Path], int]] = MappingProxyType(
    {"serializer": serializer, "stages": stages, "copy": copy, "polars": polars}
)


def _query(source: Path) -> str:
    return f"select * from read_parquet('{source}/*.parquet')"


def _flat(name: str, type_: pl.DataType) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    match type_:
        case pl.Struct():
            return column.struct.json_encode()
        case pl.List():
            return pl.format("[{}]", column.cast(pl.List(pl.String)).list.join(","))
        case _:
            return column
