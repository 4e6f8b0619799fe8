"""Banners."""

from __future__ import annotations

from include.exports.campaigns.metrics import USER, Channel, Metric, decided, recipients

UNIQUE = "count(distinct user_id)"
FROM = decided("no rule is documented for banners; once a user and day, as for in-app messages")

BANNER = Channel(
    name="banner",
    title="Banner",
    events={f"users.messages.banner.{event}": USER for event in ("Impression", "Click", "Dismiss")},
    received='select user_id, campaign_id, message_variation_id, "time", day from banner_impression',
    metrics=(
        Metric(
            name="total_impressions",
            title="Total Impressions",
            over="banner_impression",
            rule="How often a banner was seen.",
        ),
        Metric(
            name="unique_impressions",
            title="Unique Impressions",
            over="banner_impression",
            sql=UNIQUE,
            rule="Users who saw a banner, each once a day.",
            source=FROM,
        ),
        Metric(
            name="total_clicks",
            title="Total Clicks",
            over="banner_click",
            rule="How often a banner was clicked.",
        ),
        Metric(
            name="unique_clicks",
            title="Unique Clicks",
            over="banner_click",
            sql=UNIQUE,
            rule="Users who clicked a banner, each once a day.",
            source=FROM,
        ),
        Metric(
            name="dismissals",
            title="Dismissals",
            over="banner_dismiss",
            rule="How often a banner was dismissed.",
        ),
        *recipients("banner", "Users who saw a banner", decided("as for in-app messages")),
    ),
)
