"""A server of every kind of destination on 127.0.0.1, so that anybody can watch an export arrive without an account.

A module here is called as the `type` of its destination and has `serve(folder)`, a context manager that yields a
`LocalStore`. `make demo STORE=<kind>` and the tests start the same servers; what makes them fail is in `tests/rigs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from include.exports.destinations import DESTINATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

KINDS = tuple(kind for kind in DESTINATIONS if kind != "local")
"""The kinds of destinations that are servers, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStore:
    """A server that runs, with an empty or earlier used place in it."""

    destination: Any
    """The bucket, container or folder as it is declared. Its identity has the rights that its documentation asks for,
    and no others."""
    connections: Mapping[str, str]
    """The Airflow connections of `destination`: JSON by `conn_id`."""


def serve(kind: str, folder: Path) -> AbstractContextManager[LocalStore]:
    """The server of a kind of destination, until the context ends; then nothing of it runs any more.

    What it keeps it keeps in `folder`, or in memory. Raises `RuntimeError` when it cannot start; the message says why
    and what to install.
    """
    started: AbstractContextManager[LocalStore] = import_module(f"{__name__}.{kind}").serve(folder)
    return started
