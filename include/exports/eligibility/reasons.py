"""Collects every reason for which a run may not start, so that all of them can be removed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from include.exports.errors import ExportError, NotEligible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Reasons:
    """Why a run of an export may not start."""

    def __init__(self, export: str) -> None:
        self._export = export
        self._raised: list[ExportError] = []
        self._said: list[str] = []

    def ask(self, question: Callable[[], T]) -> T | None:
        """The answer; None when it is a reason."""
        try:
            return question()
        except ExportError as error:
            self._raised.append(error)
            return None

    def add(self, reasons: Iterable[str]) -> None:
        """Add reasons in words."""
        self._said += reasons

    def decide(self, answer: T | None) -> T:
        """The answer that nothing stands against; raises what was found.

        An error that is the only reason is raised as it is. Several reasons are one `NotEligible` that lists them,
        without those that may pass: to try again helps only when nothing else is in the way.
        """
        lasting = [error for error in self._raised if not error.retry]
        if self._said or len(lasting) > 1:
            lines = [*map(str, lasting), *self._said]
            raise NotEligible(f"{self._export} cannot be exported:" + "".join(f"\n  {line}" for line in lines))
        for error in [*lasting, *self._raised]:
            raise error
        return cast("T", answer)
