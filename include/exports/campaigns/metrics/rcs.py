"""RCS."""

from __future__ import annotations

from include.exports.campaigns.metrics import USER, Channel, Metric, decided, recipients
from include.exports.campaigns.metrics.sms import ACTION, BOT, clicks, replies

RCS = Channel(
    name="rcs",
    title="RCS",
    events={
        "users.messages.rcs.Send": (),
        "users.messages.rcs.Delivery": USER,
        "users.messages.rcs.Read": (),
        "users.messages.rcs.Rejection": (),
        "users.messages.rcs.Click": BOT,
        "users.messages.rcs.InboundReceive": ACTION,
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from rcs_delivery',
    metrics=(
        Metric(name="sent", title="Sends", over="rcs_send", rule="Messages handed to the provider."),
        Metric(
            name="delivered",
            title="Confirmed Deliveries",
            over="rcs_delivery",
            rule="Messages whose delivery was confirmed.",
        ),
        Metric(name="read", title="Reads", over="rcs_read", rule="Messages that were read, where the app says so."),
        Metric(name="rejected", title="Rejections", over="rcs_rejection", rule="Messages that the carrier refused."),
        *clicks("rcs_click"),
        *replies("rcs_inboundreceive"),
        *recipients("rcs", "Users whose message's delivery was confirmed", decided("as for SMS")),
    ),
)
