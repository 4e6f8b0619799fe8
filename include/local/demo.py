"""Runs every sample export through its DAG and shows what it delivered: `make demo`."""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from include.exports import catalog
from include.exports.manifest import Manifest
from include.exports.paths import PROJECT
from include.exports.run import run
from include.exports.schedules import Once
from include.exports.window import intervals
from include.local import database, environment, lake
from include.local.quiet import output_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.definition import DatasetExport

SAMPLE = "sample"
"""Tag of the exports that can be tried on any machine."""
ERROR = re.compile(r"^[\w.]+(?:Error|Exception): .*?(?=^\d{4}-|^Traceback|\Z)", re.DOTALL | re.MULTILINE)
"""The message that ends a traceback in Airflow's log."""
WIDTH = 120
"""Columns at least, which the longest file name with its facts needs: a tree is cut where it does not fit."""
NEXT = """
A manifest names the files of its folder that are complete. What to try next:

  make demo                                               run it all again, and change nothing
  make plan NAME=impressions_daily WINDOW=2019-11-26      say what a run would do
  make verify MANIFEST=<one of the manifests>             read delivered files back
  make up                                                 see the same exports in the Airflow UI"""


def main() -> None:
    """Build the sample lake, run the samples, show what they delivered. Exits with 1 when something fails."""
    environment.prepare()
    log = Path(os.environ["AIRFLOW_HOME"]) / "logs" / "demo.log"
    log.unlink(missing_ok=True)
    # A copy of stdout: while a DAG runs, stdout itself is the log.
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    console = Console(file=stdout, width=max(WIDTH, get_terminal_size().columns), highlight=False)
    with console.status("Building the sample lake and Airflow's database"), output_to(log):
        dataset = lake.build()
        database.initialize()
    console.print(f"Sample lake: {_short(dataset)}")
    found = catalog.read()
    for error in found.errors:
        console.print(escape(str(error)), style="red")
    samples = [item.export for item in found.declared if SAMPLE in item.export.tags]
    succeeded = [_demonstrate(export, console, log) for export in samples]
    if found.errors or not all(succeeded):
        sys.exit(1)
    console.print(NEXT)


def _demonstrate(export: DatasetExport, console: Console, log: Path) -> bool:
    """Run all windows of an export and print what is there afterwards. False when a run fails."""
    began = time.monotonic()
    tree = Tree(f"[bold]{export.name}[/bold]: {escape(export.description)}")
    published = []
    for start, end in _windows(export):
        window = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" if start and end else "everything"
        with console.status(f"{export.name}, {window}"), output_to(log):
            outcome = run(export, start, end)
        if outcome.state != "success":
            errors = ERROR.findall(log.read_text())
            console.print(f"\n{export.name} failed, {window}; the whole log is {_short(log)}", style="red")
            console.print(escape("".join(errors[-1:])))
            return False
        if outcome.published:
            published.append(outcome.published)
            _add(tree, _path(outcome.published["manifest"]), changed=outcome.published["changed"])
    rows, files, size = (sum(one[what] for one in published) for what in ("rows", "files", "bytes"))
    console.print("", tree, sep="\n")
    console.print(f"{rows:,} rows, {files} files, {size:,} bytes, {time.monotonic() - began:.1f} s")
    for one in published[-1:]:
        console.print(f"last manifest: {_short(_path(one['manifest']))}")
    return True


def _windows(export: DatasetExport) -> Sequence[tuple[datetime | None, datetime | None]]:
    """The intervals that the schedule has had by now; only the last one of a full export."""
    if isinstance(export.schedule, Once):
        return [(None, None)]
    now = datetime.now(UTC)
    passed = list(takewhile(lambda interval: interval[1] <= now, intervals(export.schedule)))
    return passed if export.mode == "incremental" else passed[-1:]


def _add(tree: Tree, manifest: Path, *, changed: bool) -> None:
    """Add the folder of a manifest to `tree`, with the files that are in it."""
    entries = Manifest.model_validate_json(manifest.read_bytes()).entries
    rows = {_path(entry.url): entry.meta.record_count for entry in entries}
    folder = tree.add(f"{_short(manifest.parent)}/" + ("" if changed else "  [dim]as it was[/dim]"))
    for file in sorted(manifest.parent.iterdir()):
        facts = [f"{file.stat().st_size:,} bytes"] + ([f"{rows[file]:,} rows"] if file in rows else [])
        folder.add(f"{escape(file.name)}  [dim]{', '.join(facts)}[/dim]")


def _path(url: str) -> Path:
    """The local file of a `file://` address."""
    return Path(unquote(urlsplit(url).path))


def _short(path: Path) -> str:
    return escape(str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path))


if __name__ == "__main__":
    main()
