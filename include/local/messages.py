"""What messages of each channel are like when they are made up: their event, and the events that can follow it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """What can follow a message."""

    type: str
    """The name of the event after `users.messages.`, or after `users.` for what is no message's."""
    share: float
    """Of the messages that it follows."""
    within: int
    """Seconds."""
    times: int = 1
    """How often at most."""
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Columns with the values that they can have, evenly."""


BOT = {"is_suspected_bot_click": [False, False, None, True]}
REPLY = {"action": ["Subscribed", "Unsubscribed", "Help", "Other"]}

CHANNELS: dict[str, tuple[str, dict[str, Any], tuple[Follow, ...]]] = {
    "email": (
        "email.Send",
        {},
        (
            Follow(type="email.Delivery", share=0.95, within=HOUR),
            Follow(
                type="email.Open",
                share=0.6,
                within=12 * DAY,
                times=3,
                columns={"machine_open": [None, None, "true"], "is_amp": [False, False, True]},
            ),
            Follow(
                type="email.Click",
                share=0.3,
                within=12 * DAY,
                times=3,
                columns={"is_suspected_bot_click": [False, False, None, True], "is_amp": [False, None, True]},
            ),
            Follow(type="email.Bounce", share=0.04, within=HOUR, columns={"is_drop": [False, None, True]}),
            Follow(type="email.SoftBounce", share=0.05, within=DAY, times=2),
            Follow(type="email.Deferral", share=0.05, within=DAY, times=2),
            Follow(type="email.MarkAsSpam", share=0.02, within=3 * DAY),
            Follow(type="email.Unsubscribe", share=0.03, within=3 * DAY),
        ),
    ),
    **{
        f"{platform}_push": (
            "pushnotification.Send",
            {"platform": platform, "app_id": f"app-{platform}"},
            (
                Follow(type="behaviors.app.SessionStart", share=0.9, within=36 * HOUR, times=6),
                Follow(
                    type="pushnotification.Open",
                    share=0.3,
                    within=DAY,
                    times=2,
                    columns={
                        "platform": [platform, platform, None],
                        "button_string": [None, None, "yes", "no"],
                        "button_action_type": [None, None, "URI", "CLOSE"],
                    },
                ),
                Follow(type="pushnotification.Bounce", share=0.05, within=HOUR, columns={"platform": [platform]}),
                Follow(
                    type="pushnotification.InfluencedOpen", share=0.1, within=HOUR, columns={"platform": [platform]}
                ),
            ),
        )
        for platform in ("ios", "android", "kindle", "web")
    },
    "in_app_message": (
        "inappmessage.Impression",
        {"platform": "ios"},
        (Follow(type="inappmessage.Click", share=0.4, within=HOUR, columns={"button_id": [None, "0", "1"]}),),
    ),
    "content_cards": (
        "contentcard.Send",
        {},
        (
            Follow(type="contentcard.Impression", share=0.7, within=5 * DAY, times=3),
            Follow(type="contentcard.Click", share=0.3, within=5 * DAY, times=2),
            Follow(type="contentcard.Dismiss", share=0.1, within=5 * DAY),
        ),
    ),
    "banner": (
        "banner.Impression",
        {},
        (
            Follow(type="banner.Click", share=0.2, within=HOUR, times=2),
            Follow(type="banner.Dismiss", share=0.1, within=HOUR),
        ),
    ),
    "sms": (
        "sms.Send",
        {},
        (
            Follow(type="sms.CarrierSend", share=0.9, within=MINUTE),
            Follow(type="sms.Delivery", share=0.8, within=HOUR),
            Follow(type="sms.DeliveryFailure", share=0.05, within=HOUR),
            Follow(type="sms.Rejection", share=0.05, within=HOUR),
            Follow(type="sms.ShortLinkClick", share=0.2, within=DAY, times=2, columns=BOT),
            Follow(type="sms.InboundReceive", share=0.1, within=4 * HOUR, columns=REPLY),
        ),
    ),
    "rcs": (
        "rcs.Send",
        {},
        (
            Follow(type="rcs.Delivery", share=0.9, within=HOUR),
            Follow(type="rcs.Read", share=0.5, within=DAY),
            Follow(type="rcs.Click", share=0.2, within=DAY, times=2, columns=BOT),
            Follow(type="rcs.InboundReceive", share=0.1, within=4 * HOUR, columns=REPLY),
            Follow(type="rcs.Rejection", share=0.05, within=HOUR),
        ),
    ),
    "whats_app": (
        "whatsapp.Send",
        {},
        (
            Follow(type="whatsapp.Delivery", share=0.9, within=HOUR),
            Follow(type="whatsapp.Read", share=0.6, within=DAY),
            Follow(type="whatsapp.Failure", share=0.05, within=HOUR),
            Follow(type="whatsapp.Click", share=0.2, within=DAY),
        ),
    ),
    "line": ("line.Send", {}, (Follow(type="line.Click", share=0.2, within=DAY, times=2, columns=BOT),)),
    "webhook": (
        "webhook.Send",
        {},
        (Follow(type="webhook.Failure", share=0.1, within=MINUTE, columns={"is_terminal": [True, False, None]}),),
    ),
}
"""What a message of each channel is, and what can follow it."""
