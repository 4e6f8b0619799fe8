"""What belongs to a campaign and to no channel: conversions, revenue, the control group, recipients of all channels."""

from __future__ import annotations

from include.exports.campaigns.metrics import DAY, EVENTS, GLOSSARY, USER, Channel, Metric, recipients

INDEXES = ("", "1", "2", "3")
"""What the API appends to `conversions` for the events A to D."""

LONGEST = 30 * DAY
"""The longest conversion window."""

BY_SEND_TIME = f"""
    select c.* exclude (day), coalesce(r.day, c.day) as day, coalesce(r.control, false) as control, c.day as event_day
    from campaigns_conversion c left join (
        select c.id, r.day, r.control from campaigns_conversion c asof join (
            from received where user_id in (select user_id from campaigns_conversion)
        ) r
          on c.user_id = r.user_id and c.campaign_id = r.campaign_id
         and c.message_variation_id is not distinct from r.message_variation_id and c."time" >= r."time"
        where c."time" - r."time" <= {LONGEST}
    ) r on c.id = r.id
"""
"""Conversions on the day of the last message or enrolment in the thirty days before them, else on their own day."""

REVENUE = f"""
    with mine as (
        select user_id, campaign_id, "time", min(message_variation_id) as message_variation_id,
               bool_and(control) as control
        from received where user_id in (select user_id from behaviors_purchase) group by all
    )
    select p.user_id, p.day, cast(p.price as decimal(18, 2)) as amount, m.campaign_id, m.message_variation_id, m.control
    from (
        select distinct p.*, m.campaign_id from behaviors_purchase p join mine m on p.user_id = m.user_id
        where upper(p.currency) = 'USD'
    ) p asof join mine m on p.user_id = m.user_id and p.campaign_id = m.campaign_id and p."time" >= m."time"
    where p."time" - m."time" <= getvariable('revenue_seconds')
    union all
    select r.user_id, r.day, cast(r.revenue as decimal(18, 2)) / 100, r.campaign_id, r.message_variation_id,
           exists (
               from campaigns_enrollincontrol e
               where e.user_id = r.user_id and e.campaign_id = r.campaign_id
                 and r."time" - e."time" between 0 and {LONGEST}
           )
    from campaigns_revenue r
"""
"""Purchases by those who had received a message, or been enrolled, not longer before than the window; the last one has
them, of several at one instant the one with the least variation id. And revenue that Braze has attributed itself. Only
the events of one of the two are read."""


def _conversions(letter: str, suffix: str, index: int) -> tuple[Metric, Metric]:
    counted = f"count(*) filter (conversion_behavior_index = {index})"
    primary = "Primary " if index == 0 else ""
    return (
        Metric(
            name=f"conversions{suffix}",
            title=f"{primary}Conversions ({letter})",
            over="conversions",
            sql=counted,
            rule=f"Users who did conversion event {letter} within its window, on the day they did it. Braze logs it"
            " once a user while the window is open; of several channels, once each.",
        ),
        Metric(
            name=f"conversions{suffix}_by_send_time",
            title=f"{primary}Conversions ({letter}) by Send Date",
            over="conversions_by_send_time",
            sql=counted,
            rule="The same conversions, on the day of the last message or enrolment that they follow within 30 days.",
            source=f"{GLOSSARY}; which message it is when there were several is decided here",
        ),
    )


PURCHASE = "users.behaviors.Purchase"
ATTRIBUTED = "users.campaigns.Revenue"

CAMPAIGN = Channel(
    name="campaign",
    title="Campaign",
    events={
        "users.campaigns.Conversion": (
            "id",
            *USER,
            "conversion_behavior_index",
        ),
        "users.campaigns.EnrollInControl": USER,
        PURCHASE: (*USER, "price", "currency"),
        ATTRIBUTED: (*USER, "revenue"),
    },
    relations={
        "conversions_by_send_time": BY_SEND_TIME,
        "conversions": "select * replace (event_day as day) from conversions_by_send_time",
        "revenue": REVENUE,
        "enrolments": "select *, false as control from campaigns_enrollincontrol",
        "campaign_received": "select * from received where not control",
    },
    api=(
        *(f"conversions{suffix}_by_send_time" for suffix in INDEXES),
        *(f"conversions{suffix}" for suffix in INDEXES),
        "unique_recipients",
        "revenue",
    ),
    in_total="not control",
    metrics=(
        *recipients("campaign", "Users who received a message of any channel, without the control group"),
        *(metric for index, suffix in enumerate(INDEXES) for metric in _conversions("ABCD"[index], suffix, index)),
        Metric(
            name="revenue",
            title="Revenue",
            over="revenue",
            sql="coalesce(sum(amount), 0)",
            rule="Purchases in US dollars by recipients within `revenue_window` after a message of any channel, on"
            " their own day, each price rounded to cents; the last message before has them. With `revenue_by='events'`,"
            " what Braze attributed. The control group's is in its own figures and in no total.",
            source=f"{GLOSSARY}; to which message it belongs is decided here",
        ),
        Metric(
            name="enrolled",
            title="Enrolled in Control",
            over="enrolments",
            rule="Users who were put into the control group.",
            source=EVENTS,
        ),
    ),
)
