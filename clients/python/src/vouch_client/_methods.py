# Written by generate.py from protocol/openrpc.json: do not edit.
"""The methods of the protocol, as methods of the client."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ._call import Call
    from .protocol import (
        DiscoverResult,
        DocumentCheckResult,
        InspectResult,
        Lookup,
        PullResult,
        PushResult,
        ServerRestartResult,
        ServerStatusResult,
        ServerStopResult,
        SessionListResult,
        SessionLogoutResult,
        SessionStatus,
        SignCompleteResult,
        SignPrepareResult,
        TagsResult,
        VerifyResult,
    )

StrPath = str | os.PathLike[str]


def given(params: dict[str, object]) -> dict[str, object]:
    """What was given: the rest is absent, and so as the service has it."""
    return {name: value for name, value in params.items() if value is not None}


class Methods(ABC):
    """The methods of the protocol."""

    @abstractmethod
    async def call(self, method: str, params: Mapping[str, object] | None = None) -> Any: ...

    @abstractmethod
    def begin(self, method: str, params: Mapping[str, object] | None = None) -> Call[Any]: ...

    async def verify(
        self,
        *,
        path: StrPath | None = None,
        push_to: str | None = None,
        bundle: StrPath | None = None,
        signer: str | None = None,
        explain: bool | None = None,
        reference: str | None = None,
    ) -> VerifyResult:
        """Judges an artifact by the signature rule.

        path: An absolute path or `file:` URI.
        push_to: A reference, with `path` alone: answers whether a push to there would pass.
        bundle: The file's Sigstore bundle, with `path`: an absolute path or `file:` URI.
            Without it, the file `path` + `.sigstore.json` counts, where there is one. With
            `pushTo`, one that is named has to count, as it would be published.
        signer: Accept only this signer: a name of the server's config, an account (`A…`), or a
            signer's `id`.
        explain: Answer `checks`: every row of the rule and what the policy asks, each with what
            was found.
        reference: A reference to a registry or layout. What it names is read, judged and thrown
            away.
        """
        params: dict[str, object] = {
            "path": path,
            "pushTo": push_to,
            "bundle": bundle,
            "signer": signer,
            "explain": explain,
            "reference": reference,
        }
        return cast("VerifyResult", await self.call("verify", given(params)))

    def verify_with_progress(
        self,
        *,
        path: StrPath | None = None,
        push_to: str | None = None,
        bundle: StrPath | None = None,
        signer: str | None = None,
        explain: bool | None = None,
        reference: str | None = None,
    ) -> Call[VerifyResult]:
        """`verify`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "path": path,
            "pushTo": push_to,
            "bundle": bundle,
            "signer": signer,
            "explain": explain,
            "reference": reference,
        }
        return cast("Call[VerifyResult]", self.begin("verify", given(params)))

    async def inspect(
        self,
        *,
        path: StrPath | None = None,
        reference: str | None = None,
    ) -> InspectResult:
        """Tells all that is known of an artifact, and who says so.

        path: An absolute path or `file:` URI.
        reference: A reference to a registry or layout. No more of what it names is read than is
            needed.
        """
        params: dict[str, object] = {
            "path": path,
            "reference": reference,
        }
        return cast("InspectResult", await self.call("inspect", given(params)))

    def inspect_with_progress(
        self,
        *,
        path: StrPath | None = None,
        reference: str | None = None,
    ) -> Call[InspectResult]:
        """`inspect`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "path": path,
            "reference": reference,
        }
        return cast("Call[InspectResult]", self.begin("inspect", given(params)))

    async def push(
        self,
        path: StrPath,
        reference: str,
        *,
        bundle: StrPath | None = None,
        annotations: Mapping[str, str] | None = None,
        allow_latest: bool | None = None,
    ) -> PushResult:
        """Verifies a file and publishes it.

        path: An absolute path or `file:` URI.
        reference: Where to publish it: `registry/repository:tag` or `oci:/path/to/layout:tag`.
        bundle: The file's Sigstore bundle: an absolute path or `file:` URI. It has to count,
            and is published with the file. Without it, the file `path` + `.sigstore.json` is
            looked at where the file's token does not suffice, and published where it counts.
        annotations: Annotations for the manifest. By convention their names are
            `org.opencontainers.image.*` or start with a reversed domain name.
        allow_latest: Allow the tag `latest`, or no tag.
        """
        params: dict[str, object] = {
            "path": path,
            "reference": reference,
            "bundle": bundle,
            "annotations": annotations,
            "allowLatest": allow_latest,
        }
        return cast("PushResult", await self.call("push", given(params)))

    def push_with_progress(
        self,
        path: StrPath,
        reference: str,
        *,
        bundle: StrPath | None = None,
        annotations: Mapping[str, str] | None = None,
        allow_latest: bool | None = None,
    ) -> Call[PushResult]:
        """`push`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "path": path,
            "reference": reference,
            "bundle": bundle,
            "annotations": annotations,
            "allowLatest": allow_latest,
        }
        return cast("Call[PushResult]", self.begin("push", given(params)))

    async def pull(
        self,
        reference: str,
        destination: StrPath,
        *,
        overwrite: bool | None = None,
        target: str | None = None,
        with_bundle: bool | None = None,
        signer: str | None = None,
        allow_latest: bool | None = None,
    ) -> PullResult:
        """Fetches an artifact, and writes the file only if it verifies.

        reference: Where to fetch it from: `registry/repository[:tag][@digest]` or
            `oci:/path/to/layout:tag`.
        destination: An absolute path or `file:` URI. In a folder that exists, the file is named
            after the repository. Or an image layout, `oci:/path/to/layout:tag`, which keeps the
            manifest too.
        overwrite: Replace a regular file, or a symbolic link itself. Nothing else is ever
            replaced.
        target: Place only this target of a provider archive, for example `x86_64-linux`. The
            whole archive is verified all the same.
        with_bundle: Place the bundle that signs the file beside it, as `FILE.sigstore.json`, so
            that the file verifies again; not with `target`. A layout keeps it beside the
            manifest. What is accepted by its token needs none.
        signer: Accept only this signer: a name of the server's config, an account (`A…`), or a
            signer's `id`.
        allow_latest: Allow the tag `latest`, or no tag.
        """
        params: dict[str, object] = {
            "reference": reference,
            "destination": destination,
            "overwrite": overwrite,
            "target": target,
            "withBundle": with_bundle,
            "signer": signer,
            "allowLatest": allow_latest,
        }
        return cast("PullResult", await self.call("pull", given(params)))

    def pull_with_progress(
        self,
        reference: str,
        destination: StrPath,
        *,
        overwrite: bool | None = None,
        target: str | None = None,
        with_bundle: bool | None = None,
        signer: str | None = None,
        allow_latest: bool | None = None,
    ) -> Call[PullResult]:
        """`pull`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "reference": reference,
            "destination": destination,
            "overwrite": overwrite,
            "target": target,
            "withBundle": with_bundle,
            "signer": signer,
            "allowLatest": allow_latest,
        }
        return cast("Call[PullResult]", self.begin("pull", given(params)))

    async def tags(
        self,
        repository: str,
        *,
        limit: int | None = None,
        last: str | None = None,
    ) -> TagsResult:
        """Lists the tags of a repository or an image layout, a page at a time.

        repository: `registry/repository` or `oci:/path/to/layout`, without tag and digest.
        limit: The most tags to answer, 1 to 1000. The default is 100.
        last: Begin behind this tag: the last one of the page before.
        """
        params: dict[str, object] = {
            "repository": repository,
            "limit": limit,
            "last": last,
        }
        return cast("TagsResult", await self.call("tags", given(params)))

    async def document_check(
        self,
        uri: str,
        text: str,
        *,
        lookup: Lookup | None = None,
    ) -> DocumentCheckResult:
        """Finds the references to artifacts in a document, and judges what they name.

        uri: What the document is called: a URI or a path. Its name tells what it may be.
            Nothing is read there.
        text: The document's text, of at most 1 MiB.
        lookup: How far to look. The default is `allowed`.
        """
        params: dict[str, object] = {
            "uri": uri,
            "text": text,
            "lookup": lookup,
        }
        return cast("DocumentCheckResult", await self.call("document/check", given(params)))

    def document_check_with_progress(
        self,
        uri: str,
        text: str,
        *,
        lookup: Lookup | None = None,
    ) -> Call[DocumentCheckResult]:
        """`document_check`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "uri": uri,
            "text": text,
            "lookup": lookup,
        }
        return cast("Call[DocumentCheckResult]", self.begin("document/check", given(params)))

    async def sign_prepare(
        self,
        path: StrPath,
        account: str,
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
    ) -> SignPrepareResult:
        """Answers what an account has to sign for a file; the client signs it.

        path: An absolute path or `file:` URI.
        account: The account that is going to sign: an nkey that starts with `A`.
        name: The artifact's name. Without one: its token's, its own metadata's, or the file's.
        version: Its version. Without one: its token's or its own metadata's, if they have one.
        revision: Its revision.
        vendor: A provider archive's vendor.
        tags: The tags of a module or component. An empty list means none.
        capabilities: The capabilities granted to it. An empty list means none. Without a list
            they are carried over only where the same account signed before.
        subject: What is signed: an nkey that starts with `M` for wasm, with `V` for a provider
            archive. Without one: its token's, or one that follows from account and name.
        not_before: Not valid before; in seconds since 1970-01-01T00:00:00Z. Dates are never
            carried over.
        expires: Not valid from then on; in seconds since 1970-01-01T00:00:00Z.
        """
        params: dict[str, object] = {
            "path": path,
            "account": account,
            "name": name,
            "version": version,
            "revision": revision,
            "vendor": vendor,
            "tags": tags,
            "capabilities": capabilities,
            "subject": subject,
            "notBefore": not_before,
            "expires": expires,
        }
        return cast("SignPrepareResult", await self.call("sign/prepare", given(params)))

    def sign_prepare_with_progress(
        self,
        path: StrPath,
        account: str,
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
    ) -> Call[SignPrepareResult]:
        """`sign_prepare`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "path": path,
            "account": account,
            "name": name,
            "version": version,
            "revision": revision,
            "vendor": vendor,
            "tags": tags,
            "capabilities": capabilities,
            "subject": subject,
            "notBefore": not_before,
            "expires": expires,
        }
        return cast("Call[SignPrepareResult]", self.begin("sign/prepare", given(params)))

    async def sign_complete(
        self,
        path: StrPath,
        signing_input: str,
        signature: str,
        *,
        destination: StrPath | None = None,
        overwrite: bool | None = None,
    ) -> SignCompleteResult:
        """Puts a signed token into a file, examines the result, and only then names it.

        path: The file that `sign/prepare` read: an absolute path or `file:` URI.
        signing_input: What `sign/prepare` answered, unchanged.
        signature: The Ed25519 signature of its bytes, 64 bytes, in base64url without padding.
        destination: Where the signed artifact goes: an absolute path or `file:` URI; in a
            folder that exists, under the file's own name. Without one it replaces the file.
        overwrite: Replace a regular file, or a symbolic link itself, at the destination.
        """
        params: dict[str, object] = {
            "path": path,
            "signingInput": signing_input,
            "signature": signature,
            "destination": destination,
            "overwrite": overwrite,
        }
        return cast("SignCompleteResult", await self.call("sign/complete", given(params)))

    def sign_complete_with_progress(
        self,
        path: StrPath,
        signing_input: str,
        signature: str,
        *,
        destination: StrPath | None = None,
        overwrite: bool | None = None,
    ) -> Call[SignCompleteResult]:
        """`sign_complete`, which also tells how far it is: see `Call`."""
        params: dict[str, object] = {
            "path": path,
            "signingInput": signing_input,
            "signature": signature,
            "destination": destination,
            "overwrite": overwrite,
        }
        return cast("Call[SignCompleteResult]", self.begin("sign/complete", given(params)))

    async def session_login(
        self,
        registry: str,
        *,
        username: str | None = None,
        password: str | None = None,
        identity_token: str | None = None,
    ) -> SessionStatus:
        """Checks a login with its registry and keeps it. Takes `username` and `password`, or `identityToken`.

        registry: The registry, as references name it: `ghcr.io`, `localhost:5000`.
        username: Who logs in.
        password: The password, or an access token in its place.
        identity_token: An OAuth2 refresh token, in place of a password.
        """
        params: dict[str, object] = {
            "registry": registry,
            "username": username,
            "password": password,
            "identityToken": identity_token,
        }
        return cast("SessionStatus", await self.call("session/login", given(params)))

    async def session_logout(self, registry: str) -> SessionLogoutResult:
        """Forgets a login and ends what is under way with it.

        registry: The registry, as references name it.
        """
        params: dict[str, object] = {
            "registry": registry,
        }
        return cast("SessionLogoutResult", await self.call("session/logout", given(params)))

    async def session_list(self) -> SessionListResult:
        """Lists the logins that are kept or in use."""
        params: dict[str, object] = {}
        return cast("SessionListResult", await self.call("session/list", given(params)))

    async def server_status(self) -> ServerStatusResult:
        """Tells what the server is doing."""
        params: dict[str, object] = {}
        return cast("ServerStatusResult", await self.call("server/status", given(params)))

    async def server_restart(self) -> ServerRestartResult:
        """Lets a new process of the installed program take over, without refusing anybody."""
        params: dict[str, object] = {}
        return cast("ServerRestartResult", await self.call("server/restart", given(params)))

    async def server_stop(self) -> ServerStopResult:
        """Stops the server."""
        params: dict[str, object] = {}
        return cast("ServerStopResult", await self.call("server/stop", given(params)))

    async def rpc_discover(self) -> DiscoverResult:
        """Answers this document."""
        params: dict[str, object] = {}
        return cast("DiscoverResult", await self.call("rpc.discover", given(params)))
