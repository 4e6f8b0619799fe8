"""E-mail."""

from __future__ import annotations

from include.exports.campaigns.metrics import OURS, Channel, Metric

WEEK = 7 * 24 * 3600

UNIQUE_SQL = "Braze's published SQL of unique clicks"


def _with_gap(events: str) -> str:
    """The events with the seconds since the event before, of the same person in the same dispatch."""
    return (
        f'select *, "time" - lag("time") over (partition by app_group_id, message_variation_id, dispatch_id,'
        f' email_address order by "time", id) as gap from {events}'
    )


UNIQUE = f"count(*) filter (gap is null or gap >= {WEEK})"

EMAIL = Channel(
    name="email",
    title="Email",
    events={
        "users.messages.email.Send": (),
        "users.messages.email.Delivery": (),
        "users.messages.email.Open": ("app_group_id", "dispatch_id", "email_address", "machine_open", "is_amp"),
        "users.messages.email.Click": ("app_group_id", "dispatch_id", "email_address", "is_suspected_bot_click"),
        "users.messages.email.Bounce": (),
        "users.messages.email.SoftBounce": (),
        "users.messages.email.Deferral": (),
        "users.messages.email.MarkAsSpam": (),
        "users.messages.email.Unsubscribe": (),
    },
    relations={"email_opens": _with_gap("email_open"), "email_clicks": _with_gap("email_click")},
    received='select user_id, campaign_id, message_variation_id, "time" from email_send',
    metrics=(
        Metric(
            name="sent",
            title="Emails Sent",
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
            title="Opens",
            over="email_opens",
            rule="Every open, also by machines.",
        ),
        Metric(
            name="unique_opens",
            title="Unique Opens",
            over="email_opens",
            sql=UNIQUE,
            rule="Opens without another one of the same address in the same dispatch in the seven days before.",
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
            sql=UNIQUE,
            rule="Clicks without another one of the same address in the same dispatch in the seven days before.",
            source=UNIQUE_SQL,
        ),
        Metric(
            name="suspected_bot_clicks",
            title="Suspected Bot Clicks",
            over="email_clicks",
            sql="count(*) filter (is_suspected_bot_click)",
            rule="Clicks that Braze takes for a machine's. They are clicks as well.",
            source="the event's own column",
        ),
        Metric(
            name="bounces",
            title="Bounces",
            over="email_bounce",
            rule="Messages that cannot be delivered: hard bounces and drops, but no soft bounces or deferrals.",
        ),
        Metric(
            name="soft_bounces",
            title="Soft Bounces",
            over="email_softbounce",
            rule="Messages that were not accepted for a reason that may pass, a try each.",
            source=OURS,
        ),
        Metric(
            name="deferrals",
            title="Deferrals",
            over="email_deferral",
            rule="Messages that the receiving server put off, a try each.",
            source=OURS,
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
        Metric(
            name="unique_recipients",
            title="Unique Recipients",
            over="email_send",
            sql="count(distinct user_id)",
            rule="Different users who were sent a message on the day; one whose message bounced is counted.",
        ),
    ),
)
