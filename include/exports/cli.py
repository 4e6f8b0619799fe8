"""The command line: list, check, plan, run, verify, new.

Exit codes: 0 all is well; 1 a run failed, or delivered files differ from their manifest; 2 the question cannot be
answered: a wrong definition, an unknown name, a source that is not there.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape

from include.exports import catalog
from include.exports.errors import ExportError
from include.exports.schedules import Once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.definition import Export

FAILED, REFUSED = 1, 2

app = typer.Typer(
    help="Declared exports: look at them, run them, verify what they delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
# Lines are never folded or cut: a path is to be copied whole, and a program may read the output.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True, style="red")

Name = Annotated[str, typer.Argument(help="Name of the export.")]
WindowOption = Annotated[
    str | None,
    typer.Option(
        "--window",
        help="`START..END`, or one instant: the schedule's window that contains it. Without an offset, instants are in"
        " the schedule's time zone. The last complete window when absent.",
    ),
]


@app.command("list")
def list_exports() -> None:
    """List the exports that Airflow's DAGs folder declares.

    Example: `python -m include.exports list`
    """
    found = catalog.read()
    rows = [("name", "owner", "source", "mode", "schedule", "files", "destination")]
    for item in found.declared:
        export = item.export
        schedule = "once" if isinstance(export.schedule, Once) else f"{export.schedule.cron} {export.schedule.timezone}"
        files = f"{export.files.type} {export.files.compression}"
        rows.append(
            (export.name, export.owner, export.source.type, export.mode, schedule, files, export.destination.type)
        )
    _print_aligned(rows)
    if found.errors:
        raise _refused(*found.errors)


@app.command()
def check() -> None:
    """Check every definition, without Airflow: fields, combinations, paths, names that occur twice.

    Example: `python -m include.exports check && git push`
    """
    found = catalog.read()
    _print_aligned([("ok", item.export.name, str(item.file.relative_to(found.folder))) for item in found.declared])
    if found.errors:
        raise _refused(*found.errors)


@app.command()
def plan(name: Name, window: WindowOption = None) -> None:
    """Show exactly what a run would do, without doing it: window, query, shards, folder, names, size.

    Paths are below the destination; sizes are those of the source, before its rows are filtered.

    Example: `python -m include.exports plan impressions_daily --window 2019-11-24`
    """
    from include.exports import eligibility, sources
    from include.exports.plan import plan as planned
    from include.exports.views import names
    from include.exports.window import window as covered

    _prepare_airflow()
    logging.disable(logging.INFO)  # what the stages say in the task log is said here
    export = _find(name)
    start, end = _interval(export, window)
    try:
        what = planned(export, covered(export, start, end, _as_of(export)))
        eligible = eligibility.validate(what)
        statement = sources.module(export.source).statement(export.source, eligible.request, eligible.shards[0])
    except ExportError as error:
        raise _refused(error) from None
    shards = eligible.shards
    files = sum(len(shard.files) for shard in shards)
    rows = sum(shard.rows or 0 for shard in shards)
    size = sum(shard.size or 0 for shard in shards)
    estimates = (files and f"{files:,} source file(s)", rows and f"about {rows:,} rows", size and f"{size:,} bytes")
    facts = {
        "window": f"{what.window}",
        "scheduled time": what.window.as_of.isoformat(),
        "destination": repr(export.destination),
        "folder": f"{what.folder}/",
        "files": what.part(0, len(shards), 0, "<first 32 hex digits of sha256>"),
        "manifest": what.manifest,
        "views": ", ".join(names(what, "<run>").values()) or "none",
        "shards": f"{len(shards)}",
        "to read": ", ".join(text for text in estimates if text) or "the source cannot tell",
        "columns": ", ".join(
            f"{column.name} {column.type}" for column in eligibility.delivered(export, eligible.columns)
        ),
        "query": statement.sql + ("  -- shard 0" if len(shards) > 1 else ""),
        "parameters": ", ".join(f"{key} = {value}" for key, value in statement.parameters.items()) or "none",
    }
    for label, text in facts.items():
        out.print(f"[bold]{label:<16}[/bold]" + escape(text.replace("\n", "\n" + " " * 16)))


@app.command()
def run(
    name: Name,
    window: WindowOption = None,
    resend: Annotated[
        bool, typer.Option("--resend", help="Deliver what is staged, without asking the source again.")
    ] = False,
) -> None:
    """Run one window through the export's DAG, here and now.

    Example: `python -m include.exports run impressions_daily --window 2019-11-24..2019-11-25`
    """
    _prepare_airflow()
    export = _find(name)
    start, end = _interval(export, window)
    from include.exports.run import run as run_window
    from include.local import database
    from include.local.quiet import only

    try:
        with only("include.exports") as log:
            database.initialize()
            outcome = run_window(export, start, end, resend=resend)
    except ExportError as error:
        raise _refused(error) from None
    if outcome.state != "success":
        err.print(escape(f"{name} failed; Airflow's own log is {log}"))
        raise typer.Exit(FAILED)
    if outcome.published is None:
        out.print(f"{name}: nothing to export in this window")
    else:
        done = outcome.published
        what = "published" if done["changed"] else "current already"
        out.print(
            f"{name}: {what}, generation {done['generation']}, {done['rows']:,} rows in {done['files']} files,"
            f" {done['bytes']:,} bytes"
        )
        out.print(escape(done["manifest"]))


@app.command()
def verify(
    manifest: Annotated[str, typer.Argument(help="Path or `file://` address of a manifest.")],
) -> None:
    """Read delivered files back and compare rows, sizes and hashes with their manifest.

    Example: `python -m include.exports verify exports/warehouse/impressions/exportTime=201912010000/_manifest.json`
    """
    from include.exports.verify import verify as verdicts

    try:
        found = verdicts(_local(manifest).read_bytes(), lambda url: _local(url).open("rb"))
    except OSError as error:
        raise _refused(f"{manifest}: {error.strerror}; give the path of a manifest") from None
    except ExportError as error:
        raise _refused(f"{manifest}: {error}") from None
    for verdict in found:
        state = "[red]differs[/red]" if verdict.problems else "ok"
        facts = [f"{verdict.rows:,} rows"] if verdict.rows is not None else []
        facts += [f"{verdict.size:,} bytes"] if verdict.size is not None else []
        facts += ["encrypted, so its rows are not counted"] if verdict.encrypted else []
        out.print(f"{state}  {escape(verdict.url)}  {', '.join(facts)}".rstrip())
        for problem in verdict.problems:
            out.print(f"    [red]{escape(problem)}[/red]")
    wrong = sum(1 for verdict in found if verdict.problems)
    out.print(f"{len(found)} files, {wrong} differ from the manifest")
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def new() -> None:
    """Write a definition into Airflow's DAGs folder from a few answers, and check it.

    Example: `python -m include.exports new`
    """
    from include.exports import new as scaffold

    try:
        file = scaffold.write(scaffold.ask())
    except ExportError as error:
        raise _refused(error) from None
    out.print(escape(f"wrote {file}; look at it, then: python -m include.exports check"))


def _find(name: str) -> Export:
    """The export of that name; files that cannot be read are shown when it may be in one of them."""
    found = catalog.read()
    try:
        return found.find(name)
    except ExportError as error:
        raise _refused(*found.errors, error) from None


def _interval(export: Export, text: str | None) -> tuple[datetime | None, datetime | None]:
    """The data interval that `--window` asks for."""
    from include.exports.window import interval_at, latest_interval

    schedule = export.schedule
    if text is None:
        return (None, None) if isinstance(schedule, Once) else latest_interval(schedule, datetime.now(UTC))
    try:
        moments = [datetime.fromisoformat(part) for part in text.split("..")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write 2019-11-24 or 2019-11-24..2019-11-25", param_hint="--window"
        ) from None
    zoned = [moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(schedule.timezone)) for moment in moments]
    match zoned:
        case [instant] if not isinstance(schedule, Once):
            return interval_at(schedule, instant)
        case [start, end] if start < end:
            return start, end
        case _:
            raise typer.BadParameter(
                f"{text!r}: write START..END with START before END; an export that runs once has no windows of its own",
                param_hint="--window",
            )


def _as_of(export: Export) -> datetime:
    return export.schedule.starts if isinstance(export.schedule, Once) else datetime.now(UTC)


def _prepare_airflow() -> None:
    """Connections come from Airflow; on a machine without one, from this project's own settings file."""
    from include.local import environment

    environment.prepare()


def _local(address: str) -> Path:
    """The local file of a path or a `file://` address."""
    parts = urlsplit(address)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        out.print(escape("  ".join(cells).rstrip()))


def _refused(*errors: ExportError | str) -> typer.Exit:
    """Print the errors; the exit to raise."""
    for error in errors:
        err.print(escape(str(error)))
    return typer.Exit(REFUSED)
