"""Commands about what is declared: list, check, plan, run, new."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from include.exports import catalog
from include.exports.cli.terminal import (
    FAILED,
    Name,
    WindowOption,
    covered,
    err,
    find,
    interval,
    out,
    planned,
    prepare_airflow,
    refused,
)
from include.exports.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence


def list_exports() -> None:
    """List the exports that Airflow's DAGs folder declares.

    Example: `python -m include.exports list`
    """
    found = catalog.read()
    rows = [("name", "owner", "source", "mode", "schedule", "files", "destination")]
    for item in found.declared:
        export = item.export
        files = f"{export.files.type} {export.files.compression}"
        schedule, destination = str(export.schedule), export.destination.type
        rows.append((export.name, export.owner, export.source.type, export.mode, schedule, files, destination))
    _print_aligned(rows)
    if found.errors:
        raise refused(*found.errors)


def check() -> None:
    """Check every definition, without Airflow: fields, combinations, paths, names that occur twice.

    Example: `python -m include.exports check && git push`
    """
    found = catalog.read()
    _print_aligned([("ok", item.export.name, str(item.file.relative_to(found.folder))) for item in found.declared])
    if found.errors:
        raise refused(*found.errors)


def plan(name: Name, window: WindowOption = None) -> None:
    """Show exactly what a run would do, without doing it: window, query, shards, folder, names, size.

    Paths are below the destination; sizes are those of the source, before its rows are filtered.

    Example: `python -m include.exports plan impressions_daily --window 2019-11-24`
    """
    from include.exports import eligibility, sources
    from include.exports.eligibility.columns import delivered
    from include.exports.eligibility.reasons import Reasons
    from include.exports.views import names

    prepare_airflow()
    logging.disable(logging.INFO)  # what the stages say in the task log is said here
    export = find(name)
    what = planned(export, window)
    try:
        reasons = Reasons(export.name)
        eligible = reasons.decide(eligibility.validate(what, reasons))
        statement = sources.module(export.source).statement(export.source, eligible.request, eligible.shards[0])
    except ExportError as error:
        raise refused(error) from None
    shards, windows = eligible.shards, export.windows(covered(export, window))
    files = sum(len(shard.files) for shard in shards)
    rows = sum(shard.rows or 0 for shard in shards)
    size = sum(shard.size or 0 for shard in shards)
    estimates = (files and f"{files:,} source file(s)", rows and f"about {rows:,} rows", size and f"{size:,} bytes")
    facts = {
        "window": f"{what.window}",
        "publishes": f"{len(windows)} windows, from {windows[0]} on" if len(windows) > 1 else "",
        "tables": "\n".join(export.outline),
        "scheduled time": what.window.as_of.isoformat(),
        "destination": repr(export.destination),
        "folder": f"{what.folder}/",
        "files": what.part(
            0, len(shards), 0, "<first 32 hex digits of sha256>", name="<table>" if export.outline else "part"
        ),
        "manifest": what.manifest,
        "views": ", ".join(names(what, "<run>").values()) or "none",
        "shards": f"{len(shards)}",
        "to read": ", ".join(text for text in estimates if text) or "the source cannot tell",
        "columns": ", ".join(f"{column.name} {column.type}" for column in delivered(export, eligible.columns)),
        "query": statement.sql + ("  -- shard 0" if len(shards) > 1 else ""),
        "parameters": ", ".join(f"{key} = {value}" for key, value in statement.parameters.items()) or "none",
    }
    for label, text in facts.items():
        if text:
            out.print(f"[bold]{label:<16}[/bold]" + escape(text.replace("\n", "\n" + " " * 16)))


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
    prepare_airflow()
    export = find(name)
    start, end = interval(export, window)
    from include.exports.run import run as run_window
    from include.local import database
    from include.local.quiet import only

    try:
        with only("include.exports") as log:
            database.initialize()
            outcome = run_window(export, start, end, resend=resend)
    except ExportError as error:
        raise refused(error) from None
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


def eligible(
    source: Annotated[str, typer.Argument(help="A source as JSON, the path of a lake, or an Airflow connection.")],
) -> None:
    """List what a source could export, and what stands against it: columns, types, columns of time, problems.

    Example: `python -m include.exports eligible lake/open_bandit`

    Example: `python -m include.exports eligible warehouse`
    """
    from include.exports.offer import offers

    prepare_airflow()
    problems = False
    try:
        for offer in offers(source):
            state = "[yellow]not yet[/yellow]" if offer.problems else "[green]eligible[/green]"
            out.print(f"{state}  {escape(offer.name)}")
            facts = [("columns", ", ".join(offer.columns)), ("time", ", ".join(offer.time_columns) or "none known")]
            for label, text in [*facts, *(("problem", problem) for problem in offer.problems)]:
                out.print(f"    {label:<8}  {escape(text)}")
            problems = problems or bool(offer.problems)
    except ExportError as error:
        raise refused(error) from None
    if problems:
        raise typer.Exit(FAILED)


def new() -> None:
    """Write a definition into Airflow's DAGs folder from a few answers, and check it.

    Example: `python -m include.exports new`
    """
    from include.exports import new as scaffold

    try:
        file = scaffold.write(scaffold.ask())
    except ExportError as error:
        raise refused(error) from None
    out.print(escape(f"wrote {file}; look at it, then: python -m include.exports check"))


def _print_aligned(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        out.print(escape("  ".join(cells).rstrip()))
