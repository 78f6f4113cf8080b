"""What can go wrong.

    VouchError
    ├── ServerError            the service returned an error; it has `kind`, `help`, `retryable`
    │   ├── ArtifactProblem    ├── UnknownArtifact, TooLarge, …
    │   ├── SignatureProblem   ├── Unsigned, Expired, UntrustedSigner, …
    │   ├── RegistryProblem    ├── NotFound, RateLimited, …
    │   ├── LoginProblem       ├── Unauthorized, …
    │   ├── MachineProblem     ├── FileNotFound, …
    │   ├── ServiceProblem     ├── Busy, ShuttingDown, …
    │   └── RequestProblem     └── InvalidParams, Cancelled, …
    ├── ConnectionFailed       no connection, or it broke; also a ConnectionError
    ├── NotStarted             no service listens, and none could be started
    ├── ProtocolError          what was sent or received breaks the protocol
    └── SigningError           something could not be signed: see `vouch_client.signing`

A kind that this version does not know has the class that its code belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import _kinds
from ._error import (
    ConnectionFailed,
    ForeignService,
    NobodyListens,
    NotSent,
    NotStarted,
    ProtocolError,
    ServerError,
    TimedOut,
    VouchError,
)
from ._kinds import *  # noqa: F403

__all__ = [
    "ConnectionFailed",
    "ForeignService",
    "NobodyListens",
    "NotSent",
    "NotStarted",
    "ProtocolError",
    "ServerError",
    "TimedOut",
    "VouchError",
    "answered",
    *_kinds.__all__,
]


class _LaterSignatureProblem(_kinds.SignatureProblem):
    # "Compatibility" in the specification: a later kind counts by its code's hundred.
    is_refusal = True


def answered(error: object) -> ServerError:
    """The exception for what a service answered as `error`, whatever that is."""
    members = error if isinstance(error, Mapping) else {}
    code = members.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else 0
    message = members.get("message")
    message = message if isinstance(message, str) else "the service returned an error without a message"
    data = members.get("data")
    data = data if isinstance(data, Mapping) else {}
    kind = data.get("kind")
    if not isinstance(kind, str):
        # Any JSON-RPC server has codes; `data` is vouchd's own.
        kind = _kinds.KINDS.get(code, "")
    known = _kinds.BY_KIND.get(kind)
    if known is None:
        known = _kinds.BY_HUNDRED.get(code // 100, _kinds.RequestProblem)
        if known is _kinds.SignatureProblem:
            known = _LaterSignatureProblem
    return known(code, message, kind, data)
