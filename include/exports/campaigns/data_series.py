"""Results in the shape of Braze's own API, `GET /campaigns/data_series`: a document a campaign.

Unlike an answer of the API it can have more than 100 days, and the channels of which Braze documents no fields (RCS,
LINE, banners) with all of their metrics.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from include.exports.campaigns import multivariate
from include.exports.campaigns.metrics.registry import CHANNELS
from include.exports.campaigns.tidy import SHOWN, slug
from include.exports.engine import literal
from include.exports.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

    import duckdb

    from include.exports.campaigns.multivariate import Variant

CAMPAIGN = CHANNELS[-1]
FIELDS = {
    channel.name: channel.api or tuple(metric.name for metric in channel.metrics if not metric.of_all_days)
    for channel in CHANNELS
}
OF_A_VARIANT = (
    "revenue",
    "unique_recipients",
    *(f"conversions{suffix}{by}" for suffix in ("", "1", "2", "3") for by in ("", "_by_send_time")),
)
"""What an object has besides when a campaign is multivariate."""

Figures = dict[tuple[str, str | None, str], "Decimal"]
"""The figures of a day, by channel, variation and metric."""


def tables(con: duckdb.DuckDBPyConnection) -> Iterator[Table]:
    """A table of one record a campaign, which as JSON is an answer of the API."""
    con.execute("create or replace temp table answers (campaign_id varchar, data json)")
    variants = {campaign.id: campaign.variants for campaign in multivariate.campaigns(con)}
    campaigns = con.sql(f"select distinct campaign_id, campaign_name from {SHOWN} order by all").fetchall()
    for campaign, name in campaigns:
        data = [_day(day, figures, variants.get(campaign, ())) for day, figures in _days(con, campaign)]
        con.execute("insert into answers values (?, ?)", [campaign, json.dumps(data, ensure_ascii=False)])
        query = f"select 'success' as message, data from answers where campaign_id = {literal(campaign)}"
        yield Table(name=f"data_series-{slug(campaign)}", title=f"{name or campaign}: data series", query=query)


def _days(con: duckdb.DuckDBPyConnection, campaign: str) -> Iterator[tuple[str, Figures]]:
    rows = con.execute(
        f"select date::varchar, channel, variation_id, metric, value from {SHOWN} where campaign_id = ? order by date",
        [campaign],
    ).fetchall()
    days: dict[str, Figures] = {}
    for day, *series, value in rows:
        channel, variation, metric = series
        days.setdefault(day, {})[channel, variation, metric] = value
    return iter(days.items())


def _day(day: str, figures: Figures, variants: tuple[Variant, ...]) -> dict[str, Any]:
    """A day as the API shows it. The control group is in each channel of its campaign."""
    present = {channel for variant in variants for channel in variant.channels}
    several = len(variants) > len(present)
    messages = {
        channel.name: [
            _object(figures, channel.name, variant, several=several)
            for variant in variants
            if not variant.channels or channel.name in variant.channels
        ]
        for channel in CHANNELS[:-1]
        if channel.name in present
    }
    totals = {metric: _number(figures, ("campaign", None, metric)) for metric in CAMPAIGN.api}
    return {"time": day, "messages": messages, **totals}


def _object(figures: Figures, channel: str, variant: Variant, *, several: bool) -> Mapping[str, Any]:
    found: dict[str, Any] = {"variation_name": variant.name} if several else {}
    found["variation_api_id"] = variant.id
    if variant.channels:
        found |= {metric: _number(figures, (channel, variant.id, metric)) for metric in FIELDS[channel]}
    of_variant = OF_A_VARIANT if several else ()
    of_variant += () if variant.channels else ("enrolled",)
    return found | {metric: _number(figures, ("campaign", variant.id, metric)) for metric in of_variant}


def _number(figures: Figures, series: tuple[str, str | None, str]) -> int | float:
    value = figures.get(series, 0)
    return float(value) if series[2] == "revenue" else int(value)
