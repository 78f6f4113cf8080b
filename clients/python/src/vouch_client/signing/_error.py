"""Why something could not be signed."""

from __future__ import annotations

from typing import Literal

from .._error import VouchError

#: What kind of thing went wrong.
#:
#: `noAgent`: no agent is named, or none listens there. `agentBroken`: it answered something that
#: breaks its protocol. `agentRefused`: somebody said no, it is locked, or it lost the key. `timedOut`:
#: it did not answer in time. `keyAbsent`: there is no such key, or none at all. `keyAmbiguous`: what
#: was named matches several. `keyUnusable`: the key cannot sign tokens. `file`: the file cannot be
#: read. `notAskedFor`: what the service wants signed is not what it was asked for. `replacesAnother`:
#: another account's signature would be replaced, which nobody asked for.
SigningErrorKind = Literal[
    "noAgent",
    "agentBroken",
    "agentRefused",
    "timedOut",
    "keyAbsent",
    "keyAmbiguous",
    "keyUnusable",
    "file",
    "notAskedFor",
    "replacesAnother",
]


class SigningError(VouchError):
    """Why something could not be signed: what happened, and what to do next."""

    def __init__(self, kind: SigningErrorKind, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        #: What programs switch on.
        self.kind: SigningErrorKind = kind
        #: What happened, with the names in it.
        self.message = message
        #: What to do next.
        self.help = help

    def __reduce__(self) -> tuple[type[SigningError], tuple[SigningErrorKind, str, str | None]]:
        return type(self), (self.kind, self.message, self.help)
