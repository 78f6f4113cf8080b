"""One connection: ids, calls side by side, and what was written of each.

The sockets are read and written here and not by asyncio's streams: these end a connection with the
first write that fails, and lose the answers that are still to be read. A service that is being
replaced reads no more, but answers what it has read.
"""

from __future__ import annotations

import asyncio
import copy
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from . import _wire
from ._error import ConnectionFailed, NotSent, ProtocolError, TimedOut, VouchError
from .errors import answered

#: A service that reads nothing for this long is dead; in seconds.
SEND_TIMEOUT = 30.0
#: Pushing 4 GiB over a slow line takes hours, and the service bounds its own waits; in seconds.
LONGEST_CALL = 24 * 60 * 60.0
#: How much is read at a time, in bytes.
CHUNK = 1 << 16

#: What `$/progress` reports: the token, and what it says.
Report = Callable[[object, Mapping[str, Any]], None]


class _Outgoing:
    """A message that is to be written, and the call that it is of."""

    def __init__(self, data: bytes, call: _Pending | None) -> None:
        self.data = data
        self.call = call


class _Pending:
    """A call under way."""

    def __init__(self, identity: int, future: asyncio.Future[Any]) -> None:
        self.identity = identity
        self.future = future
        self.begun = False

    def fail(self, error: VouchError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            # It may be that nobody waits any more.
            self.future.exception()


class Connection:
    """A connection over two sockets, which may be the same."""

    def __init__(self, reading: socket.socket, writing: socket.socket, report: Report) -> None:
        self._reading = reading
        self._writing = writing
        self._report = report
        self._next = 0
        self._pending: dict[int, _Pending] = {}
        self._outgoing: deque[_Outgoing] = deque()
        self._something = asyncio.Event()
        self._ended: VouchError | None = None
        self._deaf = False
        self._finishing: asyncio.Task[None] | None = None
        reading.setblocking(False)
        writing.setblocking(False)
        self._tasks = [
            asyncio.ensure_future(self._read()),
            asyncio.ensure_future(self._write()),
        ]
        for task in self._tasks:
            task.add_done_callback(self._stopped)

    @property
    def is_open(self) -> bool:
        return self._ended is None

    async def request(
        self,
        method: str,
        params: Mapping[str, object] | None,
        noted: Callable[[int], None] | None = None,
    ) -> Any:
        """Calls a method. Where the waiting task is cancelled, so is the call. `noted` is told the
        call's id.
        """
        if self._ended is not None or self._deaf:
            raise _not_sent()
        loop = asyncio.get_running_loop()
        pending = _Pending(self._next, loop.create_future())
        message: dict[str, object] = {
            "jsonrpc": "2.0",
            "id": pending.identity,
            "method": method,
        }
        if params is not None:
            message["params"] = params
        data = _wire.line(message)
        self._next += 1
        self._pending[pending.identity] = pending
        self._send(_Outgoing(data, pending))
        if noted is not None:
            noted(pending.identity)
        late = TimedOut(f"{method} was not answered within {LONGEST_CALL / 3600:.0f} hours")
        alarm = loop.call_later(LONGEST_CALL, pending.fail, late)
        try:
            return await pending.future
        except (asyncio.CancelledError, TimedOut):
            self._give_up(pending)
            raise
        finally:
            alarm.cancel()
            self._pending.pop(pending.identity, None)

    def notify(self, method: str, params: Mapping[str, object] | None = None) -> None:
        """Sends a notification, where there is still somebody to send it to."""
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        if self._ended is None:
            self._send(_Outgoing(_wire.line(message), None))

    def _give_up(self, pending: _Pending) -> None:
        if pending.begun:
            # The service would otherwise work for nobody. Its answer is read and thrown away.
            self.notify("$/cancelRequest", {"id": pending.identity})
        else:
            self._outgoing = deque(it for it in self._outgoing if it.call is not pending)

    def cancel(self, identity: int) -> None:
        """Asks the service to give a call up. It still answers it."""
        self.notify("$/cancelRequest", {"id": identity})

    def _send(self, outgoing: _Outgoing) -> None:
        self._outgoing.append(outgoing)
        self._something.set()

    async def _write(self) -> None:
        while True:
            while not self._outgoing:
                self._something.clear()
                await self._something.wait()
            outgoing = self._outgoing.popleft()
            if outgoing.call is not None:
                outgoing.call.begun = True
            left = memoryview(outgoing.data)
            try:
                while left:
                    left = left[await self._some(left) :]
            except BrokenPipeError:
                # No more will be read; what was read is still answered.
                self._deaf = True
                if len(left) == len(outgoing.data) and outgoing.call is not None:
                    outgoing.call.fail(_not_sent())
                for unsent in self._outgoing:
                    if unsent.call is not None:
                        unsent.call.fail(_not_sent())
                self._outgoing.clear()
            except asyncio.TimeoutError:
                self._end(TimedOut(f"the service reads nothing for {SEND_TIMEOUT:.0f} s"))
                return
            except OSError as error:
                self._end(ConnectionFailed(f"the connection broke: {error.strerror or error}"))
                return

    async def _some(self, data: memoryview) -> int:
        """Writes at least a byte, and answers how many."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                return self._writing.send(data)
            except (BlockingIOError, InterruptedError):
                pass
            writable: asyncio.Future[None] = loop.create_future()
            number = self._writing.fileno()
            loop.add_writer(number, _wake, writable)
            try:
                await asyncio.wait_for(writable, SEND_TIMEOUT)
            finally:
                loop.remove_writer(number)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        buffer = bytearray()
        looked = 0
        while True:
            try:
                data = await loop.sock_recv(self._reading, CHUNK)
            except OSError as error:
                self._end(ConnectionFailed(f"the connection broke: {error.strerror or error}"))
                return
            if not data:
                self._end(ConnectionFailed("the service closed the connection"))
                return
            buffer += data
            begin = 0
            while (end := buffer.find(b"\n", max(begin, looked))) >= 0:
                text = bytes(buffer[begin:end]).strip(b" \t\r")
                begin = end + 1
                if text and not self._take(text):
                    return
            del buffer[:begin]
            looked = len(buffer)
            if looked > _wire.LONGEST_REPLY:
                self._end(ProtocolError(f"a reply is longer than {_wire.LONGEST_REPLY} bytes"))
                return

    def _stopped(self, task: asyncio.Task[None]) -> None:
        # Nobody waits for a connection that nobody reads or writes, whatever the reason is.
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._end(ProtocolError(f"the connection cannot go on: {fault!r}"))

    def _take(self, text: bytes) -> bool:
        """Takes a message. Whether the connection goes on."""
        if len(text) > _wire.LONGEST_REPLY:
            self._end(ProtocolError(f"a reply is longer than {_wire.LONGEST_REPLY} bytes"))
            return False
        try:
            message = _wire.read(text)
        except ValueError as error:
            self._end(ProtocolError(f"cannot read the service's reply: {str(error)[:300]}"))
            return False
        if not isinstance(message, dict):
            self._end(ProtocolError("cannot read the service's reply: it is not an object"))
            return False
        if "method" in message:
            params = message.get("params")
            if message["method"] == "$/progress" and isinstance(params, dict):
                value = params.get("value")
                if isinstance(value, dict):
                    self._report(params.get("token"), value)
            return True
        identity = message.get("id")
        fault = message.get("error")
        if identity is None and fault is not None:
            # It says why the connection is of no use from now on. Only where a single call was ever
            # made is it certain that this one is meant.
            why = answered(fault)
            self._end(why if self._next == 1 else ProtocolError(why.message))
            return False
        if not isinstance(identity, int) or isinstance(identity, bool):
            return True
        # Of a call that was cancelled nobody waits for the answer.
        pending = self._pending.get(identity)
        if pending is None or pending.future.done():
            return True
        if fault is not None:
            pending.fail(answered(fault))
        elif "result" in message:
            pending.future.set_result(message["result"])
        else:
            pending.fail(ProtocolError("cannot read the service's reply: it holds no result"))
        return True

    def _end(self, error: VouchError) -> None:
        """The connection has ended: all of its calls learn why."""
        if self._ended is not None:
            return
        self._ended = error
        for pending in list(self._pending.values()):
            # Each raises an error of its own.
            pending.fail(copy.copy(error) if pending.begun else _not_sent())
        self._finishing = asyncio.ensure_future(self._finish())

    async def _finish(self) -> None:
        """Closes the sockets once nobody uses them: their numbers may be others' at once."""
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.wait(self._tasks)
        finally:
            self._reading.close()
            self._writing.close()

    async def answered(self) -> None:
        """Waits until nothing is under way."""
        while self._pending:
            await asyncio.wait([pending.future for pending in self._pending.values()])
            # Those who waited for it go on.
            await asyncio.sleep(0)

    async def finished(self) -> None:
        """Waits until the service has closed the connection, or it has ended otherwise."""
        await asyncio.wait(self._tasks)
        if self._finishing is not None:
            await asyncio.shield(self._finishing)

    def close(self) -> None:
        """Ends the connection, which cancels what is under way."""
        self._end(ConnectionFailed("the connection was closed"))


def _not_sent() -> NotSent:
    return NotSent("the service closed the connection")


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
