"""How often the tasks of an export are tried, and how many of them work at once."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from include.exports.model import Part


class Retries(Part):
    """What happens to a task that failed for a reason that may pass. Other failures are never repeated."""

    count: int = Field(default=3, ge=0, le=20)
    """How many times a task is tried again."""
    delay: timedelta = Field(default=timedelta(minutes=1), ge=timedelta())
    """Wait before the first repetition; it doubles with each one."""
    max_delay: timedelta = Field(default=timedelta(minutes=30), ge=timedelta())
    """Longest wait between two tries."""


class Pools(Part):
    """Airflow pools, whose slots limit how many tasks of all exports work with a source or a destination at once. They
    must exist; `airflow_settings.yaml` declares some."""

    source: str = Field(default="default_pool", min_length=1)
    """Pool of the tasks that read: one for each source that must be spared."""
    destination: str = Field(default="default_pool", min_length=1)
    """Pool of the tasks that deliver and publish: one for each destination that must be spared."""
