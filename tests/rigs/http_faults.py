"""An HTTP server that counts what it is asked and can be told to fail. What it answers else is its caller's."""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

WRITES = {"PATCH", "POST", "PUT"}


class Request(NamedTuple):
    """What a client asked."""

    method: str
    target: str
    """Path and query, as they were sent."""
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What it is told."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Fault:
    """What happens to the next requests of some methods whose address has some text in it."""

    how: str
    """A status, such as `503`, or `reset`."""
    times: int
    text: str = ""


@dataclass
class Front:
    """A server on 127.0.0.1 that lives as long as the process."""

    answer: Callable[[Request], Answer]
    failure: Callable[[str], Answer]
    """What a status is answered with."""
    tls: ssl.SSLContext | None = None
    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    """Every request, in the order of their arrival, without the bodies."""
    peers: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"front": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if self.tls:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.port = server.server_port

    def reset(self) -> None:
        """Forget what was asked and fail no more."""
        for kept in (self.faults, self.asked, self.peers):
            kept.clear()

    def respond(self, request: Request) -> Answer | None:
        """What to tell; None to reset the connection."""
        self.asked.append(request._replace(body=b""))
        for fault in self.faults:
            if fault.times > 0 and request.method in WRITES and fault.text in request.target:
                fault.times -= 1
                return None if fault.how == "reset" else self.failure(fault.how)
        return self.answer(request)


class _Handler(BaseHTTPRequestHandler):
    """Keeps connections open, as the stores do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the body would wait until the client acknowledges the headers
    front: Front

    def _any(self) -> None:
        self.front.peers.add(self.client_address)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.front.respond(Request(self.command, self.path, dict(self.headers), body))
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        if self.command != "HEAD":
            answer.headers["content-length"] = str(len(answer.body))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815  # http.server's names


class BehindFront:
    """What a rig answers the contract whose destination stands behind such a server."""

    front: Front

    @contextmanager
    def breaking_at(self, text: str) -> Iterator[None]:
        """Make every write fail meanwhile whose address has a text in it."""
        self.front.faults.append(Fault("503", 1_000, text))
        yield
        self.front.faults.clear()

    def failing(self, how: str, times: int) -> None:
        self.front.faults.append(Fault(how, times))

    def requests(self) -> int:
        return len(self.front.asked)

    def connections(self) -> int:
        return len(self.front.peers)

    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.front.port
