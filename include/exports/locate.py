"""Opens what lies at an address: a local file, or one at a destination that an export declares."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from include.exports.destinations import connect, path_of
from include.exports.errors import DeliveryRefused, ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from include.exports.destinations import Store


@contextmanager
def opener(destinations: Iterable[Any]) -> Iterator[Callable[[str], IO[bytes]]]:
    """A function that opens an address or a local path, as a stream.

    It connects to one destination after the other until it knows whose the address is. It raises `OSError` for a local
    file, what the store raises, and `DeliveryRefused` for an address at none of the destinations.
    """
    waiting = list({destination.place: destination for destination in destinations}.values())
    stores: list[Store] = []
    problems: list[str] = []
    with ExitStack() as opened:

        def connected(scheme: str) -> Iterator[Store]:
            yield from stores
            waiting.sort(key=lambda destination: urlsplit(destination.place).scheme != scheme)
            while waiting:
                try:
                    stores.append(opened.enter_context(connect(waiting.pop(0))))
                except ExportError as error:
                    problems.append(str(error))
                else:
                    yield stores[-1]

        def open_address(url: str) -> IO[bytes]:
            scheme, _, path, _, _ = urlsplit(url)
            if scheme in {"", "file"}:
                return Path(unquote(path) if scheme else url).open("rb")
            for store in connected(scheme):
                if (found := path_of(store, url)) is not None:
                    return store.open(found)
            remedy = "; ".join(["run this where the export that delivered it is declared", *problems])
            raise DeliveryRefused(f"{url} is at the destination of no declared export; {remedy}")

        yield open_address
