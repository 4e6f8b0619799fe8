"""Push notifications, a channel a platform."""

from __future__ import annotations

from include.exports.campaigns.metrics import DAY, EVENTS, GLOSSARY, USER, Channel, Metric, decided, recipients

PLATFORMS = {
    "ios_push": ("iOS Push", ("ios",)),
    "android_push": ("Android Push", ("android",)),
    "kindle_push": ("Kindle Push", ("kindle",)),
    "web_push": ("Web Push", ("web", "chrome", "firefox", "safari", "edge", "opera")),
}
"""Each channel with its title and the values of `platform` that belong to it, in lower case."""

PUSHED = "users.messages.pushnotification.Send"
INFLUENCED = "users.messages.pushnotification.InfluencedOpen"
SESSION = "users.behaviors.app.SessionStart"
NEEDED = {
    PUSHED: ("id", *USER, "platform", "dispatch_id", "app_id"),
    "users.messages.pushnotification.Open": (
        "id",
        *USER,
        "platform",
        "dispatch_id",
        "button_string",
        "button_action_type",
    ),
    "users.messages.pushnotification.Bounce": ("id", *USER, "platform", "dispatch_id"),
    INFLUENCED: ("id", *USER, "platform", "dispatch_id"),
    SESSION: ("id", *USER, "app_id"),
}

SESSIONS = f"""
    select *, ("time" - min("time") over recent) / nullif(count(*) over recent - 1, 0) as gap
    from (select user_id, app_id, "time", day, min(id) as id from app_sessionstart group by all)
    window recent as (
        partition by user_id, app_id order by "time" range between {30 * DAY} preceding and current row
    )
"""
"""Starts of an app with the mean seconds between those of the user in the thirty days before; NULL for the first."""

TAPPED = 60
"""How many seconds after the start of an app the tap that started it may be logged."""

AFTER_PUSH = f"""
    select s.id, s."time", s.day, p.user_id, p.campaign_id, p.message_variation_id, p.platform
    from (select * from pushnotification_send where campaign_id is not null) p asof join app_sessions s
      on p.user_id = s.user_id and p.app_id = s.app_id and p."time" <= s."time"
    where s."time" - p."time" < greatest(
            getvariable('influenced_seconds'), coalesce(getvariable('influenced_share') * s.gap, 0)
        )
      and not exists (
        from pushnotification_open o
        where o.user_id = p.user_id and o.message_variation_id = p.message_variation_id
          and o.dispatch_id is not distinct from p.dispatch_id
          and o."time" >= p."time" and o."time" <= s."time" + {TAPPED}
    )
    qualify row_number() over (partition by p.campaign_id, s.id order by p."time" desc, p.id) = 1
"""
"""Starts of an app soon after a push that nobody tapped. A start is of the last push of each campaign before it."""


def _known(events: str) -> str:
    """The events with their platform. One that does not say it has that of the message it is about."""
    return f"""
        select e.* replace (coalesce(e.platform, s.platform) as platform) from {events} e left join (
            select e.id, min(s.platform) as platform from {events} e join pushnotification_send s
              on e.user_id = s.user_id and e.message_variation_id = s.message_variation_id
             and e.dispatch_id is not distinct from s.dispatch_id
            where e.platform is null group by e.id
        ) s on e.id = s.id"""


RELATIONS = {
    "app_sessions": SESSIONS,
    "push_influenced": AFTER_PUSH,
    "push": f"""
        select 'send' as kind, * from pushnotification_send
        union all by name select 'open' as kind, * from ({_known("pushnotification_open")})
        union all by name select 'bounce' as kind, * from ({_known("pushnotification_bounce")})
        union all by name select 'influenced' as kind, * from ({_known("pushnotification_influencedopen")})
        union all by name select 'influenced' as kind, * from push_influenced""",
}

INFLUENCED_RULE = decided(
    "the documentation says “less than thirty minutes after, or under half the average time”, and not how they are"
    " told apart from taps or which push a start belongs to; configurable"
)


def _channel(name: str) -> Channel:
    title, platforms = PLATFORMS[name]
    mine = ", ".join(f"'{platform}'" for platform in platforms)
    direct = "count(*) filter (kind = 'open' and button_action_type is distinct from 'CLOSE')"
    influenced = "count(*) filter (kind = 'influenced')"
    on_web = name == "web_push"

    def metric(name: str, title: str, sql: str, rule: str, source: str = GLOSSARY) -> Metric:
        return Metric(name=name, title=title, over=events, sql=sql, rule=rule, source=source)

    events = f"{name}_events"
    metrics = [
        metric(
            "sent",
            f"{title} Sent",
            "count(*) filter (kind = 'send')",
            "Notifications handed to the platform's service, a device each.",
        ),
        metric(
            "delivered",
            "Deliveries",
            "count(*) filter (kind = 'send') - count(*) filter (kind = 'bounce')",
            "Sent less bounces. Of a single day it is negative when more bounced than were sent.",
        ),
        metric(
            "total_opens",
            "Opens" if on_web else "Total Opens",
            direct if on_web else f"{direct} + {influenced}",
            "Direct opens; those of the web have no others." if on_web else "Direct and influenced opens.",
        ),
        metric(
            "direct_opens",
            "Direct Opens",
            direct,
            "Taps on the notification or one of its buttons, but not on one that closes it.",
        ),
        metric(
            "body_clicks",
            "Body Clicks",
            "count(*) filter (kind = 'open' and button_string is null)",
            "Taps on the notification itself.",
        ),
        metric(
            "button_clicks",
            "Button Clicks",
            "count(*) filter (kind = 'open' and button_string is not null)",
            "Taps on a button of the notification, also on one that closes it.",
            EVENTS,
        ),
        metric(
            "bounces",
            "Bounces",
            "count(*) filter (kind = 'bounce')",
            "Notifications whose token the platform's service no longer knows.",
        ),
    ]
    if not on_web:
        rule = (
            "Starts of the app less than `within` after a push, or less than `share` of the user's mean time between"
            " starts, without a tap on the push. With `by='events'`, the influenced opens that Braze logged."
        )
        metrics.append(metric("influenced_opens", "Influenced Opens", influenced, rule, INFLUENCED_RULE))
    return Channel(
        name=name,
        title=title,
        events=NEEDED,
        relations=RELATIONS | {events: f"select * from push where lower(platform) in ({mine})"},
        received=f"""select user_id, campaign_id, message_variation_id, "time", day from pushnotification_send
            where lower(platform) in ({mine})""",
        api=("sent", "direct_opens", "total_opens", "bounces", "body_clicks"),
        metrics=(*metrics, *recipients(name, "Users who were sent a notification, also one that bounced")),
    )


PUSH = tuple(map(_channel, PLATFORMS))
