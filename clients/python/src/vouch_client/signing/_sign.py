"""Signing a file, from what is asked to the file that is signed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, cast

from .._client import Client
from .._wire import absolute
from ._covered import Covered
from ._error import SigningError
from ._input import SigningInput

if TYPE_CHECKING:
    from ..protocol import SignCompleteResult, SignPrepareParams, SignPrepareResult

#: What signs: it gets what was asked for, and answers an Ed25519 signature of its `data`.
Signer = Callable[[SigningInput], Awaitable[bytes] | bytes]


async def sign(
    client: Client,
    path: str | os.PathLike[str],
    account: str,
    signer: Signer,
    *,
    name: str | None = None,
    version: str | None = None,
    revision: int | None = None,
    vendor: str | None = None,
    tags: Sequence[str] | None = None,
    capabilities: Sequence[str] | None = None,
    subject: str | None = None,
    not_before: int | None = None,
    expires: int | None = None,
    replace: bool = False,
    destination: str | os.PathLike[str] | None = None,
    overwrite: bool | None = None,
) -> SignCompleteResult:
    """Signs a file, in place unless there is a destination. `signer` may show the claims of what it
    gets, and raise what it likes: then nothing is signed. Another account's token is replaced only with
    `replace`. The rest is what `sign/prepare` and `sign/complete` take.
    """
    given: dict[str, object] = {
        "path": absolute(path),
        "account": account,
        "name": name,
        "version": version,
        "revision": revision,
        "vendor": vendor,
        "tags": None if tags is None else list(tags),
        "capabilities": None if capabilities is None else list(capabilities),
        "subject": subject,
        "notBefore": not_before,
        "expires": expires,
    }
    asked = cast("SignPrepareParams", {key: value for key, value in given.items() if value is not None})
    signing = await checked(client, asked, path)
    if signing.replaces_another and not replace:
        other = signing.replaces["issuer"] if signing.replaces else ""
        raise SigningError(
            "replacesAnother",
            f"{os.fspath(path)} is signed by {other}, another account",
            "Say `replace=True` if its signature may go.",
        )
    signed = signer(signing)
    signature = signed if isinstance(signed, bytes) else await signed
    complete = signing.complete(asked["path"], signature)
    return await client.sign_complete(
        complete["path"],
        complete["signingInput"],
        complete["signature"],
        destination=destination,
        overwrite=overwrite,
    )


async def checked(
    client: Client, asked: SignPrepareParams, path: str | os.PathLike[str]
) -> SigningInput:
    """What is to be signed, as the service prepared it and the file bears it out. Both read the file at
    a time.
    """
    reading = asyncio.ensure_future(Covered.read(path))
    try:
        prepared = await client.call("sign/prepare", cast("dict[str, object]", asked))
        return SigningInput.check(cast("SignPrepareResult", prepared), asked, await reading)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()
