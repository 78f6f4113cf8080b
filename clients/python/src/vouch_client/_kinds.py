# Written by generate.py from protocol/openrpc.json: do not edit.
"""A class for each kind of error that the service answers."""

from __future__ import annotations

from ._error import ServerError

__all__ = [
    "AmbiguousToken",
    "ArtifactProblem",
    "BY_HUNDRED",
    "BY_KIND",
    "Busy",
    "Cancelled",
    "ContentModified",
    "CredentialUnusable",
    "Denied",
    "DestinationExists",
    "DigestMismatch",
    "DiskFull",
    "Expired",
    "FileNotFound",
    "HashMismatch",
    "InsecureRegistry",
    "InternalError",
    "InvalidLayout",
    "InvalidManifest",
    "InvalidParams",
    "InvalidPath",
    "InvalidReference",
    "InvalidRequest",
    "InvalidToken",
    "Io",
    "KINDS",
    "LatestNotAllowed",
    "LoginProblem",
    "MachineProblem",
    "MalformedArtifact",
    "MethodNotFound",
    "NoBundle",
    "NotAFile",
    "NotAllowed",
    "NotFound",
    "NotYetValid",
    "ParseError",
    "PermissionDenied",
    "PolicyUnusable",
    "RateLimited",
    "RegistryError",
    "RegistryProblem",
    "RegistryRefused",
    "RegistryTimeout",
    "RegistryUnreachable",
    "RequestProblem",
    "ResponseTooLarge",
    "RestartFailed",
    "ServiceProblem",
    "ShuttingDown",
    "SignatureInvalid",
    "SignatureProblem",
    "SignatureUnrelated",
    "SignerChanged",
    "TargetNotFound",
    "TooLarge",
    "Unauthorized",
    "UnknownArtifact",
    "Unsigned",
    "UnsupportedManifest",
    "UnsupportedProtocol",
    "UntrustedSigner",
]


class RequestProblem(ServerError):
    """It is about the request itself, or JSON-RPC's own."""


class ArtifactProblem(ServerError):
    """It is about the artifact."""


class SignatureProblem(ServerError):
    """It is about the artifact's signature."""


class RegistryProblem(ServerError):
    """It is about the registry."""


class LoginProblem(ServerError):
    """It is about the login to a registry."""


class MachineProblem(ServerError):
    """It is about files, or the machine that the service runs on."""


class ServiceProblem(ServerError):
    """It is about the service."""


class ParseError(RequestProblem):
    """The message is not JSON, or is not framed as the first byte of the connection announced.
    """


class InvalidRequest(RequestProblem):
    """The message is JSON but not a request: a wrong version, id or shape, or an id that is
    still in use.
    """


class MethodNotFound(RequestProblem):
    """There is no such method."""


class InvalidParams(RequestProblem):
    """The params do not fit the method."""


class InternalError(RequestProblem):
    """The server failed through a fault of its own."""


class Cancelled(RequestProblem):
    """The request was cancelled, by `$/cancelRequest` or because its client went away."""


class UnknownArtifact(ArtifactProblem):
    """The bytes are not a WebAssembly module, a component or a provider archive."""

    is_refusal = True


class MalformedArtifact(ArtifactProblem):
    """The artifact is not well formed, or carries something that its signature cannot cover."""

    is_refusal = True


class TooLarge(ArtifactProblem):
    """The artifact, or something in it, exceeds the limits set by the server's owner."""

    is_refusal = True


class ContentModified(ArtifactProblem):
    """The file changed while it was read, signed or sent; nothing was published or replaced."""


class TargetNotFound(ArtifactProblem):
    """The artifact has no such target."""


class NoBundle(ArtifactProblem):
    """No bundle that was found would have the bare file verified again."""


class Unsigned(SignatureProblem):
    """The artifact carries no token, and no bundle that signs it was found."""

    is_refusal = True


class AmbiguousToken(SignatureProblem):
    """The artifact carries more than one token, or one where it does not belong."""

    is_refusal = True


class InvalidToken(SignatureProblem):
    """The token does not have the form that the rule requires."""

    is_refusal = True


class SignatureInvalid(SignatureProblem):
    """The token's signature does not verify with its issuer's key, or no bundle beside the
    artifact holds.
    """

    is_refusal = True


class NotYetValid(SignatureProblem):
    """The token is not valid yet."""

    is_refusal = True


class Expired(SignatureProblem):
    """The token has expired."""

    is_refusal = True


class HashMismatch(SignatureProblem):
    """The contents are not the ones that were signed."""

    is_refusal = True


class UntrustedSigner(SignatureProblem):
    """The signature holds, and the trust policy of the server's owner does not accept its
    signer there.
    """

    is_refusal = True


class SignerChanged(SignatureProblem):
    """The signature holds, and its signer is not one that the repository has had until now."""

    is_refusal = True


class NotAllowed(SignatureProblem):
    """The signer is accepted, but another condition of a rule is not met."""

    is_refusal = True


class SignatureUnrelated(SignatureProblem):
    """The signature holds, and signs something else: another artifact, or another statement
    about this one.
    """

    is_refusal = True


class InvalidReference(RegistryProblem):
    """The reference cannot be parsed, or does not name a registry."""


class LatestNotAllowed(RegistryProblem):
    """The reference has the tag `latest`, or neither a tag nor a digest, and the request does
    not allow that.
    """


class NotFound(RegistryProblem):
    """The registry or layout has no such repository, tag or digest."""


class UnsupportedManifest(RegistryProblem):
    """The manifest is an index of several manifests, has several layers, or is a container
    image.
    """


class InvalidManifest(RegistryProblem):
    """The manifest breaks the specification, or does not match its digest."""


class DigestMismatch(RegistryProblem):
    """The downloaded bytes are not the ones that the manifest names."""


class RegistryUnreachable(RegistryProblem):
    """No connection to the registry could be made, or it kept breaking."""


class RegistryTimeout(RegistryProblem):
    """The registry sent or accepted nothing for too long."""


class RegistryError(RegistryProblem):
    """The registry answered with a server error, or with something that its protocol does not
    allow.
    """


class RegistryRefused(RegistryProblem):
    """The registry refused the request for a reason of its own; the message quotes it."""


class RateLimited(RegistryProblem):
    """The registry asks its clients to come back later."""


class InsecureRegistry(RegistryProblem):
    """The registry, or where it redirects to, could only be reached without the protection that
    the owner's config requires.
    """


class InvalidLayout(RegistryProblem):
    """The folder is not an OCI image layout, or it is a broken one."""


class Unauthorized(LoginProblem):
    """The registry requires a login, or does not accept the one it was given."""


class Denied(LoginProblem):
    """The registry knows the login, but does not let it do this."""


class CredentialUnusable(LoginProblem):
    """A credential is configured for the registry but cannot be used."""


class FileNotFound(MachineProblem):
    """There is no file or folder with that name."""


class NotAFile(MachineProblem):
    """The path names a folder, device, pipe or socket where a file is needed."""


class PermissionDenied(MachineProblem):
    """The system does not let the server read or write there."""


class DestinationExists(MachineProblem):
    """The destination exists and the request does not set `overwrite`."""


class DiskFull(MachineProblem):
    """There is no space left where the file should go."""


class InvalidPath(MachineProblem):
    """The path is not absolute, or is not a path at all."""


class Io(MachineProblem):
    """The system failed to read or write."""


class Busy(ServiceProblem):
    """The connection or the server is at its limit of requests, connections, long messages or
    file handles.
    """


class ShuttingDown(ServiceProblem):
    """The server is stopping: it takes no new requests, and gives up those that take too long.
    """


class UnsupportedProtocol(ServiceProblem):
    """The client requires a protocol version that this server does not speak."""


class ResponseTooLarge(ServiceProblem):
    """The answer is larger than a response may be."""


class RestartFailed(ServiceProblem):
    """No new process took over; the server continues as it was."""


class PolicyUnusable(ServiceProblem):
    """The trust policy of the server's owner, or what is pinned by it, cannot be used. Until
    that is fixed, nothing is accepted.
    """


#: The class of each kind.
BY_KIND: dict[str, type[ServerError]] = {
    "parseError": ParseError,
    "invalidRequest": InvalidRequest,
    "methodNotFound": MethodNotFound,
    "invalidParams": InvalidParams,
    "internalError": InternalError,
    "cancelled": Cancelled,
    "unknownArtifact": UnknownArtifact,
    "malformedArtifact": MalformedArtifact,
    "tooLarge": TooLarge,
    "contentModified": ContentModified,
    "targetNotFound": TargetNotFound,
    "noBundle": NoBundle,
    "unsigned": Unsigned,
    "ambiguousToken": AmbiguousToken,
    "invalidToken": InvalidToken,
    "signatureInvalid": SignatureInvalid,
    "notYetValid": NotYetValid,
    "expired": Expired,
    "hashMismatch": HashMismatch,
    "untrustedSigner": UntrustedSigner,
    "signerChanged": SignerChanged,
    "notAllowed": NotAllowed,
    "signatureUnrelated": SignatureUnrelated,
    "invalidReference": InvalidReference,
    "latestNotAllowed": LatestNotAllowed,
    "notFound": NotFound,
    "unsupportedManifest": UnsupportedManifest,
    "invalidManifest": InvalidManifest,
    "digestMismatch": DigestMismatch,
    "registryUnreachable": RegistryUnreachable,
    "registryTimeout": RegistryTimeout,
    "registryError": RegistryError,
    "registryRefused": RegistryRefused,
    "rateLimited": RateLimited,
    "insecureRegistry": InsecureRegistry,
    "invalidLayout": InvalidLayout,
    "unauthorized": Unauthorized,
    "denied": Denied,
    "credentialUnusable": CredentialUnusable,
    "fileNotFound": FileNotFound,
    "notAFile": NotAFile,
    "permissionDenied": PermissionDenied,
    "destinationExists": DestinationExists,
    "diskFull": DiskFull,
    "invalidPath": InvalidPath,
    "io": Io,
    "busy": Busy,
    "shuttingDown": ShuttingDown,
    "unsupportedProtocol": UnsupportedProtocol,
    "responseTooLarge": ResponseTooLarge,
    "restartFailed": RestartFailed,
    "policyUnusable": PolicyUnusable,
}

#: The kind of each code.
KINDS: dict[int, str] = {
    -32700: "parseError",
    -32600: "invalidRequest",
    -32601: "methodNotFound",
    -32602: "invalidParams",
    -32603: "internalError",
    -32800: "cancelled",
    1001: "unknownArtifact",
    1002: "malformedArtifact",
    1003: "tooLarge",
    1004: "contentModified",
    1005: "targetNotFound",
    1006: "noBundle",
    1101: "unsigned",
    1102: "ambiguousToken",
    1103: "invalidToken",
    1104: "signatureInvalid",
    1105: "notYetValid",
    1106: "expired",
    1107: "hashMismatch",
    1108: "untrustedSigner",
    1109: "signerChanged",
    1110: "notAllowed",
    1111: "signatureUnrelated",
    1201: "invalidReference",
    1202: "latestNotAllowed",
    1203: "notFound",
    1204: "unsupportedManifest",
    1205: "invalidManifest",
    1206: "digestMismatch",
    1207: "registryUnreachable",
    1208: "registryTimeout",
    1209: "registryError",
    1210: "registryRefused",
    1211: "rateLimited",
    1212: "insecureRegistry",
    1213: "invalidLayout",
    1301: "unauthorized",
    1302: "denied",
    1303: "credentialUnusable",
    1401: "fileNotFound",
    1402: "notAFile",
    1403: "permissionDenied",
    1404: "destinationExists",
    1405: "diskFull",
    1406: "invalidPath",
    1407: "io",
    1501: "busy",
    1502: "shuttingDown",
    1503: "unsupportedProtocol",
    1504: "responseTooLarge",
    1505: "restartFailed",
    1506: "policyUnusable",
}

#: The class of kinds that this version does not know, by the hundred of their code.
BY_HUNDRED: dict[int, type[ServerError]] = {
    10: ArtifactProblem,
    11: SignatureProblem,
    12: RegistryProblem,
    13: LoginProblem,
    14: MachineProblem,
    15: ServiceProblem,
}
