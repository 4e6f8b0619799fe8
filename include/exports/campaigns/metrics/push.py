"""Push notifications, a channel a platform."""

from __future__ import annotations

from include.exports.campaigns.metrics import Channel, Metric

PLATFORMS = {
    "ios_push": ("iOS Push", ("ios",)),
    "android_push": ("Android Push", ("android",)),
    "kindle_push": ("Kindle Push", ("kindle",)),
    "web_push": ("Web Push", ("web", "chrome", "firefox", "safari", "edge", "opera")),
}
"""Each channel with its title and the values of `platform` that belong to it, in lower case."""

EVENTS = {
    "users.messages.pushnotification.Send": ("platform", "dispatch_id"),
    "users.messages.pushnotification.Open": ("platform", "dispatch_id", "button_string", "button_action_type"),
    "users.messages.pushnotification.Bounce": ("platform", "dispatch_id"),
    "users.messages.pushnotification.InfluencedOpen": ("platform", "dispatch_id"),
}


def _on(events: str, platforms: tuple[str, ...]) -> str:
    """The events of some platforms. One that does not say its platform has that of the message it is about."""
    names = ", ".join(f"'{name}'" for name in platforms)
    return f"""
        select e.* from {events} e left join (
            select user_id, message_variation_id, dispatch_id, min(platform) as platform
            from pushnotification_send group by all
        ) s on e.platform is null and e.user_id = s.user_id and e.message_variation_id = s.message_variation_id
           and e.dispatch_id is not distinct from s.dispatch_id
        where lower(coalesce(e.platform, s.platform)) in ({names})"""


def _channel(name: str) -> Channel:
    title, platforms = PLATFORMS[name]
    opens, influenced = f"{name}_opens", f"{name}_influenced"
    direct = "count(*) filter (kind = 'open' and button_action_type is distinct from 'CLOSE')"
    total = f"{direct} + count(*) filter (kind = 'influenced')"
    metrics = (
        Metric(
            name="sent",
            title=f"{title} Sent",
            over=f"{name}_sends",
            rule="Notifications handed to the platform's service, a device each.",
        ),
        Metric(
            name="direct_opens",
            title="Direct Opens",
            over=opens,
            sql=direct,
            rule="Taps on the notification or one of its buttons, but not on one that closes it.",
        ),
        Metric(
            name="total_opens",
            title="Total Opens",
            over=opens,
            sql=direct if name == "web_push" else total,
            rule="Direct opens; those of the web have no others."
            if name == "web_push"
            else "Direct and influenced opens.",
        ),
        Metric(
            name="influenced_opens",
            title="Influenced Opens",
            over=opens,
            sql="0" if name == "web_push" else "count(*) filter (kind = 'influenced')",
            rule="The app was opened soon after the notification, without a tap on it, as the events say.",
        ),
        Metric(
            name="body_clicks",
            title="Body Clicks",
            over=opens,
            sql="count(*) filter (kind = 'open' and button_string is null)",
            rule="Taps on the notification itself.",
        ),
        Metric(
            name="bounces",
            title="Bounces",
            over=f"{name}_bounces",
            rule="Notifications whose token the platform's service no longer knows.",
        ),
        Metric(
            name="unique_recipients",
            title="Unique Recipients",
            over=f"{name}_sends",
            sql="count(distinct user_id)",
            rule="Different users who were sent a notification on the day; one whose notification bounced is counted.",
        ),
    )
    return Channel(
        name=name,
        title=title,
        events=EVENTS,
        relations={
            f"{name}_sends": _on("pushnotification_send", platforms),
            f"{name}_bounces": _on("pushnotification_bounce", platforms),
            f"{name}_direct": _on("pushnotification_open", platforms),
            influenced: _on("pushnotification_influencedopen", platforms),
            opens: f"select *, 'open' as kind from {name}_direct union all by name"
            f" select *, 'influenced' as kind from {influenced}",
        },
        received=f'select user_id, campaign_id, message_variation_id, "time" from {name}_sends',
        metrics=metrics,
    )


PUSH = tuple(map(_channel, PLATFORMS))
