"""Starting a service if none listens. Clients that start at the same time must end up with one
service: each starts a process, all but one of these find the socket's lock taken and end, and their
clients connect to the one that holds it.

One is started only if it is certain that nobody listens: another user's socket, a file that is not a
socket, or a folder that may not be entered is an error.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from . import _socket
from ._connection import Connection, Report
from ._error import ConnectionFailed, NotSent, NotStarted, TimedOut, VouchError
from ._program import NoProgram, service_program
from .errors import ShuttingDown

if TYPE_CHECKING:
    from .protocol import InitializeResult

#: The version of the protocol that this client was written for.
PROTOCOL_VERSION = "1.0"

#: How long a service may take until it answers; in seconds, as all that follows.
PATIENCE = 5.0
#: An `initialize` is answered at once, even by a busy service.
LONGEST_SILENCE = 30.0
#: The first pause between two looks at the socket; the next is twice as long, up to the last.
FIRST_PAUSE = 0.002
LAST_PAUSE = 0.05
#: How often to look again after a service that ended before it answered.
LOOKS = 10
#: If nobody listens this long after another process held the socket's lock, that process was ending,
#: not starting.
WINNER = 0.3
#: What a process that ended has written to its pipe has arrived by then.
LAST_READ = 0.5
#: What is kept of what a service says when it starts: lines, and bytes.
LAST_LINES = 10
LAST_BYTES = 4096
#: The exit code of a service that found the socket served, or about to be.
ALREADY_SERVED = 75

#: Variables by which a service manager speaks to a process: to us, or to whoever started us, and not
#: to the service. And those that name keys: it signs nothing, and what it starts is others' programs.
NOT_PASSED_ON = (
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "VOUCH_KEY_FILE",
    "SSH_AUTH_SOCK",
)


@dataclass(frozen=True)
class Who:
    """Who asks: what `initialize` says of the client."""

    name: str
    version: str | None
    process: int | None = None


@dataclass(frozen=True)
class Service:
    """A service that has answered `initialize`."""

    connection: Connection
    introduction: InitializeResult


async def introduce(connection: Connection, who: Who) -> InitializeResult:
    """Says who asks, and answers what the service told of itself."""
    client = {"name": who.name} | ({} if who.version is None else {"version": who.version})
    params: dict[str, object] = {"clientInfo": client, "protocolVersion": PROTOCOL_VERSION}
    if who.process is not None:
        params["processId"] = who.process
    try:
        answer = await asyncio.wait_for(connection.request("initialize", params), LONGEST_SILENCE)
    except asyncio.TimeoutError:
        raise TimedOut("the service does not answer") from None
    return cast("InitializeResult", answer)


class _Gone(Exception):
    """A service ended before it answered."""

    def __init__(self, why: VouchError) -> None:
        super().__init__(why)
        self.why = why


async def _look(path: Path, who: Who, report: Report, limit: float | None) -> Service | None:
    """Who listens on a socket; none if it is certainly nobody."""
    stream = await _socket.find(path)
    if stream is None:
        return None
    connection = Connection(stream, stream, report)
    try:
        introduced = await asyncio.wait_for(introduce(connection, who), limit)
    except BaseException as error:
        connection.close()
        if isinstance(error, asyncio.TimeoutError) and not isinstance(error, TimedOut):
            # The caller says what it was waiting for.
            raise _Gone(TimedOut("the service does not answer")) from None
        # An `initialize` that was lost changed nothing: it may be sent again.
        if isinstance(error, (NotSent, ShuttingDown)) or type(error) is ConnectionFailed:
            raise _Gone(error) from error
        raise
    return Service(connection, introduced)


async def settled(path: Path, who: Who, report: Report) -> Service | None:
    """The service that listens there, once it is certain whether there is one: a service that ends
    before it answers may have a successor.
    """
    looks = 0
    while True:
        try:
            return await _look(path, who, report, None)
        except _Gone as gone:
            if looks == LOOKS:
                raise gone.why from gone
        await asyncio.sleep(LAST_PAUSE)
        looks += 1


async def started(
    path: Path, who: Who, report: Report, program: Path | None, patience: float
) -> Service:
    """Connects to the service on this socket, or starts one."""
    found = await settled(path, who, report)
    if found is not None:
        return found
    if program is None:
        try:
            program = service_program()
        except NoProgram as error:
            raise NotStarted(path, None, str(error), []) from None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while True:
        try:
            starting = await asyncio.to_thread(_Starting, program, path)
        except OSError as error:
            # A missing file, or one that may not be run, counts as no program.
            usable = not isinstance(error, (FileNotFoundError, PermissionError))
            message = f"cannot start {program}: {error.strerror or error}"
            raise NotStarted(path, program if usable else None, message, []) from error
        found = await _awaited(starting, path, who, report, deadline, patience)
        if found is not None:
            return found


async def _awaited(
    starting: _Starting, path: Path, who: Who, report: Report, deadline: float, patience: float
) -> Service | None:
    """The service that was started, or whoever serves instead; none if it has to be started again."""
    loop = asyncio.get_running_loop()
    # Until when to wait for the process that won the race for the lock.
    lost_until: float | None = None
    pause = FIRST_PAUSE
    program = starting.program

    async def failed(message: str) -> NotStarted:
        words = await asyncio.to_thread(starting.last_words)
        return NotStarted(path, program, message, words)

    while True:
        # First the process, then the socket: a process that has ended did so before we looked.
        ended = starting.ended()
        try:
            found = await _look(path, who, report, max(deadline - loop.time(), 0.001))
        except _Gone:
            found = None
        if found is not None:
            return found
        now = loop.time()
        if ended == ALREADY_SERVED:
            lost_until = now + WINNER if lost_until is None else lost_until
            if now >= deadline:
                raise await failed("another process holds its lock and does not listen")
            if now >= lost_until:
                return None
        elif ended is not None:
            how = f"exit code {ended}" if ended >= 0 else f"signal {-ended}"
            raise await failed(f"{program} ended: {how}")
        elif now >= deadline:
            raise await failed(f"{program} did not answer within {patience:g} s")
        await asyncio.sleep(pause)
        pause = min(pause * 2, LAST_PAUSE)


class _Starting:
    """The process of a service that is starting. It lives on when nobody waits for it any more."""

    def __init__(self, program: Path, socket: Path) -> None:
        self.program = program
        environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        self._process = subprocess.Popen(
            [program, "serve", "--detach", "--socket", socket],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            # A pipe, not a file: a program that goes on writing cannot fill a disk.
            stderr=subprocess.PIPE,
            env=environment,
        )
        self._words = bytearray()
        stderr = cast("IO[bytes]", self._process.stderr)
        # It reads to the end whatever becomes of us, so that the program never blocks on it.
        self._reader = threading.Thread(target=self._listen, args=(stderr,), daemon=True)
        self._reader.start()

    def _listen(self, stderr: IO[bytes]) -> None:
        with stderr:
            while data := os.read(stderr.fileno(), 1024):
                self._words = last_bytes(self._words + data)
        # Nothing stays behind of a process that has ended.
        self._process.wait()

    def ended(self) -> int | None:
        return self._process.poll()

    def last_words(self) -> list[str]:
        # A process that it started may hold the pipe open: then what has come so far is all.
        self._reader.join(LAST_READ)
        return last_lines(self._words)


def last_bytes(words: bytearray) -> bytearray:
    return words[-LAST_BYTES:]


def last_lines(words: bytes | bytearray) -> list[str]:
    lines = words.decode(errors="replace").splitlines()
    return [line for line in lines if line][-LAST_LINES:]
