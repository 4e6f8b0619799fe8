"""Looks an Airflow connection up before a hook does.

A hook that does not find its connection goes on with whatever identity the worker has, or says so in words that name
neither the definition nor the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.exports.errors import DeliveryRefused

if TYPE_CHECKING:
    from airflow.sdk import Connection


def connection(conn_id: str) -> Connection:
    """The Airflow connection of that id. Raises `DeliveryRefused` when there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise DeliveryRefused(f"Airflow connection {conn_id!r} does not exist; create it or correct conn_id") from error
