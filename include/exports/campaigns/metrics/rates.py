"""Rates: one metric divided by another of the same channel. Of several days, their sums are divided."""

from __future__ import annotations

from dataclasses import dataclass

from include.exports.campaigns.metrics import GLOSSARY, decided

PUSH = ("ios_push", "android_push", "kindle_push", "web_push")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share of what there was to be had; without a value where the divisor is zero."""

    name: str
    title: str
    channels: tuple[str, ...]
    of: str
    """The metric that is divided."""
    per: str
    """The metric that it is divided by."""
    source: str = GLOSSARY


RATES = (
    Rate(
        name="delivery_rate",
        title="Deliveries %",
        channels=("email", *PUSH, "sms", "rcs", "whats_app"),
        of="delivered",
        per="sent",
        source=f"{GLOSSARY}; e-mail's is documented as sends less bounces, and here its deliveries are counted",
    ),
    Rate(name="bounce_rate", title="Bounce %", channels=("email", *PUSH), of="bounces", per="sent"),
    Rate(name="unique_open_rate", title="Unique Open %", channels=("email",), of="unique_opens", per="delivered"),
    Rate(name="unique_click_rate", title="Unique Click %", channels=("email",), of="unique_clicks", per="delivered"),
    Rate(
        name="click_to_open_rate",
        title="Click to Open",
        channels=("email",),
        of="unique_clicks",
        per="unique_opens",
    ),
    Rate(name="spam_rate", title="Reported Spam %", channels=("email",), of="reported_spam", per="sent"),
    Rate(name="unsubscribe_rate", title="Unsubscribe %", channels=("email",), of="unsubscribes", per="delivered"),
    Rate(name="direct_open_rate", title="Direct Open %", channels=PUSH, of="direct_opens", per="delivered"),
    Rate(name="total_open_rate", title="Total Open %", channels=PUSH, of="total_opens", per="delivered"),
    Rate(
        name="influenced_open_rate",
        title="Influenced Open %",
        channels=PUSH[:3],
        of="influenced_opens",
        per="delivered",
    ),
    Rate(name="failure_rate", title="Failed Delivery %", channels=("sms",), of="delivery_failed", per="sent"),
    Rate(name="failure_rate", title="Failure %", channels=("whats_app",), of="failed", per="sent"),
    Rate(
        name="read_rate",
        title="Read %",
        channels=("rcs", "whats_app"),
        of="read",
        per="delivered",
        source=decided("no divisor is documented"),
    ),
    Rate(
        name="conversion_rate",
        title="Conversion Rate",
        channels=("campaign",),
        of="conversions",
        per="unique_recipients",
        source=f"{GLOSSARY}; of in-app messages the recipients of a day are its unique impressions",
    ),
)
