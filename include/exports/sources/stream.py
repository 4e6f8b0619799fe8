"""Arrow batches that DuckDB reads while they are made."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    import pyarrow as pa


@contextmanager
def stream(
    con: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]
) -> Iterator[None]:
    """The table `name`, whose rows are what `read` yields; each query that runs over the table calls it anew.

    What stops it is raised when the block ends, whatever error it became on its way through DuckDB.
    """
    table = _Table(schema, read)
    con.register(name, table)
    try:
        yield
    except Exception as error:
        if table.failures:
            raise table.failures[0] from error
        raise
    finally:
        con.unregister(name)


@dataclass(frozen=True, slots=True)
class _Table:
    """What DuckDB asks for a stream when it binds a query, and for another one when it runs it."""

    schema: pa.Schema
    read: Callable[[], Iterator[pa.RecordBatch]]
    failures: list[Exception] = field(default_factory=list)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self._watched()).__arrow_c_stream__(requested_schema)

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self.read()
        except Exception as error:
            self.failures.append(error)
            raise
