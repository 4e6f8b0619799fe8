"""Airflow's own database on one machine."""

from __future__ import annotations

from include.exports.paths import PROJECT
from include.local import settings


def initialize() -> None:
    """Create or upgrade the database, and write the pools of airflow_settings.yaml to it."""
    from airflow.models.pool import Pool
    from airflow.utils import db

    db.initdb()
    for pool in settings.read(PROJECT / "airflow_settings.yaml").pools:
        Pool.create_or_update_pool(pool.pool_name, pool.pool_slot, pool.pool_description, include_deferred=False)
