"""What belongs to a campaign and to no channel: conversions, revenue, the control group, recipients of all channels."""

from __future__ import annotations

from include.exports.campaigns.metrics import OURS, Channel, Metric

INDEXES = ("", "1", "2", "3")
"""What the API appends to `conversions` for the events A to D."""

BY_SEND_TIME = """
    select c.* exclude (day), case when c."time" - r."time" <= 30 * 24 * 3600 then r.day else c.day end as day
    from campaigns_conversion c asof left join received r
      on c.user_id = r.user_id and c.campaign_id = r.campaign_id
     and c.message_variation_id is not distinct from r.message_variation_id and c."time" >= r."time"
"""
"""Conversions on the day of the last message or enrolment in the thirty days before them, else on their own day."""

REVENUE = """
    with messages as (
        select user_id, campaign_id, "time", min(message_variation_id) as message_variation_id
        from received where not control group by all
    )
    select p.user_id, p.day, p.price, m.campaign_id, m.message_variation_id
    from (
        select distinct p.*, m.campaign_id from behaviors_purchase p join messages m on p.user_id = m.user_id
        where upper(p.currency) = 'USD'
    ) p asof join messages m on p.user_id = m.user_id and p.campaign_id = m.campaign_id and p."time" >= m."time"
    where p."time" - m."time" <= getvariable('revenue_seconds')
"""
"""Purchases by those who had received a message not longer before than the window; the last one has them, of several at
one instant the one with the least variation id."""


def _conversions(letter: str, suffix: str, index: int) -> tuple[Metric, Metric]:
    counted = f"count(*) filter (conversion_behavior_index = {index})"
    return (
        Metric(
            name=f"conversions{suffix}",
            title=f"Conversions {letter}",
            over="campaigns_conversion",
            sql=counted,
            rule=f"Users who did conversion event {letter} within its window, once a user, on the day they did it.",
        ),
        Metric(
            name=f"conversions{suffix}_by_send_time",
            title=f"Conversions {letter} by Send Date",
            over="conversions_by_send_time",
            sql=counted,
            rule="The same conversions, on the day of the message or enrolment that they follow.",
        ),
    )


CAMPAIGN = Channel(
    name="campaign",
    title="Campaign",
    events={
        "users.campaigns.Conversion": ("conversion_behavior_index",),
        "users.campaigns.EnrollInControl": (),
        "users.behaviors.Purchase": ("price", "currency"),
    },
    relations={
        "conversions_by_send_time": BY_SEND_TIME,
        "revenue": REVENUE,
        "messages": "select * from received where not control",
    },
    metrics=(
        Metric(
            name="unique_recipients",
            title="Unique Recipients",
            over="messages",
            sql="count(distinct user_id)",
            rule="Different users who received a message of any channel on the day, without the control group.",
        ),
        *(metric for index, suffix in enumerate(INDEXES) for metric in _conversions("ABCD"[index], suffix, index)),
        Metric(
            name="revenue",
            title="Revenue",
            over="revenue",
            sql="coalesce(sum(cast(price as decimal(18, 2))), 0)",
            rule="Purchases in US dollars by recipients within the revenue window after a message, on their own day,"
            " each price rounded to cents. Those of the control group are not counted.",
        ),
        Metric(
            name="enrolled",
            title="Enrolled in Control",
            over="campaigns_enrollincontrol",
            rule="Users who were put into the control group.",
            source=OURS,
        ),
    ),
)
