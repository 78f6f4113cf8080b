"""Signing: the half of it that is the client's. The service reads the artifact and says what is to be
signed (`sign/prepare`), and puts the token in (`sign/complete`); keys and agents are here.

    from vouch_client import Client
    from vouch_client.signing import Agent, sign

    async with Client() as client:
        key = await Agent().key("ann@laptop")
        signed = await sign(client, "/home/ann/echo.wasm", key.account, key)

A signer is a function that gets a `SigningInput` and answers a signature of 64 bytes: a key of an agent
is one, and so is a function of yours that asks an HSM or a cloud. It gets nothing to sign but what was
asked for and covers the file, which is hashed here: a service that lies gets nothing signed.

Files depend on those above them:

| file | what is in it |
|---|---|
| `_error` | what went wrong, and what to do |
| `_ed25519`, `_nkey` | whether a signature holds; keys as nkeys write them |
| `_token` | a token, or the two parts that are signed, read to the letter |
| `_subject` | the subject that follows from account and name |
| `_covered` | what a token for a file has to cover, read from the file |
| `_input` | what is signed, once it is certain that it was asked for |
| `_agent` | keys in ssh-agent |
| `_sign` | all of it in one step |
"""

from __future__ import annotations

from ._agent import Agent, AgentKey
from ._covered import Covered
from ._error import SigningError, SigningErrorKind
from ._input import SigningInput
from ._nkey import account_key, account_of
from ._sign import Signer, sign

__all__ = [
    "Agent",
    "AgentKey",
    "Covered",
    "Signer",
    "SigningError",
    "SigningErrorKind",
    "SigningInput",
    "account_key",
    "account_of",
    "sign",
]
