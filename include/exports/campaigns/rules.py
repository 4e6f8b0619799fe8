"""What people measure differently: rules that Braze documents in part or not at all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from include.exports.campaigns.metrics.campaign import ATTRIBUTED, PURCHASE
from include.exports.campaigns.metrics.push import INFLUENCED, SESSION
from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb


class Rules(Part):
    """How the metrics count what Braze documents in part. docs/METRICS.md says what each is used for."""

    influenced_by: Literal["events", "sessions"] | None = None
    """Where influenced opens are from: the events that Braze logs in its SQL share, or sessions after a push, because
    Currents has no such events. When absent: `events` for tables, `sessions` for a lake."""
    influenced_within: timedelta = Field(default=timedelta(minutes=30), ge=timedelta(), le=timedelta(days=15))
    """A session that starts sooner than this after a push is an influenced open."""
    influenced_share: float = Field(default=0.5, ge=0, le=0.5)
    """So is one that starts sooner than this share of the mean time between the user's sessions of thirty days."""
    in_app_sent: Literal["impressions", "unique_impressions"] = "impressions"
    """What counts as an in-app message that was sent."""
    revenue_by: Literal["events", "purchases"] | None = None
    """Where revenue is from: the events that Braze logs in its SQL share, or purchases after a message. When absent:
    `events` for tables, `purchases` for a lake."""
    revenue_window: timedelta = Field(default=timedelta(days=3), gt=timedelta(), le=timedelta(days=30))
    """How long after a message a purchase counts as its revenue: the campaign's primary conversion window."""

    def apply(self, con: duckdb.DuckDBPyConnection) -> None:
        """Set the variables that the metrics' SQL reads."""
        for name, value in {
            "influenced_seconds": int(self.influenced_within.total_seconds()),
            "influenced_share": self.influenced_share,
            "in_app_sent": self.in_app_sent,
            "revenue_seconds": int(self.revenue_window.total_seconds()),
        }.items():
            con.execute(f"set variable {name} = ?", [value])

    def chosen(self, places: Mapping[str, tuple[str, ...]], otherwise: str) -> dict[str, tuple[str, ...]]:
        """The types of event to read, of those in `places`: for opens and revenue those of one source.

        `otherwise` is the source of events when the rules do not say it: `lake` or `tables`.
        """
        tables = otherwise == "tables"
        influenced = self.influenced_by or ("events" if tables else "sessions")
        revenue = self.revenue_by or ("events" if tables else "purchases")
        unread = {SESSION if influenced == "events" else INFLUENCED, PURCHASE if revenue == "events" else ATTRIBUTED}
        return {name: files for name, files in places.items() if name not in unread}
