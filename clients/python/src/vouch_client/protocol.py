# Written by generate.py from protocol/openrpc.json: do not edit.
"""The types of params and results, under the names that they have on the wire.

A result is the very object that the service answered: members that this version does not
know are in it, too.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, TypeGuard, overload

__all__ = [
    "Artifact",
    "ArtifactKind",
    "CacheStatus",
    "CancelParams",
    "Check",
    "CheckOutcome",
    "Claims",
    "ClientInfo",
    "CredentialFile",
    "Dependency",
    "Descriptor",
    "DiscoverResult",
    "DocumentCheckParams",
    "DocumentCheckResult",
    "DocumentReference",
    "DocumentReferenceJudged",
    "DocumentReferenceUnknown",
    "ErrorData",
    "ErrorKind",
    "Fix",
    "FixCommand",
    "FixEdit",
    "FixKind",
    "IdleKeeper",
    "IdleStatus",
    "InitializeParams",
    "InitializeResult",
    "InspectParams",
    "InspectParamsOfPath",
    "InspectParamsOfReference",
    "InspectResult",
    "InspectResultChecked",
    "InspectResultNotChecked",
    "LastError",
    "LaterDocumentReference",
    "LaterFix",
    "LaterInspectResult",
    "LaterNames",
    "LaterVerification",
    "LaterVerifyResult",
    "LaterWorkDone",
    "LoginSource",
    "Lookup",
    "Manifest",
    "Metadata",
    "Names",
    "NamesRead",
    "NamesUnread",
    "NoParams",
    "OpenRpcInfo",
    "OpenRpcMethod",
    "Position",
    "Producer",
    "ProgressParams",
    "ProgressToken",
    "Provenance",
    "PublishedBundle",
    "PullParams",
    "PullResult",
    "PushParams",
    "PushResult",
    "Range",
    "Refusal",
    "ReplacedToken",
    "RequestId",
    "RequestStatus",
    "RootStatus",
    "ServerCapabilities",
    "ServerInfo",
    "ServerRestartResult",
    "ServerStatusResult",
    "ServerStopResult",
    "SessionListResult",
    "SessionLoginParams",
    "SessionLoginParamsOfIdentityToken",
    "SessionLoginParamsOfPassword",
    "SessionLogoutParams",
    "SessionLogoutResult",
    "SessionState",
    "SessionStatus",
    "SignCompleteParams",
    "SignCompleteResult",
    "SignPrepareParams",
    "SignPrepareResult",
    "Signature",
    "Signer",
    "TagsParams",
    "TagsResult",
    "Target",
    "TextEdit",
    "Trust",
    "TrustMode",
    "TrustStatus",
    "UnknownReason",
    "Verification",
    "VerificationAccepted",
    "VerificationRefused",
    "VerifyParams",
    "VerifyParamsOfPath",
    "VerifyParamsOfReference",
    "VerifyResult",
    "VerifyResultAccepted",
    "VerifyResultRefused",
    "WorkDone",
    "WorkDoneBegin",
    "WorkDoneEnd",
    "WorkDoneReport",
    "is_accepted",
    "is_begin",
    "is_checked",
    "is_command",
    "is_edit",
    "is_end",
    "is_judged",
    "is_not_checked",
    "is_read",
    "is_refused",
    "is_report",
    "is_unknown",
    "is_unread",
]

#: Names a request in reports of its progress: a string of at most 256 bytes or a non-negative
#: integer.
ProgressToken = int | str

#: How far a document may make the server look.
Lookup = Literal["memory", "allowed", "full"] | str

#: A request's id: a string or a non-negative integer.
RequestId = int | str

#: What an artifact is.
ArtifactKind = Literal["module", "component", "provider"] | str

#: Who signed.
Signer = dict[str, str]

#: How a signer is accepted.
TrustMode = Literal["named", "pinned", "firstUse", "any"] | str

#: Why a request failed, or why an artifact is refused.
ErrorKind = (
    Literal[
        "parseError",
        "invalidRequest",
        "methodNotFound",
        "invalidParams",
        "internalError",
        "cancelled",
        "unknownArtifact",
        "malformedArtifact",
        "tooLarge",
        "contentModified",
        "targetNotFound",
        "noBundle",
        "unsigned",
        "ambiguousToken",
        "invalidToken",
        "signatureInvalid",
        "notYetValid",
        "expired",
        "hashMismatch",
        "untrustedSigner",
        "signerChanged",
        "notAllowed",
        "signatureUnrelated",
        "invalidReference",
        "latestNotAllowed",
        "notFound",
        "unsupportedManifest",
        "invalidManifest",
        "digestMismatch",
        "registryUnreachable",
        "registryTimeout",
        "registryError",
        "registryRefused",
        "rateLimited",
        "insecureRegistry",
        "invalidLayout",
        "unauthorized",
        "denied",
        "credentialUnusable",
        "fileNotFound",
        "notAFile",
        "permissionDenied",
        "destinationExists",
        "diskFull",
        "invalidPath",
        "io",
        "busy",
        "shuttingDown",
        "unsupportedProtocol",
        "responseTooLarge",
        "restartFailed",
        "policyUnusable",
    ]
    | str
)

#: How a `Check` ended.
CheckOutcome = Literal["held", "failed", "absent", "notReached", "warning"] | str

#: Why there is no verdict.
UnknownReason = Literal["notAllowed", "tooMuch", "notRemembered", "failed"] | str

#: What a `Fix` does.
FixKind = Literal["pin", "move", "trust", "sign", "login"] | str

#: Where a login comes from, in the order in which the server looks for one.
LoginSource = Literal["session/login", "authFile", "docker", "podman", "anonymous"] | str

#: What a registry said about a login.
SessionState = Literal["untried", "accepted", "refused"] | str

#: What keeps a server alive that would otherwise end by itself.
IdleKeeper = Literal["requests", "connections", "logins"] | str


class InitializeParams(TypedDict, total=False):
    """Params of `Initialize`. Editors send members of their own, and values that mean nothing
    here: what is unknown or does not fit is ignored.
    """

    #: Who connects; shown in `server/status` and in the log.
    clientInfo: ClientInfo | None
    #: The protocol version that the client was written for, for example `1.0`. It is refused if
    #: its first number differs from the server's.
    protocolVersion: str | None
    #: The client's process. On stdio the server ends when that process does.
    processId: int | None


class _ClientInfo(TypedDict):
    #: For example `neovim`.
    name: str


class ClientInfo(_ClientInfo, total=False):
    """A client's name and version."""

    #: For example `0.11.0`.
    version: str | None


class NoParams(TypedDict):
    """Params of a method that takes none. An absent `params`, `null`, `{}`, `[]` and `[null]`
    all mean this.
    """


class _VerifyParamsOfPath(TypedDict):
    #: An absolute path or `file:` URI.
    path: str


class VerifyParamsOfPath(_VerifyParamsOfPath, total=False):
    #: A reference, with `path` alone: answers whether a push to there would pass.
    pushTo: str | None
    #: The file's Sigstore bundle, with `path`: an absolute path or `file:` URI. Without it, the
    #: file `path` + `.sigstore.json` counts, where there is one. With `pushTo`, one that is
    #: named has to count, as it would be published.
    bundle: str | None
    #: Accept only this signer: a name of the server's config, an account (`A…`), or a signer's
    #: `id`.
    signer: str | None
    #: Answer `checks`: every row of the rule and what the policy asks, each with what was
    #: found.
    explain: bool | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _VerifyParamsOfReference(TypedDict):
    #: A reference to a registry or layout. What it names is read, judged and thrown away.
    reference: str


class VerifyParamsOfReference(_VerifyParamsOfReference, total=False):
    #: A reference, with `path` alone: answers whether a push to there would pass.
    pushTo: str | None
    #: The file's Sigstore bundle, with `path`: an absolute path or `file:` URI. Without it, the
    #: file `path` + `.sigstore.json` counts, where there is one. With `pushTo`, one that is
    #: named has to count, as it would be published.
    bundle: str | None
    #: Accept only this signer: a name of the server's config, an account (`A…`), or a signer's
    #: `id`.
    signer: str | None
    #: Answer `checks`: every row of the rule and what the policy asks, each with what was
    #: found.
    explain: bool | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _InspectParamsOfPath(TypedDict):
    #: An absolute path or `file:` URI.
    path: str


class InspectParamsOfPath(_InspectParamsOfPath, total=False):
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _InspectParamsOfReference(TypedDict):
    #: A reference to a registry or layout. No more of what it names is read than is needed.
    reference: str


class InspectParamsOfReference(_InspectParamsOfReference, total=False):
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _PushParams(TypedDict):
    #: An absolute path or `file:` URI.
    path: str
    #: Where to publish it: `registry/repository:tag` or `oci:/path/to/layout:tag`.
    reference: str


class PushParams(_PushParams, total=False):
    """Params of `Push`."""

    #: The file's Sigstore bundle: an absolute path or `file:` URI. It has to count, and is
    #: published with the file. Without it, the file `path` + `.sigstore.json` is looked at
    #: where the file's token does not suffice, and published where it counts.
    bundle: str | None
    #: Annotations for the manifest. By convention their names are `org.opencontainers.image.*`
    #: or start with a reversed domain name.
    annotations: dict[str, str] | None
    #: Allow the tag `latest`, or no tag.
    allowLatest: bool | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _PullParams(TypedDict):
    #: Where to fetch it from: `registry/repository[:tag][@digest]` or
    #: `oci:/path/to/layout:tag`.
    reference: str
    #: An absolute path or `file:` URI. In a folder that exists, the file is named after the
    #: repository. Or an image layout, `oci:/path/to/layout:tag`, which keeps the manifest too.
    destination: str


class PullParams(_PullParams, total=False):
    """Params of `Pull`."""

    #: Replace a regular file, or a symbolic link itself. Nothing else is ever replaced.
    overwrite: bool | None
    #: Place only this target of a provider archive, for example `x86_64-linux`. The whole
    #: archive is verified all the same.
    target: str | None
    #: Place the bundle that signs the file beside it, as `FILE.sigstore.json`, so that the file
    #: verifies again; not with `target`. A layout keeps it beside the manifest. What is
    #: accepted by its token needs none.
    withBundle: bool | None
    #: Accept only this signer: a name of the server's config, an account (`A…`), or a signer's
    #: `id`.
    signer: str | None
    #: Allow the tag `latest`, or no tag.
    allowLatest: bool | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _TagsParams(TypedDict):
    #: `registry/repository` or `oci:/path/to/layout`, without tag and digest.
    repository: str


class TagsParams(_TagsParams, total=False):
    """Params of `Tags`."""

    #: The most tags to answer, 1 to 1000. The default is 100.
    limit: int | None
    #: Begin behind this tag: the last one of the page before.
    last: str | None


class _DocumentCheckParams(TypedDict):
    #: What the document is called: a URI or a path. Its name tells what it may be. Nothing is
    #: read there.
    uri: str
    #: The document's text, of at most 1 MiB.
    text: str


class DocumentCheckParams(_DocumentCheckParams, total=False):
    """Params of `DocumentCheck`."""

    #: How far to look. The default is `allowed`.
    lookup: Lookup | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _SignPrepareParams(TypedDict):
    #: An absolute path or `file:` URI.
    path: str
    #: The account that is going to sign: an nkey that starts with `A`.
    account: str


class SignPrepareParams(_SignPrepareParams, total=False):
    """Params of `SignPrepare`. What is absent is carried over from the file's own token, where
    that holds.
    """

    #: The artifact's name. Without one: its token's, its own metadata's, or the file's.
    name: str | None
    #: Its version. Without one: its token's or its own metadata's, if they have one.
    version: str | None
    #: Its revision.
    revision: int | None
    #: A provider archive's vendor.
    vendor: str | None
    #: The tags of a module or component. An empty list means none.
    tags: list[str] | None
    #: The capabilities granted to it. An empty list means none. Without a list they are carried
    #: over only where the same account signed before.
    capabilities: list[str] | None
    #: What is signed: an nkey that starts with `M` for wasm, with `V` for a provider archive.
    #: Without one: its token's, or one that follows from account and name.
    subject: str | None
    #: Not valid before; in seconds since 1970-01-01T00:00:00Z. Dates are never carried over.
    notBefore: int | None
    #: Not valid from then on; in seconds since 1970-01-01T00:00:00Z.
    expires: int | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class _SignCompleteParams(TypedDict):
    #: The file that `sign/prepare` read: an absolute path or `file:` URI.
    path: str
    #: What `sign/prepare` answered, unchanged.
    signingInput: str
    #: The Ed25519 signature of its bytes, 64 bytes, in base64url without padding.
    signature: str


class SignCompleteParams(_SignCompleteParams, total=False):
    """Params of `SignComplete`."""

    #: Where the signed artifact goes: an absolute path or `file:` URI; in a folder that exists,
    #: under the file's own name. Without one it replaces the file.
    destination: str | None
    #: Replace a regular file, or a symbolic link itself, at the destination.
    overwrite: bool | None
    #: Names the request in `$/progress`. Without one, nothing is reported.
    workDoneToken: ProgressToken | None


class SessionLoginParamsOfPassword(TypedDict):
    #: The registry, as references name it: `ghcr.io`, `localhost:5000`.
    registry: str
    #: Who logs in.
    username: str
    #: The password, or an access token in its place.
    password: str


class _SessionLoginParamsOfIdentityToken(TypedDict):
    #: The registry, as references name it: `ghcr.io`, `localhost:5000`.
    registry: str
    #: An OAuth2 refresh token, in place of a password.
    identityToken: str


class SessionLoginParamsOfIdentityToken(_SessionLoginParamsOfIdentityToken, total=False):
    #: Who logs in.
    username: str | None


class SessionLogoutParams(TypedDict):
    """Params of `SessionLogout`."""

    #: The registry, as references name it.
    registry: str


class CancelParams(TypedDict):
    """Params of `Cancel`."""

    #: The request's id.
    id: RequestId


class InitializeResult(TypedDict):
    """Result of `Initialize`."""

    #: The server's name, version and build.
    serverInfo: ServerInfo
    #: The protocol version that the server speaks.
    protocolVersion: str
    #: What the server can do.
    capabilities: ServerCapabilities


class _ServerInfo(TypedDict):
    #: `vouchd`.
    name: str
    #: The server's version, for example `0.1.0`.
    version: str


class ServerInfo(_ServerInfo, total=False):
    """The server's name, version and build."""

    #: Tells builds of one version apart: a commit and its day, for example `aa3e92e
    #: 2026-11-22`. Absent if that is not known.
    build: str | None


class ServerCapabilities(TypedDict):
    """What a server can do. Later versions add members."""

    #: The methods that it answers.
    methods: list[str]


class _VerifyResultAccepted(TypedDict):
    verdict: Literal["accepted"]
    #: The artifact itself.
    artifact: Artifact
    #: Who signed it, by whatever method.
    signature: Signature
    #: Why its issuer is trusted.
    trust: Trust


class VerifyResultAccepted(_VerifyResultAccepted, total=False):
    """Every condition of the rule holds."""

    #: What its token says, in the token's own words; where it is signed by one.
    claims: Claims | None
    #: The reference with the manifest's digest; where a reference was asked about.
    reference: str | None
    #: The manifest's digest; where a reference was asked about. With `pushTo`, the digest that
    #: the manifest of a push without annotations would have.
    digest: str | None
    #: Every row of the rule and what the policy asks, each with what was found; where `explain`
    #: was set.
    checks: list[Check] | None


class _VerifyResultRefused(TypedDict):
    verdict: Literal["refused"]
    #: The first condition that failed.
    refusal: Refusal


class VerifyResultRefused(_VerifyResultRefused, total=False):
    """A condition does not hold."""

    #: The artifact, as far as it was recognised.
    artifact: Artifact | None
    #: The reference with the manifest's digest; where a reference was asked about.
    reference: str | None
    #: The manifest's digest; where a reference was asked about. With `pushTo`, the digest that
    #: the manifest of a push without annotations would have.
    digest: str | None
    #: Every row of the rule and what the policy asks, each with what was found; where `explain`
    #: was set.
    checks: list[Check] | None


class _LaterVerifyResult(TypedDict):
    verdict: str


class LaterVerifyResult(_LaterVerifyResult, total=False):
    """Of a later version."""

    #: The reference with the manifest's digest; where a reference was asked about.
    reference: str | None
    #: The manifest's digest; where a reference was asked about. With `pushTo`, the digest that
    #: the manifest of a push without annotations would have.
    digest: str | None
    #: Every row of the rule and what the policy asks, each with what was found; where `explain`
    #: was set.
    checks: list[Check] | None


class Artifact(TypedDict):
    """An artifact's kind, digest and size."""

    #: What it is, told by its content.
    kind: ArtifactKind
    #: SHA-256 of the whole file, as OCI writes it: `sha256:` and 64 lower-case hex digits.
    digest: str
    #: Bytes.
    size: int


class _Signature(TypedDict):
    #: How it is signed: `token`, a wasmCloud token inside the artifact; `sigstore`, a Sigstore
    #: bundle beside it. More may come.
    method: str
    #: Who signed.
    signer: Signer
    #: What was signed, as its signer names it: of a token, an nkey that starts with `M` or `V`;
    #: of a bundle, the digest of the file or of its manifest.
    subject: str


class Signature(_Signature, total=False):
    """A signature that holds: one shape for all methods. Times are seconds since
    1970-01-01T00:00:00Z.
    """

    #: When it was signed, where that is known; of a token always.
    signedAt: int | None
    #: Not valid before.
    notBefore: int | None
    #: Not valid from then on.
    expires: int | None


class _Claims(TypedDict):
    #: The account that signed: an nkey that starts with `A`.
    issuer: str
    #: What was signed: an nkey that starts with `M` for wasm, with `V` for a provider archive.
    subject: str
    #: The tags that the signer gave.
    tags: list[str]
    #: The capabilities that the signer grants, for example `wasmcloud:httpserver`.
    capabilities: list[str]
    #: When it was signed.
    issuedAt: int


class Claims(_Claims, total=False):
    """What the token says. Times are seconds since 1970-01-01T00:00:00Z."""

    #: The name that the signer gave.
    name: str | None
    #: The version that the signer gave.
    version: str | None
    #: The revision that the signer gave.
    revision: int | None
    #: A provider archive's vendor.
    vendor: str | None
    #: A short name for calls.
    callAlias: str | None
    #: The targets of a provider archive, sorted, for example `x86_64-linux`.
    targets: list[str]
    #: Not valid before.
    notBefore: int | None
    #: Not valid from then on.
    expires: int | None


class _Trust(TypedDict):
    #: The scope of the rule that accepts the signer, for example `ghcr.io/acme`; or `default`.
    rule: str
    #: How it accepts them.
    mode: TrustMode


class Trust(_Trust, total=False):
    """Why the signer is trusted: the policy of the server's owner."""

    #: What the owner's config calls the signer.
    signer: str | None
    #: Of a pinned signer: since when, in seconds since 1970-01-01T00:00:00Z.
    since: int | None
    #: Of a first use: whether the signer is remembered from now on. `verify` never remembers.
    remembered: bool | None
    #: What else should be known, for people: why a first use is not remembered, or what differs
    #: from what came before.
    warnings: list[str]


class _Refusal(TypedDict):
    #: What programs switch on; the same kinds as errors have.
    kind: ErrorKind
    #: What happened.
    message: str


class Refusal(_Refusal, total=False):
    """Why an artifact is refused."""

    #: What to do next.
    help: str | None


class _Check(TypedDict):
    #: The row of the signature rule, by its number in the specification.
    row: int
    #: What is asked: the row's name, or the key of the policy that asks. More may come.
    check: str
    #: The answer.
    outcome: CheckOutcome


class Check(_Check, total=False):
    """One thing that was asked of an artifact, and the answer: see `explain` of `verify`."""

    #: Of what the policy asks: the scope of the rule, or `default`.
    rule: str | None
    #: What was found, for people; nothing where it was not looked at.
    found: str | None
    #: What has to be found, for people.
    wanted: str | None


class _InspectResultChecked(TypedDict):
    content: Literal["checked"]
    #: The verdict, as `verify` gives it.
    verification: Verification


class InspectResultChecked(_InspectResultChecked, total=False):
    """Everything was read, hashed and judged."""

    #: The artifact, as far as it was recognised. Where `content` is `notChecked`, its digest
    #: and size are the manifest's words.
    artifact: Artifact | None
    #: The signature that verifies with its signer's own key, also where the artifact is
    #: refused. It says nothing of the contents unless the verdict is `accepted`.
    signature: Signature | None
    #: What the token says, where that signature is a token's.
    claims: Claims | None
    #: What that signature's signer says of how it was built, where a bundle of theirs does.
    #: They say so; nobody checked it.
    provenance: Provenance | None
    #: What the outermost module or component imports, in its own words.
    imports: Names | None
    #: What the outermost module or component exports, in its own words.
    exports: Names | None
    #: What a module or component says of itself.
    metadata: Metadata | None
    #: The targets of a provider archive, sorted.
    targets: list[Target]
    #: The manifest; where a reference was asked about.
    manifest: Manifest | None


class _InspectResultNotChecked(TypedDict):
    content: Literal["notChecked"]


class InspectResultNotChecked(_InspectResultNotChecked, total=False):
    """Only the heads of its sections and its token were read, and nothing was hashed. Nobody
    vouches for the bytes: only `verify` can accept them.
    """

    #: Why it would be refused already, whatever the bytes are.
    refusal: Refusal | None
    #: Why the signer would be trusted, if the bytes are what was signed.
    trust: Trust | None
    #: The artifact, as far as it was recognised. Where `content` is `notChecked`, its digest
    #: and size are the manifest's words.
    artifact: Artifact | None
    #: The signature that verifies with its signer's own key, also where the artifact is
    #: refused. It says nothing of the contents unless the verdict is `accepted`.
    signature: Signature | None
    #: What the token says, where that signature is a token's.
    claims: Claims | None
    #: What that signature's signer says of how it was built, where a bundle of theirs does.
    #: They say so; nobody checked it.
    provenance: Provenance | None
    #: What the outermost module or component imports, in its own words.
    imports: Names | None
    #: What the outermost module or component exports, in its own words.
    exports: Names | None
    #: What a module or component says of itself.
    metadata: Metadata | None
    #: The targets of a provider archive, sorted.
    targets: list[Target]
    #: The manifest; where a reference was asked about.
    manifest: Manifest | None


class _LaterInspectResult(TypedDict):
    content: str


class LaterInspectResult(_LaterInspectResult, total=False):
    """Of a later version."""

    #: The artifact, as far as it was recognised. Where `content` is `notChecked`, its digest
    #: and size are the manifest's words.
    artifact: Artifact | None
    #: The signature that verifies with its signer's own key, also where the artifact is
    #: refused. It says nothing of the contents unless the verdict is `accepted`.
    signature: Signature | None
    #: What the token says, where that signature is a token's.
    claims: Claims | None
    #: What that signature's signer says of how it was built, where a bundle of theirs does.
    #: They say so; nobody checked it.
    provenance: Provenance | None
    #: What the outermost module or component imports, in its own words.
    imports: Names | None
    #: What the outermost module or component exports, in its own words.
    exports: Names | None
    #: What a module or component says of itself.
    metadata: Metadata | None
    #: The targets of a provider archive, sorted.
    targets: list[Target]
    #: The manifest; where a reference was asked about.
    manifest: Manifest | None


class _VerificationAccepted(TypedDict):
    verdict: Literal["accepted"]
    #: The artifact itself.
    artifact: Artifact
    #: Who signed it, by whatever method.
    signature: Signature
    #: Why its issuer is trusted.
    trust: Trust


class VerificationAccepted(_VerificationAccepted, total=False):
    """Every condition of the rule holds."""

    #: What its token says, in the token's own words; where it is signed by one.
    claims: Claims | None


class _VerificationRefused(TypedDict):
    verdict: Literal["refused"]
    #: The first condition that failed.
    refusal: Refusal


class VerificationRefused(_VerificationRefused, total=False):
    """A condition does not hold."""

    #: The artifact, as far as it was recognised.
    artifact: Artifact | None


class LaterVerification(TypedDict):
    """Of a later version."""

    verdict: str


class Provenance(TypedDict, total=False):
    """What a signer says of how an artifact was built: SLSA's provenance, version 1."""

    #: What built it, as a URI.
    builder: str | None
    #: What the parameters mean, as a URI.
    buildType: str | None
    #: What the build was given, by names with dots between their parts (`workflow.ref`); at
    #: most 16.
    parameters: dict[str, str]
    #: What it was built from, at most 16.
    dependencies: list[Dependency]
    #: How much of that is omitted.
    leftOut: int | None


class Dependency(TypedDict, total=False):
    """Something that an artifact was built from."""

    #: Where it is.
    uri: str | None
    #: Its digests, by their algorithms (`gitCommit`).
    digests: dict[str, str]


class NamesRead(TypedDict):
    """All of them."""

    state: Literal["read"]
    #: The names: `wasi:http/types@0.2.0`; of what a core module imports, `module.name`.
    names: list[str]


class NamesUnread(TypedDict):
    """They could not be read whole, or are too many to show."""

    state: Literal["unread"]
    #: Why.
    why: str


class LaterNames(TypedDict):
    """Of a later version."""

    state: str


class Metadata(TypedDict, total=False):
    """What an artifact says of itself in custom sections of its outermost level. These are its
    own words, and nobody checked them.
    """

    #: Its name, from its `name` or `component-name` section.
    name: str | None
    #: Its version.
    version: str | None
    #: What it is for.
    description: str | None
    #: Who wrote it.
    authors: str | None
    #: Its licences, an SPDX expression.
    licenses: str | None
    #: Where its source is.
    source: str | None
    #: Where to read about it.
    homepage: str | None
    #: The revision of its source.
    revision: str | None
    #: What made it: languages, tools, SDKs.
    producers: list[Producer]
    #: Sections of these that are there but omitted, by name, and why.
    unread: dict[str, str]


class Producer(TypedDict):
    """Something that helped to make an artifact."""

    #: `language`, `processed-by` or `sdk`.
    field: str
    #: What it is called.
    name: str
    #: Its version; may be empty.
    version: str


class Target(TypedDict):
    """A target of a provider archive."""

    #: For example `x86_64-linux`.
    name: str
    #: SHA-256 of its bytes.
    digest: str
    #: Bytes.
    size: int


class _Manifest(TypedDict):
    #: The reference with the manifest's digest: it always names this manifest.
    reference: str
    #: SHA-256 of the manifest.
    digest: str
    #: Its config.
    config: Descriptor
    #: Its one layer: the artifact.
    layer: Descriptor


class Manifest(_Manifest, total=False):
    """The manifest of a published artifact. All but its digest are the words of whoever pushed
    it.
    """

    #: What it calls itself.
    mediaType: str | None
    #: What it says the artifact is.
    artifactType: str | None
    #: Its annotations. Those past 64 KiB of them are left out.
    annotations: dict[str, str]
    #: How many annotations are left out.
    annotationsLeftOut: int | None


class Descriptor(TypedDict):
    """What a manifest names."""

    #: What it is said to be.
    mediaType: str
    #: SHA-256 of its bytes.
    digest: str
    #: Bytes.
    size: int


class _PushResult(TypedDict):
    #: The reference with the manifest's digest: it always names these bytes.
    reference: str
    #: The manifest's digest.
    digest: str
    #: What was found out about the file: always accepted.
    verification: Verification
    #: Bytes of blobs that were sent.
    uploaded: int
    #: Bytes of blobs that the registry already had.
    skipped: int


class PushResult(_PushResult, total=False):
    """Result of `Push`."""

    #: The bundles that are beside it now: those that counted.
    bundles: list[PublishedBundle]


class PublishedBundle(TypedDict):
    """A Sigstore bundle beside a published artifact."""

    #: The bundle's own digest.
    digest: str
    #: The digest of its manifest, which refers to the artifact's.
    manifest: str


class _PullResult(TypedDict):
    #: The file that was written; of a layout, its folder.
    path: str
    #: The reference with the manifest's digest.
    reference: str
    #: The manifest's digest.
    digest: str
    #: What was found out about the whole artifact: always accepted.
    verification: Verification
    #: Bytes that were transferred.
    downloaded: int


class PullResult(_PullResult, total=False):
    """Result of `Pull`."""

    #: The bundle that was written beside it.
    bundle: str | None
    #: What is in the layout: its reference there, with the manifest's digest.
    layout: str | None
    #: The bundles that are in the layout with it.
    bundles: list[PublishedBundle]


class TagsResult(TypedDict):
    """Result of `Tags`."""

    #: The repository, in its canonical form.
    repository: str
    #: The tags, in the order in which the registry or layout has them. Names that are not tags
    #: by OCI's rules, which no reference can hold, are left out.
    tags: list[str]
    #: Whether there are more behind the last one.
    more: bool


class _DocumentCheckResult(TypedDict):
    #: Whether it is of a kind that names artifacts, as its name and its text tell.
    recognised: bool
    #: Whether all of it was looked at: not, where it names too much, or is unclear.
    whole: bool
    #: What it names, in its order.
    references: list[DocumentReference]


class DocumentCheckResult(_DocumentCheckResult, total=False):
    """Result of `DocumentCheck`."""

    #: Where it is first not well formed, if it is not: another program may read it in another
    #: way, and find more in it than `references`.
    unclear: Range | None


class Range(TypedDict):
    """A part of a document, as the Language Server Protocol writes it: from `start` up to
    `end`.
    """

    #: Where it begins.
    start: Position
    #: Where it ends.
    end: Position


class Position(TypedDict):
    """A place in a document, as the Language Server Protocol writes it."""

    #: The line, from 0.
    line: int
    #: UTF-16 code units before it in the line.
    character: int


class _DocumentReferenceJudged(TypedDict):
    state: Literal["judged"]
    #: The verdict, as `verify` gives it.
    verification: Verification
    #: Where it stands.
    range: Range
    #: What is written there.
    written: str
    #: What kind of document it stands in, for example `wadm`. More may come.
    format: str


class DocumentReferenceJudged(_DocumentReferenceJudged, total=False):
    """It was read and judged, now or before; the policy and the dates are those of now."""

    #: The reference that is meant, in its canonical form; where it is one.
    reference: str | None
    #: The same with the digest of the manifest that it names now; where that is known.
    pinned: str | None
    #: That digest.
    digest: str | None
    #: What could be done about it, the likeliest first.
    fixes: list[Fix]


class _DocumentReferenceUnknown(TypedDict):
    state: Literal["unknown"]
    #: Why, for programs.
    why: UnknownReason
    #: Why, for people.
    message: str
    #: Where it stands.
    range: Range
    #: What is written there.
    written: str
    #: What kind of document it stands in, for example `wadm`. More may come.
    format: str


class DocumentReferenceUnknown(_DocumentReferenceUnknown, total=False):
    """There is no verdict. That says nothing of the artifact."""

    #: What to do next.
    help: str | None
    #: Where something failed: what did, as the same kinds say it that errors have.
    kind: ErrorKind | None
    #: The reference that is meant, in its canonical form; where it is one.
    reference: str | None
    #: The same with the digest of the manifest that it names now; where that is known.
    pinned: str | None
    #: That digest.
    digest: str | None
    #: What could be done about it, the likeliest first.
    fixes: list[Fix]


class _LaterDocumentReference(TypedDict):
    state: str
    #: Where it stands.
    range: Range
    #: What is written there.
    written: str
    #: What kind of document it stands in, for example `wadm`. More may come.
    format: str


class LaterDocumentReference(_LaterDocumentReference, total=False):
    """Of a later version."""

    #: The reference that is meant, in its canonical form; where it is one.
    reference: str | None
    #: The same with the digest of the manifest that it names now; where that is known.
    pinned: str | None
    #: That digest.
    digest: str | None
    #: What could be done about it, the likeliest first.
    fixes: list[Fix]


class FixEdit(TypedDict):
    """By changes of the document."""

    by: Literal["edit"]
    #: The changes, none of which overlap.
    edits: list[TextEdit]
    #: What it does.
    kind: FixKind
    #: The same, for people.
    title: str


class FixCommand(TypedDict):
    """By a command that a person runs in a shell, once they have read it. Words in capitals
    (`FILE`) are theirs to fill in.
    """

    by: Literal["command"]
    #: The command.
    command: str
    #: What it does.
    kind: FixKind
    #: The same, for people.
    title: str


class LaterFix(TypedDict):
    """Of a later version."""

    by: str
    #: What it does.
    kind: FixKind
    #: The same, for people.
    title: str


class TextEdit(TypedDict):
    """A change of a document."""

    #: What is replaced.
    range: Range
    #: What stands there afterwards.
    newText: str


class _SignPrepareResult(TypedDict):
    #: The file as it is.
    artifact: Artifact
    #: What the account signs, as it is: the first two parts of a token. Clients decode it, and
    #: sign only what they meant to.
    signingInput: str
    #: What it says.
    claims: Claims


class SignPrepareResult(_SignPrepareResult, total=False):
    """Result of `SignPrepare`."""

    #: The token that is going to be replaced, if there is one.
    replaces: ReplacedToken | None
    #: What else should be known, for people.
    warnings: list[str]


class ReplacedToken(TypedDict, total=False):
    """A token that a new one replaces."""

    #: The token as it stands in the file; where it holds, whatever its dates say. Claims were
    #: carried over from it, which a client can check.
    token: str | None
    #: Whose it is; where it holds.
    signature: Signature | None
    #: Why it does not hold. Nothing was carried over from it.
    refusal: Refusal | None
    #: The capabilities in it that are not carried over, because another account signs now.
    dropped: list[str]


class SignCompleteResult(TypedDict):
    """Result of `SignComplete`."""

    #: The file that was written.
    path: str
    #: What it is now.
    artifact: Artifact
    #: Who signed it.
    signature: Signature
    #: What its token says.
    claims: Claims


class _SessionStatus(TypedDict):
    #: The registry.
    registry: str
    #: Where the login comes from.
    source: LoginSource
    #: What the registry said about it.
    state: SessionState
    #: What there are access tokens for, as registries write it.
    scopes: list[str]


class SessionStatus(_SessionStatus, total=False):
    """A login to a registry, without its secrets."""

    #: Who is logged in, if that is known.
    user: str | None
    #: The file that it was found in, if any.
    path: str | None
    #: The credential helper that keeps it, if any.
    helper: str | None
    #: Seconds until the first of the access tokens expires.
    expiresInSeconds: int | None
    #: Seconds since a request used it.
    lastUsedSeconds: int | None


class SessionLogoutResult(TypedDict):
    """Result of `SessionLogout`."""

    #: The registry.
    registry: str
    #: Whether there was a login to forget. Those in files belong to the tools that wrote them.
    loggedOut: bool


class SessionListResult(TypedDict):
    """Result of `SessionList`."""

    #: One for each registry and login, by name.
    sessions: list[SessionStatus]


class _ServerStatusResult(TypedDict):
    #: The server's version.
    version: str
    #: The protocol version that it speaks.
    protocolVersion: str
    #: Its process.
    processId: int
    #: Seconds since it started.
    uptimeSeconds: int
    #: Whose signatures it accepts, as far as it can be told in a few words.
    trust: TrustStatus
    #: Open connections, including this one.
    connections: int
    #: Requests under way, including this one, oldest first; the first 256.
    requests: list[RequestStatus]
    #: How many requests are under way in all.
    requestsUnderWay: int
    #: How many requests were answered since it started, by outcome: `ok`, `refused` (a `verify`
    #: that refused), or the kind of the error.
    outcomes: dict[str, int]
    #: The newest errors, newest first, at most 16.
    lastErrors: list[LastError]
    #: The logins that are kept or in use, as they were when they were last used. Unlike
    #: `session/list`, this does not ask credential helpers whether they are still there.
    sessions: list[SessionStatus]
    #: The memory of verified files.
    cache: CacheStatus
    #: The files in which logins are looked for, in this order, after those of `session/login`.
    credentialFiles: list[CredentialFile]
    #: The variables of the server's environment that decide this, if they are set. A client's
    #: own environment means nothing to the server.
    environment: dict[str, str]


class ServerStatusResult(_ServerStatusResult, total=False):
    """Result of `ServerStatus`."""

    #: Tells builds of one version apart, as in `initialize`.
    build: str | None
    #: The socket it listens on; absent on stdio.
    socket: str | None
    #: The config file that it read, if there is one.
    config: str | None
    #: What is wrong with the config file, if it could not be used when it was last read: the
    #: config before it still holds.
    configError: str | None
    #: Which variables of the server's environment name a proxy that cannot be used. Requests
    #: that would need it fail; all others work.
    proxyError: str | None
    #: The file that it logs to; absent if it logs to standard error.
    log: str | None
    #: When it ends by itself; absent if it does not.
    idle: IdleStatus | None


class _TrustStatus(TypedDict):
    #: How often the file was looked for, whether or not it could be used.
    reads: int
    #: How many signers the policy in force has.
    signers: int
    #: How many rules it has.
    rules: int


class TrustStatus(_TrustStatus, total=False):
    """The owner's trust policy, and the signers that were seen."""

    #: The file whose section `[trust]` is the policy. It need not exist; absent where the
    #: server's user has no home.
    file: str | None
    #: SHA-256 of that file as it was when what is in force was read (`sha256:…`); absent if the
    #: file did not exist.
    digest: str | None
    #: Why the policy in force cannot be used: nothing is accepted.
    error: str | None
    #: The file in which the signers of repositories are remembered; absent where the server's
    #: user has no home.
    pins: str | None
    #: Why signers cannot be remembered, or what is remembered cannot be told.
    pinsError: str | None
    #: The roots that bundles are verified by: those that come with the server, and the owner's.
    roots: list[RootStatus]


class _RootStatus(TypedDict):
    #: What signers call it.
    name: str


class RootStatus(_RootStatus, total=False):
    """A trusted root of Sigstore."""

    #: The owner's file; absent where it comes with the server.
    path: str | None
    #: SHA-256 of its text (`sha256:…`); absent where it cannot be used.
    digest: str | None
    #: Since when the newest of its authorities and logs has been valid, in seconds since 1970:
    #: about its age.
    since: int | None
    #: When the last log in it ends, or the last authority of a kind, in seconds since 1970;
    #: absent where none does.
    until: int | None
    #: The signers that name it, at most 16 of them.
    signers: list[str]
    #: What its owner should know: that it has ended, or what in it is not used.
    warnings: list[str]


class _IdleStatus(TypedDict):
    #: How many seconds it stays after its last connection and request have ended.
    timeoutSeconds: int
    #: For how many seconds after their last use logins that are only in its memory keep it
    #: alive.
    loginsSeconds: int


class IdleStatus(_IdleStatus, total=False):
    """When a server that nobody uses ends by itself."""

    #: What keeps it alive, apart from this connection.
    keptBy: IdleKeeper | None
    #: How long it would stay if this connection ended now and no other came; absent while other
    #: connections or requests keep it alive.
    endsInSeconds: int | None


class _RequestStatus(TypedDict):
    #: Its method.
    method: str
    #: Milliseconds since it arrived.
    ageMilliseconds: int
    #: What the server is doing for it: `waiting`, `asking`, `verifying`, `sending`, `receiving`
    #: or `finishing`. If it is about to be answered, how it ended.
    phase: str
    #: Bytes that were read, sent or received for it.
    bytes: int


class RequestStatus(_RequestStatus, total=False):
    """A request under way."""

    #: The name that its client gave in `initialize`.
    client: str | None
    #: The reference that it is about, if it names one. Of a long one, the end.
    reference: str | None
    #: The file that it reads or writes, if it names one. Of a long path, the end.
    path: str | None
    #: What `bytes` will be in the end, once that is known.
    total: int | None
    #: How much of `total` is done, from 0 to 100.
    percentage: int | None


class _LastError(TypedDict):
    #: Seconds since it last happened.
    secondsAgo: int
    #: The kind of the error.
    kind: ErrorKind
    #: What happened, for people.
    message: str
    #: How often it happened in the same way.
    times: int


class LastError(_LastError, total=False):
    """Something that went wrong."""

    #: The method that failed; absent if it was not a request that failed.
    method: str | None
    #: The name that the client gave in `initialize`.
    client: str | None


class CacheStatus(TypedDict):
    """How full the cache of facts about files is."""

    #: Files that are remembered.
    entries: int
    #: Files that can be.
    capacity: int


class CredentialFile(TypedDict):
    """A file in which the server looks for logins."""

    #: Whose file it is.
    source: LoginSource
    #: Its path. The file need not exist.
    path: str


class _ServerRestartResult(TypedDict):
    #: The new process.
    processId: int
    #: Its version.
    version: str


class ServerRestartResult(_ServerRestartResult, total=False):
    """Result of `ServerRestart`: the new process serves the socket."""

    #: Its build, as in `initialize`.
    build: str | None


class ServerStopResult(TypedDict):
    """Result of `ServerStop`: the server is stopping."""

    #: Its process, for those who wait for its end.
    processId: int


class DiscoverResult(TypedDict):
    """Result of `Discover`: an `OpenRPC` document. This type reads the members that tell one
    server from another.
    """

    #: The version of the `OpenRPC` specification.
    openrpc: str
    #: Title and version of the protocol.
    info: OpenRpcInfo
    #: The methods.
    methods: list[OpenRpcMethod]


class OpenRpcInfo(TypedDict):
    """Title and version of the protocol."""

    #: `vouchd`.
    title: str
    #: The protocol's version.
    version: str


class OpenRpcMethod(TypedDict):
    """A method of the document."""

    #: Its name.
    name: str
    #: What it does, in one sentence.
    summary: str


class ProgressParams(TypedDict):
    """Params of `Progress`."""

    #: The `workDoneToken` of the request.
    token: ProgressToken
    #: What there is to report.
    value: WorkDone


class _WorkDoneBegin(TypedDict):
    kind: Literal["begin"]
    #: What it does, for people: `Pushing`.
    title: str
    #: Whether `$/cancelRequest` ends it: true.
    cancellable: bool
    #: 0.
    bytes: int


class WorkDoneBegin(_WorkDoneBegin, total=False):
    """It has begun."""

    #: What it is doing, in a word: `waiting`.
    message: str | None
    #: 0: without it, editors do not expect any later.
    percentage: int | None
    #: As in a report.
    total: int | None


class _WorkDoneReport(TypedDict):
    kind: Literal["report"]
    #: Bytes that were read, sent or received, each counted once for each of these. It never
    #: shrinks, and is never more than `total`.
    bytes: int


class WorkDoneReport(_WorkDoneReport, total=False):
    """It is this far."""

    #: What it is doing, in a word: `sending`.
    message: str | None
    #: How much of `total` is done, from 0 to 100; absent while `total` is.
    percentage: int | None
    #: What `bytes` will be in the end; absent until that is known, then always the same.
    total: int | None


class _WorkDoneEnd(TypedDict):
    kind: Literal["end"]


class WorkDoneEnd(_WorkDoneEnd, total=False):
    """It has ended, and its answer follows."""

    #: How it ended, in a word: `done`, `refused`, `cancelled` or `failed`.
    message: str | None


class LaterWorkDone(TypedDict):
    """Of a later version."""

    kind: str


class _ErrorData(TypedDict):
    #: What programs switch on.
    kind: ErrorKind
    #: Whether the same request may succeed later without anybody changing anything.
    retryable: bool


class ErrorData(_ErrorData, total=False):
    """The `error.data` of every error of this server, including JSON-RPC's own."""

    #: What to do next, for people.
    help: str | None
    #: The registry that the error is about, if any.
    registry: str | None
    #: The HTTP status that the registry answered, if it did.
    status: int | None


#: Params of `Verify`.
VerifyParams = VerifyParamsOfPath | VerifyParamsOfReference

#: Params of `Inspect`.
InspectParams = InspectParamsOfPath | InspectParamsOfReference

#: Params of `SessionLogin`.
SessionLoginParams = SessionLoginParamsOfPassword | SessionLoginParamsOfIdentityToken

#: What `Verify` found out.
VerifyResult = VerifyResultAccepted | VerifyResultRefused | LaterVerifyResult

#: Result of `Inspect`. Three parties speak in it. What this server read and compared itself:
#: `artifact` and `targets` where `content` is `checked`, and `verification`. What the signer
#: said, with a signature that holds: `signature` and `claims`. And what anybody may have
#: written: `imports`, `exports` and `metadata` are the artifact's own words, which are what was
#: signed only where the verdict is `accepted`; `manifest` holds the words of whoever pushed it,
#: which no signature covers.
InspectResult = InspectResultChecked | InspectResultNotChecked | LaterInspectResult

#: The verdict on an artifact.
Verification = VerificationAccepted | VerificationRefused | LaterVerification

#: Names that an artifact lists: all of them, or why they are omitted. Never a partial list.
Names = NamesRead | NamesUnread | LaterNames

#: A reference in a document.
DocumentReference = DocumentReferenceJudged | DocumentReferenceUnknown | LaterDocumentReference

#: Something that could be done about a reference.
Fix = FixEdit | FixCommand | LaterFix

#: What there is to report of a request. It begins once, reports any number of times, and ends
#: once, before it is answered.
WorkDone = WorkDoneBegin | WorkDoneReport | WorkDoneEnd | LaterWorkDone


@overload
def is_accepted(value: VerifyResult) -> TypeGuard[VerifyResultAccepted]: ...


@overload
def is_accepted(value: Verification) -> TypeGuard[VerificationAccepted]: ...


def is_accepted(value: Any) -> bool:
    """Whether its `verdict` is `accepted`."""
    return bool(value.get("verdict") == "accepted")


@overload
def is_refused(value: VerifyResult) -> TypeGuard[VerifyResultRefused]: ...


@overload
def is_refused(value: Verification) -> TypeGuard[VerificationRefused]: ...


def is_refused(value: Any) -> bool:
    """Whether its `verdict` is `refused`."""
    return bool(value.get("verdict") == "refused")


def is_checked(value: InspectResult) -> TypeGuard[InspectResultChecked]:
    """Whether its `content` is `checked`."""
    return value.get("content") == "checked"


def is_not_checked(value: InspectResult) -> TypeGuard[InspectResultNotChecked]:
    """Whether its `content` is `notChecked`."""
    return value.get("content") == "notChecked"


def is_read(value: Names) -> TypeGuard[NamesRead]:
    """Whether its `state` is `read`."""
    return value.get("state") == "read"


def is_unread(value: Names) -> TypeGuard[NamesUnread]:
    """Whether its `state` is `unread`."""
    return value.get("state") == "unread"


def is_judged(value: DocumentReference) -> TypeGuard[DocumentReferenceJudged]:
    """Whether its `state` is `judged`."""
    return value.get("state") == "judged"


def is_unknown(value: DocumentReference) -> TypeGuard[DocumentReferenceUnknown]:
    """Whether its `state` is `unknown`."""
    return value.get("state") == "unknown"


def is_edit(value: Fix) -> TypeGuard[FixEdit]:
    """Whether its `by` is `edit`."""
    return value.get("by") == "edit"


def is_command(value: Fix) -> TypeGuard[FixCommand]:
    """Whether its `by` is `command`."""
    return value.get("by") == "command"


def is_begin(value: WorkDone) -> TypeGuard[WorkDoneBegin]:
    """Whether its `kind` is `begin`."""
    return value.get("kind") == "begin"


def is_report(value: WorkDone) -> TypeGuard[WorkDoneReport]:
    """Whether its `kind` is `report`."""
    return value.get("kind") == "report"


def is_end(value: WorkDone) -> TypeGuard[WorkDoneEnd]:
    """Whether its `kind` is `end`."""
    return value.get("kind") == "end"
