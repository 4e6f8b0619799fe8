"""How the manifest and the files derived from it are called, and where they lie."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from include.exports.errors import Problem
from include.exports.folder import FolderTemplate
from include.exports.model import Part, Problems
from include.exports.paths import Segment


class Views(Part):
    """Files derived from the manifest for readers that understand something simpler. Written before the manifest."""

    files: Segment | None = None
    """Name of a list of addresses, one a line, such as `files.txt`: Athena, Trino and BigQuery load from it."""
    sha256sums: Segment | None = None
    """Name of a list of hashes, such as `SHA256SUMS`: `sha256sum -c` reads it."""
    success: Segment | None = None
    """Name of an empty marker, such as `_SUCCESS`."""
    adobe: bool = False
    """Also write Adobe's own manifest, `manifest-<destinationId>-<runId>.json`."""


class ManifestFile(Part):
    """Where the manifest is written. It is always written, always last."""

    name: Segment = "_manifest.json"
    """File name. The leading underscore hides it from readers that take every file of a folder."""
    folder: FolderTemplate | None = None
    """Folder, when it is not to lie beside the files; a template like `folder` of the export."""
    views: Views = Views()
    """Further files derived from it."""

    @model_validator(mode="after")
    def _differ(self) -> Self:
        """Of two files with one name only the last would remain; names that differ in case are one on some shares."""
        taken, found = {self.name.casefold()}, []
        for field in ("files", "sha256sums", "success"):
            name = getattr(self.views, field)
            if name and name.casefold() in taken:
                found.append(Problem(f"views.{field}", f"{name!r} is the name of another file beside it; rename one"))
            taken.add((name or self.name).casefold())
        if found:
            raise Problems(found)
        return self
