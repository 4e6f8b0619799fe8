"""The figures of campaigns, from their events as Python objects: what the SQL of the metrics is compared with."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

DAY, HALF_HOUR = 86_400, 1800
WEEK, MONTH = 7 * DAY, 30 * DAY
INDEXES = ("", "1", "2", "3")
PLATFORMS = {"ios": "ios_push", "android": "android_push", "kindle": "kindle_push", "web": "web_push"}

COUNTED = {
    "email": {
        "sent": "email.Send",
        "delivered": "email.Delivery",
        "opens": "email.Open",
        "clicks": "email.Click",
        "bounces": "email.Bounce",
        "soft_bounces": "email.SoftBounce",
        "deferrals": "email.Deferral",
        "reported_spam": "email.MarkAsSpam",
        "unsubscribes": "email.Unsubscribe",
    },
    "in_app_message": {
        "sent": "inappmessage.Impression",
        "impressions": "inappmessage.Impression",
        "clicks": "inappmessage.Click",
    },
    "content_cards": {
        "sent": "contentcard.Send",
        "total_impressions": "contentcard.Impression",
        "total_clicks": "contentcard.Click",
        "total_dismissals": "contentcard.Dismiss",
    },
    "banner": {
        "total_impressions": "banner.Impression",
        "total_clicks": "banner.Click",
        "dismissals": "banner.Dismiss",
    },
    "sms": {
        "sent": "sms.Send",
        "sent_to_carrier": "sms.CarrierSend",
        "delivered": "sms.Delivery",
        "delivery_failed": "sms.DeliveryFailure",
        "rejected": "sms.Rejection",
        "clicks": "sms.ShortLinkClick",
    },
    "rcs": {
        "sent": "rcs.Send",
        "delivered": "rcs.Delivery",
        "read": "rcs.Read",
        "rejected": "rcs.Rejection",
        "clicks": "rcs.Click",
    },
    "whats_app": {
        "sent": "whatsapp.Send",
        "delivered": "whatsapp.Delivery",
        "read": "whatsapp.Read",
        "failed": "whatsapp.Failure",
        "clicks": "whatsapp.Click",
    },
    "line": {"sent": "line.Send", "clicks": "line.Click"},
    "webhook": {"sent": "webhook.Send"},
}
"""Metrics that every event of a type adds one to."""

CHOSEN = (
    ("email", "machine_open", "email.Open", lambda event: event["machine_open"] == "true"),
    ("email", "other_opens", "email.Open", lambda event: event["machine_open"] != "true"),
    ("email", "amp_opens", "email.Open", lambda event: event["is_amp"]),
    ("email", "machine_amp_open", "email.Open", lambda event: event["machine_open"] == "true" and event["is_amp"]),
    ("email", "amp_clicks", "email.Click", lambda event: event["is_amp"]),
    ("email", "suspected_bot_clicks", "email.Click", lambda event: event["is_suspected_bot_click"]),
    ("email", "drops", "email.Bounce", lambda event: event["is_drop"]),
    ("in_app_message", "body_clicks", "inappmessage.Click", lambda event: event["button_id"] is None),
    ("in_app_message", "first_button_clicks", "inappmessage.Click", lambda event: event["button_id"] == "0"),
    ("in_app_message", "second_button_clicks", "inappmessage.Click", lambda event: event["button_id"] == "1"),
    ("sms", "opt_out", "sms.InboundReceive", lambda event: event["action"] == "Unsubscribed"),
    ("sms", "help", "sms.InboundReceive", lambda event: event["action"] == "Help"),
    ("sms", "suspected_bot_clicks", "sms.ShortLinkClick", lambda event: event["is_suspected_bot_click"]),
    ("rcs", "opt_out", "rcs.InboundReceive", lambda event: event["action"] == "Unsubscribed"),
    ("rcs", "help", "rcs.InboundReceive", lambda event: event["action"] == "Help"),
    ("rcs", "suspected_bot_clicks", "rcs.Click", lambda event: event["is_suspected_bot_click"]),
    ("line", "suspected_bot_clicks", "line.Click", lambda event: event["is_suspected_bot_click"]),
    ("webhook", "errors", "webhook.Failure", lambda event: event["is_terminal"] is not False),
)
"""Metrics that some events of a type add one to."""

UNIQUE = (
    ("email", "unique_opens", "email.Open", ("dispatch_id", "email_address"), WEEK),
    ("email", "unique_clicks", "email.Click", ("dispatch_id", "email_address"), WEEK),
    ("content_cards", "unique_impressions", "contentcard.Impression", ("content_card_id", "user_id"), MONTH),
    ("content_cards", "unique_clicks", "contentcard.Click", ("content_card_id", "user_id"), MONTH),
    ("content_cards", "unique_dismissals", "contentcard.Dismiss", ("content_card_id", "user_id"), MONTH),
)
"""Metrics of events that no other one of the same columns came before, for so long."""

USERS = (
    ("in_app_message", "unique_impressions", "inappmessage.Impression"),
    ("banner", "unique_impressions", "banner.Impression"),
    ("banner", "unique_clicks", "banner.Click"),
)
"""Metrics of the users of events, by day."""

RECEIVED = {
    "email": "email.Send",
    "in_app_message": "inappmessage.Impression",
    "content_cards": "contentcard.Impression",
    "banner": "banner.Impression",
    "sms": "sms.Delivery",
    "rcs": "rcs.Delivery",
    "whats_app": "whatsapp.Send",
    "line": "line.Send",
}
"""Which events say that a user received a message; push and webhooks have rules of their own."""


class Oracle:
    """Every figure that is not zero, of the days from `first` on; each event once, whatever `records` repeat."""

    def __init__(self, records, first: date, days: int, zone: str, *, share: bool = False) -> None:
        self.zone = ZoneInfo(zone)
        self.days = {first + timedelta(days=number) for number in range(days)}
        self.figures = defaultdict(Decimal)
        self.by_type = defaultdict(list)
        self.by_user = defaultdict(list)
        """Of each type and user, in order of time."""
        unique = {record["id"]: (type_, record) for type_, record in records}
        for type_, record in sorted(unique.values(), key=lambda found: (found[1]["time"], found[1]["id"])):
            kind = type_.removeprefix("users.").removeprefix("messages.")
            self.by_type[kind].append(record)
            self.by_user[kind, record["user_id"]].append(record)
        self.simple()
        self.firsts()
        received = {channel: self.by_type[kind] for channel, kind in RECEIVED.items()}
        received |= self.push(share=share) | {"webhook": self.succeeded()}
        for channel, found in received.items():
            self.users(found, channel, "unique_recipients", "distinct_recipients")
        messages = [record for found in received.values() for record in found]
        self.users(messages, "campaign", "unique_recipients", "distinct_recipients")
        self.last = defaultdict(list)
        """Of each user and campaign: time, variation and whether it is the control group, in order."""
        for control, found in ((False, messages), (True, self.by_type["campaigns.EnrollInControl"])):
            for record in found:
                at = record["time"], record["message_variation_id"], control
                self.last[record["user_id"], record["campaign_id"]].append(at)
        for found in self.last.values():
            found.sort()
        for record in self.by_type["campaigns.EnrollInControl"]:
            self.add(record, "campaign", "enrolled")
        self.conversions()
        if share:
            for record in self.by_type["campaigns.Revenue"]:
                self.add(record, "campaign", "revenue", Decimal(record["revenue"]) / 100, control=self.enrolled(record))
        else:
            self.purchases()

    def day(self, record) -> date:
        return datetime.fromtimestamp(record["time"], self.zone).date()

    def add(self, record, channel, metric, amount=1, *, day=None, control=False) -> None:
        day = day or self.day(record)
        if day in self.days:
            for variation in [record["message_variation_id"]] + [None] * (not control):
                self.figures[day, record["campaign_id"], channel, variation, metric] += amount

    def users(self, records, channel, by_day, of_all_days=None) -> None:
        """How many different users there are in records."""
        users = defaultdict(set)
        for record in records:
            if (day := self.day(record)) in self.days:
                for variation in (record["message_variation_id"], None):
                    users[day, record["campaign_id"], channel, variation, by_day].add(record["user_id"])
                    if of_all_days:
                        key = None, record["campaign_id"], channel, variation, of_all_days
                        users[key].add(record["user_id"])
        self.figures |= {key: Decimal(len(found)) for key, found in users.items()}

    def simple(self) -> None:
        for channel, metrics in COUNTED.items():
            for metric, kind in metrics.items():
                for record in self.by_type[kind]:
                    self.add(record, channel, metric)
        for channel, metric, kind, chosen in CHOSEN:
            for record in filter(chosen, self.by_type[kind]):
                self.add(record, channel, metric)
        for channel, metric, kind in USERS:
            self.users(self.by_type[kind], channel, metric)

    def firsts(self) -> None:
        for channel, metric, kind, columns, seconds in UNIQUE:
            before = {}
            for record in self.by_type[kind]:
                key = record["message_variation_id"], *(record[column] for column in columns)
                if record["time"] - before.get(key, -seconds) >= seconds:
                    self.add(record, channel, metric)
                before[key] = record["time"]

    def push(self, *, share: bool) -> dict:
        """Count pushes and what came of them; returns the sends of each platform."""
        sent = {message(record): record["platform"] for record in self.by_type["pushnotification.Send"]}
        received = defaultdict(list)
        for record in self.by_type["pushnotification.Send"]:
            channel = PLATFORMS[record["platform"]]
            received[channel].append(record)
            self.add(record, channel, "sent")
            self.add(record, channel, "delivered")
        for record in self.by_type["pushnotification.Bounce"]:
            self.add(record, PLATFORMS[record["platform"]], "bounces")
            self.add(record, PLATFORMS[record["platform"]], "delivered", -1)
        for record in self.by_type["pushnotification.Open"]:
            # Without a platform it is not counted when its message came too late to be counted.
            if platform := record["platform"] or sent.get(message(record)):
                self.opened(record, PLATFORMS[platform])
        for record in self.by_type["pushnotification.InfluencedOpen"] if share else self.influenced():
            if record["platform"] != "web":
                self.add(record, PLATFORMS[record["platform"]], "influenced_opens")
                self.add(record, PLATFORMS[record["platform"]], "total_opens")
        return received

    def opened(self, record, channel) -> None:
        if record["button_action_type"] != "CLOSE":
            self.add(record, channel, "direct_opens")
            self.add(record, channel, "total_opens")
        self.add(record, channel, "body_clicks" if record["button_string"] is None else "button_clicks")

    def influenced(self):
        """Of each push that nobody tapped, the first session after it when it starts soon enough."""
        opens = {}
        for push in self.by_type["pushnotification.Send"]:
            starts = [
                session["time"]
                for session in self.by_user["behaviors.app.SessionStart", push["user_id"]]
                if session["app_id"] == push["app_id"]
            ]
            start = min((start for start in starts if start >= push["time"]), default=None)
            if start is None:
                continue
            recent = sorted({found for found in starts if start - MONTH <= found <= start})
            usual = (start - recent[0]) / (len(recent) - 1) if len(recent) > 1 else 0
            tapped = any(
                message(tap) == message(push) and push["time"] <= tap["time"] <= start + 60
                for tap in self.by_user["pushnotification.Open", push["user_id"]]
            )
            if start - push["time"] < max(HALF_HOUR, usual / 2) and not tapped:
                opens[push["user_id"], push["app_id"], push["campaign_id"], start] = push | {"time": start}
        return opens.values()

    def succeeded(self) -> list:
        return [
            sent
            for sent in self.by_type["webhook.Send"]
            if not any(
                failed["is_terminal"] is not False
                and message(failed) == message(sent)
                and 0 <= failed["time"] - sent["time"] <= DAY
                for failed in self.by_user["webhook.Failure", sent["user_id"]]
            )
        ]

    def conversions(self) -> None:
        for record in self.by_type["campaigns.Conversion"]:
            before = [
                (time, control)
                for time, variation, control in self.last[record["user_id"], record["campaign_id"]]
                if variation == record["message_variation_id"] and 0 <= record["time"] - time <= MONTH
            ]
            time, control = before[-1] if before else (record["time"], False)
            name = f"conversions{INDEXES[record['conversion_behavior_index']]}"
            self.add(record, "campaign", name, control=control)
            self.add(record, "campaign", f"{name}_by_send_time", day=self.day({"time": time}), control=control)

    def purchases(self) -> None:
        campaigns = defaultdict(list)
        for (user, campaign), found in self.last.items():
            campaigns[user].append((campaign, found))
        for bought in self.by_type["behaviors.Purchase"]:
            for campaign, found in campaigns[bought["user_id"]] if bought["currency"] == "USD" else ():
                times = [time for time, _, _ in found if time <= bought["time"]]
                if times and bought["time"] - times[-1] <= 3 * DAY:
                    variation, control = min((what, control) for time, what, control in found if time == times[-1])
                    record = bought | {"campaign_id": campaign, "message_variation_id": variation}
                    self.add(record, "campaign", "revenue", Decimal(str(bought["price"])), control=control)

    def enrolled(self, record) -> bool:
        return any(
            control and 0 <= record["time"] - time <= MONTH
            for time, _, control in self.last[record["user_id"], record["campaign_id"]]
        )


def message(record) -> tuple[str, str, str]:
    """What an event about a message has in common with its sending."""
    return record["user_id"], record["message_variation_id"], record["dispatch_id"]
