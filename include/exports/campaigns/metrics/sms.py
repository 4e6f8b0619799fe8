"""SMS."""

from __future__ import annotations

from include.exports.campaigns.metrics import EVENTS, USER, Channel, Metric, recipients

ACTION = ("action",)
BOT = ("is_suspected_bot_click",)


def replies(events: str) -> tuple[Metric, Metric]:
    """What people answer to a message."""
    return (
        Metric(
            name="opt_out",
            title="Opt-Out",
            over=events,
            sql="count(*) filter (lower(action) = 'unsubscribed')",
            rule="Replies with a word that unsubscribes, within four hours of the message: Braze names the campaign"
            " only then.",
        ),
        Metric(
            name="help",
            title="Help",
            over=events,
            sql="count(*) filter (lower(action) = 'help')",
            rule="Replies with a word that asks for help, within four hours of the message.",
        ),
    )


def clicks(events: str) -> tuple[Metric, Metric]:
    """Clicks on the links of a message."""
    return (
        Metric(name="clicks", title="Total Clicks", over=events, rule="Clicks on a shortened link."),
        Metric(
            name="suspected_bot_clicks",
            title="Suspected Bot Clicks",
            over=events,
            sql="count(*) filter (is_suspected_bot_click)",
            rule="Clicks that Braze takes for a machine's. They are clicks as well.",
            source=EVENTS,
        ),
    )


SMS = Channel(
    name="sms",
    title="SMS",
    events={
        "users.messages.sms.Send": (),
        "users.messages.sms.CarrierSend": (),
        "users.messages.sms.Delivery": USER,
        "users.messages.sms.DeliveryFailure": (),
        "users.messages.sms.Rejection": (),
        "users.messages.sms.ShortLinkClick": BOT,
        "users.messages.sms.InboundReceive": ACTION,
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from sms_delivery',
    api=("sent", "sent_to_carrier", "delivered", "rejected", "delivery_failed", "clicks", "opt_out", "help"),
    metrics=(
        Metric(name="sent", title="Sends", over="sms_send", rule="Messages handed to the provider."),
        Metric(
            name="sent_to_carrier",
            title="Sends to Carrier",
            over="sms_carriersend",
            rule="Messages that the provider handed to the carrier. Deprecated by Braze.",
        ),
        Metric(
            name="delivered",
            title="Confirmed Deliveries",
            over="sms_delivery",
            rule="Messages whose delivery the carrier confirmed.",
        ),
        Metric(
            name="delivery_failed",
            title="Delivery Failures",
            over="sms_deliveryfailure",
            rule="Messages that could not be handed to the provider.",
        ),
        Metric(name="rejected", title="Rejections", over="sms_rejection", rule="Messages that the carrier refused."),
        *clicks("sms_shortlinkclick"),
        *replies("sms_inboundreceive"),
        *recipients("sms", "Users whose message's delivery was confirmed"),
    ),
)
