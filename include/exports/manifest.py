"""The manifest: the one document that says which files of a window are delivered, complete and current.

Three kinds of readers understand it: Amazon Redshift's COPY and tools built on UNLOAD's verbose manifest (`entries`,
`schema`, `meta`, `author`), whoever read Adobe Experience Platform's manifest (`flowRunId`, `scheduledTime`,
`exportResults`), and readers who verify and track generations (`export`).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from include.exports.model import Model

if TYPE_CHECKING:
    from include.exports.definition import Files
    from include.exports.formats.chart import ChartFiles

AUTHOR, VERSION = "airflow-exports", "1.0.0"
SPEC = "1"
"""Version of the layout under `export`."""


class FileMeta(Model):
    """What a reader can check about a file before reading it."""

    content_length: int
    """Bytes as delivered."""
    record_count: int
    """Data rows; a header is not one."""
    uncompressed_length: int
    """Bytes of the text before compression; for Parquet the uncompressed size its footer declares."""
    sha256: str
    """Hex digest of the bytes as delivered."""
    store_checksum: dict[str, str]
    """The store's own checksum of the delivered bytes: algorithm to hex digest. `sha256_composite` is Amazon S3's of a
    file sent in n parts: the SHA-256 of the parts' digests one after another, then `-n`."""


class Entry(Model):
    """One delivered file."""

    url: str
    """Full address."""
    mandatory: Literal[True] = True
    """Redshift: fail when the file is missing."""
    meta: FileMeta


class BaseType(Model):
    """Redshift's wrapper of a type name."""

    base: str
    """SQL type, lower case."""


class Element(Model):
    """One column, in the order of the files."""

    name: str
    type: BaseType


class Elements(Model):
    """The columns."""

    elements: list[Element]


class Totals(Model):
    """Sums over all entries."""

    content_length: int
    record_count: int


class Author(Model):
    """What wrote the files."""

    name: str = AUTHOR
    version: str = VERSION


class ExportResult(Model):
    """One delivered file, in Adobe's words."""

    sinkPath: str  # noqa: N815  # Adobe's field name
    """Folder at the destination, with a leading slash."""
    name: str
    size: int
    """Bytes."""


class Interval(Model):
    """The half-open window of event time, RFC 3339 in UTC."""

    start: str | None
    """None is open to the left."""
    end: str | None
    """None is open to the right: a full export has all records as of `scheduledTime`."""
    timezone: str
    """The schedule's time zone, in which its days are days."""


class TableInfo(Model):
    """One of several tables: its files, and how to read them."""

    name: str
    title: str
    """What people call it."""
    format: str
    compression: str
    header_lines: int
    dialect: dict[str, str] | None
    columns: Elements
    files: list[str]
    """Names of its files, in the order of their rows."""
    record_count: int
    """Data rows of these files."""


class Encryption(Model):
    """The OpenPGP keys of the files, by the fingerprints of their primary keys."""

    recipients: list[str]
    """Those whose holders can decrypt the files, each alone; sorted."""
    signed_by: str | None
    """The one whose signature is inside every file; None when there is none."""


class ExportInfo(Model):
    """Everything that is neither Redshift's nor Adobe's."""

    spec: str = SPEC
    name: str
    """The export, which is its Airflow DAG."""
    dataset: str
    interval: Interval
    mode: Literal["incremental", "full"]
    generation: int
    """1 for the first publication of this window, one more each time other bytes replaced it."""
    supersedes: str | None
    """SHA-256 of the manifest of the previous generation."""
    source_count: int
    """Records that the source gave, counted while they were read."""
    format: str
    compression: str
    header_lines: int
    """Lines at the top of each file that are no records; of a `zip` archive, of each file in it."""
    dialect: dict[str, str] | None
    """How the fields of CSV files are written: delimiter, quote, line terminator, null marker. None for others."""
    encryption: Encryption | None = None
    """How the files are encrypted, after they were compressed; None when they are not."""
    schema_fingerprint: str
    """SHA-256 of the column names and types."""
    definition_fingerprint: str
    """SHA-256 of the export's definition."""
    run_id: str
    """The Airflow run that published this generation."""
    views: list[str]
    """Paths of the files derived from this document, such as `files.txt`, relative to its own folder."""
    retention_days: int | None = None
    """Days after which the destination removes the files by itself; None when it keeps them."""
    tables: list[TableInfo] = []
    """The tables that the files belong to, when they are of several; the top-level `schema` is empty then, and each
    table has its own. None when all files have one schema."""


class Manifest(Model):
    """The document, complete. Reading one that has other fields than these fails."""

    entries: list[Entry]
    columns: Elements = Field(alias="schema")
    meta: Totals
    author: Author = Author()
    flowRunId: str  # noqa: N815  # Adobe's field name
    """A UUID made from the run's id."""
    scheduledTime: str  # noqa: N815  # Adobe's field name
    """The end of the window, RFC 3339 in UTC."""
    exportResults: list[ExportResult]  # noqa: N815  # Adobe's field name
    export: ExportInfo

    def document(self) -> bytes:
        """The manifest as JSON text; the same manifest is always the same bytes."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()

    def paths(self) -> list[str]:
        """Where each entry lies below the destination's root, in their order."""
        return [posixpath.join(result.sinkPath.lstrip("/"), result.name) for result in self.exportResults]

    def content(self) -> dict[str, Any]:
        """What readers of the files depend on. Two generations of a window differ in this, or are one."""
        return self.model_dump(include={"entries", "columns", "scheduledTime"}) | {
            "interval": self.export.interval,
            "format": self.export.model_dump(include={"format", "compression", "header_lines", "dialect"}),
            "tables": self.export.tables,
            "views": sorted(view.replace(self.flowRunId, "") for view in self.export.views),
        }


def form(files: Files | ChartFiles) -> dict[str, Any]:
    """What a reader has to know of the format of declared files."""
    return {
        "format": files.type,
        "compression": files.compression,
        "header_lines": files.header_lines,
        "dialect": files.dialect,
    }
