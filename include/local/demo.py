"""Runs every sample export through its DAG and shows what it delivered: `make demo`.

`make demo STORE=s3` delivers the same exports to a server of that kind, which ends with this command.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from include.exports import catalog
from include.exports.destinations import connect, open_url
from include.exports.manifest import Manifest
from include.exports.paths import PROJECT
from include.exports.run import run
from include.exports.schedules import Once
from include.exports.verify import verify
from include.exports.window import intervals
from include.local import database, environment, events, lake, open_bandit, profiles, stores
from include.local.quiet import output_to

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.exports.definition import Export
    from include.local.stores import LocalStore

    Interval = tuple[datetime | None, datetime | None]

SAMPLE = "sample"
"""Tag of the exports that can be tried on any machine."""
ERROR = re.compile(r"^[\w.]+(?:Error|Exception): .*?(?=^\d{4}-|^Traceback|\Z)", re.DOTALL | re.MULTILINE)
"""The message that ends a traceback in Airflow's log."""
WIDTH = 120
"""Columns at least, which the longest file name with its facts needs: a tree is cut where it does not fit."""
NEXT = """
A manifest names the files of its folder that are complete. What to try next:

  make demo                                               run it all again, and change nothing
  make demo STORE=s3                                      deliver to a server of {kinds}
  make plan NAME=impressions_daily WINDOW=2019-11-26      say what a run would do
  make verify MANIFEST=<one of the manifests>             read delivered files back
  make up                                                 see the same exports in the Airflow UI"""
NEXT_AFTER_A_SERVER = """
All of it was read back from the server, which has ended now. What to try next:

  docs/DESTINATIONS.md                                    set up a destination of your own, and name it in dags/
  python -m include.exports doctor <export>               try it out before the first run"""


def main(arguments: Sequence[str]) -> int:
    """Build the sample lake, run the samples, show what they delivered. Returns 1 when something fails.

    `arguments` are none, or the kind of server to deliver to.
    """
    kind = arguments[0] if arguments else "local"
    if kind not in ("local", *stores.KINDS):
        print(f"STORE={kind} is not one of local, {', '.join(stores.KINDS)}", file=sys.stderr)  # noqa: T201
        return 2
    for ending in (signal.SIGHUP, signal.SIGTERM):  # by themselves they end Python without ending the server
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    environment.prepare()
    log = Path(os.environ["AIRFLOW_HOME"]) / "logs" / "demo.log"
    log.unlink(missing_ok=True)
    # A copy of stdout: while a DAG runs, stdout itself is the log.
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    console = Console(file=stdout, width=max(WIDTH, shutil.get_terminal_size().columns), highlight=False)
    with console.status("Building the sample lake and Airflow's database"), output_to(log):
        dataset = lake.build()
        events.build()
        open_bandit.build()
        profiles.build()
        database.initialize()
    console.print(f"Sample lake: {_short(dataset.as_uri())}")
    found = catalog.read()
    for error in found.errors:
        console.print(escape(str(error)), style="red")
    samples = [item.export for item in found.declared if SAMPLE in item.export.tags]
    with output_to(log), _served(kind, console) as server:  # a server in this process has much to say
        succeeded = [_demonstrate(_at(server, export), console, log) for export in samples]
        if server:  # what it holds may be gone with it, and a later run could not show this
            succeeded += [_again(_at(server, export), console, log) for export in samples]
    if found.errors or not all(succeeded):
        return 1
    console.print(NEXT_AFTER_A_SERVER if server else NEXT.format(kinds=", ".join(stores.KINDS)))
    return 0


@contextmanager
def _served(kind: str, console: Console) -> Iterator[LocalStore | None]:
    """An empty server of that kind, its connections known to Airflow; None for a folder, which needs none."""
    if kind == "local":
        yield None
        return
    folder = Path(os.environ["AIRFLOW_HOME"]) / "stores" / kind
    shutil.rmtree(folder, ignore_errors=True)  # it has another port each time, so its files have other addresses
    folder.mkdir(parents=True)
    with ExitStack() as running:
        try:
            with console.status(f"Starting a server of {kind}"):
                server = running.enter_context(stores.serve(kind, folder))
        except (ImportError, OSError, RuntimeError) as error:
            console.print(f"A server of {kind} does not start: {escape(str(error))}", style="red", soft_wrap=True)
            sys.exit(1)
        for conn_id, connection in server.connections.items():
            os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = connection
        fields = server.destination.model_dump(exclude_defaults=True)
        declared = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        console.print(f"Destination: {type(server.destination).__name__}({escape(declared)})", soft_wrap=True)
        yield server


def _at(server: LocalStore | None, export: Export) -> Export:
    """The export as it is declared, but for its destination."""
    if server is None:
        return export
    declared = export.destination
    destination = server.destination.model_copy(update={"name": declared.name, "prefix": declared.prefix})
    return type(export)(**(dict(export) | {"destination": destination}))


def _demonstrate(export: Export, console: Console, log: Path) -> bool:
    """Run all windows of an export and print what is there afterwards. False when a run fails, or a file differs."""
    began = time.monotonic()
    tree = Tree(f"[bold]{export.name}[/bold]: {escape(export.description)}")
    published, intact = [], True
    for window in _windows(export):
        done = _run(export, window, console, log)
        if done is None:
            return False
        if done:
            published.append(done)
            intact &= _add(tree, export, done)
    rows, files, size = (sum(one[what] for one in published) for what in ("rows", "files", "bytes"))
    console.print("", tree, sep="\n")
    console.print(f"{rows:,} rows, {files} files, {size:,} bytes, {time.monotonic() - began:.1f} s")
    for one in published[-1:]:
        console.print(f"last manifest: {_short(one['manifest'])}", soft_wrap=True)
    return intact


def _again(export: Export, console: Console, log: Path) -> bool:
    """Run the last window of an export once more. False when that changes something."""
    done = _run(export, _windows(export)[-1], console, log)
    changed = not done or done["changed"]
    said = "[red]changed[/red]" if changed else "as it was"
    console.print(f"run again: {export.name}, generation {done and done['generation']}  [dim]{said}[/dim]")
    return not changed


def _run(export: Export, window: Interval, console: Console, log: Path) -> dict[str, Any] | None:
    """What was published; nothing when there was nothing to publish, None when the run failed, which is printed."""
    start, end = window
    covered = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC" if start and end else "everything"
    with console.status(f"{export.name}, {covered}"), output_to(log):
        outcome = run(export, start, end)
    if outcome.state == "success":
        return outcome.published or {}
    errors = ERROR.findall(log.read_text())
    console.print(f"\n{export.name} failed, {covered}; the whole log is {_short(log.as_uri())}", style="red")
    console.print(escape("".join(errors[-1:])))
    return None


def _windows(export: Export) -> Sequence[Interval]:
    """The intervals that the schedule has had by now; only the last one of a full export."""
    if isinstance(export.schedule, Once):
        return [(None, None)]
    now = datetime.now(UTC)
    passed = list(takewhile(lambda interval: interval[1] <= now, intervals(export.schedule)))
    return passed if export.mode == "incremental" else [(None, end) for _, end in passed[-1:]]


def _add(tree: Tree, export: Export, published: dict[str, Any]) -> bool:
    """Add the folder of a manifest to `tree`, with what it names, all of it read back. False when some differs."""
    url = published["manifest"]
    folder = posixpath.dirname(url)
    with connect(export.destination) as store:
        document = open_url(store, url).read()
        verdicts = verify(document, lambda url: open_url(store, url))
        named = {
            view: open_url(store, f"{folder}/{view}") for view in Manifest.model_validate_json(document).export.views
        }
        facts = {posixpath.basename(url): [f"{len(document):,} bytes"]}
        facts |= {view: [f"{len(content.read()):,} bytes"] for view, content in named.items()}
    for verdict in verdicts:
        read = [f"{verdict.size or 0:,} bytes"] + ([] if verdict.rows is None else [f"{verdict.rows:,} rows"])
        facts[posixpath.basename(verdict.url)] = read + [
            f"[red]{problem}[/red]" for problem in map(escape, verdict.problems)
        ]
    branch = tree.add(f"{_short(folder)}/" + ("" if published["changed"] else "  [dim]as it was[/dim]"))
    for name in sorted(facts):
        branch.add(f"{escape(name)}  [dim]{', '.join(facts[name])}[/dim]")
    return not any(verdict.problems for verdict in verdicts)


def _short(url: str) -> str:
    """An address for people: of what is in the project's folder, the path from there."""
    path = Path(unquote(urlsplit(url).path))
    return escape(str(path.relative_to(PROJECT)) if url.startswith("file:") and path.is_relative_to(PROJECT) else url)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
