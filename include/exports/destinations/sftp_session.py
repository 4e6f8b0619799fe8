"""An SSH connection that carries several SFTP sessions, and is opened again when it breaks.

It is opened by Airflow's SSHHook, of which SFTPHook is made: SFTPHook itself would open its session without a timeout.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from include.exports.errors import DeliveryInterrupted, DeliveryRefused, ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.providers.ssh.hooks.ssh import SSHHook
    from paramiko import SFTPClient, Transport

    from include.exports.destinations.sftp import SftpDestination

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Session:
    """What one worker has open to one server. Threads share the connection, and each has an SFTP session of it."""

    def __init__(self, hook: SSHHook, *, timeout: float, attempts: int) -> None:
        self.hook, self.timeout = hook, timeout
        """Seconds after which a server that says nothing is given up."""
        self._attempts = attempts
        self._transport: Transport | None = None
        self._idle: list[SFTPClient] = []
        self._in_use = 0
        self._changed = threading.Condition()

    @property
    def where(self) -> str:
        """The server, as the beginning of an address."""
        host = self.hook.remote_host
        return f"sftp://{f'[{host}]' if ':' in host else host}:{self.hook.port}"

    def run(self, operation: Callable[[SFTPClient], Result]) -> Result:
        """What `operation` returns; it is repeated when the connection breaks, or the server fails, under it."""
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

        def say(state: Any) -> None:
            log.warning("%s: %s; trying again", self.where, state.outcome.exception())

        for attempt in Retrying(
            retry=retry_if_exception(_passes),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=0.2, exp_base=3, max=10),
            before_sleep=say,
            reraise=True,
        ):
            with attempt, self.sftp() as sftp:
                result = operation(sftp)
        return result

    @contextmanager
    def sftp(self) -> Iterator[SFTPClient]:
        """An SFTP session for one thread. One that an error passed through is not used again."""
        sftp = self._take()
        try:
            yield sftp
        except BaseException as error:
            sftp.close()
            self._give_back(None)
            if isinstance(error, TimeoutError):  # whatever else it carries waits as long for the same peer
                self.close()
            raise
        self._give_back(sftp)

    def close(self) -> None:
        """End the connection. The next operation opens another."""
        if self._transport:
            self._transport.close()

    def _take(self) -> SFTPClient:
        from paramiko import ChannelException

        with self._changed:
            while True:
                transport = self._connected()
                if self._idle:
                    self._in_use += 1
                    return self._idle.pop()
                try:
                    sftp = self._open(transport)
                except ChannelException:  # the server allows no more sessions at once
                    if not self._in_use:
                        raise
                    self._changed.wait()
                else:
                    self._in_use += 1
                    return sftp

    def _give_back(self, sftp: SFTPClient | None) -> None:
        with self._changed:
            self._in_use -= 1
            if sftp and sftp.sock.get_transport() is self._transport:
                self._idle.append(sftp)
            self._changed.notify()

    def _connected(self) -> Transport:
        if self._transport is None or not self._transport.is_active():
            self._idle.clear()
            self._transport = self._connect()
        return self._transport

    def _connect(self) -> Transport:
        from paramiko import SSHException

        self.hook.client = None  # the hook keeps the one that is broken
        try:
            transport = self.hook.get_conn().get_transport()
        except (SSHException, OSError, EOFError) as error:
            if _passes(error) or isinstance(error, TimeoutError):
                raise ConnectionError(f"cannot connect: {error or 'no answer in time'}") from error
            raise
        if transport is None:
            raise ConnectionError("cannot connect: the connection was closed at once")
        if transport.get_remote_server_key() != self.hook.host_key:  # known_hosts of the worker goes before it
            transport.close()
            raise DeliveryRefused(
                f"{self.where}: the server's key is not the `host_key` of Airflow connection {self.hook.ssh_conn_id!r},"
                " though the worker's known_hosts has it; correct whichever is wrong"
            )
        if sys.platform == "linux" and isinstance(transport.sock, socket.socket):  # and no ProxyCommand
            # Sending blocks, without a timeout of its own, while a peer takes nothing.
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.timeout * 1000))
        return transport

    def _open(self, transport: Transport) -> SFTPClient:
        from paramiko import SFTPClient

        deadline = threading.Timer(self.timeout, transport.close)  # asking for the subsystem waits without a timeout
        deadline.start()
        try:
            channel = transport.open_session(timeout=self.timeout)
            channel.settimeout(self.timeout)
            channel.invoke_subsystem("sftp")
            return SFTPClient(channel)
        finally:
            deadline.cancel()


@contextmanager
def errors(where: str, destination: SftpDestination) -> Iterator[None]:
    from paramiko import AuthenticationException, BadHostKeyException, SSHException
    from paramiko.ssh_exception import IncompatiblePeer

    identity = f"Airflow connection {destination.conn_id!r}"
    try:
        yield
    except ExportError:
        raise
    except AuthenticationException as error:
        raise DeliveryRefused(f"{where}: {error}; check the credentials of {identity}") from error
    except BadHostKeyException as error:
        raise DeliveryRefused(
            f"{where}: the server's key is not the one of {identity}: it is another server, or its key was changed;"
            " ask its owner before you correct host_key"
        ) from error
    except IncompatiblePeer as error:
        raise DeliveryRefused(f"{where}: {error}; the server must offer a newer algorithm") from error
    except FileNotFoundError as error:
        raise DeliveryRefused(f"{where}: {error.strerror}; create the folder, or correct `path`") from error
    except PermissionError as error:
        raise DeliveryRefused(f"{where}: {error.strerror}; grant this action to the account of {identity}") from error
    except (SSHException, OSError, EOFError) as error:
        raise DeliveryInterrupted(f"{where}: {error or 'no answer in time'}; the run is tried again") from error


def _passes(error: BaseException) -> bool:
    """Whether the same can succeed a moment later. A server that fell silent has been waited for already."""
    from paramiko import AuthenticationException, BadHostKeyException, SSHException
    from paramiko.ssh_exception import IncompatiblePeer

    if isinstance(error, AuthenticationException):
        return signing_in_broke(error)
    refused = (ExportError, BadHostKeyException, IncompatiblePeer, FileNotFoundError, PermissionError, TimeoutError)
    return isinstance(error, (SSHException, OSError, EOFError)) and not isinstance(error, refused)


def signing_in_broke(error: BaseException) -> bool:
    """Whether the connection broke while signing in; paramiko has one exception for that and for a wrong password."""
    return "timeout" in str(error) or "shut down" in str(error)
