"""Arrow batches that DuckDB reads while they are made."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import duckdb
    import pyarrow as pa


@contextmanager
def stream(
    con: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, batches: Generator[pa.RecordBatch]
) -> Iterator[None]:
    """`batches` as the table `name`: it can be bound as often as needed, and read once.

    What stops them is raised when the block ends, whatever error it became on its way through DuckDB.
    """
    import pyarrow as pa

    failures: list[Exception] = []
    with closing(batches):
        con.register(name, pa.RecordBatchReader.from_batches(schema, _watched(batches, failures)))
        try:
            yield
        except Exception as error:
            if failures:
                raise failures[0] from error
            raise
        finally:
            con.unregister(name)


def _watched(batches: Iterator[pa.RecordBatch], failures: list[Exception]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except Exception as error:
        failures.append(error)
        raise
