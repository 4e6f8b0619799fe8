"""The command line: list, check, plan, run, verify, new.

Exit codes: 0 all is well; 1 a run failed, or delivered files differ from their manifest; 2 the question cannot be
answered: a wrong definition, an unknown name, a source that is not there.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from include.exports import catalog
from include.exports.errors import ExportError
from include.exports.schedules import Once

if TYPE_CHECKING:
    from include.exports.definition import DatasetExport

FAILED, REFUSED = 1, 2

app = typer.Typer(
    help="Declared exports: look at them, run them, verify what they delivered.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
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
    """List the exports that `dags/` declares.

    Example: `python -m include.exports list`
    """
    found = catalog.read()
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("name", "owner", "source", "mode", "schedule", "files", "destination"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for item in found.declared:
        export = item.export
        schedule = "once" if isinstance(export.schedule, Once) else f"{export.schedule.cron} {export.schedule.timezone}"
        files = f"{export.files.type} {export.files.compression}"
        table.add_row(
            export.name, export.owner, export.source.type, export.mode, schedule, files, export.destination.type
        )
    out.print(table)
    _refuse(*found.errors)


@app.command()
def check() -> None:
    """Check every definition, without Airflow's database: fields, combinations, paths, names that occur twice.

    Example: `python -m include.exports check && git push`
    """
    found = catalog.read()
    for item in found.declared:
        out.print(f"ok  {item.export.name}  [dim]{item.file.relative_to(catalog.DAGS.parent)}[/dim]")
    _refuse(*found.errors)


@app.command()
def plan(name: Name, window: WindowOption = None) -> None:
    """Show exactly what a run would do, without doing it: window, query, shards, folder, names, size.

    Example: `python -m include.exports plan impressions_daily --window 2019-11-24`
    """
    from include.exports import eligibility, sources
    from include.exports.plan import plan as planned
    from include.exports.views import names
    from include.exports.window import window as covered

    _prepare_airflow()
    logging.disable(logging.INFO)  # what the stages say in the task log is in the table
    try:
        export = catalog.read().find(name)
        start, end = _interval(export, window)
        what = planned(export, covered(export, start, end, _as_of(export)))
        eligible = eligibility.validate(what)
    except ExportError as error:
        raise _refuse(error) from None
    statement = sources.module(export.source).statement(export.source, eligible.request, eligible.shards[0])
    size = sum(shard.size or 0 for shard in eligible.shards) or None
    rows = sum(shard.rows or 0 for shard in eligible.shards) or None
    files = sum(len(shard.files) for shard in eligible.shards)
    facts = {
        "window": f"{what.window}",
        "scheduled time": what.window.as_of.isoformat(),
        "folder": f"{what.folder}/",
        "files": what.part(0, len(eligible.shards), 0, "<first 32 hex digits of sha256>"),
        "manifest": what.manifest,
        "views": ", ".join(names(what, "<run>").values()) or "none",
        "shards": f"{len(eligible.shards)}" + (f", {files} source files" if files else ""),
        "to read": ", ".join(text for text in (rows and f"about {rows:,} rows", size and f"{size:,} bytes") if text)
        or "the source cannot tell",
        "columns": ", ".join(f"{c.name} {c.type}" for c in eligibility.delivered(export, eligible.columns)),
        "query": statement.sql + ("  (of shard 0)" if len(eligible.shards) > 1 else ""),
        "parameters": ", ".join(f"{key} = {value}" for key, value in statement.parameters.items()) or "none",
    }
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for label, text in facts.items():
        table.add_row(label, _plain(text))
    out.print(table)


@app.command()
def run(
    name: Name,
    window: WindowOption = None,
    resend: Annotated[bool, typer.Option(help="Deliver what is staged, without asking the source again.")] = False,
) -> None:
    """Run one window through the export's DAG, here and now.

    Example: `python -m include.exports run impressions_daily --window 2019-11-24..2019-11-25`
    """
    _prepare_airflow()
    try:
        export = catalog.read().find(name)
        start, end = _interval(export, window)
    except ExportError as error:
        raise _refuse(error) from None
    from include.exports.run import run as run_window
    from include.local import database

    database.initialize()
    outcome = run_window(export, start, end, resend=resend)
    if outcome.state != "success":
        err.print(f"{name} failed; the log above says why")
        raise typer.Exit(FAILED)
    if outcome.published is None:
        out.print(f"{name}: nothing to export in this window")
    else:
        done = outcome.published
        what = "published" if done["changed"] else "current already"
        out.print(
            f"{name}: {what}, generation {done['generation']}, {done['rows']:,} rows in {done['files']} files,"
            f" {done['bytes']:,} bytes\n{done['manifest']}"
        )


@app.command()
def verify(
    manifest: Annotated[str, typer.Argument(help="Path or `file://` address of a manifest.")],
) -> None:
    """Read delivered files back and compare rows, sizes and hashes with their manifest.

    Example: `python -m include.exports verify exports/warehouse/impressions/exportTime=201912010000/_manifest.json`
    """
    from include.exports.verify import verify as verdicts

    def local(address: str) -> Path:
        parts = urlsplit(address)
        return Path(unquote(parts.path)) if parts.scheme == "file" else Path(address)

    try:
        found = verdicts(local(manifest).read_bytes(), lambda url: local(url).open("rb"))
    except (ExportError, OSError) as error:
        raise _refuse(error) from None
    for verdict in found:
        state = "[red]differs[/red]" if verdict.problems else "ok"
        out.print(f"{state}  {verdict.url}  {verdict.rows} rows, {verdict.size} bytes")
        for problem in verdict.problems:
            out.print(f"    [red]{_plain(problem)}[/red]")
    wrong = sum(1 for verdict in found if verdict.problems)
    out.print(f"{len(found)} files, {wrong} differ from the manifest")
    if wrong:
        raise typer.Exit(FAILED)


@app.command()
def new() -> None:
    """Write a definition into `dags/` from a few answers, and check it.

    Example: `python -m include.exports new`
    """
    from include.exports import new as scaffold

    try:
        file = scaffold.write(scaffold.ask())
    except ExportError as error:
        raise _refuse(error) from None
    out.print(f"wrote {file.relative_to(catalog.DAGS.parent)}; look at it, then: python -m include.exports check")


def _interval(export: DatasetExport, text: str | None) -> tuple[datetime | None, datetime | None]:
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


def _as_of(export: DatasetExport) -> datetime:
    return export.schedule.starts if isinstance(export.schedule, Once) else datetime.now(UTC)


def _prepare_airflow() -> None:
    """Connections come from Airflow; on a machine without one, from this project's own settings file."""
    from include.local import environment

    environment.prepare()


def _plain(text: Any) -> str:
    """Text in which rich sees no markup."""
    from rich.markup import escape

    return escape(str(text))


def _refuse(*errors: Exception) -> typer.Exit:
    """Print the errors; exits when there are any."""
    for error in errors:
        err.print(_plain(error))
    if errors:
        raise typer.Exit(REFUSED)
    return typer.Exit(0)
