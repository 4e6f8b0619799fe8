"""Every channel that is measured, in the order of outputs."""

from __future__ import annotations

from include.exports.campaigns.metrics.banner import BANNER
from include.exports.campaigns.metrics.campaign import CAMPAIGN
from include.exports.campaigns.metrics.content_cards import CONTENT_CARDS
from include.exports.campaigns.metrics.email import EMAIL
from include.exports.campaigns.metrics.in_app_message import IN_APP_MESSAGE
from include.exports.campaigns.metrics.line import LINE
from include.exports.campaigns.metrics.push import PUSH
from include.exports.campaigns.metrics.rcs import RCS
from include.exports.campaigns.metrics.sms import SMS
from include.exports.campaigns.metrics.webhook import WEBHOOK
from include.exports.campaigns.metrics.whats_app import WHATS_APP

CHANNELS = (EMAIL, *PUSH, IN_APP_MESSAGE, CONTENT_CARDS, BANNER, SMS, RCS, WHATS_APP, LINE, WEBHOOK, CAMPAIGN)
"""`campaign` is the last one: its metrics need what the others say of who received a message."""
