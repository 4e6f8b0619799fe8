"""Says in the log which events no metric counts, though a reader of the figures may expect it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.exports.campaigns.metrics.push import INFLUENCED, PLATFORMS, PUSHED, SESSION

if TYPE_CHECKING:
    import duckdb

    from include.exports.campaigns.measure import Measurement

log = logging.getLogger(__name__)

KNOWN = ", ".join(f"'{platform}'" for _, platforms in PLATFORMS.values() for platform in platforms)

LEFT_OUT = {
    "purchases in other currencies than US dollars ({}), which no revenue contains": """
        select day, currency as value from behaviors_purchase
        where upper(currency) <> 'USD' and user_id in (select user_id from received)""",
    "push events of a platform that is not known ({}), which no channel counts": f"""
        select day, platform as value from push where coalesce(lower(platform), '') not in ({KNOWN})""",
    "conversions whose event is not one of A to D ({}), which no conversions contain": """
        select day, conversion_behavior_index as value from campaigns_conversion
        where coalesce(conversion_behavior_index, 4) not between 0 and 3""",
}
"""What is left out, and SQL of its day and of what is wrong with it."""


def warn(con: duckdb.DuckDBPyConnection, what: Measurement) -> None:
    """Log a warning for each kind of event that there is and that is left out, and for what cannot be computed."""
    if not what.places.keys() & {SESSION, INFLUENCED} and PUSHED in what.places:
        log.warning("influenced opens are 0: there are neither %s events nor %s ones", SESSION, INFLUENCED)
    for text, sql in LEFT_OUT.items():
        number, values = con.sql(
            f"select count(*), string_agg(distinct coalesce(cast(value as varchar), 'none'), ', ') from ({sql})"
            f" where day between '{what.days[0]}' and '{what.days[-1]}'"
        ).fetchall()[0]
        if number:
            log.warning("left out: %d %s", number, text.format(values))
