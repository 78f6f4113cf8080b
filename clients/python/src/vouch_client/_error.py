"""Why something failed. The classes of the kinds that a service answers are in `_kinds`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar


class VouchError(Exception):
    """What all errors of this library are."""


class ServerError(VouchError):
    """The service returned an error. Kinds that this version knows have a class of their own."""

    #: Whether it says that the artifact does not satisfy the signature rule.
    is_refusal: ClassVar[bool] = False

    def __init__(self, code: int, message: str, kind: str, data: Mapping[str, object]) -> None:
        super().__init__(message)
        #: What programs switch on; a newer service may have kinds that this version lacks.
        self.kind = kind
        #: The code of JSON-RPC.
        self.code = code
        #: What happened.
        self.message = message
        #: All of the error's data, as it came.
        self.data = data
        help_text, registry, status = data.get("help"), data.get("registry"), data.get("status")
        #: What to do next.
        self.help = help_text if isinstance(help_text, str) else None
        #: Whether the same call may succeed later.
        self.retryable = data.get("retryable") is True
        #: The registry that it is about, if it is about one.
        self.registry = registry if isinstance(registry, str) else None
        #: The HTTP status that the registry answered, if it did.
        self.status = status if isinstance(status, int) and not isinstance(status, bool) else None

    def __reduce__(self) -> tuple[type[ServerError], tuple[int, str, str, Mapping[str, object]]]:
        return type(self), (self.code, self.message, self.kind, self.data)


class ConnectionFailed(VouchError, ConnectionError):
    """There is no connection, or it broke before the answer came. Whether the call had an effect is
    not known, unless it is `NotSent`.
    """


class NotSent(ConnectionFailed):
    """The connection ended before anything of the call was written: it had no effect."""


class NobodyListens(ConnectionFailed):
    """No service listens on the socket, and none was to be started."""


class ForeignService(ConnectionFailed):
    """The service, or the socket that it left, is another user's. Nothing was sent to it."""


class TimedOut(ConnectionFailed, TimeoutError):
    """The service did not do in time what takes no time."""


class NotStarted(VouchError):
    """No service listens, and none could be started."""

    def __init__(self, socket: Path, program: Path | None, message: str, last_words: list[str]) -> None:
        super().__init__(f"no service listens on {socket}, and starting one failed: {message}")
        #: The socket.
        self.socket = socket
        #: The program that was started, or should have been; absent if there is none to start.
        self.program = program
        #: What happened.
        self.message = message
        #: The last lines that the program wrote to standard error; ten at most.
        self.last_words = last_words

    def __reduce__(self) -> tuple[type[NotStarted], tuple[Path, Path | None, str, list[str]]]:
        return type(self), (self.socket, self.program, self.message, self.last_words)


class ProtocolError(VouchError):
    """Something that was sent or received breaks the protocol; the text says what."""
