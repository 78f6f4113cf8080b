"""A plugin host: it resolves a reference, has it verified, and gets a digest and a file.

    python plugin_host.py ghcr.io/acme/echo:0.3.4 --signer acme

A plugin is fetched once. Its file is named by what is in it, and the service writes it under that name
only once it is verified: what stands in the cache may be loaded.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from vouch_client import Client, VouchError, errors, is_accepted, is_refused


@dataclass(frozen=True)
class Plugin:
    """A plugin that may be loaded."""

    #: The reference with the manifest's digest: it always names this plugin.
    reference: str
    #: SHA-256 of the file.
    digest: str
    file: Path
    signer: str


class Refused(Exception):
    """The plugin must not be loaded; the text says why."""


async def plugin(client: Client, reference: str, cache: Path, signer: str | None = None) -> Plugin:
    """Resolves a reference, and answers the plugin that it names, as long as it is accepted now."""
    # What is verified is what is fetched: from here on, a digest names it.
    verified = await client.verify(reference=reference, signer=signer)
    if not is_accepted(verified):
        why = verified["refusal"]["message"] if is_refused(verified) else "a verdict of later versions"
        raise Refused(why)
    pinned, digest = verified.get("reference"), verified["artifact"]["digest"]
    assert pinned is not None, "a reference was asked about"
    file = cache / f"{digest.removeprefix('sha256:')}.wasm"
    try:
        # A file of these very bytes stays as it is; one with others is not believed.
        pulled = await client.pull(pinned, file, signer=signer, overwrite=True)
    except errors.ServerError as error:
        if error.is_refusal:
            raise Refused(error.message) from error
        raise
    found = pulled["verification"]
    assert is_accepted(found), "a pull answers nothing else"
    # Whoever moved the folder meanwhile is told where the file is now.
    file = Path(pulled["path"])
    return Plugin(pinned, found["artifact"]["digest"], file, found["signature"]["signer"]["id"])


async def main() -> int:
    parser = argparse.ArgumentParser(description="Fetches a plugin that may be loaded.")
    parser.add_argument("reference")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "plugin-host")
    parser.add_argument("--signer", help="accept only this signer")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    try:
        async with Client(name="plugin-host") as client:
            found = await plugin(client, arguments.reference, arguments.cache, arguments.signer)
    except Refused as why:
        print(f"not loaded: {why}", file=sys.stderr)
        return 1
    except VouchError as error:
        print(f"not loaded: {error}", file=sys.stderr)
        return 2
    print(found.digest, found.file)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
