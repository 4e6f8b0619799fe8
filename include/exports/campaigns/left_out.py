"""Says in the log which events no metric counts, though a reader of the figures may expect it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

LEFT_OUT = {
    "purchases in other currencies than US dollars ({}), which no revenue contains": """
        select count(*), string_agg(distinct currency, ', ' order by currency) from behaviors_purchase
        where upper(currency) <> 'USD' and user_id in (select user_id from received)""",
    "push events of a platform that is not known ({}), which no channel counts": """
        select count(*), string_agg(distinct coalesce(platform, 'none'), ', ') from push
        where lower(coalesce(platform, '')) not in (
            'ios', 'android', 'kindle', 'web', 'chrome', 'firefox', 'safari', 'edge', 'opera'
        )""",
    "conversions whose event is not one of A to D ({}), which no conversions contain": """
        select count(*), string_agg(distinct coalesce(conversion_behavior_index::varchar, 'none'), ', ')
        from campaigns_conversion where coalesce(conversion_behavior_index, 4) not between 0 and 3""",
}
"""What is left out, and SQL that counts it and names its values."""


def warn(con: duckdb.DuckDBPyConnection) -> None:
    """Log a warning for each kind of event that there is and that is left out."""
    for what, sql in LEFT_OUT.items():
        number, values = con.sql(sql).fetchall()[0]
        if number:
            log.warning("left out: %d %s", number, what.format(values))
