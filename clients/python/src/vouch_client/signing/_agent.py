"""Keys in ssh-agent, or in what speaks as it does: gpg-agent, 1Password, hardware tokens. Two messages
of its protocol, each over a connection of its own
(https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .._escape import escaped
from ._error import SigningError
from ._input import SigningInput, verifies
from ._nkey import account_key, account_of

T = TypeVar("T")

#: How long an agent may take to list its keys, and to sign: somebody may have to be asked, or to touch
#: something. In seconds.
LISTING = 10.0
ASKING = 120.0

#: The longest answer, in bytes: what OpenSSH's agent itself allows.
LONGEST = 256 << 10
#: The most keys that are looked at.
MOST = 1024
#: The longest comment that is kept, in characters; and the longest type of key.
LONGEST_COMMENT = 256
LONGEST_KIND = 64

#: The numbers of the protocol's messages.
FAILURE = 5
REQUEST_IDENTITIES = 11
IDENTITIES_ANSWER = 12
SIGN_REQUEST = 13
SIGN_RESPONSE = 14

#: The one type of key whose signatures are those of tokens, and what stands in front of such a key.
ED25519 = b"ssh-ed25519"
PREFIX = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"


@dataclass(frozen=True)
class AgentKey:
    """A key in an agent, which can sign tokens."""

    agent: Agent
    #: The account whose tokens it signs.
    account: str
    #: What its owner calls it; somebody else's text, which may be empty.
    comment: str
    #: `SHA256:…`, as `ssh-add -l` shows it.
    fingerprint: str

    @property
    def called(self) -> str:
        """What to call it in a sentence: its comment, escaped, if it has one."""
        return escaped(self.comment) or self.fingerprint

    async def __call__(self, signing: SigningInput) -> bytes:
        """Signs, and verifies the signature. The agent may ask somebody, who has two minutes."""
        return await self.agent.sign(self, signing)


class Agent:
    """An agent, by its socket: the one that `SSH_AUTH_SOCK` names, unless another is named. Cancelling
    the task that waits hangs up.
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None) -> None:
        named = socket if socket is not None else os.environ.get("SSH_AUTH_SOCK")
        if not named:
            raise SigningError(
                "noAgent",
                "no ssh-agent is named: SSH_AUTH_SOCK is not set",
                "`eval $(ssh-agent) && ssh-add` starts one and adds your key.",
            )
        self.socket = Path(named)

    async def keys(self) -> list[AgentKey]:
        """Its keys that can sign tokens, in its order. There may be none, also because it is locked."""
        answer = await self._ask(bytes([REQUEST_IDENTITIES]), LISTING, "list its keys")
        if answer[:1] == bytes([FAILURE]):
            raise SigningError("agentRefused", f"{self} does not list its keys", UNLOCK)
        if answer[:1] != bytes([IDENTITIES_ANSWER]):
            raise self._broken("it did not answer with its keys")
        try:
            return self._identities(answer[1:])
        except _CutOff:
            raise self._broken("its list of keys is cut off or garbled") from None

    async def key(self, which: str | None = None) -> AgentKey:
        """The one key that is meant: by its account, fingerprint or comment. Without that, the only one
        that there is.
        """
        keys = await self.keys()
        if which is not None:
            keys = [key for key in keys if which in (key.account, key.fingerprint, key.comment)]
        if len(keys) == 1:
            return keys[0]
        called = "Ed25519 key" if which is None else f"Ed25519 key {which!r}"
        if not keys:
            raise SigningError("keyAbsent", f"{self} has no {called}", UNLOCK)
        raise SigningError(
            "keyAmbiguous",
            f"{self} has {len(keys)} times an {called}",
            "Name its fingerprint, as `ssh-add -l` shows it.",
        )

    async def sign(self, key: AgentKey, signing: SigningInput) -> bytes:
        """Signs with one of its keys, and verifies the signature."""
        if signing.account != key.account:
            raise SigningError(
                "keyUnusable",
                f"{key.called} signs for {key.account}, not for {signing.account}",
            )
        public = account_key(key.account) or b""
        request = bytes([SIGN_REQUEST]) + _string(PREFIX + public) + _string(signing.data) + bytes(4)
        answer = await self._ask(request, ASKING, "sign")
        if answer[:1] == bytes([FAILURE]):
            raise SigningError(
                "agentRefused",
                f"{self} refused to sign with {key.called}",
                "Somebody said no when it asked, or it was locked or lost the key meanwhile: "
                "`ssh-add -l` lists what it has.",
            )
        if answer[:1] != bytes([SIGN_RESPONSE]):
            raise self._broken("it did not answer with a signature")
        try:
            blob, rest = _take(answer[1:])
            kind, inner = _take(blob)
            signature, behind = _take(inner)
        except _CutOff:
            kind, signature, rest, behind = b"", b"", b"", b""
        if kind != ED25519 or len(signature) != 64 or rest or behind:
            raise self._broken("it answered something that is not an Ed25519 signature")
        if not verifies(key.account, signing.data, signature):
            raise self._broken("it answered a signature that does not verify")
        return signature

    async def _ask(self, message: bytes, limit: float, to_do: str) -> bytes:
        return await self._within(self._exchange(message), limit, to_do)

    async def _within(self, work: Awaitable[T], limit: float, to_do: str) -> T:
        try:
            return await asyncio.wait_for(work, limit)
        except asyncio.TimeoutError:
            raise SigningError(
                "timedOut",
                f"{self} did not {to_do} within {limit:.0f} s",
                "It may be waiting for somebody to say yes or to touch something; if `ssh-add -l` "
                "hangs too, start it again.",
            ) from None

    async def _exchange(self, message: bytes) -> bytes:
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error
        try:
            writer.write(_string(message))
            await writer.drain()
            size = int.from_bytes(await reader.readexactly(4), "big")
            if size > LONGEST:
                raise self._broken(f"its answer has {size} bytes")
            return await reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise self._broken("it hung up") from None
        except OSError as error:
            raise self._broken(error.strerror or str(error)) from error
        finally:
            writer.transport.abort()

    def _identities(self, answer: bytes) -> list[AgentKey]:
        if len(answer) < 4:
            raise _CutOff
        count, rest = int.from_bytes(answer[:4], "big"), answer[4:]
        if count > MOST:
            raise self._broken(f"it lists {count} keys")
        keys = []
        for _ in range(count):
            blob, rest = _take(rest)
            comment, rest = _take(rest)
            kind, _ = _take(blob)
            if kind != ED25519:
                # RSA, ECDSA and FIDO keys make no tokens.
                continue
            if not blob.startswith(PREFIX) or len(blob) != len(PREFIX) + 32:
                raise _CutOff
            digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
            called = comment.decode(errors="replace")[:LONGEST_COMMENT]
            account = account_of(blob[len(PREFIX) :])
            keys.append(AgentKey(self, account, called, f"SHA256:{digest}"))
        if rest:
            raise _CutOff
        return keys

    def __str__(self) -> str:
        return f"the ssh-agent at {self.socket}"

    def _broken(self, what: str) -> SigningError:
        return SigningError(
            "agentBroken",
            f"{self} cannot be used: {what}",
            "`ssh-add -l` asks it, too. SSH_AUTH_SOCK says where it listens.",
        )

    def _unreachable(self, error: OSError | ValueError) -> SigningError:
        why = (isinstance(error, OSError) and error.strerror) or str(error)
        if isinstance(error, FileNotFoundError):
            why = "nothing is there"
        elif isinstance(error, ConnectionRefusedError):
            why = "nobody listens there"
        return SigningError(
            "noAgent",
            f"{self} cannot be reached: {why}",
            "SSH_AUTH_SOCK names it, and may be left over from an agent that has ended: "
            "`eval $(ssh-agent) && ssh-add` starts another and adds your key.",
        )


#: What to do where an agent shows nothing.
UNLOCK = "`ssh-add ~/.ssh/id_ed25519` adds a key. A locked agent shows none: `ssh-add -X` unlocks it."


class _CutOff(Exception):
    pass


def _string(data: bytes) -> bytes:
    """RFC 4251, section 5."""
    return len(data).to_bytes(4, "big") + data


def _take(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) - 4 < size:
        raise _CutOff
    return data[4 : 4 + size], data[4 + size :]
