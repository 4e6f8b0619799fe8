"""Compares what is at a destination with what was computed when it was written."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING
from xml.etree.ElementTree import ParseError, iterparse

from pydantic import ValidationError

from include.exports.errors import VerificationError
from include.exports.manifest import Manifest, Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.exports.destinations import Stored
    from include.exports.manifest import Entry, ExportInfo, TableInfo

    Form = ExportInfo | TableInfo

CHUNK = 1 << 20

PICTURE_ENDS = {"png": b"IEND\xaeB`\x82", "html": b"</html>\n"}
"""What a complete picture ends with, by its format."""


def check(url: str, stored: Stored, *, size: int, sha256: str) -> None:
    """Raise `VerificationError` when the store holds other bytes than those that were sent."""
    if stored.size != size:
        raise VerificationError(f"{url} has {stored.size} bytes, but {size} were sent; run the task again")
    if stored.checksum.get("sha256", sha256) != sha256:
        raise VerificationError(
            f"{url} has sha256 {stored.checksum['sha256']}, but {sha256} was sent; run the task again"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What reading one delivered file back has shown."""

    url: str
    rows: int | None
    """Records found; None when the file could not be read, is encrypted, or is a picture, which has none."""
    size: int | None
    problems: tuple[str, ...]
    """Every difference from the manifest; none when the file is as it was delivered."""
    encrypted: bool = False
    """Whether it takes a recipient's key to count the records."""


def verify(document: bytes, open_url: Callable[[str], IO[bytes]]) -> list[Verdict]:
    """Read every file of a manifest back and compare size, hash and row count with what it says.

    The rows of encrypted files are not counted: that takes a recipient's key.

    `open_url` opens a file of the manifest by its address. Raises `VerificationError` when the document is not a
    manifest of this project, or its sums are not those of its entries.
    """
    try:
        manifest = Manifest.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise VerificationError(
            f"this is not a manifest of this project: {field and f'{field}: '}{first['msg']}"
        ) from error
    sums = Totals(
        content_length=sum(entry.meta.content_length for entry in manifest.entries),
        record_count=sum(entry.meta.record_count for entry in manifest.entries),
    )
    derived = {name: table for table in manifest.export.tables for name in table.files}
    if manifest.meta != sums or (not manifest.export.tables and manifest.export.source_count != sums.record_count):
        raise VerificationError("this manifest was changed: its sums are not those of its entries; deliver it again")
    encrypted = manifest.export.encryption is not None
    return [
        _verdict(entry, None if encrypted else derived.get(file.name, manifest.export), open_url)
        for entry, file in zip(manifest.entries, manifest.exportResults, strict=True)
    ]


def _verdict(entry: Entry, form: Form | None, open_url: Callable[[str], IO[bytes]]) -> Verdict:
    digest = hashlib.sha256()
    with tempfile.TemporaryFile() as copy:
        try:
            with open_url(entry.url) as stream:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    copy.write(chunk)
        except OSError as error:
            return Verdict(url=entry.url, rows=None, size=None, problems=(f"cannot be read: {error}",))
        size = copy.tell()
        problems = _differences(
            ("size", entry.meta.content_length, size), ("sha256", entry.meta.sha256, digest.hexdigest())
        )
        copy.seek(0)
        if form is None:
            return Verdict(url=entry.url, rows=None, size=size, problems=problems, encrypted=True)
        try:
            rows = _count(copy, form)
        except (OSError, EOFError, ValueError, csv.Error, zlib.error, zipfile.BadZipFile, ParseError) as error:
            return Verdict(url=entry.url, rows=None, size=size, problems=(*problems, f"cannot be decoded: {error}"))
    return Verdict(
        url=entry.url,
        rows=rows,
        size=size,
        problems=(*problems, *_differences(("rows", entry.meta.record_count, rows or 0))),
    )


def _differences(*compared: tuple[str, object, object]) -> tuple[str, ...]:
    return tuple(
        f"{what} is {found}, the manifest says {expected}" for what, expected, found in compared if found != expected
    )


def _count(file: IO[bytes], form: Form) -> int | None:
    """The data rows of a file, by other libraries than those that wrote it; None for a picture."""
    if form.format == "parquet":
        import pyarrow.parquet

        return int(pyarrow.parquet.ParquetFile(file).metadata.num_rows)
    if form.format == "xlsx":
        return _sheet_rows(file) - form.header_lines
    if form.format in PICTURE_ENDS:
        file.seek(-len(PICTURE_ENDS[form.format]), io.SEEK_END)
        if file.read() != PICTURE_ENDS[form.format]:
            raise ValueError(f"a {form.format} file that ends early")
        return None
    if form.compression == "zip":
        with zipfile.ZipFile(file) as archive:
            return sum(_count_lines(archive.open(name), form) for name in archive.namelist())
    return _count_lines(_decompressed(file, form.compression), form)


def _count_lines(text: IO[bytes], form: Form) -> int:
    if form.format == "json":
        return sum(chunk.count(b"\n") for chunk in iter(lambda: text.read(CHUNK), b""))
    dialect = {"delimiter": ",", "quote": '"'} | (form.dialect or {})
    csv.field_size_limit(2**31 - 1)
    with io.TextIOWrapper(text, encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines, delimiter=dialect["delimiter"], quotechar=dialect["quote"], strict=True)
        return sum(1 for _ in reader) - form.header_lines


def _sheet_rows(file: IO[bytes]) -> int:
    """The rows of the one sheet of a workbook."""
    rows = 0
    with zipfile.ZipFile(file) as workbook, workbook.open("xl/worksheets/sheet1.xml") as sheet:
        for _, element in iterparse(sheet):  # noqa: S314  # expat expands no entities without end
            rows += element.tag.endswith("}row")
            element.clear()
    return rows


def _decompressed(file: IO[bytes], compression: str) -> IO[bytes]:
    match compression:
        case "gzip":
            return gzip.open(file)  # type: ignore[return-value]
        case "zstd":
            import pyarrow as pa

            return pa.CompressedInputStream(pa.PythonFile(file), "zstd")  # type: ignore[no-any-return]
        case _:
            return file
