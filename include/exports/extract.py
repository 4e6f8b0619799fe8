"""Reads the records of a shard and stages them as Parquet, with the columns as they will be delivered."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

from include.exports import contract, sources
from include.exports.columns import HashMask, RedactMask
from include.exports.eligibility.columns import delivered
from include.exports.engine import connect, identifier, literal
from include.exports.errors import VerificationError
from include.exports.formats import parquet
from include.exports.formats.parquet import ParquetFiles
from include.exports.keys import key
from include.exports.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from include.exports.columns import Columns
    from include.exports.eligibility import Eligible
    from include.exports.formats import Written
    from include.exports.plan import Plan
    from include.exports.sources import Column, Shard
    from include.exports.staging import Staging

log = logging.getLogger(__name__)

BLOCK = 64
"""Bytes of a SHA-256 block; RFC 2104 pads the key of an HMAC to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A complete file in staging. It exists because a stage's document names it."""

    run: str
    """The run that staged it."""
    stage: str
    """The stage and shard that staged it."""
    sha256: str
    size: int
    rows: int
    uncompressed: int
    says: str | None = None
    """Of an encrypted file, what it says and to whom, as a fingerprint: its bytes are others each time it is made. It
    stays in staging, where the records lie open anyway."""

    @classmethod
    def of(cls, written: Written, run: str, stage: str) -> Self:
        """The file that was written, once it lies in the staging of `run` under `stage`."""
        return cls(
            run=run,
            stage=stage,
            sha256=written.sha256,
            size=written.size,
            rows=written.rows,
            uncompressed=written.uncompressed,
        )


def extract(plan: Plan, eligible: Eligible, shard: Shard, staging: Staging) -> StagedFile:
    """Stage the shard's records as one Parquet file, in order.

    Rows stream: memory does not grow with them. Raises `SourceRefused` for a value that cannot be kept,
    `SourceInterrupted` when the source goes away, `VerificationError` when the staged rows are not those read.
    """
    export, stage = plan.export, f"extract-{shard.index:05d}"
    source = sources.module(export.source)
    said = source.statement(export.source, eligible.request, shard)
    bound = ", ".join(f"{name} = {value}" for name, value in said.parameters.items())
    log.info("reading shard %d of %s\n%s\nparameters: %s", shard.index, export.name, said.sql, bound or "none")
    files = export.files if isinstance(export.files, ParquetFiles) else ParquetFiles(compression="snappy")
    progress = Progress(log, "extracted")
    threads = parquet.threads(shard.row_bytes)
    with staging.scratch(stage) as scratch, connect(threads, spill=scratch / "spill") as con:
        _set_keys(export.shape, con)
        with source.records(export.source, eligible.request, shard, con) as records:
            written = parquet.write(files, con, _select(plan, eligible, records), scratch / "staged", progress)
        if written.rows != (staged := _footer_rows(scratch / "staged")):
            raise VerificationError(f"shard {shard.index}: {written.rows} rows were read but {staged} staged")
        staging.add(stage, scratch / "staged", written.sha256)
    progress.done()
    return StagedFile.of(written, staging.run, stage)


def _select(plan: Plan, eligible: Eligible, records: str) -> str:
    """The columns as they are staged, over the source's records."""
    declared, result = plan.export.shape, delivered(plan.export, eligible.columns)
    # Parquet that only we read may hold an infinite date in DuckDB's way; text formats have a policy for it.
    infinite: Literal["fail", "keep"] = "fail" if isinstance(plan.export.files, ParquetFiles) else "keep"
    shaped = ", ".join(
        f"{_masked(column, declared)} as {identifier(target.name)}"
        for column, target in zip(eligible.columns, result, strict=True)
    )
    kept = ", ".join(f"{contract.staged(target, infinite=infinite)} as {identifier(target.name)}" for target in result)
    return f"select {kept} from (select {shaped} from ({records}))"


def _masked(column: Column, declared: Columns) -> str:
    value = _cast(column, declared)
    match declared.mask.get(column.name):
        case HashMask(conn_id=conn_id):
            inner, outer = (f"getvariable({literal(name)})" for name in _pads(conn_id))
            return f"sha256({outer} || unhex(sha256({inner} || encode(cast({value} as varchar)))))"
        case RedactMask(text=text):
            return f"cast({literal(text) if text is not None else 'null'} as varchar)"
        case _:
            return value


def _cast(column: Column, declared: Columns) -> str:
    import duckdb

    value = f"cast({identifier(column.name)} as {column.type})"
    if not (wanted := declared.cast.get(column.name)):
        return value
    secret = column.name in declared.mask
    return contract.cast_exactly(value, column.type, duckdb.sqltype(wanted), column.name, secret=secret)


def _pads(conn_id: str) -> tuple[str, str]:
    return f"inner {conn_id}", f"outer {conn_id}"


def _set_keys(declared: Columns, con: duckdb.DuckDBPyConnection) -> None:
    """Hand DuckDB the padded keys of RFC 2104 as variables, so that no statement or error message holds one."""
    for mask in declared.mask.values():
        if isinstance(mask, HashMask):
            secret = key(mask.conn_id).encode()
            block = (hashlib.sha256(secret).digest() if len(secret) > BLOCK else secret).ljust(BLOCK, b"\0")
            for name, pad in zip(_pads(mask.conn_id), (0x36, 0x5C), strict=True):
                con.execute(f"set variable {identifier(name)} = ?", [bytes(byte ^ pad for byte in block)])


def _footer_rows(path: Path) -> int:
    """The rows of a Parquet file, from another library than the one that wrote it."""
    from pyarrow.parquet import read_metadata

    return int(read_metadata(path).num_rows)
