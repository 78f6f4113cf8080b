"""A call that tells how far it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from .protocol import WorkDone

T = TypeVar("T")

#: Those of later versions are to be ignored.
KNOWN = ("begin", "report", "end")


class Call(Generic[T]):
    """A call under way. It is made when it is first awaited, or asked how far it is:

        call = client.push_with_progress("/home/ann/echo.wasm", "ghcr.io/acme/echo:1")
        async for progress in call:
            print(progress.get("percentage"))
        pushed = await call

    Of what was not looked at in time, the beginning, the latest report and the end are kept. Where
    the task that waits is cancelled, so is the call.
    """

    def __init__(self, make: Callable[[Call[Any]], Awaitable[T]]) -> None:
        self._make = make
        self._task: asyncio.Task[T] | None = None
        self._unseen: deque[WorkDone] = deque()
        self._changed = asyncio.Event()
        self._is_unwanted = False
        self._give_up: Callable[[], None] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._started().__await__()

    def __aiter__(self) -> Call[T]:
        return self

    async def __anext__(self) -> WorkDone:
        task = self._started()
        while not self._unseen:
            if task.done():
                raise StopAsyncIteration
            self._changed.clear()
            try:
                await self._changed.wait()
            except asyncio.CancelledError:
                task.cancel()
                raise
        return self._unseen.popleft()

    def cancel(self) -> None:
        """Asks the service to give the call up. It is still answered: awaiting it raises `Cancelled`,
        or has its result where that was ready first, or the one step has begun that cannot be undone.
        """
        self._is_unwanted = True
        if self._give_up is not None:
            self._give_up()

    def _started(self) -> asyncio.Task[T]:
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
            self._task.add_done_callback(lambda _: self._changed.set())
        return self._task

    async def _run(self) -> T:
        return await self._make(self)

    def forget(self) -> None:
        """Whoever made it is gone, and need not be told how it ends."""
        if self._task is not None:
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def sent(self, give_up: Callable[[], None]) -> None:
        """The client has sent it; this is how it is cancelled."""
        self._give_up = give_up
        if self._is_unwanted:
            give_up()

    def report(self, value: Mapping[str, Any]) -> None:
        """The service has reported this."""
        kind = value.get("kind")
        if kind not in KNOWN:
            return
        if kind == "report" and self._unseen and self._unseen[-1]["kind"] == "report":
            self._unseen.pop()
        if len(self._unseen) < len(KNOWN):
            self._unseen.append(cast("WorkDone", value))
        self._changed.set()
