"""Names and paths that may appear in a definition, and the one place where a relative local path is resolved."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that holds `dags/` and `include/`."""

LONGEST_SEGMENT = 200
"""Characters of one path segment: file systems have 255, of which a hidden name during a transfer takes some."""

LONGEST_PATH = 800
"""Characters of a folder below a destination's root: object stores have 1024, file names included."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_SEGMENT = re.compile(r"[0-9A-Za-z!\-_.*'()=]+")


def _name(value: str) -> str:
    """An Airflow DAG id, a folder and a staging key at once; partners' servers may ignore case."""
    if not _NAME.fullmatch(value):
        remedy = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")[:100]
        raise ValueError(
            f"{value!r} must be lower-case letters, digits and underscores, start with a letter and have at most 100"
            f" characters{f'; write {remedy!r}' if _NAME.fullmatch(remedy) else ''}"
        )
    return value


def is_name(value: str) -> bool:
    """Whether `value` can be the name of an export."""
    return _NAME.fullmatch(value) is not None


def segment(value: str) -> str:
    """One path segment that every supported store takes as it is (Adobe's path characters, and `=` for hive)."""
    if value in {".", ".."} or not _SEGMENT.fullmatch(value):
        raise ValueError(f"{value!r} must be letters, digits and ! - _ . * ' ( ) =, and not '.' or '..'")
    if len(value) > LONGEST_SEGMENT:
        raise ValueError(f"{value!r} has {len(value)} characters; write at most {LONGEST_SEGMENT}")
    return value


def relative_path(value: str) -> str:
    """A path below the destination's root. Refuses what climbs out of it or means different things on two stores."""
    if value == "":
        return value
    if value.startswith("/") or value.endswith("/") or "//" in value:
        remedy = "/".join(part for part in value.split("/") if part)
        raise ValueError(f"{value!r} must have no leading, trailing or double slash; write {remedy!r}")
    if len(value) > LONGEST_PATH:
        raise ValueError(f"{value!r} has {len(value)} characters; write at most {LONGEST_PATH}")
    for part in value.split("/"):
        try:
            segment(part)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a safe path: segment {error}") from None
    return value


TIME_ZONES = frozenset(available_timezones())
"""Found once: the whole database is searched for them."""


def _timezone(value: str) -> str:
    if value not in TIME_ZONES:
        raise ValueError(f"{value!r} is not a time zone of the IANA database; write one such as 'UTC' or 'Asia/Seoul'")
    ZoneInfo(value)
    return value


Name = Annotated[str, AfterValidator(_name)]
Segment = Annotated[str, AfterValidator(segment)]
RelativePath = Annotated[str, AfterValidator(relative_path)]
TimeZone = Annotated[str, AfterValidator(_timezone)]


def local_path(path: str) -> Path:
    """`path` on this machine; a relative one starts at the project's folder, wherever the process was started."""
    return PROJECT / path
