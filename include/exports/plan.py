"""What a run will do, as far as it follows from the definition and the window alone."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.exports.folder import render
from include.exports.staging import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.definition import Export
    from include.exports.sources import Request
    from include.exports.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the files of one window go, and what is asked of the source. Paths are below the destination's root."""

    export: Export
    window: Window
    folder: str
    """Folder of the data files."""
    manifest: str
    """Path of the manifest."""
    request: Request
    """The rows; its columns are filled in by `validate_eligibility`, which looks at the source."""

    def part(
        self, shard: int, shards: int, number: int, sha256: str, *, name: str = "part", extension: str | None = None
    ) -> str:
        """The path of one data file. The same bytes always get the same name, other bytes never overwrite it.

        Parts sort in the order of the rows. Their number counts within the shard, so a shard does not wait for the
        others to know how many files they have; with one shard it is left out. A file of a table begins with its
        `name` and ends with the `extension` of its format.
        """
        place = f"{number:05d}" if shards == 1 else f"{shard:05d}-{number:05d}"
        format_ = extension or self.export.files.extension
        return f"{self.folder}/{name}-{place}-{sha256[:32]}{format_}{self.export.suffix}"

    @property
    def target(self) -> Target:
        """Where it is published."""
        return Target(destination=self.export.destination.place, manifest=self.manifest)

    def view(self, name: str) -> str:
        """The path of a file derived from the manifest: it lies beside it."""
        return posixpath.join(posixpath.dirname(self.manifest), name)


def plan(export: Export, window: Window) -> Plan:
    """The plan of a run. Pure: the same arguments always give the same plan."""

    def below_prefix(template: str) -> str:
        folder = render(template, export.macro_values(), window.as_of, export.schedule.timezone)
        return posixpath.join(export.destination.prefix, folder, export.subfolder(window)).rstrip("/")

    folder = below_prefix(export.folder)
    manifest_folder = below_prefix(export.manifest.folder) if export.manifest.folder else folder
    return Plan(
        export=export,
        window=window,
        folder=folder,
        manifest=f"{manifest_folder}/{export.manifest.name}",
        request=export.request(window.start, window.end),
    )


def plans(export: Export, window: Window) -> tuple[Plan, ...]:
    """What the run of `window` publishes: a plan for each window, oldest first."""
    return tuple(plan(export, each) for each in export.windows(window))


def reading(published: Sequence[Plan]) -> Plan:
    """What the run reads: the plan of its last window, which asks for the records of all of them."""
    first, last = published[0], published[-1]
    return replace(last, request=last.export.request(first.request.start, last.request.end))
