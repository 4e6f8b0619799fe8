"""Every channel that is measured, in the order of outputs."""

from __future__ import annotations

from include.exports.campaigns.metrics.campaign import CAMPAIGN
from include.exports.campaigns.metrics.email import EMAIL
from include.exports.campaigns.metrics.push import PUSH

CHANNELS = (EMAIL, *PUSH, CAMPAIGN)
"""`campaign` is the last one: its metrics need what the others say of who received a message."""
