"""In-app messages."""

from __future__ import annotations

from include.exports.campaigns.metrics import USER, Channel, Metric, decided, recipients

UNIQUE = "count(distinct user_id)"

IN_APP_MESSAGE = Channel(
    name="in_app_message",
    title="In-App Message",
    events={
        "users.messages.inappmessage.Impression": USER,
        "users.messages.inappmessage.Click": ("button_id",),
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from inappmessage_impression',
    api=("impressions", "clicks", "first_button_clicks", "second_button_clicks"),
    metrics=(
        Metric(
            name="sent",
            title="In-App Messages Sent",
            over="inappmessage_impression",
            sql=f"case getvariable('in_app_sent') when 'unique_impressions' then {UNIQUE} else count(*) end",
            rule="Impressions; with `in_app_sent='unique_impressions'` those.",
            source=decided("an in-app message is shown by the app and no event says that it was sent; configurable"),
        ),
        Metric(
            name="impressions",
            title="Impressions",
            over="inappmessage_impression",
            rule="How often a message was seen.",
        ),
        Metric(
            name="unique_impressions",
            title="Unique Impressions",
            over="inappmessage_impression",
            sql=UNIQUE,
            rule="Users who saw the message, each once a day.",
        ),
        Metric(
            name="clicks",
            title="Clicks",
            over="inappmessage_click",
            rule="Taps on the message or on one of its buttons.",
        ),
        Metric(
            name="body_clicks",
            title="Body Clicks",
            over="inappmessage_click",
            sql="count(*) filter (button_id is null)",
            rule="Taps on the message itself.",
        ),
        Metric(
            name="first_button_clicks",
            title="Button 1 Clicks",
            over="inappmessage_click",
            sql="count(*) filter (button_id = '0')",
            rule="Taps on the button whose identifier is 0.",
        ),
        Metric(
            name="second_button_clicks",
            title="Button 2 Clicks",
            over="inappmessage_click",
            sql="count(*) filter (button_id = '1')",
            rule="Taps on the button whose identifier is 1.",
        ),
        *recipients("in_app_message", "Users who saw a message"),
    ),
)
