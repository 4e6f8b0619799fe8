"""WhatsApp."""

from __future__ import annotations

from include.exports.campaigns.metrics import EVENTS, USER, Channel, Metric, recipients

WHATS_APP = Channel(
    name="whats_app",
    title="WhatsApp",
    events={
        "users.messages.whatsapp.Send": USER,
        **{f"users.messages.whatsapp.{event}": () for event in ("Delivery", "Read", "Failure", "Click")},
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from whatsapp_send',
    api=("sent", "delivered", "failed", "read"),
    metrics=(
        Metric(name="sent", title="Sends", over="whatsapp_send", rule="Messages handed to WhatsApp."),
        Metric(name="delivered", title="Deliveries", over="whatsapp_delivery", rule="Messages that arrived."),
        Metric(
            name="read",
            title="Reads",
            over="whatsapp_read",
            rule="Messages that were read, by users who let it be known.",
        ),
        Metric(
            name="failed",
            title="Failures",
            over="whatsapp_failure",
            rule="Messages that could not be delivered. They are sends as well.",
        ),
        Metric(
            name="clicks",
            title="Clicks",
            over="whatsapp_click",
            rule="Clicks on a shortened link.",
            source=EVENTS,
        ),
        *recipients("whats_app", "Users who were sent a message"),
    ),
)
