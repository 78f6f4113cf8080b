"""What is signed, once it is certain that it was asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from . import _ed25519, _subject, _token
from ._covered import Covered
from ._error import SigningError
from ._nkey import account_key
from ._token import Hashes, Odd, Said, shown

if TYPE_CHECKING:
    from ..protocol import Claims, SignCompleteParams, SignPrepareParams, SignPrepareResult

#: How far the date of a token may be from now, in seconds: the service may still have read the file
#: then, and its clock may go differently.
OLDEST = 10 * 60
AHEAD = 5 * 60

_MADE_HERE = object()


@dataclass(frozen=True)
class SigningInput:
    """What an account signs: the first two parts of a token, which say what was asked for and nothing
    more. Only `SigningInput.check` makes one.
    """

    #: The bytes that are signed, as a text: two parts of base64url with a dot between.
    text: str
    #: Who has to sign it.
    account: str
    #: What it says, decoded: show this, not what the service says of it. Signers choose what is in
    #: it: escape it before a terminal shows it.
    claims: Claims
    #: What the token says that is replaced, if there is one whose signature holds.
    replaces: Claims | None
    made: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.made is not _MADE_HERE:
            raise TypeError("only SigningInput.check makes one")

    @classmethod
    def check(
        cls,
        prepared: SignPrepareResult,
        asked: SignPrepareParams,
        covered: Covered,
        now: float | None = None,
    ) -> SigningInput:
        """Checks what a service answered to `sign/prepare` against what it was asked, and against the
        file. Its words are not believed: what is to be signed is decoded here. What was not asked for
        must stand in the token that is replaced, whose signature is verified here, or be derived from
        what was. A name and a version that were not asked for may be the artifact's own: show them.
        """
        members: Mapping[str, object] = prepared if isinstance(prepared, dict) else {}
        text, replaced = members.get("signingInput"), members.get("replaces")
        token = replaced.get("token") if isinstance(replaced, dict) else replaced
        if not isinstance(text, str) or not isinstance(token, str | None):
            raise _refused("its answer does not have the form of one")
        try:
            said = _token.to_be_signed(text)
        except Odd as why:
            raise _refused(f"what it wants signed {why}") from None
        old = None
        if token is not None:
            try:
                old = _token.signed(token)
            except Odd as why:
                raise _refused(f"the token that it would replace {why}") from None
        _compare(said, asked, old, int(time.time() if now is None else now))
        _covers(said.covers, covered.hashes)
        return cls(text, asked["account"], said.claims, old.claims if old else None, _MADE_HERE)

    @property
    def data(self) -> bytes:
        """The bytes that are signed, with Ed25519 and without a prehash."""
        return self.text.encode()

    @property
    def replaces_another(self) -> bool:
        """Whether another account's signature is replaced."""
        return self.replaces is not None and self.replaces["issuer"] != self.account

    def complete(self, path: str, signature: bytes) -> SignCompleteParams:
        """The params of `sign/complete` that follow, for the path that `sign/prepare` was asked about.
        The file is replaced, unless a destination is set. A signature that does not verify is refused.
        """
        if not verifies(self.account, self.data, signature):
            raise SigningError(
                "keyUnusable", f"the signature does not verify with the key of {self.account}"
            )
        return {
            "path": path,
            "signingInput": self.text,
            "signature": _token.encoded(signature),
        }


def verifies(account: str, data: bytes, signature: bytes) -> bool:
    """Whether an account signed these bytes."""
    key = account_key(account)
    return key is not None and _ed25519.verifies(key, data, signature)


def _compare(said: Said, asked: SignPrepareParams, old: Said | None, now: int) -> None:
    """Fails where something was not asked for."""
    claims = said.claims
    if claims["issuer"] != asked.get("account"):
        raise _differs("account", claims["issuer"], asked.get("account"))
    # Dates are never carried over.
    if claims.get("notBefore") != asked.get("notBefore"):
        raise _differs("start", claims.get("notBefore"), asked.get("notBefore"))
    if claims.get("expires") != asked.get("expires"):
        raise _differs("expiry", claims.get("expires"), asked.get("expires"))
    issued = claims["issuedAt"]
    if not now - OLDEST <= issued <= now + AHEAD:
        raise _refused(
            f"it is dated {issued}, but it is now {now}, in seconds since 1970",
            "Compare this machine's clock with the service's.",
        )

    was = cast("Claims", old.claims if old else {})
    # A name and a version may be the artifact's own.
    for what, found, wanted in [
        ("name", claims.get("name"), asked.get("name")),
        ("version", claims.get("version"), asked.get("version")),
    ]:
        if wanted is not None and found != wanted:
            raise _differs(what, found, wanted)
    _one("revision", claims.get("revision"), asked.get("revision"), was.get("revision"))
    _one("vendor", claims.get("vendor"), asked.get("vendor"), was.get("vendor"))
    _one("call alias", claims.get("callAlias"), None, was.get("callAlias"))
    was_provider = (old.is_provider if old else False) or None
    _one("mark as a provider", said.is_provider or None, None, was_provider)
    _one("schema", said.config_schema, None, old.config_schema if old else None)
    _list("tags", claims["tags"], asked.get("tags"), was.get("tags"))
    # Nobody inherits what another account granted.
    own = was.get("capabilities") if was.get("issuer") == claims["issuer"] else None
    _list("capabilities", claims["capabilities"], asked.get("capabilities"), own)

    subject, wanted = claims["subject"], asked.get("subject")
    if wanted is not None:
        if wanted != subject:
            raise _differs("subject", subject, wanted)
        return
    name = claims.get("name") or ""
    if subject not in (was.get("subject"), _subject.derived(said.is_archive, said.key, name)):
        raise _added("subject", subject)


def _covers(said: Hashes, file: Hashes) -> None:
    """Fails unless the token would cover the file, all of it and nothing else."""
    if said == file:
        return
    what = "its hash is not that of the file"
    if isinstance(said, dict) and isinstance(file, dict):
        name = next(it for it in [*said, *file] if said.get(it) != file.get(it))
        if name not in file:
            what = f"it would cover {shown(name)}, which the file does not have"
        elif name not in said:
            what = f"it would not cover {shown(name)}, which the file has"
        else:
            what = f"its hash of {shown(name)} is not that of the file"
    raise _refused(
        what,
        "If the file was being written, try again. If not, the service may see other files than you "
        "do, or somebody else may answer in its place: do not sign there.",
    )


def _one(what: str, found: object, asked: object, was: object) -> None:
    """Fails unless it is as asked; or where nothing was asked, as it was, or absent."""
    if asked is not None:
        if found != asked:
            raise _differs(what, found, asked)
    elif found is not None and found != was:
        raise _added(what, found)


def _list(what: str, found: list[str], asked: Sequence[str] | None, was: Sequence[str] | None) -> None:
    """Fails unless they are as asked; or where nothing was asked, among those that were."""
    if asked is not None:
        if list(asked) != found:
            raise _differs(what, found, list(asked))
        return
    for one in found:
        if one not in (was or []):
            raise _added(what, one)


def _differs(what: str, found: object, asked: object) -> SigningError:
    return _refused(f"its {what} would be {shown(found)}, but {shown(asked)} was asked for")


def _added(what: str, found: object) -> SigningError:
    return _refused(
        f"nobody asked for its {what} {shown(found)}, and the token that it would replace does not "
        "say that"
    )


def _refused(what: str, hint: str | None = None) -> SigningError:
    return SigningError(
        "notAskedFor",
        f"nothing was signed: the service's answer does not match the request: {what}",
        hint
        or "The client and vouchd may be different versions: run `vouch restart`. If that does not "
        "help, somebody else may be answering in the service's place: do not sign there.",
    )
