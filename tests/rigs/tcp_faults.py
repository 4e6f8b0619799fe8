"""A TCP proxy that stands for a bad network: slow, broken, or silent. It knows nothing of what it carries."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 14
UNDER_WAY = 1 << 8
"""Chunks that a direction of a connection holds before it reads no more, as the buffers of routers do."""


@dataclass
class Network:
    """What happens to bytes. May be changed while connections are open."""

    server: tuple[str, int]
    """Where connections lead to."""
    port: int = 0
    """Where clients connect to, on 127.0.0.1."""
    latency: float = 0.0
    """Seconds that each byte is under way, in both directions."""
    rate: float = math.inf
    """Bytes a second that pass in each direction of a connection."""
    reset_after: int = 0
    """Bytes from a client after which its connection is reset, while there are `resets`."""
    resets: int = 0
    """How many connections are still reset."""
    carried: int = 0
    """Bytes that have come from clients so far."""
    silent: bool = False
    """Nothing passes any more, and neither side is told."""

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one client's connection until either side ends it."""
        with suppress(OSError):
            upstream, to_server = await asyncio.open_connection(*self.server)
            ends = (writer, to_server)
            try:
                await asyncio.gather(self._carry(reader, to_server, ends), self._carry(upstream, writer, ()))
            finally:
                for end in ends:
                    end.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ends: tuple[asyncio.StreamWriter, ...]
    ) -> None:
        """One direction; `ends` are what a reset cuts, and that of the server's bytes cuts nothing."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        arriving = asyncio.create_task(self._arrive(under_way, writer))
        now, due, count = asyncio.get_running_loop().time, 0.0, 0
        try:
            while chunk := await reader.read(CHUNK):
                count += len(chunk)
                self.carried += len(chunk) if ends else 0
                if ends and self.resets > 0 and count >= self.reset_after:
                    self.resets -= 1
                    for end in ends:
                        _reset(end)
                    return
                due = max(now() + self.latency, due + len(chunk) / self.rate)
                await under_way.put((due, chunk))
            await under_way.put((due, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while True:
                due, chunk = await under_way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                while self.silent:  # noqa: ASYNC110  # another thread, which may not touch an asyncio.Event, sets it
                    await asyncio.sleep(0.01)
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, as a firewall does, and not with FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def between(server: tuple[str, int]) -> Iterator[Network]:
    """A network before a server. Its connections end with it."""
    network = Network(server)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(network.connect, "127.0.0.1", 0), loop).result()
    network.port = listening.sockets[0].getsockname()[1]
    try:
        yield network
    finally:
        asyncio.run_coroutine_threadsafe(_end(listening), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(listening: asyncio.Server) -> None:
    listening.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
