"""What the commands share: how they print, which export and window they are asked about, how they end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape

from include.exports import catalog
from include.exports.errors import ExportError
from include.exports.schedules import Once, Repeated

if TYPE_CHECKING:
    from include.exports.definition import Export
    from include.exports.plan import Plan
    from include.exports.window import Window

FAILED, REFUSED = 1, 2

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


def find(name: str) -> Export:
    """The export of that name; files that cannot be read are shown when it may be in one of them."""
    found = catalog.read()
    try:
        return found.find(name)
    except ExportError as error:
        raise refused(*found.errors, error) from None


def interval(export: Export, text: str | None) -> tuple[datetime | None, datetime | None]:
    """The data interval that `--window` asks for; without a start, all that a full export has at its end."""
    from include.exports.window import interval_at, latest_interval

    schedule = export.schedule
    full = export.mode == "full"
    if text is None:
        latest = latest_interval(schedule, datetime.now(UTC)) if isinstance(schedule, Repeated) else (None, None)
        return (None, latest[1]) if full else latest
    try:
        moments = [datetime.fromisoformat(part) for part in text.split("..")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r}: write 2019-11-24 or 2019-11-24..2019-11-25", param_hint="--window"
        ) from None
    zoned = [moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(schedule.timezone)) for moment in moments]
    match zoned:
        case [instant] if isinstance(schedule, Repeated):
            own = interval_at(schedule, instant)
            return (None, own[1]) if full else own
        case [instant] if full and not isinstance(schedule, Once):
            return None, instant
        case [start, end] if start < end:
            return start, end
        case _:
            raise typer.BadParameter(
                f"{text!r}: write START..END with START before END; {schedule} has no windows of its own",
                param_hint="--window",
            )


def planned(export: Export, text: str | None) -> Plan:
    """What a run of the window that `--window` asks for reads, and where it publishes that window."""
    from include.exports.plan import plans, reading

    return reading(plans(export, covered(export, text)))


def asked(export: Export, text: str | None) -> tuple[Plan, ...]:
    """The windows that `--window` asks for, without those that a run of it would publish again besides."""
    from include.exports.plan import plans

    own = covered(export, text)
    found = plans(export, own)
    return tuple(each for each in found if not own.start or not each.window.end or each.window.end > own.start)


def covered(export: Export, text: str | None) -> Window:
    """The window of the run that `--window` asks for; one that no run can have is refused."""
    from include.exports.window import window

    start, end = interval(export, text)
    as_of = export.schedule.starts if isinstance(export.schedule, Once) else datetime.now(UTC)
    try:
        found = window(export, start, end, as_of)
        export.windows(found)
    except ExportError as error:
        raise refused(error) from None
    return found


def prepare_airflow() -> None:
    """Connections come from Airflow; on a machine without one, from this project's own settings file."""
    from include.local import environment

    environment.prepare()


def refused(*errors: ExportError | str) -> typer.Exit:
    """Print the errors; the exit to raise."""
    for error in errors:
        err.print(escape(str(error)))
    return typer.Exit(REFUSED)
