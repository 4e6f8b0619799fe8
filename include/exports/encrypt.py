"""Encrypts a shard's files before they are delivered.

Encrypting twice never gives the same bytes: each file has a random key of its own, which the recipients' keys open. So
that a window which is delivered again with the same records stays as it is, a file carries what it says as well.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from include.exports import pgp
from include.exports.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.extract import StagedFile
    from include.exports.manifest import Encryption
    from include.exports.pgp import PgpEncryption
    from include.exports.serialize import SerializedTable
    from include.exports.staging import Staging

log = logging.getLogger(__name__)


def encrypt(
    encryption: PgpEncryption, keys: Encryption | None, shard: int, tables: Sequence[SerializedTable], staging: Staging
) -> list[SerializedTable]:
    """Stage the files of a shard once more, encrypted.

    Raises `NotEligible` when the keys are no longer `keys`, those that the run was begun with.
    """
    stage, progress = f"encrypt-{shard:05d}", Progress(log, "encrypted")
    with staging.scratch(stage) as scratch:

        def one(file: StagedFile) -> StagedFile:
            with staging.of(file.run).open_local(file.stage, file.sha256) as source:
                pgp.encrypt(encryption, keys, source, scratch / "file")
            with (scratch / "file").open("rb") as encrypted:
                sha256, size = hashlib.file_digest(encrypted, "sha256").hexdigest(), encrypted.tell()
            staging.add(stage, scratch / "file", sha256)
            progress.advance(rows=file.rows, size=size)
            return replace(file, run=staging.run, stage=stage, sha256=sha256, size=size, says=_says(file, keys))

        result = [replace(table, files=[one(file) for file in table.files]) for table in tables]
    progress.done()
    return result


def _says(file: StagedFile, keys: Encryption | None) -> str:
    """Whoever has this can test guesses of what the file says, which nobody can by its encrypted bytes."""
    return hashlib.sha256(f"{file.sha256} {keys!r}".encode()).hexdigest()
