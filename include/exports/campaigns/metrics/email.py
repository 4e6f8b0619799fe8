"""E-mail."""

from __future__ import annotations

from include.exports.campaigns.metrics import DAY, EVENTS, USER, Channel, Metric, decided, first_within, recipients

UNIQUE_SQL = "Braze's published SQL of unique clicks"
PERSON = "app_group_id, message_variation_id, dispatch_id, email_address"
HIDDEN = decided("Braze logs the event and shows no figure of it; each event counts")

EMAIL = Channel(
    name="email",
    title="Email",
    events={
        "users.messages.email.Send": USER,
        "users.messages.email.Delivery": (),
        "users.messages.email.Open": (
            "id",
            "time",
            "app_group_id",
            "dispatch_id",
            "email_address",
            "machine_open",
            "is_amp",
        ),
        "users.messages.email.Click": (
            "id",
            "time",
            "app_group_id",
            "dispatch_id",
            "email_address",
            "is_amp",
            "is_suspected_bot_click",
        ),
        "users.messages.email.Bounce": ("is_drop",),
        "users.messages.email.SoftBounce": (),
        "users.messages.email.Deferral": (),
        "users.messages.email.MarkAsSpam": (),
        "users.messages.email.Unsubscribe": (),
    },
    relations={
        "email_opens": first_within("email_open", PERSON, 7 * DAY),
        "email_clicks": first_within("email_click", PERSON, 7 * DAY),
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from email_send',
    api=(
        "sent",
        "opens",
        "unique_opens",
        "clicks",
        "unique_clicks",
        "unsubscribes",
        "bounces",
        "delivered",
        "reported_spam",
        "machine_open",
        "machine_amp_open",
    ),
    metrics=(
        Metric(
            name="sent",
            title="Sent",
            over="email_send",
            rule="Messages handed to the provider.",
        ),
        Metric(
            name="delivered",
            title="Emails Delivered",
            over="email_delivery",
            rule="Messages that the receiving server accepted.",
        ),
        Metric(
            name="opens",
            title="Opened",
            over="email_opens",
            rule="Every open, also by machines.",
        ),
        Metric(
            name="unique_opens",
            title="Unique Opens",
            over="email_opens",
            sql="count(*) filter (is_first)",
            rule="Opens without another one of the same address in the same dispatch less than seven days before.",
            source=UNIQUE_SQL,
        ),
        Metric(
            name="machine_open",
            title="Machine Opens",
            over="email_opens",
            sql="count(*) filter (machine_open = 'true')",
            rule="Opens by software, such as Apple's mail privacy protection.",
        ),
        Metric(
            name="other_opens",
            title="Other Opens",
            over="email_opens",
            sql="count(*) filter (machine_open is distinct from 'true')",
            rule="Opens that are no machine opens.",
        ),
        Metric(
            name="amp_opens",
            title="AMP Opens",
            over="email_opens",
            sql="count(*) filter (is_amp)",
            rule="Opens of the AMP version.",
        ),
        Metric(
            name="machine_amp_open",
            title="Machine AMP Opens",
            over="email_opens",
            sql="count(*) filter (machine_open = 'true' and is_amp)",
            rule="Machine opens of the AMP version.",
            source="observed in answers of the API",
        ),
        Metric(
            name="clicks",
            title="Clicks",
            over="email_clicks",
            rule="Every click, also on the link that unsubscribes.",
        ),
        Metric(
            name="unique_clicks",
            title="Unique Clicks",
            over="email_clicks",
            sql="count(*) filter (is_first)",
            rule="Clicks without another one of the same address in the same dispatch less than seven days before, also"
            " on the link that unsubscribes.",
            source=UNIQUE_SQL,
        ),
        Metric(
            name="amp_clicks",
            title="AMP Clicks",
            over="email_clicks",
            sql="count(*) filter (is_amp)",
            rule="Clicks in the AMP version.",
        ),
        Metric(
            name="suspected_bot_clicks",
            title="Suspected Bot Clicks",
            over="email_clicks",
            sql="count(*) filter (is_suspected_bot_click)",
            rule="Clicks that Braze takes for a machine's. They are clicks as well.",
            source=EVENTS,
        ),
        Metric(
            name="bounces",
            title="Bounces",
            over="email_bounce",
            rule="Messages that cannot be delivered: hard bounces and drops, but no soft bounces or deferrals.",
        ),
        Metric(
            name="drops",
            title="Drops",
            over="email_bounce",
            sql="count(*) filter (is_drop)",
            rule="Bounces of messages that the provider did not try to send after an earlier bounce or complaint.",
            source=EVENTS,
        ),
        Metric(
            name="soft_bounces",
            title="Soft Bounces",
            over="email_softbounce",
            rule="Messages that were not accepted for a reason that may pass, a try each.",
            source=HIDDEN,
        ),
        Metric(
            name="deferrals",
            title="Deferrals",
            over="email_deferral",
            rule="Messages that the receiving server put off, a try each.",
            source=HIDDEN,
        ),
        Metric(
            name="reported_spam",
            title="Reported as Spam",
            over="email_markasspam",
            rule="Messages that their reader marked as spam.",
        ),
        Metric(
            name="unsubscribes",
            title="Unsubscribes",
            over="email_unsubscribe",
            rule="Unsubscribed through the message's link or the List-Unsubscribe header.",
        ),
        *recipients("email", "Users who were sent a message, also one that bounced"),
    ),
)
