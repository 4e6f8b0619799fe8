"""Why a campaign's sends, its unique recipients and the rows of a recipients export are three numbers."""

from __future__ import annotations

from include.exports.campaigns.profiles import USER
from include.exports.engine import identifier, literal
from include.exports.formats.csv import CsvFiles
from include.exports.tables import RECORDS, Table

NAME = "reconciliation"

STEPS = {
    "sends": "Messages sent",
    "sends_not_received": "less those to users who received none: not delivered, not seen, or failed",
    "further_sends": "less further messages to the same users",
    "received_before": "plus users who received a message that was sent before the export's window",
    "unique_recipients": "Unique recipients: users who received a message",
    "control_group": "plus users of the control group, who received none",
    "deleted_profiles": "less users whose profile was deleted",
    "merged_profiles": "less users whose profile was merged into another one",
    "missing_profiles": "less users who have no profile in the table",
    "without_email": "less users without an e-mail address",
    "further_rows": "plus further rows of the same users, one for each message",
    "rows": "Rows of the export",
}
"""Each step by its name, and what it says. Every total is the sum of what stands above it since the last one."""


def table(kept: str, *, gone: bool, email: bool) -> Table:
    """The steps, a row each; no rows without records. `kept` is the condition of the export's rows.

    `gone` says whether users without a profile are kept, `email` whether only those who have an address.
    """
    present = "true" if gone else "profile = 'current'"
    lost = "false" if gone else "profile = {}"
    rows = ", ".join(_row(place, step) for place, step in enumerate(STEPS))
    sql = f"""
        with users as (
            select {identifier(USER)}, sum(_sends) as sends, sum(_received) as received, any_value(profile) as profile,
                   count(_last) > 0 as concerned, count(*) filter ({kept}) as kept
            from {RECORDS} group by all
        ),
        counted as (
            select sum(sends)::bigint as sends,
                   -sum(sends) filter (received = 0)::bigint as sends_not_received,
                   -sum(sends - 1) filter (received > 0 and sends > 0)::bigint as further_sends,
                   count(*) filter (received > 0 and sends = 0) as received_before,
                   count(*) filter (received > 0) as unique_recipients,
                   count(*) filter (received = 0 and concerned) as control_group,
                   -count(*) filter (concerned and {lost.format("'deleted'")}) as deleted_profiles,
                   -count(*) filter (concerned and {lost.format("'merged'")}) as merged_profiles,
                   -count(*) filter (concerned and {lost.format("'missing'")}) as missing_profiles,
                   -count(*) filter (concerned and kept = 0 and {present} and {email}) as without_email,
                   sum(kept - 1) filter (kept > 0)::bigint as further_rows,
                   sum(kept)::bigint as rows
            from users having count(*) > 0
        )
        select step, explanation, coalesce(number, 0) as number
        from (select unnest([{rows}], recursive := true) from counted)
        order by place"""
    return Table(name=NAME, title="Reconciliation", query=sql, files=CsvFiles(compression="none"))


def _row(place: int, step: str) -> str:
    return f"{{'place': {place}, 'step': {literal(step)}, 'explanation': {literal(STEPS[step])}, 'number': {step}}}"
