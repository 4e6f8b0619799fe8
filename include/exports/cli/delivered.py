"""Commands about what is at a destination: verify, share, doctor."""

from __future__ import annotations

import os
import posixpath
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from include.exports import catalog
from include.exports.cli.terminal import (
    FAILED,
    Name,
    WindowOption,
    asked,
    find,
    out,
    prepare_airflow,
    refused,
)
from include.exports.errors import ExportError
from include.exports.paths import is_name

if TYPE_CHECKING:
    from include.exports.doctor import Examination
    from include.exports.verify import Verdict

STYLES = {"works": "green", "missing": "yellow", "fails": "red", "not offered": "dim", "not tried": "dim"}
UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def verify(
    what: Annotated[str, typer.Argument(help="Name of an export, or the path or address of a manifest.")],
    window: WindowOption = None,
) -> None:
    """Read delivered files back and compare rows, sizes and hashes with their manifest.

    An address is opened as the destination of the declared export that it belongs to.

    Example: `python -m include.exports verify impressions_daily --window 2019-11-24`

    Example: `python -m include.exports verify exports/warehouse/impressions/exportTime=201912010000/_manifest.json`
    """
    if window and not is_name(what):
        raise typer.BadParameter("goes with the name of an export", param_hint="--window")
    _prepare()
    try:
        found = _verify_window(what, window) if is_name(what) else _verify_at(what)
    except ExportError as error:
        raise refused(error if is_name(what) else f"{what}: {error}") from None
    except OSError as error:
        raise refused(f"{what}: {error.strerror}; give the path of a manifest") from None
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


def _verify_window(name: str, window: str | None) -> list[Verdict]:
    from include.exports import destinations
    from include.exports.verify import verify as verdicts

    export = find(name)
    plans = asked(export, window)
    found: list[Verdict] = []
    with destinations.connect(export.destination) as store:
        for plan in plans:
            if document := _published(store, plan.manifest, missing_ok=len(plans) > 1 and export.on_empty == "skip"):
                found += verdicts(document, lambda url: destinations.open_url(store, url))
    return found


def _verify_at(address: str) -> list[Verdict]:
    from include.exports.locate import opener
    from include.exports.verify import verify as verdicts

    with opener(item.export.destination for item in catalog.read().declared) as open_address:
        with open_address(address) as stream:
            document = stream.read()
        return verdicts(document, open_address)


def share(
    name: Name,
    window: WindowOption = None,
    expires: Annotated[str, typer.Option(help="How long the links work, such as `7d`, `12h` or `30m`.")] = "7d",
    user: Annotated[
        str | None, typer.Option(help="Airflow user who gets the files from Airflow, where the store signs no links.")
    ] = None,
) -> None:
    """Print links at which anybody can read the manifest and the files of each published window.

    Who has a link needs no account, so pass it on as you would the files. A store that signs none needs `--user`: that
    user opens the links, signed in to Airflow, and nobody else does.

    Example: `python -m include.exports share impressions_daily --window 2019-11-24 --expires 12h`
    """
    from include.exports import destinations
    from include.exports.manifest import Manifest
    from include.exports.permissions import person
    from include.exports.share import address

    match = re.fullmatch(r"([1-9]\d{0,3})([dhm])", expires)
    if not match:
        raise typer.BadParameter(f"{expires!r}: write a number and d, h or m, such as 7d", param_hint="--expires")
    lasts = timedelta(**{UNITS[match[2]]: int(match[1])})
    _prepare()
    export = find(name)
    try:
        if user:
            export = export.acting_for(person(user))
        plans, links = asked(export, window), {}
        with destinations.connect(export.destination) as store:
            for plan in plans:
                document = _published(store, plan.manifest, missing_ok=len(plans) > 1 and export.on_empty == "skip")
                if document is None:
                    continue
                manifest = Manifest.model_validate_json(document)
                views = [plan.view(view) for view in manifest.export.views]
                for path in (plan.manifest, *views, *manifest.paths()):
                    links[path] = (
                        address(lasts, export.destination, store, path, user) if user else store.share_link(path, lasts)
                    )
    except ExportError as error:
        raise refused(error) from None
    for path, link in links.items():
        out.print(escape(f"{posixpath.basename(path)}  {link}"))
    out.print(f"{len(links)} links, until {(datetime.now(UTC) + lasts).isoformat(timespec='minutes')}")


def _prepare() -> None:
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")  # Airflow's log goes to stdout, as links do
    prepare_airflow()


def _published(store: Any, path: str, *, missing_ok: bool) -> bytes | None:
    """The manifest at `path`."""
    document = store.read(path)
    if document is None and missing_ok:
        return None
    if document is None:
        raise refused(f"{store.url(path)} is not there; nothing has been published for this window")
    content: bytes = document.content
    return content


def doctor(
    what: Annotated[str, typer.Argument(help="Name of an export, or a destination as JSON.")],
    mib: Annotated[int, typer.Option(help="MiB of the largest file that is sent.", min=1, max=65536)] = 64,
) -> None:
    """Try out a destination: what works, which right or setting is missing, how fast it is.

    Writes below `_doctor/` at the destination, and removes what it wrote.

    Example: `python -m include.exports doctor impressions_daily`

    Example: `python -m include.exports doctor '{"type": "s3", "conn_id": "lake", "bucket": "exports"}'`
    """
    from include.exports.doctor import MIB, DestinationToTry, Examination, examine

    _prepare()
    try:
        if what.lstrip().startswith("{"):
            destination = DestinationToTry.load(f'{{"destination": {what}}}', "the argument").destination
        else:
            destination = find(what).destination
    except ExportError as error:
        raise refused(error) from None
    done = Examination()
    try:
        with Console(stderr=True).status("Trying it out"):
            examine(destination, mib * MIB, done)
    finally:  # who interrupts it sees what is known, and what stays
        _print(done)
    if not done.passed:
        raise typer.Exit(FAILED)


def _print(done: Examination) -> None:
    table = Table.grid(padding=(0, 2))
    for finding in done.findings:
        style = STYLES[finding.result]
        table.add_row(f"[{style}]{finding.result}[/{style}]", finding.case, escape(finding.facts))
    # A table is folded where a line would be too long, which the lines of the other commands are not.
    Console(highlight=False, width=None if out.is_terminal else 160).print(table)
    if done.remains:
        for title, urls in (("stays", done.remains.stays), ("may be there", done.remains.may_stay)):
            for url in urls:
                out.print(f"[yellow]{title}[/yellow]  {escape(url)}")
    missing = sum(1 for finding in done.findings if finding.result == "missing")
    without = f"; it can do without the {missing} missing" if missing else ""
    out.print(f"all that a delivery needs works{without}" if done.passed else "a delivery would fail")
