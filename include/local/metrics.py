"""The page about metrics: what each one counts, and who says so. Its text is that of the metrics themselves."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from include.exports.campaigns import comparison
from include.exports.campaigns.left_out import LEFT_OUT
from include.exports.campaigns.metrics.rates import RATES
from include.exports.campaigns.metrics.registry import CHANNELS

if TYPE_CHECKING:
    from include.exports.campaigns.metrics import Channel

INTRODUCTION = """\
# Every metric of a campaign

Each metric has one definition, in SQL, from which every output is made. Plain Python that knows nothing of that SQL
computes each of them from the same events, and the tests compare the two.

- **A figure** is of a day, a campaign, a channel, a variation and a metric. It is there for each variation and for all
  of them together, and zero where nothing happened.
- **A day** is one of the schedule's time zone, from midnight to midnight, of 23 or 25 hours where clocks change.
  Braze does not say which time zone its graph has; its reports use the company's, its query builder UTC.
- **An event** is counted once, whatever number of times it was delivered, on the day it happened, not on that it
  arrived. It is counted when it arrived within the source's `lateness`.
- **The control group** is in its own figures and in no total; it receives no message.
- **Several days** are the sum of their days, also for unique recipients, as Braze shows them. Distinct recipients are
  those of all days of a run together.
- **A rule that Braze does not document** is marked *decided here*, with the reason. Where people will disagree it is a
  field of [`Rules`](DEFINITION.md#rules).

*Series* is what people call a metric: the name of Braze's series where it shows one. *API* says whether the metric is
the field of that name in answers of `/campaigns/data_series`.
"""

NOT_TOLD = """\
## What message events do not tell

These figures of Braze's pages are not here, because no event says them:

- in-app messages: *Close Message*, and the figures of surveys (choices, submissions, pages);
- RCS: *Delivery Failures*; LINE: its own *Opens* and *Clicks*, which LINE gives only above twenty messages a day;
- push: clicks on the slides of a carousel;
- SMS, RCS: replies later than four hours after a message, which Braze gives no campaign.
"""


def markdown() -> str:
    """The whole page."""
    channels = "\n".join(map(_channel, CHANNELS))
    return f"{INTRODUCTION}\n{channels}\n{_rates()}\n{_comparison()}\n{_left_out()}\n{NOT_TOLD}"


def _channel(channel: Channel) -> str:
    rows = "".join(
        f"| `{metric.name}` | {metric.title} | {metric.rule} | {metric.source} |"
        f" {'yes' if metric.name in channel.api else ''} |\n"
        for metric in channel.metrics
    )
    events = ", ".join(f"`{name.removeprefix('users.')}`" for name in channel.events)
    return (
        f"## {channel.title}\n\nChannel `{channel.name}`, from {events}.\n\n"
        f"| metric | series | what it counts | source | API |\n| --- | --- | --- | --- | --- |\n{rows}"
    )


def _rates() -> str:
    rows = "".join(
        f"| `{rate.name}` | {rate.title} | {', '.join(f'`{name}`' for name in rate.channels)} | `{rate.of}` /"
        f" `{rate.per}` | {rate.source} |\n"
        for rate in RATES
    )
    return (
        "## Rates\n\nOf several days the sums are divided. A rate has no value where the divisor is zero.\n\n"
        f"| rate | series | channels | what it is | source |\n| --- | --- | --- | --- | --- |\n{rows}"
    )


def _comparison() -> str:
    return f"## Comparison of variants\n\n{inspect.getdoc(comparison)}\n"


def _left_out() -> str:
    rows = "".join(f"- {what.replace(' ({})', '')};\n" for what in LEFT_OUT)
    return (
        "## What is left out\n\nA run warns in its log, with their number, when there are\n\n"
        f"{rows}- events of a type that is not known;\n"
        "- influenced opens to be computed, and no sessions.\n"
    )
