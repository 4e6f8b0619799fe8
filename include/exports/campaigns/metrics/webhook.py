"""Webhooks."""

from __future__ import annotations

from include.exports.campaigns.metrics import DAY, USER, Channel, Metric, decided, recipients

ERRORS = "is_terminal is distinct from false"
SUCCEEDED = f"""
    select user_id, campaign_id, message_variation_id, "time", day from webhook_send s
    where not exists (
        from webhook_failure f
        where {ERRORS} and f.user_id = s.user_id and f.message_variation_id = s.message_variation_id
          and f.dispatch_id is not distinct from s.dispatch_id and f."time" - s."time" between 0 and {DAY}
    )
"""
"""Requests that did not fail for good within a day."""

WEBHOOK = Channel(
    name="webhook",
    title="Webhook",
    events={
        "users.messages.webhook.Send": (
            *USER,
            "dispatch_id",
        ),
        "users.messages.webhook.Failure": (*USER, "dispatch_id", "is_terminal"),
    },
    received=SUCCEEDED,
    api=("sent", "errors"),
    metrics=(
        Metric(name="sent", title="Sends", over="webhook_send", rule="Requests made, also those that failed."),
        Metric(
            name="errors",
            title="Errors",
            over="webhook_failure",
            sql=f"count(*) filter ({ERRORS})",
            rule="Requests that failed for good; not a failure after which Braze tries again.",
            source=decided("the documentation does not say whether a try that is repeated is an error"),
        ),
        *recipients("webhook", "Users for whom a request succeeded"),
    ),
)
