"""The folder of a run: a template with Adobe's macros, filled from the plan and never from the clock.

| macro | becomes |
| --- | --- |
| `%DATASET_ID%`, `%DATASET_NAME%` | `dataset_id` and `dataset` of the export |
| `%DESTINATION%` | the kind of destination, such as `s3` |
| `%DESTINATION_INSTANCE_NAME%`, `%DESTINATION_INSTANCE_ID%` | `name` of the destination, and an id made from it |
| `%SANDBOX_NAME%`, `%ORGANIZATION_NAME%` | `sandbox` and `organization` of the export |
| `%EXPORT_TIME%` | `exportTime=YYYYMMDDHHMM`: the scheduled time in UTC, the end of the window |
| `%DATETIME(pattern)%` | the same instant in the schedule's time zone; pattern of YYYY, MM, dd, HH, mm, ss and - _ . |
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from include.exports.paths import relative_path

if TYPE_CHECKING:
    from include.exports.schedules import Unit

NAMES = (
    "DATASET_ID",
    "DATASET_NAME",
    "DESTINATION",
    "DESTINATION_INSTANCE_ID",
    "DESTINATION_INSTANCE_NAME",
    "ORGANIZATION_NAME",
    "SANDBOX_NAME",
)
"""Macros whose value does not depend on the run."""

_UNITS: dict[str, tuple[Unit, str]] = {
    "YYYY": ("year", "%Y"),
    "yyyy": ("year", "%Y"),
    "MM": ("month", "%m"),
    "dd": ("day", "%d"),
    "HH": ("hour", "%H"),
    "mm": ("minute", "%M"),
    "ss": ("second", "%S"),
}
_MACRO = re.compile(r"%([^%]*)%")
_DATETIME = re.compile(r"DATETIME\(([^()]*)\)")
_TOKEN = re.compile(r"YYYY|yyyy|MM|dd|HH|mm|ss|[-_.]|(.)")


def _template(value: str) -> str:
    """A macro that does not exist would become part of a path and be found out by the reader of the files."""
    for macro in _MACRO.findall(value):
        if pattern := _DATETIME.fullmatch(macro):
            wrong = [token.group() for token in _TOKEN.finditer(pattern.group(1)) if token.group(1)]
            if wrong or not pattern.group(1):
                raise ValueError(
                    f"%{macro}%: {wrong[0] if wrong else 'an empty pattern'!r} cannot be used; write a pattern of YYYY,"
                    " MM, dd, HH, mm, ss and - _ . such as %DATETIME(YYYYMMdd_HHmmss)%"
                )
        elif macro not in {*NAMES, "EXPORT_TIME"}:
            known = ", ".join(f"%{name}%" for name in (*NAMES, "EXPORT_TIME", "DATETIME(YYYYMMdd)"))
            raise ValueError(f"%{macro}% is not a macro; use one of {known}")
    relative_path(_MACRO.sub("x", value))
    return value


FolderTemplate = Annotated[str, AfterValidator(_template)]


def macros(template: str) -> set[str]:
    """The names of the macros in `template`; `DATETIME` without its pattern."""
    return {macro.partition("(")[0] for macro in _MACRO.findall(template)}


def units(template: str, timezone: str) -> set[Unit]:
    """The units of time that tell two folders of `template` apart: not the hours of a clock that repeats one."""
    found: set[Unit] = set()
    for macro in _MACRO.findall(template):
        if macro == "EXPORT_TIME":
            return {"year", "month", "day", "hour", "minute"}
        if pattern := _DATETIME.fullmatch(macro):
            tokens = (token.group() for token in _TOKEN.finditer(pattern.group(1)))
            found |= {_UNITS[token][0] for token in tokens if token in _UNITS}
    return found - {"hour", "minute"} if changes(timezone) else found


def changes(timezone: str) -> bool:
    """Whether the clocks of a time zone are, or in this century were, ever set back or forward."""
    months = (datetime(year, month, 1) for year in range(2000, 2038) for month in range(1, 13))  # noqa: DTZ001
    return len({ZoneInfo(timezone).utcoffset(month) for month in months}) > 1


def render(template: str, values: dict[str, str], as_of: datetime, timezone: str) -> str:
    """The folder of the run whose window ends at `as_of`. `values` holds every name of `NAMES` that occurs."""
    local = as_of.astimezone(ZoneInfo(timezone))

    def value(match: re.Match[str]) -> str:
        if match.group(1) == "EXPORT_TIME":
            return f"exportTime={as_of.astimezone(UTC):%Y%m%d%H%M}"
        if pattern := _DATETIME.fullmatch(match.group(1)):
            return _TOKEN.sub(
                lambda token: local.strftime(_UNITS.get(token.group(), ("", token.group()))[1]), pattern.group(1)
            )
        return values[match.group(1)]

    return _MACRO.sub(value, template)
