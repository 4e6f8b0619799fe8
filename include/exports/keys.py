"""Secret keys, which are passwords of Airflow connections."""

from __future__ import annotations

from include.exports.errors import NotEligible


def key(conn_id: str) -> str:
    """The key that a connection holds. Raises `NotEligible` when it has none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        password = BaseHook.get_connection(conn_id).password
    except AirflowNotFoundException:
        password = None
    if not password:
        raise NotEligible(f"Airflow connection {conn_id!r} does not exist or has no password; it holds the key")
    return str(password)
