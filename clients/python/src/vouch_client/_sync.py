"""The client for programs without asyncio: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ._call import Call
from ._client import Client
from ._error import ConnectionFailed
from ._methods import StrPath
from ._start import PATIENCE
from ._sync_methods import SyncMethods
from ._version import __version__

if TYPE_CHECKING:
    from .protocol import InitializeResult, WorkDone

T = TypeVar("T")


class SyncClient(SyncMethods):
    """`Client`, without asyncio.

        with SyncClient() as client:
            verified = client.verify(path="/home/ann/echo.wasm")

    The arguments are those of `Client`. Several threads may use it at a time. Ctrl-C cancels the call
    that is waited for.
    """

    def __init__(
        self,
        socket: StrPath | None = None,
        *,
        name: str = "vouch-client (Python)",
        version: str | None = __version__,
        start: bool = True,
        program: StrPath | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._client = Client(
            socket, name=name, version=version, start=start, program=program, patience=patience
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @classmethod
    def spawn(
        cls,
        *command: StrPath,
        name: str = "vouch-client (Python)",
        version: str | None = __version__,
        stderr: int | IO[Any] | None = None,
    ) -> SyncClient:
        """A client of a program of its own: see `Client.spawn`."""
        client = cls()
        client._client = Client.spawn(*command, name=name, version=version, stderr=stderr)
        return client

    @property
    def client(self) -> Client:
        """The client that it asks. It belongs to the thread of its event loop: see `wait`."""
        return self._client

    @property
    def server(self) -> InitializeResult:
        """What the service said of itself."""
        return self._client.server

    def __enter__(self) -> SyncClient:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(self._client.__aexit__(kind, error, trace))

    def open(self) -> None:
        """Connects, as `with` does."""
        if self._loop is not None:
            return
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vouch-client", daemon=True)
        self._thread.start()
        try:
            self.wait(self._client.open())
        except BaseException:
            self._end()
            raise

    def close(self) -> None:
        """Ends the connection in good order: see `Client.close`."""
        self._leave(self._client.close())

    def _leave(self, work: Coroutine[Any, Any, None]) -> None:
        if self._loop is None:
            work.close()
            return
        try:
            self.wait(work)
        finally:
            self._end()

    def _end(self) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    def call(self, method: str, params: Mapping[str, object] | None = None) -> Any:
        """Calls a method by its name in the specification, and answers what the service answered."""
        return self.wait(self._client.call(method, params))

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine of the client in its event loop, and waits for what comes of it."""
        if self._loop is None:
            work.close()
            _not_open()
        return _waited(asyncio.run_coroutine_threadsafe(work, self._loop))

    def begin(self, call: Call[T]) -> SyncCall[T]:
        """Makes a call that tells how far it is."""
        if self._loop is None:
            _not_open()
        return SyncCall(call, self._loop)


class SyncCall(Generic[T]):
    """A call under way: see `Call`.

    call = client.push_with_progress("/home/ann/echo.wasm", "ghcr.io/acme/echo:1")
    for progress in call:
        print(progress.get("percentage"))
    pushed = call.result()
    """

    def __init__(self, call: Call[T], loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._loop = loop

    def __iter__(self) -> Iterator[WorkDone]:
        while True:
            following = asyncio.run_coroutine_threadsafe(self._following(), self._loop)
            progress = _waited(following)
            if progress is None:
                return
            yield progress

    async def _following(self) -> WorkDone | None:
        # A coroutine may not raise what ends an iteration.
        try:
            return await self._call.__anext__()
        except StopAsyncIteration:
            return None

    async def _result(self) -> T:
        return await self._call

    def result(self) -> T:
        """Waits for the result."""
        return _waited(asyncio.run_coroutine_threadsafe(self._result(), self._loop))

    def cancel(self) -> None:
        """Asks the service to give the call up: see `Call.cancel`. Any thread may."""
        self._loop.call_soon_threadsafe(self._call.cancel)


def _waited(future: Future[T]) -> T:
    try:
        return future.result()
    except BaseException:
        # Somebody pressed Ctrl-C, perhaps. One that is over stays as it is.
        future.cancel()
        raise


def _not_open() -> NoReturn:
    raise ConnectionFailed("the client is not connected: use `with`, or `open`")


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others)
