"""The client: a connection, calls on it, and what becomes of them when the service is replaced."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

from . import _start
from ._call import Call
from ._connection import Connection
from ._error import ConnectionFailed, NobodyListens, NotSent, VouchError
from ._methods import Methods, StrPath
from ._socket import default_socket
from ._start import Service, Who
from ._version import __version__
from .errors import Busy, ShuttingDown

if TYPE_CHECKING:
    from .protocol import InitializeResult

#: A service has ten seconds to finish what is under way; this is a little more. In seconds.
GRACE = 15.0
#: How often a call is repeated with the next service: services are not replaced that often.
REPLACEMENTS = 5
#: How long a call waits before it is made once more, where the service was busy; in seconds.
BUSY_PAUSE = 0.25
#: More would be answered `busy`: see "Limits" in the specification.
UNDER_WAY = 64


class Client(Methods):
    """A client of vouchd.

        async with Client() as client:
            verified = await client.verify(path="/home/ann/echo.wasm")

    It connects to the service on `socket`, or on `default_socket()`, and starts one if none listens,
    unless `start` is false: `program`, or `service_program()`, which may take `patience` seconds until
    it answers. `name` and `version` are what the service shows and logs of this client.

    Calls run side by side. Cancelling the task that waits for a call cancels the call. When the service
    is replaced (`server/restart`), calls go to the next one, and a call that the old one certainly did
    not carry out is repeated there. A call that the service was too busy for is made once more.
    """

    def __init__(
        self,
        socket: StrPath | None = None,
        *,
        name: str = "vouch-client (Python)",
        version: str | None = __version__,
        start: bool = True,
        program: StrPath | None = None,
        patience: float = _start.PATIENCE,
    ) -> None:
        # A service that is started runs in another folder.
        self._path = Path(os.path.abspath(default_socket() if socket is None else socket))
        self._who = Who(name, version)
        self._may_start = start
        self._program = None if program is None else Path(program)
        self._patience = patience
        self._command: list[StrPath] | None = None
        self._stderr: int | IO[Any] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._service: Service | None = None
        self._connections: set[Connection] = set()
        self._calls: dict[object, Call[Any]] = {}
        self._next_token = 0
        self._turns = asyncio.Semaphore(UNDER_WAY)
        self._replacing = asyncio.Lock()

    @classmethod
    def spawn(
        cls,
        *command: StrPath,
        name: str = "vouch-client (Python)",
        version: str | None = __version__,
        stderr: int | IO[Any] | None = None,
    ) -> Client:
        """A client that runs a program and talks to it over its standard input and output: `vouchd
        --stdio`, a service of its own, or `vouchd connect`, which leads to the user's service.
        `stderr` is where the program's log goes, as for `subprocess.Popen`.
        """
        client = cls(name=name, version=version)
        client._command = list(command)
        client._stderr = stderr
        return client

    @property
    def server(self) -> InitializeResult:
        """What the service said of itself."""
        return self._connected().introduction

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
        else:
            await self._abandon()

    async def open(self) -> None:
        """Connects, as `async with` does."""
        if self._service is not None:
            return
        try:
            self._service = await self._opened()
        except Busy:
            # It has no room for another connection.
            await asyncio.sleep(BUSY_PAUSE)
            self._service = await self._opened()
        self._connections.add(self._service.connection)

    async def _opened(self) -> Service:
        if self._command is not None:
            return await self._spawned(self._command)
        if self._may_start:
            return await _start.started(
                self._path, self._who, self._report, self._program, self._patience
            )
        found = await _start.settled(self._path, self._who, self._report)
        if found is None:
            raise NobodyListens(f"no service listens on {self._path}")
        return found

    async def _spawned(self, command: list[StrPath]) -> Service:
        # Two pairs: a program may set one end so that it does not block.
        reading, its_output = socket.socketpair()
        its_input, writing = socket.socketpair()
        try:
            self._child = subprocess.Popen(  # noqa: ASYNC220
                [os.fspath(word) for word in command],
                stdin=its_input.fileno(),
                stdout=its_output.fileno(),
                stderr=self._stderr,
            )
        except OSError as error:
            reading.close()
            writing.close()
            message = f"cannot run {os.fspath(command[0])}: {error.strerror or error}"
            raise ConnectionFailed(message) from error
        finally:
            its_input.close()
            its_output.close()
        connection = Connection(reading, writing, self._report)
        who = Who(self._who.name, self._who.version, os.getpid())
        try:
            return Service(connection, await _start.introduce(connection, who))
        except BaseException:
            connection.close()
            await self._reap(0.0)
            raise

    async def close(self) -> None:
        """Ends the connection in good order: what is under way may finish, for 15 seconds. A program
        that `spawn` ran has ended then.
        """
        service, self._service = self._service, None
        if service is None:
            return
        connection = service.connection
        try:
            await asyncio.wait_for(self._ended(connection), GRACE)
        except (VouchError, asyncio.TimeoutError):
            # It is gone already, or is as soon as we are.
            pass
        finally:
            await self._release()

    async def _ended(self, connection: Connection) -> None:
        await connection.request("shutdown", None)
        await connection.answered()
        connection.notify("exit")
        # The notification is only on its way until the service has closed the connection.
        await connection.finished()

    async def _abandon(self) -> None:
        self._service = None
        for call in self._calls.values():
            call.forget()
        await self._release()

    async def _release(self) -> None:
        for connection in self._connections:
            connection.close()
        for connection in list(self._connections):
            await connection.finished()
        self._connections.clear()
        await self._reap(GRACE)

    async def _reap(self, patience: float) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        try:
            await asyncio.to_thread(child.wait, patience)
        except subprocess.TimeoutExpired:
            child.kill()
            await asyncio.to_thread(child.wait)
        except BaseException:
            child.kill()
            raise

    def _connected(self) -> Service:
        if self._service is None:
            raise ConnectionFailed("the client is not connected: use `async with`, or `open`")
        return self._service

    async def call(self, method: str, params: Mapping[str, object] | None = None) -> Any:
        """Calls a method by its name in the specification, and answers what the service answered."""
        return await self._send(method, params, None)

    def begin(self, method: str, params: Mapping[str, object] | None = None) -> Call[Any]:
        """The same, for methods that take a `workDoneToken`: a call that tells how far it is."""

        async def make(call: Call[Any]) -> Any:
            token = self._next_token
            self._next_token += 1
            self._calls[token] = call
            try:
                return await self._send(method, {**(params or {}), "workDoneToken": token}, call)
            finally:
                del self._calls[token]

        return Call(make)

    def _report(self, token: object, value: Mapping[str, Any]) -> None:
        call = self._calls.get(token) if isinstance(token, int) else None
        if call is not None:
            call.report(value)

    async def _send(
        self, method: str, params: Mapping[str, object] | None, call: Call[Any] | None
    ) -> Any:
        async with self._turns:
            connection = self._connected().connection
            replacements, was_busy = 0, False
            while True:

                def noted(identity: int, connection: Connection = connection) -> None:
                    if call is not None:
                        call.sent(lambda: connection.cancel(identity))

                try:
                    return await connection.request(method, params, noted)
                except Busy:
                    if was_busy:
                        raise
                    was_busy = True
                except (NotSent, ShuttingDown):
                    # The service has certainly not carried it out, because it is about to end.
                    following = None
                    if replacements < REPLACEMENTS:
                        following = await self._replaced(connection)
                    if following is None:
                        raise
                    connection = following
                    replacements += 1
                    continue
                await asyncio.sleep(BUSY_PAUSE)

    async def _replaced(self, ended: Connection) -> Connection | None:
        """The connection to the service that replaced the one at the other end of `ended`."""
        if self._command is not None:
            return None
        async with self._replacing:
            if self._service is None:
                return None
            if self._service.connection is not ended:
                return self._service.connection
            try:
                found = await _start.settled(self._path, self._who, self._report)
            except VouchError:
                # The error that led here says more than this one would.
                return None
            if found is None:
                return None
            # The old one is open until it has answered all that is under way on it.
            self._connections = {it for it in self._connections if it.is_open}
            self._connections.add(found.connection)
            self._service = found
            return found.connection
