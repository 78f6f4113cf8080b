# Written by generate.py from protocol/openrpc.json: do not edit.
"""The same for programs without asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ._call import Call
    from ._methods import Methods, StrPath
    from ._sync import SyncCall
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

T = TypeVar("T")


class SyncMethods(ABC):
    """The methods of the protocol. Each waits for its result."""

    @property
    @abstractmethod
    def client(self) -> Methods: ...

    @abstractmethod
    def wait(self, work: Coroutine[Any, Any, T]) -> T: ...

    @abstractmethod
    def begin(self, call: Call[T]) -> SyncCall[T]: ...

    def verify(
        self,
        *,
        path: StrPath | None = None,
        push_to: str | None = None,
        bundle: StrPath | None = None,
        signer: str | None = None,
        explain: bool | None = None,
        reference: str | None = None,
    ) -> VerifyResult:
        """`verify` of `Client`."""
        return self.wait(self.client.verify(path=path, push_to=push_to, bundle=bundle, signer=signer, explain=explain, reference=reference))

    def verify_with_progress(
        self,
        *,
        path: StrPath | None = None,
        push_to: str | None = None,
        bundle: StrPath | None = None,
        signer: str | None = None,
        explain: bool | None = None,
        reference: str | None = None,
    ) -> SyncCall[VerifyResult]:
        """`verify`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.verify_with_progress(path=path, push_to=push_to, bundle=bundle, signer=signer, explain=explain, reference=reference))

    def inspect(
        self,
        *,
        path: StrPath | None = None,
        reference: str | None = None,
    ) -> InspectResult:
        """`inspect` of `Client`."""
        return self.wait(self.client.inspect(path=path, reference=reference))

    def inspect_with_progress(
        self,
        *,
        path: StrPath | None = None,
        reference: str | None = None,
    ) -> SyncCall[InspectResult]:
        """`inspect`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.inspect_with_progress(path=path, reference=reference))

    def push(
        self,
        path: StrPath,
        reference: str,
        *,
        bundle: StrPath | None = None,
        annotations: Mapping[str, str] | None = None,
        allow_latest: bool | None = None,
    ) -> PushResult:
        """`push` of `Client`."""
        return self.wait(self.client.push(path, reference, bundle=bundle, annotations=annotations, allow_latest=allow_latest))

    def push_with_progress(
        self,
        path: StrPath,
        reference: str,
        *,
        bundle: StrPath | None = None,
        annotations: Mapping[str, str] | None = None,
        allow_latest: bool | None = None,
    ) -> SyncCall[PushResult]:
        """`push`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.push_with_progress(path, reference, bundle=bundle, annotations=annotations, allow_latest=allow_latest))

    def pull(
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
        """`pull` of `Client`."""
        return self.wait(self.client.pull(reference, destination, overwrite=overwrite, target=target, with_bundle=with_bundle, signer=signer, allow_latest=allow_latest))

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
    ) -> SyncCall[PullResult]:
        """`pull`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.pull_with_progress(reference, destination, overwrite=overwrite, target=target, with_bundle=with_bundle, signer=signer, allow_latest=allow_latest))

    def tags(
        self,
        repository: str,
        *,
        limit: int | None = None,
        last: str | None = None,
    ) -> TagsResult:
        """`tags` of `Client`."""
        return self.wait(self.client.tags(repository, limit=limit, last=last))

    def document_check(
        self,
        uri: str,
        text: str,
        *,
        lookup: Lookup | None = None,
    ) -> DocumentCheckResult:
        """`document_check` of `Client`."""
        return self.wait(self.client.document_check(uri, text, lookup=lookup))

    def document_check_with_progress(
        self,
        uri: str,
        text: str,
        *,
        lookup: Lookup | None = None,
    ) -> SyncCall[DocumentCheckResult]:
        """`document_check`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.document_check_with_progress(uri, text, lookup=lookup))

    def sign_prepare(
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
        """`sign_prepare` of `Client`."""
        return self.wait(self.client.sign_prepare(path, account, name=name, version=version, revision=revision, vendor=vendor, tags=tags, capabilities=capabilities, subject=subject, not_before=not_before, expires=expires))

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
    ) -> SyncCall[SignPrepareResult]:
        """`sign_prepare`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.sign_prepare_with_progress(path, account, name=name, version=version, revision=revision, vendor=vendor, tags=tags, capabilities=capabilities, subject=subject, not_before=not_before, expires=expires))

    def sign_complete(
        self,
        path: StrPath,
        signing_input: str,
        signature: str,
        *,
        destination: StrPath | None = None,
        overwrite: bool | None = None,
    ) -> SignCompleteResult:
        """`sign_complete` of `Client`."""
        return self.wait(self.client.sign_complete(path, signing_input, signature, destination=destination, overwrite=overwrite))

    def sign_complete_with_progress(
        self,
        path: StrPath,
        signing_input: str,
        signature: str,
        *,
        destination: StrPath | None = None,
        overwrite: bool | None = None,
    ) -> SyncCall[SignCompleteResult]:
        """`sign_complete`, which also tells how far it is: see `SyncCall`."""
        return self.begin(self.client.sign_complete_with_progress(path, signing_input, signature, destination=destination, overwrite=overwrite))

    def session_login(
        self,
        registry: str,
        *,
        username: str | None = None,
        password: str | None = None,
        identity_token: str | None = None,
    ) -> SessionStatus:
        """`session_login` of `Client`."""
        return self.wait(self.client.session_login(registry, username=username, password=password, identity_token=identity_token))

    def session_logout(self, registry: str) -> SessionLogoutResult:
        """`session_logout` of `Client`."""
        return self.wait(self.client.session_logout(registry))

    def session_list(self) -> SessionListResult:
        """`session_list` of `Client`."""
        return self.wait(self.client.session_list())

    def server_status(self) -> ServerStatusResult:
        """`server_status` of `Client`."""
        return self.wait(self.client.server_status())

    def server_restart(self) -> ServerRestartResult:
        """`server_restart` of `Client`."""
        return self.wait(self.client.server_restart())

    def server_stop(self) -> ServerStopResult:
        """`server_stop` of `Client`."""
        return self.wait(self.client.server_stop())

    def rpc_discover(self) -> DiscoverResult:
        """`rpc_discover` of `Client`."""
        return self.wait(self.client.rpc_discover())
