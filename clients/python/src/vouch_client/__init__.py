"""A client for vouchd, the service that lets only signed WebAssembly artifacts through.

    from vouch_client import Client, is_accepted

    async with Client() as client:
        verified = await client.verify(path="/home/ann/echo.wasm")
        if is_accepted(verified):
            print(verified["signature"]["signer"]["id"])

`SyncClient` is the same without asyncio. `errors` says what can go wrong, `protocol` has the types of
params and results, `signing` is for programs that sign.

Files depend on those above them:

| file | what is in it |
|---|---|
| `_error`, `_kinds`, `errors` | what can go wrong; `_kinds` is generated |
| `protocol` | the types of params and results; generated |
| `_wire` | JSON, a value on a line |
| `_socket`, `_program` | where the service listens and whose it is; which program it is |
| `_connection` | one connection: ids, calls side by side, what was sent |
| `_start` | starting a service if none listens |
| `_call` | a call that tells how far it is |
| `_methods`, `_client` | the client; `_methods` is generated |
| `_sync_methods`, `_sync` | the same without asyncio; `_sync_methods` is generated |
| `signing` | keys, and what they sign |
| `__main__` | `python -m vouch_client` |
"""

from __future__ import annotations

from . import errors, protocol
from ._call import Call
from ._client import Client
from ._error import ServerError, VouchError
from ._program import service_program
from ._socket import default_socket
from ._sync import SyncCall, SyncClient
from ._version import __version__
from ._wire import absolute
from .protocol import is_accepted, is_refused

__all__ = [
    "Call",
    "Client",
    "ServerError",
    "SyncCall",
    "SyncClient",
    "VouchError",
    "__version__",
    "absolute",
    "default_socket",
    "errors",
    "is_accepted",
    "is_refused",
    "protocol",
    "service_program",
]
