"""The store of a lake: a local file system, or one that Airflow opens and DuckDB reads through."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from include.exports.engine import connect
from include.exports.errors import NotEligible

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    from fsspec import AbstractFileSystem


def open_store(path: str, conn_id: str | None) -> AbstractFileSystem:
    """The file system of a local path or of an URL.

    Raises `NotEligible` when there is no such connection, or Airflow knows no such kind of store.
    """
    if "://" not in path:
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    from airflow.sdk import BaseHook, ObjectStoragePath
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        if conn_id:
            BaseHook.get_connection(conn_id)  # without it some stores are opened with other credentials
        fs: AbstractFileSystem = ObjectStoragePath(path, conn_id=conn_id).fs
    except AirflowNotFoundException as error:
        raise NotEligible(f"Airflow connection {conn_id!r} does not exist; create it or correct conn_id") from error
    except (ValueError, ImportError) as error:
        raise NotEligible(f"{path}: {error}; correct the URL, or install the provider of its store") from error
    return fs


def address(fs: AbstractFileSystem, path: str) -> str:
    """What DuckDB and the file system itself open the file as."""
    return path if _is_local(fs) else str(fs.unstrip_protocol(path))


@contextmanager
def connected(fs: AbstractFileSystem) -> Iterator[duckdb.DuckDBPyConnection]:
    """A new database that reads from the store."""
    with connect() as con:
        register(fs, con)
        yield con


def register(fs: AbstractFileSystem, con: duckdb.DuckDBPyConnection) -> None:
    """Let `con` read from the store; local files it reads without."""
    if not _is_local(fs):
        con.register_filesystem(fs)


def _is_local(fs: AbstractFileSystem) -> bool:
    return "file" in fs.protocol
