"""Every error this project raises on purpose.

    ExportError
    ├─ DefinitionError      (ValueError)       terminal   the declaration is wrong; lists all problems
    ├─ NotEligible                             terminal   the run is refused before anything is read
    ├─ NothingToExport                         skip       an empty window of an export that says `skip`; a dry run
    ├─ SourceRefused        (ValueError)       terminal   records that cannot be exported without losing something
    ├─ SourceInterrupted    (ConnectionError)  retry      the source went away; asking again can help
    ├─ DeliveryRefused      (PermissionError)  terminal   credentials, quota, policy, a folder that is not ours
    ├─ DeliveryInterrupted  (ConnectionError)  retry      the destination went away or another run published first
    └─ VerificationError                       terminal   counts, sizes or hashes differ from what was computed

`dag.py` alone turns these into Airflow's words: terminal errors become `AirflowFailException`, the skip becomes
`AirflowSkipException`, the others are raised as they are and retried.

A message says where, which value, which rule, and what to do about it, in that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class ExportError(Exception):
    """Base of every error raised on purpose; `retry` says whether the same attempt can succeed later."""

    retry: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a definition."""

    field: str
    """Dotted path of the field as it is written, such as `source.time_column.name`."""
    message: str
    """The value, the rule it breaks and the remedy, in one sentence."""


class DefinitionError(ExportError, ValueError):
    """A declaration that cannot be exported as it stands. Lists every problem, not only the first."""

    def __init__(self, where: str, what: str, problems: list[Problem]) -> None:
        self.where, self.what, self.problems = where, what, tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem.field}: {problem.message}" for problem in problems)
        super().__init__(f"{where}: {count} in {what}{lines}")


class NotEligible(ExportError):
    """The run is refused on purpose, before anything is read."""


class NothingToExport(ExportError):
    """The window holds no records and the export declares `on_empty="skip"`, or the run is only to be tried out."""


class SourceRefused(ExportError, ValueError):
    """A record, column or type that cannot be exported without loss. The same attempt fails again."""


class SourceInterrupted(ExportError, ConnectionError):
    """The source stopped answering. The same attempt may succeed later."""

    retry: ClassVar[bool] = True


class DeliveryRefused(ExportError, PermissionError):
    """The destination does not let us write, or the folder belongs to something else."""


class DeliveryInterrupted(ExportError, ConnectionError):
    """The destination stopped answering, or another run published the same window first."""

    retry: ClassVar[bool] = True


class VerificationError(ExportError):
    """What is at the destination, or what was counted, is not what was computed."""
