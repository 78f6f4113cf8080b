"""A token, or the two parts of it that are signed, read to the letter. The reasons in errors are the
rest of a sentence about it, and quote nothing that nobody vouched for.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .. import _wire
from .._escape import escaped
from . import _ed25519, _nkey

if TYPE_CHECKING:
    from ..protocol import Claims

#: The longest token, in bytes: what a service accepts unless its owner says otherwise.
LONGEST = 256 << 10
#: The most entries of an archive that are believed.
MOST_ENTRIES = 256
#: The longest name or the like that is signed, in bytes.
LONGEST_TEXT = 256

#: The header of all that is signed here.
HEADER = b'{"typ":"jwt","alg":"Ed25519"}'
#: The revision of wascap from which on its readers look at the hash of a module.
REVISION = 3

#: The names that claims may have where they are going to be signed.
NAMES = {"exp", "jti", "iat", "iss", "sub", "nbf", "wascap", "wascap_revision"}
OF_WASM = {"name", "hash", "tags", "rev", "ver", "call_alias", "prov", "caps"}
OF_ARCHIVES = {"name", "vendor", "rev", "ver", "target_hashes", "config_schema", "caps"}

#: How names begin that a JSON library takes for a sign of its own.
OF_A_LIBRARY = "$serde_json::private::"

#: What a token covers: the hash of a module or component without its token, or those of an archive's
#: entries, by their names.
Hashes = str | dict[str, str]

HASH = re.compile(r"[0-9A-F]{64}", re.ASCII)


class Odd(Exception):
    """It is not what it should be; the text says why."""


@dataclass(frozen=True)
class Said:
    """What a token says, and whose it is."""

    key: bytes
    is_archive: bool
    claims: Claims
    covers: Hashes
    # What claims of the protocol do not hold.
    identity: str
    is_provider: bool
    #: Written out: 1, 1.0 and true are three things.
    config_schema: str | None

    def texts(self) -> list[str]:
        claims = self.claims
        single = [
            self.identity,
            claims.get("name"),
            claims.get("version"),
            claims.get("vendor"),
            claims.get("callAlias"),
        ]
        several = [*claims["tags"], *claims["capabilities"], *claims.get("targets", [])]
        return [text for text in single if text is not None] + several


def can_be_seen(text: str) -> bool:
    """Whether people who look at a text see all of it."""
    return len(text.encode()) <= LONGEST_TEXT and escaped(text) == text


def to_be_signed(text: str) -> Said:
    """Reads what is going to be signed: nothing may stand in it whose meaning is not known here."""
    header, dot, payload = _bounded(text).partition(".")
    if not dot:
        raise Odd("does not have two parts")
    if _decoded(header) != HEADER:
        raise Odd("does not have a token's header")
    claims = _object(_decoded(payload))
    wascap = claims.get("wascap")
    if not isinstance(wascap, dict):
        raise Odd("has no object `wascap`")
    is_archive = "target_hashes" in wascap
    for members, known in [(claims, NAMES), (wascap, OF_ARCHIVES if is_archive else OF_WASM)]:
        for name in members:
            if name not in known:
                raise Odd(f"says something unknown, {shown(name)}")
    if not _is_integer(claims.get("wascap_revision"), REVISION, REVISION):
        raise Odd(f"is not of wascap's revision {REVISION}")
    said = _said(claims, wascap, is_archive)
    if not all(map(can_be_seen, said.texts())):
        raise Odd("says something that is too long, or contains invisible characters")
    return said


def signed(token: str) -> Said:
    """Reads a token whose signature holds, whatever its dates."""
    parts = _bounded(token).split(".")
    if len(parts) != 3:
        raise Odd("does not have three parts")
    if _object(_decoded(parts[0])) != {"typ": "jwt", "alg": "Ed25519"}:
        raise Odd("does not have a token's header")
    claims = _object(_decoded(parts[1]))
    wascap = claims.get("wascap")
    if not isinstance(wascap, dict):
        raise Odd("has no object `wascap`")
    said = _said(claims, wascap, "target_hashes" in wascap)
    signature = _decoded(parts[2])
    if len(signature) != 64:
        raise Odd("has no signature of 64 bytes")
    if not _ed25519.verifies(said.key, f"{parts[0]}.{parts[1]}".encode(), signature):
        raise Odd("has a signature that does not verify")
    return said


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def shown(value: object) -> str:
    """A value as it is quoted: without what a terminal obeys, and not at length."""
    if value is None:
        return "nothing"
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _bounded(text: str) -> str:
    if len(text) > LONGEST:
        raise Odd(f"is longer than {LONGEST} bytes")
    return text


def _decoded(part: str) -> bytes:
    """Base64url has one spelling without padding: others are refused."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        data = b""
    if encoded(data) != part:
        raise Odd("is not base64url without padding")
    return data


def _object(data: bytes) -> dict[str, Any]:
    """An object that all readers take for the same."""
    try:
        value = _wire.read(data)
    except _wire.Twice:
        raise Odd("has a name twice") from None
    except ValueError:
        raise Odd("is not JSON") from None
    if not isinstance(value, dict):
        raise Odd("is not a JSON object")
    _look_through(value)
    return value


def _look_through(value: object) -> None:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if any(name.startswith(OF_A_LIBRARY) for name in one):
                raise Odd("has a name that makes JSON of a text")
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            try:
                one.encode()
            except UnicodeEncodeError:
                raise Odd("is not JSON") from None


def _is_integer(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _said(claims: dict[str, Any], wascap: dict[str, Any], is_archive: bool) -> Said:
    def odd() -> Odd:
        return Odd("does not have the claims of a token")

    def text(members: dict[str, Any], name: str) -> str | None:
        value = members.get(name)
        if value is not None and not isinstance(value, str):
            raise odd()
        return value

    def integer(members: dict[str, Any], name: str, least: int, most: int) -> int | None:
        value = members.get(name)
        if value is not None and not _is_integer(value, least, most):
            raise odd()
        return cast("int | None", value)

    def listed(name: str) -> list[str]:
        value = wascap.get(name)
        value = [] if value is None else value
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise odd()
        return value

    issuer, subject, identity = text(claims, "iss"), text(claims, "sub"), text(claims, "jti")
    issued = integer(claims, "iat", 0, 2**64 - 1)
    is_provider = wascap.get("prov", False)
    if issuer is None or subject is None or identity is None or issued is None:
        raise odd()
    if not isinstance(is_provider, bool):
        raise odd()
    optional = {
        "name": text(wascap, "name"),
        "version": text(wascap, "ver"),
        "revision": integer(wascap, "rev", -(2**31), 2**31 - 1),
        "vendor": text(wascap, "vendor"),
        "callAlias": text(wascap, "call_alias"),
        "notBefore": integer(claims, "nbf", 0, 2**64 - 1),
        "expires": integer(claims, "exp", 0, 2**64 - 1),
    }
    tags, capabilities = listed("tags"), listed("caps")
    covers = _covers(wascap, is_archive)
    read: dict[str, object] = {
        "issuer": issuer,
        "subject": subject,
        "tags": tags,
        "capabilities": capabilities,
        "issuedAt": issued,
        **{name: value for name, value in optional.items() if value is not None},
    }
    if isinstance(covers, dict):
        # The description of its interface is an entry, and not a target.
        read["targets"] = sorted(name for name in covers if name != "world.wasm")
    key = _nkey.account_key(issuer)
    if key is None:
        raise Odd("names an issuer that is not an account")
    named = _nkey.decode(subject)
    if named is None or named[0] != (_nkey.SERVICE if is_archive else _nkey.MODULE):
        letter = "V" if is_archive else "M"
        raise Odd(f"names a subject that is not an nkey that starts with `{letter}`")
    schema = wascap.get("config_schema")
    return Said(
        key=key,
        is_archive=is_archive,
        claims=cast("Claims", read),
        covers=covers,
        identity=identity,
        is_provider=is_provider,
        config_schema=None if schema is None else json.dumps(schema, sort_keys=True),
    )


def _covers(wascap: dict[str, Any], is_archive: bool) -> Hashes:
    own, entries, vendor = (wascap.get(name) for name in ("hash", "target_hashes", "vendor"))
    if not is_archive and isinstance(own, str) and HASH.fullmatch(own):
        return own
    if (
        is_archive
        and own is None
        and vendor is not None
        and isinstance(entries, dict)
        and 0 < len(entries) <= MOST_ENTRIES
        and all(
            name and isinstance(value, str) and HASH.fullmatch(value) for name, value in entries.items()
        )
    ):
        return entries
    raise Odd("does not say what it covers as a token does")
