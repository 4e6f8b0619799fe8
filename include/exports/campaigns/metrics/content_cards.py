"""Content cards."""

from __future__ import annotations

from include.exports.campaigns.metrics import DAY, USER, Channel, Metric, decided, first_within, recipients

CARD = "campaign_id, message_variation_id, content_card_id, user_id"
"""Whose uniqueness it is: a user's, of one card."""

LIFE = 30 * DAY
"""How long a card can be shown at most."""

UNIQUE = "count(*) filter (is_first)"
FROM = decided(
    "documented is “once per user”; a user's first of a card counts on its own day, and a card lives thirty days"
)

CONTENT_CARDS = Channel(
    name="content_cards",
    title="Content Cards",
    events={
        "users.messages.contentcard.Send": (),
        **{
            f"users.messages.contentcard.{event}": ("id", *USER, "content_card_id")
            for event in ("Impression", "Click", "Dismiss")
        },
    },
    relations={
        "card_impressions": first_within("contentcard_impression", CARD, LIFE),
        "card_clicks": first_within("contentcard_click", CARD, LIFE),
        "card_dismissals": first_within("contentcard_dismiss", CARD, LIFE),
    },
    received='select user_id, campaign_id, message_variation_id, "time", day from contentcard_impression',
    api=(
        "sent",
        "total_clicks",
        "total_dismissals",
        "total_impressions",
        "unique_clicks",
        "unique_dismissals",
        "unique_impressions",
    ),
    metrics=(
        Metric(
            name="sent",
            title="Messages Sent",
            over="contentcard_send",
            rule="Cards created at launch, or at the first impression, as the campaign is set up.",
        ),
        Metric(
            name="total_impressions",
            title="Total Impressions",
            over="card_impressions",
            rule="How often a card was seen.",
        ),
        Metric(
            name="unique_impressions",
            title="Unique Impressions",
            over="card_impressions",
            sql=UNIQUE,
            rule="Users who saw a card, each once a card, on the day they first saw it.",
            source=FROM,
        ),
        Metric(
            name="total_clicks",
            title="Total Clicks",
            over="card_clicks",
            rule="How often a card was clicked.",
        ),
        Metric(
            name="unique_clicks",
            title="Unique Clicks",
            over="card_clicks",
            sql=UNIQUE,
            rule="Users who clicked a card, each once a card, on the day of the first click.",
            source=FROM,
        ),
        Metric(
            name="total_dismissals",
            title="Total Dismissals",
            over="card_dismissals",
            rule="How often a card was dismissed.",
        ),
        Metric(
            name="unique_dismissals",
            title="Unique Dismissals",
            over="card_dismissals",
            sql=UNIQUE,
            rule="Users who dismissed a card, each once a card, on the day of the first time.",
            source=FROM,
        ),
        *recipients("content_cards", "Users who saw a card"),
    ),
)
