"""What every destination declares besides its place: what is done with the files there."""

from __future__ import annotations

from include.exports.governance import Action
from include.exports.model import Part


class Purpose(Part):
    """The parent of all destinations."""

    marketing_actions: tuple[Action, ...] = ()
    """What the files are used for there, in Adobe's words, such as `exportToThirdParty` or `emailTargeting`. Columns
    whose labels forbid it are not delivered there."""
