"""LINE."""

from __future__ import annotations

from include.exports.campaigns.metrics import EVENTS, USER, Channel, Metric, recipients

LINE = Channel(
    name="line",
    title="LINE",
    events={"users.messages.line.Send": USER, "users.messages.line.Click": ("is_suspected_bot_click",)},
    received='select user_id, campaign_id, message_variation_id, "time", day from line_send',
    metrics=(
        Metric(name="sent", title="Sends", over="line_send", rule="Messages handed to LINE."),
        Metric(
            name="clicks",
            title="Clicks",
            over="line_click",
            rule="Clicks on a shortened link, as Braze logs them. LINE's own figures of opens and clicks are not in the"
            " events.",
            source=EVENTS,
        ),
        Metric(
            name="suspected_bot_clicks",
            title="Suspected Bot Clicks",
            over="line_click",
            sql="count(*) filter (is_suspected_bot_click)",
            rule="Clicks that Braze takes for a machine's. They are clicks as well.",
            source=EVENTS,
        ),
        *recipients("line", "Users who were sent a message"),
    ),
)
