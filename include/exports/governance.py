"""Data-usage labels of columns, marketing actions of destinations, and the policies between them, as Adobe has them."""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "C1": "is exported only in aggregate, without identifiers of people or devices",
        "C2": "is not exported to a third party",
        "C3": "is not combined with what identifies a person directly",
        "C4": "is not used to target ads or content",
        "C5": "is not used for targeting by interest across sites",
        "C6": "is not used for ads on your own site",
        "C7": "is not used for content on your own site",
        "C8": "is not used to measure your own sites and apps",
        "C9": "is not used in data science",
        "C10": "is not used where identities were stitched together",
        "C11": "is not used for Segment Match",
        "C12": "is not exported at all",
        "I1": "identifies a person directly, such as an e-mail address",
        "I2": "identifies a person together with other data, such as a device's id",
        "S1": "says where somebody is, to the metre",
        "S2": "says in which area somebody is",
    }
)
"""Adobe's labels (glossary of data usage labels, Experience Platform documentation)."""

ACTIONS = (
    "analytics",
    "combineWithPII",
    "crossSiteTargeting",
    "dataScience",
    "emailTargeting",
    "exportToThirdParty",
    "onsiteAdvertising",
    "onsitePersonalization",
    "segmentMatch",
    "singleIdentityPersonalization",
)
"""Adobe's core marketing actions."""

Label = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Action = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class Policy(Part):
    """Forbids marketing actions with what has certain labels."""

    name: str = Field(min_length=1)
    """What it is called; a refusal names it."""
    actions: tuple[Action, ...] = ()
    """The marketing actions that are forbidden, Adobe's or your own; every export when empty."""
    labels: tuple[Label, ...] = Field(min_length=1)
    """Forbidden when the exported columns have all of these labels between them; Adobe's labels or your own."""


CORE = (
    Policy(name="aggregates only (C1)", labels=("C1", "I1")),
    Policy(name="aggregates only (C1)", labels=("C1", "I2")),
    Policy(name="no export to third parties (C2)", actions=("exportToThirdParty",), labels=("C2",)),
    Policy(name="no combination with identities (C3)", actions=("combineWithPII",), labels=("C3",)),
    Policy(name="no combination with identities (C3)", labels=("C3", "I1")),
    Policy(
        name="no targeting (C4)",
        actions=("crossSiteTargeting", "emailTargeting", "onsiteAdvertising", "onsitePersonalization"),
        labels=("C4",),
    ),
    Policy(name="no targeting across sites (C5)", actions=("crossSiteTargeting",), labels=("C5",)),
    Policy(name="no ads on site (C6)", actions=("onsiteAdvertising",), labels=("C6",)),
    Policy(name="no personal content on site (C7)", actions=("onsitePersonalization",), labels=("C7",)),
    Policy(name="no measurement (C8)", actions=("analytics",), labels=("C8",)),
    Policy(name="no data science (C9)", actions=("dataScience",), labels=("C9",)),
    Policy(name="no stitched identities (C10)", actions=("singleIdentityPersonalization",), labels=("C10",)),
    Policy(name="no Segment Match (C11)", actions=("segmentMatch",), labels=("C11",)),
    Policy(name="no export (C12)", labels=("C12",)),
)
"""What Adobe's contract labels mean. Its labels of identity and of place forbid nothing by themselves: a policy of your
own says what they do."""


def unknown(names: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """What is wrong with names that neither Adobe nor a policy of the definition has."""
    known = sorted(known)
    found = []
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(known)}"
            found.append(f"{name!r} is no {what} of Adobe's or of `policies`, so nothing would be forbidden; {hint}")
    return found
