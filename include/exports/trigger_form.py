"""What somebody who triggers a run can ask for, in the UI's form or as `conf` of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param

if TYPE_CHECKING:
    from include.exports.definition import Export

PARAMS = {
    "window_start": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Window start",
        description="Export the records from this instant on instead of the run's own window. Needs a window end.",
    ),
    "window_end": Param(
        None,
        type=["null", "string"],
        format="date-time",
        title="Window end",
        description="Export the records before this instant. For a full export it is the time that names the folder.",
    ),
    "resend": Param(
        False,
        type="boolean",
        title="Resend",
        description="Deliver what was staged when the window was last published, without asking the source again.",
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Only decide whether the run may start, and log what it would read.",
    ),
}


def params(export: Export) -> dict[str, Param]:
    """The fields of the form; where to deliver is one of them where there is a choice."""
    if not export.elsewhere:
        return dict(PARAMS)
    choice = Param(
        None,
        type=["null", "string"],
        enum=[None, *export.elsewhere],
        values_display={"null": "no, to the usual destination"},
        title="Deliver elsewhere",
        description="Deliver this run to another declared destination instead of the usual one.",
    )
    return PARAMS | {"elsewhere": choice}
