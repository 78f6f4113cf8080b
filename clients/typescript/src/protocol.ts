// Made by scripts/generate.mjs from protocol/openrpc.json: `npm run generate` makes it anew.

/**
 * Params of `Verify`.
 */
export type VerifyParams = VerifyParamsOfPath | VerifyParamsOfReference;
/**
 * Names a request in reports of its progress: a string of at most 256 bytes or a non-negative integer.
 */
export type ProgressToken = number | string;
/**
 * Params of `Inspect`.
 */
export type InspectParams = InspectParamsOfPath | InspectParamsOfReference;
/**
 * How far a document may make the server look.
 */
export type Lookup = KnownLookup | LaterLookup;
export type KnownLookup = "memory" | "allowed" | "full";
export type LaterLookup = string & {};
/**
 * Params of `SessionLogin`.
 */
export type SessionLoginParams = SessionLoginParamsOfPassword | SessionLoginParamsOfIdentityToken;
/**
 * A request's id: a string or a non-negative integer.
 */
export type RequestId = number | string;
/**
 * What `Verify` found out.
 */
export type VerifyResult = VerifyResult1 & VerifyResult2;
export type VerifyResult1 = VerifyResultAccepted | VerifyResultRefused | LaterVerifyResult;
/**
 * What an artifact is.
 */
export type ArtifactKind = KnownArtifactKind | LaterArtifactKind;
export type KnownArtifactKind = "module" | "component" | "provider";
export type LaterArtifactKind = string & {};
/**
 * How a signer is accepted.
 */
export type TrustMode = KnownTrustMode | LaterTrustMode;
export type KnownTrustMode = "named" | "pinned" | "firstUse" | "any";
export type LaterTrustMode = string & {};
/**
 * Why a request failed, or why an artifact is refused.
 */
export type ErrorKind = KnownErrorKind | LaterErrorKind;
export type KnownErrorKind =
  | "parseError"
  | "invalidRequest"
  | "methodNotFound"
  | "invalidParams"
  | "internalError"
  | "cancelled"
  | "unknownArtifact"
  | "malformedArtifact"
  | "tooLarge"
  | "contentModified"
  | "targetNotFound"
  | "noBundle"
  | "unsigned"
  | "ambiguousToken"
  | "invalidToken"
  | "signatureInvalid"
  | "notYetValid"
  | "expired"
  | "hashMismatch"
  | "untrustedSigner"
  | "signerChanged"
  | "notAllowed"
  | "signatureUnrelated"
  | "invalidReference"
  | "latestNotAllowed"
  | "notFound"
  | "unsupportedManifest"
  | "invalidManifest"
  | "digestMismatch"
  | "registryUnreachable"
  | "registryTimeout"
  | "registryError"
  | "registryRefused"
  | "rateLimited"
  | "insecureRegistry"
  | "invalidLayout"
  | "unauthorized"
  | "denied"
  | "credentialUnusable"
  | "fileNotFound"
  | "notAFile"
  | "permissionDenied"
  | "destinationExists"
  | "diskFull"
  | "invalidPath"
  | "io"
  | "busy"
  | "shuttingDown"
  | "unsupportedProtocol"
  | "responseTooLarge"
  | "restartFailed"
  | "policyUnusable";
export type LaterErrorKind = string & {};
/**
 * How a `Check` ended.
 */
export type CheckOutcome = KnownCheckOutcome | LaterCheckOutcome;
export type KnownCheckOutcome = "held" | "failed" | "absent" | "notReached" | "warning";
export type LaterCheckOutcome = string & {};
/**
 * Result of `Inspect`. Three parties speak in it. What this server read and compared itself: `artifact` and `targets` where `content` is `checked`, and `verification`. What the signer said, with a signature that holds: `signature` and `claims`. And what anybody may have written: `imports`, `exports` and `metadata` are the artifact's own words, which are what was signed only where the verdict is `accepted`; `manifest` holds the words of whoever pushed it, which no signature covers.
 */
export type InspectResult = InspectResult1 & InspectResult2;
export type InspectResult1 = InspectResultChecked | InspectResultNotChecked | LaterInspectResult;
/**
 * The verdict on an artifact.
 */
export type Verification = VerificationAccepted | VerificationRefused | LaterVerification;
/**
 * Names that an artifact lists: all of them, or why they are omitted. Never a partial list.
 */
export type Names = NamesRead | NamesUnread | LaterNames;
/**
 * A reference in a document.
 */
export type DocumentReference = DocumentReference1 & DocumentReference2;
export type DocumentReference1 =
  DocumentReferenceJudged | DocumentReferenceUnknown | LaterDocumentReference;
/**
 * Why there is no verdict.
 */
export type UnknownReason = KnownUnknownReason | LaterUnknownReason;
export type KnownUnknownReason = "notAllowed" | "tooMuch" | "notRemembered" | "failed";
export type LaterUnknownReason = string & {};
/**
 * Something that could be done about a reference.
 */
export type Fix = Fix1 & Fix2;
export type Fix1 = FixEdit | FixCommand | LaterFix;
/**
 * What a `Fix` does.
 */
export type FixKind = KnownFixKind | LaterFixKind;
export type KnownFixKind = "pin" | "move" | "trust" | "sign" | "login";
export type LaterFixKind = string & {};
/**
 * Where a login comes from, in the order in which the server looks for one.
 */
export type LoginSource = KnownLoginSource | LaterLoginSource;
export type KnownLoginSource = "session/login" | "authFile" | "docker" | "podman" | "anonymous";
export type LaterLoginSource = string & {};
/**
 * What a registry said about a login.
 */
export type SessionState = KnownSessionState | LaterSessionState;
export type KnownSessionState = "untried" | "accepted" | "refused";
export type LaterSessionState = string & {};
/**
 * What keeps a server alive that would otherwise end by itself.
 */
export type IdleKeeper = KnownIdleKeeper | LaterIdleKeeper;
export type KnownIdleKeeper = "requests" | "connections" | "logins";
export type LaterIdleKeeper = string & {};
/**
 * What there is to report of a request. It begins once, reports any number of times, and ends once, before it is answered.
 */
export type WorkDone = WorkDoneBegin | WorkDoneReport | WorkDoneEnd | LaterWorkDone;

/**
 * Params of `Initialize`. Editors send members of their own, and values that mean nothing here: what is unknown or does not fit is ignored.
 */
export interface InitializeParams {
  /**
   * Who connects; shown in `server/status` and in the log.
   */
  clientInfo?: ClientInfo | null;
  /**
   * The protocol version that the client was written for, for example `1.0`. It is refused if its first number differs from the server's.
   */
  protocolVersion?: string | null;
  /**
   * The client's process. On stdio the server ends when that process does.
   */
  processId?: number | null;
}
/**
 * A client's name and version.
 */
export interface ClientInfo {
  /**
   * For example `neovim`.
   */
  name: string;
  /**
   * For example `0.11.0`.
   */
  version?: string | null;
}
/**
 * Params of a method that takes none. An absent `params`, `null`, `{}`, `[]` and `[null]` all mean this.
 */
export interface NoParams {}
export interface VerifyParamsOfPath {
  /**
   * An absolute path or `file:` URI.
   */
  path: string;
  /**
   * A reference, with `path` alone: answers whether a push to there would pass.
   */
  pushTo?: string | null;
  /**
   * The file's Sigstore bundle, with `path`: an absolute path or `file:` URI. Without it, the file `path` + `.sigstore.json` counts, where there is one. With `pushTo`, one that is named has to count, as it would be published.
   */
  bundle?: string | null;
  /**
   * Accept only this signer: a name of the server's config, an account (`A…`), or a signer's `id`.
   */
  signer?: string | null;
  /**
   * Answer `checks`: every row of the rule and what the policy asks, each with what was found.
   */
  explain?: boolean | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
export interface VerifyParamsOfReference {
  /**
   * A reference to a registry or layout. What it names is read, judged and thrown away.
   */
  reference: string;
  /**
   * A reference, with `path` alone: answers whether a push to there would pass.
   */
  pushTo?: string | null;
  /**
   * The file's Sigstore bundle, with `path`: an absolute path or `file:` URI. Without it, the file `path` + `.sigstore.json` counts, where there is one. With `pushTo`, one that is named has to count, as it would be published.
   */
  bundle?: string | null;
  /**
   * Accept only this signer: a name of the server's config, an account (`A…`), or a signer's `id`.
   */
  signer?: string | null;
  /**
   * Answer `checks`: every row of the rule and what the policy asks, each with what was found.
   */
  explain?: boolean | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
export interface InspectParamsOfPath {
  /**
   * An absolute path or `file:` URI.
   */
  path: string;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
export interface InspectParamsOfReference {
  /**
   * A reference to a registry or layout. No more of what it names is read than is needed.
   */
  reference: string;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
/**
 * Params of `Push`.
 */
export interface PushParams {
  /**
   * An absolute path or `file:` URI.
   */
  path: string;
  /**
   * Where to publish it: `registry/repository:tag` or `oci:/path/to/layout:tag`.
   */
  reference: string;
  /**
   * The file's Sigstore bundle: an absolute path or `file:` URI. It has to count, and is published with the file. Without it, the file `path` + `.sigstore.json` is looked at where the file's token does not suffice, and published where it counts.
   */
  bundle?: string | null;
  /**
   * Annotations for the manifest. By convention their names are `org.opencontainers.image.*` or start with a reversed domain name.
   */
  annotations?: {
    [k: string]: string;
  } | null;
  /**
   * Allow the tag `latest`, or no tag.
   */
  allowLatest?: boolean | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
/**
 * Params of `Pull`.
 */
export interface PullParams {
  /**
   * Where to fetch it from: `registry/repository[:tag][@digest]` or `oci:/path/to/layout:tag`.
   */
  reference: string;
  /**
   * An absolute path or `file:` URI. In a folder that exists, the file is named after the repository. Or an image layout, `oci:/path/to/layout:tag`, which keeps the manifest too.
   */
  destination: string;
  /**
   * Replace a regular file, or a symbolic link itself. Nothing else is ever replaced.
   */
  overwrite?: boolean | null;
  /**
   * Place only this target of a provider archive, for example `x86_64-linux`. The whole archive is verified all the same.
   */
  target?: string | null;
  /**
   * Place the bundle that signs the file beside it, as `FILE.sigstore.json`, so that the file verifies again; not with `target`. A layout keeps it beside the manifest. What is accepted by its token needs none.
   */
  withBundle?: boolean | null;
  /**
   * Accept only this signer: a name of the server's config, an account (`A…`), or a signer's `id`.
   */
  signer?: string | null;
  /**
   * Allow the tag `latest`, or no tag.
   */
  allowLatest?: boolean | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
/**
 * Params of `Tags`.
 */
export interface TagsParams {
  /**
   * `registry/repository` or `oci:/path/to/layout`, without tag and digest.
   */
  repository: string;
  /**
   * The most tags to answer, 1 to 1000. The default is 100.
   */
  limit?: number | null;
  /**
   * Begin behind this tag: the last one of the page before.
   */
  last?: string | null;
}
/**
 * Params of `DocumentCheck`.
 */
export interface DocumentCheckParams {
  /**
   * What the document is called: a URI or a path. Its name tells what it may be. Nothing is read there.
   */
  uri: string;
  /**
   * The document's text, of at most 1 MiB.
   */
  text: string;
  /**
   * How far to look. The default is `allowed`.
   */
  lookup?: Lookup | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
/**
 * Params of `SignPrepare`. What is absent is carried over from the file's own token, where that holds.
 */
export interface SignPrepareParams {
  /**
   * An absolute path or `file:` URI.
   */
  path: string;
  /**
   * The account that is going to sign: an nkey that starts with `A`.
   */
  account: string;
  /**
   * The artifact's name. Without one: its token's, its own metadata's, or the file's.
   */
  name?: string | null;
  /**
   * Its version. Without one: its token's or its own metadata's, if they have one.
   */
  version?: string | null;
  /**
   * Its revision.
   */
  revision?: number | null;
  /**
   * A provider archive's vendor.
   */
  vendor?: string | null;
  /**
   * The tags of a module or component. An empty list means none.
   */
  tags?: string[] | null;
  /**
   * The capabilities granted to it. An empty list means none. Without a list they are carried over only where the same account signed before.
   */
  capabilities?: string[] | null;
  /**
   * What is signed: an nkey that starts with `M` for wasm, with `V` for a provider archive. Without one: its token's, or one that follows from account and name.
   */
  subject?: string | null;
  /**
   * Not valid before; in seconds since 1970-01-01T00:00:00Z. Dates are never carried over.
   */
  notBefore?: number | null;
  /**
   * Not valid from then on; in seconds since 1970-01-01T00:00:00Z.
   */
  expires?: number | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
/**
 * Params of `SignComplete`.
 */
export interface SignCompleteParams {
  /**
   * The file that `sign/prepare` read: an absolute path or `file:` URI.
   */
  path: string;
  /**
   * What `sign/prepare` answered, unchanged.
   */
  signingInput: string;
  /**
   * The Ed25519 signature of its bytes, 64 bytes, in base64url without padding.
   */
  signature: string;
  /**
   * Where the signed artifact goes: an absolute path or `file:` URI; in a folder that exists, under the file's own name. Without one it replaces the file.
   */
  destination?: string | null;
  /**
   * Replace a regular file, or a symbolic link itself, at the destination.
   */
  overwrite?: boolean | null;
  /**
   * Names the request in `$/progress`. Without one, nothing is reported.
   */
  workDoneToken?: ProgressToken | null;
}
export interface SessionLoginParamsOfPassword {
  /**
   * The registry, as references name it: `ghcr.io`, `localhost:5000`.
   */
  registry: string;
  /**
   * Who logs in.
   */
  username: string;
  /**
   * The password, or an access token in its place.
   */
  password: string;
}
export interface SessionLoginParamsOfIdentityToken {
  /**
   * The registry, as references name it: `ghcr.io`, `localhost:5000`.
   */
  registry: string;
  /**
   * Who logs in.
   */
  username?: string | null;
  /**
   * An OAuth2 refresh token, in place of a password.
   */
  identityToken: string;
}
/**
 * Params of `SessionLogout`.
 */
export interface SessionLogoutParams {
  /**
   * The registry, as references name it.
   */
  registry: string;
}
/**
 * Params of `Cancel`.
 */
export interface CancelParams {
  /**
   * The request's id.
   */
  id: RequestId;
}
/**
 * Result of `Initialize`.
 */
export interface InitializeResult {
  /**
   * The server's name, version and build.
   */
  serverInfo: ServerInfo;
  /**
   * The protocol version that the server speaks.
   */
  protocolVersion: string;
  /**
   * What the server can do.
   */
  capabilities: ServerCapabilities;
}
/**
 * The server's name, version and build.
 */
export interface ServerInfo {
  /**
   * `vouchd`.
   */
  name: string;
  /**
   * The server's version, for example `0.1.0`.
   */
  version: string;
  /**
   * Tells builds of one version apart: a commit and its day, for example `aa3e92e 2026-11-22`. Absent if that is not known.
   */
  build?: string | null;
}
/**
 * What a server can do. Later versions add members.
 */
export interface ServerCapabilities {
  /**
   * The methods that it answers.
   */
  methods: string[];
}
/**
 * Every condition of the rule holds.
 */
export interface VerifyResultAccepted {
  verdict: "accepted";
  /**
   * The artifact itself.
   */
  artifact: Artifact;
  /**
   * Who signed it, by whatever method.
   */
  signature: Signature;
  /**
   * What its token says, in the token's own words; where it is signed by one.
   */
  claims?: Claims | null;
  /**
   * Why its issuer is trusted.
   */
  trust: Trust;
}
/**
 * An artifact's kind, digest and size.
 */
export interface Artifact {
  /**
   * What it is, told by its content.
   */
  kind: ArtifactKind;
  /**
   * SHA-256 of the whole file, as OCI writes it: `sha256:` and 64 lower-case hex digits.
   */
  digest: string;
  /**
   * Bytes.
   */
  size: number;
}
/**
 * A signature that holds: one shape for all methods. Times are seconds since 1970-01-01T00:00:00Z.
 */
export interface Signature {
  /**
   * How it is signed: `token`, a wasmCloud token inside the artifact; `sigstore`, a Sigstore bundle beside it. More may come.
   */
  method: string;
  /**
   * Who signed.
   */
  signer: Signer;
  /**
   * What was signed, as its signer names it: of a token, an nkey that starts with `M` or `V`; of a bundle, the digest of the file or of its manifest.
   */
  subject: string;
  /**
   * When it was signed, where that is known; of a token always.
   */
  signedAt?: number | null;
  /**
   * Not valid before.
   */
  notBefore?: number | null;
  /**
   * Not valid from then on.
   */
  expires?: number | null;
}
/**
 * Who signed.
 */
export interface Signer {
  /**
   * The one name for this signer among all methods': the method, a colon, and what tells the signer from the method's others.
   */
  id: string;
  [k: string]: string;
}
/**
 * What the token says. Times are seconds since 1970-01-01T00:00:00Z.
 */
export interface Claims {
  /**
   * The account that signed: an nkey that starts with `A`.
   */
  issuer: string;
  /**
   * What was signed: an nkey that starts with `M` for wasm, with `V` for a provider archive.
   */
  subject: string;
  /**
   * The name that the signer gave.
   */
  name?: string | null;
  /**
   * The version that the signer gave.
   */
  version?: string | null;
  /**
   * The revision that the signer gave.
   */
  revision?: number | null;
  /**
   * A provider archive's vendor.
   */
  vendor?: string | null;
  /**
   * A short name for calls.
   */
  callAlias?: string | null;
  /**
   * The tags that the signer gave.
   */
  tags: string[];
  /**
   * The capabilities that the signer grants, for example `wasmcloud:httpserver`.
   */
  capabilities: string[];
  /**
   * The targets of a provider archive, sorted, for example `x86_64-linux`.
   */
  targets?: string[];
  /**
   * When it was signed.
   */
  issuedAt: number;
  /**
   * Not valid before.
   */
  notBefore?: number | null;
  /**
   * Not valid from then on.
   */
  expires?: number | null;
}
/**
 * Why the signer is trusted: the policy of the server's owner.
 */
export interface Trust {
  /**
   * The scope of the rule that accepts the signer, for example `ghcr.io/acme`; or `default`.
   */
  rule: string;
  /**
   * How it accepts them.
   */
  mode: TrustMode;
  /**
   * What the owner's config calls the signer.
   */
  signer?: string | null;
  /**
   * Of a pinned signer: since when, in seconds since 1970-01-01T00:00:00Z.
   */
  since?: number | null;
  /**
   * Of a first use: whether the signer is remembered from now on. `verify` never remembers.
   */
  remembered?: boolean | null;
  /**
   * What else should be known, for people: why a first use is not remembered, or what differs from what came before.
   */
  warnings?: string[];
}
/**
 * A condition does not hold.
 */
export interface VerifyResultRefused {
  verdict: "refused";
  /**
   * The first condition that failed.
   */
  refusal: Refusal;
  /**
   * The artifact, as far as it was recognised.
   */
  artifact?: Artifact | null;
}
/**
 * Why an artifact is refused.
 */
export interface Refusal {
  /**
   * What programs switch on; the same kinds as errors have.
   */
  kind: ErrorKind;
  /**
   * What happened.
   */
  message: string;
  /**
   * What to do next.
   */
  help?: string | null;
}
/**
 * Of a later version.
 */
export interface LaterVerifyResult {
  verdict: string;
}
export interface VerifyResult2 {
  /**
   * The reference with the manifest's digest; where a reference was asked about.
   */
  reference?: string | null;
  /**
   * The manifest's digest; where a reference was asked about. With `pushTo`, the digest that the manifest of a push without annotations would have.
   */
  digest?: string | null;
  /**
   * Every row of the rule and what the policy asks, each with what was found; where `explain` was set.
   */
  checks?: Check[] | null;
}
/**
 * One thing that was asked of an artifact, and the answer: see `explain` of `verify`.
 */
export interface Check {
  /**
   * The row of the signature rule, by its number in the specification.
   */
  row: number;
  /**
   * What is asked: the row's name, or the key of the policy that asks. More may come.
   */
  check: string;
  /**
   * The answer.
   */
  outcome: CheckOutcome;
  /**
   * Of what the policy asks: the scope of the rule, or `default`.
   */
  rule?: string | null;
  /**
   * What was found, for people; nothing where it was not looked at.
   */
  found?: string | null;
  /**
   * What has to be found, for people.
   */
  wanted?: string | null;
}
/**
 * Everything was read, hashed and judged.
 */
export interface InspectResultChecked {
  content: "checked";
  /**
   * The verdict, as `verify` gives it.
   */
  verification: Verification;
}
/**
 * Every condition of the rule holds.
 */
export interface VerificationAccepted {
  verdict: "accepted";
  /**
   * The artifact itself.
   */
  artifact: Artifact;
  /**
   * Who signed it, by whatever method.
   */
  signature: Signature;
  /**
   * What its token says, in the token's own words; where it is signed by one.
   */
  claims?: Claims | null;
  /**
   * Why its issuer is trusted.
   */
  trust: Trust;
}
/**
 * A condition does not hold.
 */
export interface VerificationRefused {
  verdict: "refused";
  /**
   * The first condition that failed.
   */
  refusal: Refusal;
  /**
   * The artifact, as far as it was recognised.
   */
  artifact?: Artifact | null;
}
/**
 * Of a later version.
 */
export interface LaterVerification {
  verdict: string;
}
/**
 * Only the heads of its sections and its token were read, and nothing was hashed. Nobody vouches for the bytes: only `verify` can accept them.
 */
export interface InspectResultNotChecked {
  content: "notChecked";
  /**
   * Why it would be refused already, whatever the bytes are.
   */
  refusal?: Refusal | null;
  /**
   * Why the signer would be trusted, if the bytes are what was signed.
   */
  trust?: Trust | null;
}
/**
 * Of a later version.
 */
export interface LaterInspectResult {
  content: string;
}
export interface InspectResult2 {
  /**
   * The artifact, as far as it was recognised. Where `content` is `notChecked`, its digest and size are the manifest's words.
   */
  artifact?: Artifact | null;
  /**
   * The signature that verifies with its signer's own key, also where the artifact is refused. It says nothing of the contents unless the verdict is `accepted`.
   */
  signature?: Signature | null;
  /**
   * What the token says, where that signature is a token's.
   */
  claims?: Claims | null;
  /**
   * What that signature's signer says of how it was built, where a bundle of theirs does. They say so; nobody checked it.
   */
  provenance?: Provenance | null;
  /**
   * What the outermost module or component imports, in its own words.
   */
  imports?: Names | null;
  /**
   * What the outermost module or component exports, in its own words.
   */
  exports?: Names | null;
  /**
   * What a module or component says of itself.
   */
  metadata?: Metadata | null;
  /**
   * The targets of a provider archive, sorted.
   */
  targets?: Target[];
  /**
   * The manifest; where a reference was asked about.
   */
  manifest?: Manifest | null;
}
/**
 * What a signer says of how an artifact was built: SLSA's provenance, version 1.
 */
export interface Provenance {
  /**
   * What built it, as a URI.
   */
  builder?: string | null;
  /**
   * What the parameters mean, as a URI.
   */
  buildType?: string | null;
  /**
   * What the build was given, by names with dots between their parts (`workflow.ref`); at most 16.
   */
  parameters?: {
    [k: string]: string;
  };
  /**
   * What it was built from, at most 16.
   */
  dependencies?: Dependency[];
  /**
   * How much of that is omitted.
   */
  leftOut?: number | null;
}
/**
 * Something that an artifact was built from.
 */
export interface Dependency {
  /**
   * Where it is.
   */
  uri?: string | null;
  /**
   * Its digests, by their algorithms (`gitCommit`).
   */
  digests?: {
    [k: string]: string;
  };
}
/**
 * All of them.
 */
export interface NamesRead {
  state: "read";
  /**
   * The names: `wasi:http/types@0.2.0`; of what a core module imports, `module.name`.
   */
  names: string[];
}
/**
 * They could not be read whole, or are too many to show.
 */
export interface NamesUnread {
  state: "unread";
  /**
   * Why.
   */
  why: string;
}
/**
 * Of a later version.
 */
export interface LaterNames {
  state: string;
}
/**
 * What an artifact says of itself in custom sections of its outermost level. These are its own words, and nobody checked them.
 */
export interface Metadata {
  /**
   * Its name, from its `name` or `component-name` section.
   */
  name?: string | null;
  /**
   * Its version.
   */
  version?: string | null;
  /**
   * What it is for.
   */
  description?: string | null;
  /**
   * Who wrote it.
   */
  authors?: string | null;
  /**
   * Its licences, an SPDX expression.
   */
  licenses?: string | null;
  /**
   * Where its source is.
   */
  source?: string | null;
  /**
   * Where to read about it.
   */
  homepage?: string | null;
  /**
   * The revision of its source.
   */
  revision?: string | null;
  /**
   * What made it: languages, tools, SDKs.
   */
  producers?: Producer[];
  /**
   * Sections of these that are there but omitted, by name, and why.
   */
  unread?: {
    [k: string]: string;
  };
}
/**
 * Something that helped to make an artifact.
 */
export interface Producer {
  /**
   * `language`, `processed-by` or `sdk`.
   */
  field: string;
  /**
   * What it is called.
   */
  name: string;
  /**
   * Its version; may be empty.
   */
  version: string;
}
/**
 * A target of a provider archive.
 */
export interface Target {
  /**
   * For example `x86_64-linux`.
   */
  name: string;
  /**
   * SHA-256 of its bytes.
   */
  digest: string;
  /**
   * Bytes.
   */
  size: number;
}
/**
 * The manifest of a published artifact. All but its digest are the words of whoever pushed it.
 */
export interface Manifest {
  /**
   * The reference with the manifest's digest: it always names this manifest.
   */
  reference: string;
  /**
   * SHA-256 of the manifest.
   */
  digest: string;
  /**
   * What it calls itself.
   */
  mediaType?: string | null;
  /**
   * What it says the artifact is.
   */
  artifactType?: string | null;
  /**
   * Its config.
   */
  config: Descriptor;
  /**
   * Its one layer: the artifact.
   */
  layer: Descriptor;
  /**
   * Its annotations. Those past 64 KiB of them are left out.
   */
  annotations?: {
    [k: string]: string;
  };
  /**
   * How many annotations are left out.
   */
  annotationsLeftOut?: number | null;
}
/**
 * What a manifest names.
 */
export interface Descriptor {
  /**
   * What it is said to be.
   */
  mediaType: string;
  /**
   * SHA-256 of its bytes.
   */
  digest: string;
  /**
   * Bytes.
   */
  size: number;
}
/**
 * Result of `Push`.
 */
export interface PushResult {
  /**
   * The reference with the manifest's digest: it always names these bytes.
   */
  reference: string;
  /**
   * The manifest's digest.
   */
  digest: string;
  /**
   * What was found out about the file: always accepted.
   */
  verification: Verification;
  /**
   * Bytes of blobs that were sent.
   */
  uploaded: number;
  /**
   * Bytes of blobs that the registry already had.
   */
  skipped: number;
  /**
   * The bundles that are beside it now: those that counted.
   */
  bundles?: PublishedBundle[];
}
/**
 * A Sigstore bundle beside a published artifact.
 */
export interface PublishedBundle {
  /**
   * The bundle's own digest.
   */
  digest: string;
  /**
   * The digest of its manifest, which refers to the artifact's.
   */
  manifest: string;
}
/**
 * Result of `Pull`.
 */
export interface PullResult {
  /**
   * The file that was written; of a layout, its folder.
   */
  path: string;
  /**
   * The bundle that was written beside it.
   */
  bundle?: string | null;
  /**
   * What is in the layout: its reference there, with the manifest's digest.
   */
  layout?: string | null;
  /**
   * The bundles that are in the layout with it.
   */
  bundles?: PublishedBundle[];
  /**
   * The reference with the manifest's digest.
   */
  reference: string;
  /**
   * The manifest's digest.
   */
  digest: string;
  /**
   * What was found out about the whole artifact: always accepted.
   */
  verification: Verification;
  /**
   * Bytes that were transferred.
   */
  downloaded: number;
}
/**
 * Result of `Tags`.
 */
export interface TagsResult {
  /**
   * The repository, in its canonical form.
   */
  repository: string;
  /**
   * The tags, in the order in which the registry or layout has them. Names that are not tags by OCI's rules, which no reference can hold, are left out.
   */
  tags: string[];
  /**
   * Whether there are more behind the last one.
   */
  more: boolean;
}
/**
 * Result of `DocumentCheck`.
 */
export interface DocumentCheckResult {
  /**
   * Whether it is of a kind that names artifacts, as its name and its text tell.
   */
  recognised: boolean;
  /**
   * Whether all of it was looked at: not, where it names too much, or is unclear.
   */
  whole: boolean;
  /**
   * Where it is first not well formed, if it is not: another program may read it in another way, and find more in it than `references`.
   */
  unclear?: Range | null;
  /**
   * What it names, in its order.
   */
  references: DocumentReference[];
}
/**
 * A part of a document, as the Language Server Protocol writes it: from `start` up to `end`.
 */
export interface Range {
  /**
   * Where it begins.
   */
  start: Position;
  /**
   * Where it ends.
   */
  end: Position;
}
/**
 * A place in a document, as the Language Server Protocol writes it.
 */
export interface Position {
  /**
   * The line, from 0.
   */
  line: number;
  /**
   * UTF-16 code units before it in the line.
   */
  character: number;
}
/**
 * It was read and judged, now or before; the policy and the dates are those of now.
 */
export interface DocumentReferenceJudged {
  state: "judged";
  /**
   * The verdict, as `verify` gives it.
   */
  verification: Verification;
}
/**
 * There is no verdict. That says nothing of the artifact.
 */
export interface DocumentReferenceUnknown {
  state: "unknown";
  /**
   * Why, for programs.
   */
  why: UnknownReason;
  /**
   * Why, for people.
   */
  message: string;
  /**
   * What to do next.
   */
  help?: string | null;
  /**
   * Where something failed: what did, as the same kinds say it that errors have.
   */
  kind?: ErrorKind | null;
}
/**
 * Of a later version.
 */
export interface LaterDocumentReference {
  state: string;
}
export interface DocumentReference2 {
  /**
   * Where it stands.
   */
  range: Range;
  /**
   * What is written there.
   */
  written: string;
  /**
   * What kind of document it stands in, for example `wadm`. More may come.
   */
  format: string;
  /**
   * The reference that is meant, in its canonical form; where it is one.
   */
  reference?: string | null;
  /**
   * The same with the digest of the manifest that it names now; where that is known.
   */
  pinned?: string | null;
  /**
   * That digest.
   */
  digest?: string | null;
  /**
   * What could be done about it, the likeliest first.
   */
  fixes?: Fix[];
}
/**
 * By changes of the document.
 */
export interface FixEdit {
  by: "edit";
  /**
   * The changes, none of which overlap.
   */
  edits: TextEdit[];
}
/**
 * A change of a document.
 */
export interface TextEdit {
  /**
   * What is replaced.
   */
  range: Range;
  /**
   * What stands there afterwards.
   */
  newText: string;
}
/**
 * By a command that a person runs in a shell, once they have read it. Words in capitals (`FILE`) are theirs to fill in.
 */
export interface FixCommand {
  by: "command";
  /**
   * The command.
   */
  command: string;
}
/**
 * Of a later version.
 */
export interface LaterFix {
  by: string;
}
export interface Fix2 {
  /**
   * What it does.
   */
  kind: FixKind;
  /**
   * The same, for people.
   */
  title: string;
}
/**
 * Result of `SignPrepare`.
 */
export interface SignPrepareResult {
  /**
   * The file as it is.
   */
  artifact: Artifact;
  /**
   * What the account signs, as it is: the first two parts of a token. Clients decode it, and sign only what they meant to.
   */
  signingInput: string;
  /**
   * What it says.
   */
  claims: Claims;
  /**
   * The token that is going to be replaced, if there is one.
   */
  replaces?: ReplacedToken | null;
  /**
   * What else should be known, for people.
   */
  warnings?: string[];
}
/**
 * A token that a new one replaces.
 */
export interface ReplacedToken {
  /**
   * The token as it stands in the file; where it holds, whatever its dates say. Claims were carried over from it, which a client can check.
   */
  token?: string | null;
  /**
   * Whose it is; where it holds.
   */
  signature?: Signature | null;
  /**
   * Why it does not hold. Nothing was carried over from it.
   */
  refusal?: Refusal | null;
  /**
   * The capabilities in it that are not carried over, because another account signs now.
   */
  dropped?: string[];
}
/**
 * Result of `SignComplete`.
 */
export interface SignCompleteResult {
  /**
   * The file that was written.
   */
  path: string;
  /**
   * What it is now.
   */
  artifact: Artifact;
  /**
   * Who signed it.
   */
  signature: Signature;
  /**
   * What its token says.
   */
  claims: Claims;
}
/**
 * A login to a registry, without its secrets.
 */
export interface SessionStatus {
  /**
   * The registry.
   */
  registry: string;
  /**
   * Who is logged in, if that is known.
   */
  user?: string | null;
  /**
   * Where the login comes from.
   */
  source: LoginSource;
  /**
   * The file that it was found in, if any.
   */
  path?: string | null;
  /**
   * The credential helper that keeps it, if any.
   */
  helper?: string | null;
  /**
   * What the registry said about it.
   */
  state: SessionState;
  /**
   * What there are access tokens for, as registries write it.
   */
  scopes: string[];
  /**
   * Seconds until the first of the access tokens expires.
   */
  expiresInSeconds?: number | null;
  /**
   * Seconds since a request used it.
   */
  lastUsedSeconds?: number | null;
}
/**
 * Result of `SessionLogout`.
 */
export interface SessionLogoutResult {
  /**
   * The registry.
   */
  registry: string;
  /**
   * Whether there was a login to forget. Those in files belong to the tools that wrote them.
   */
  loggedOut: boolean;
}
/**
 * Result of `SessionList`.
 */
export interface SessionListResult {
  /**
   * One for each registry and login, by name.
   */
  sessions: SessionStatus[];
}
/**
 * Result of `ServerStatus`.
 */
export interface ServerStatusResult {
  /**
   * The server's version.
   */
  version: string;
  /**
   * Tells builds of one version apart, as in `initialize`.
   */
  build?: string | null;
  /**
   * The protocol version that it speaks.
   */
  protocolVersion: string;
  /**
   * Its process.
   */
  processId: number;
  /**
   * Seconds since it started.
   */
  uptimeSeconds: number;
  /**
   * The socket it listens on; absent on stdio.
   */
  socket?: string | null;
  /**
   * The config file that it read, if there is one.
   */
  config?: string | null;
  /**
   * What is wrong with the config file, if it could not be used when it was last read: the config before it still holds.
   */
  configError?: string | null;
  /**
   * Whose signatures it accepts, as far as it can be told in a few words.
   */
  trust: TrustStatus;
  /**
   * Which variables of the server's environment name a proxy that cannot be used. Requests that would need it fail; all others work.
   */
  proxyError?: string | null;
  /**
   * The file that it logs to; absent if it logs to standard error.
   */
  log?: string | null;
  /**
   * When it ends by itself; absent if it does not.
   */
  idle?: IdleStatus | null;
  /**
   * Open connections, including this one.
   */
  connections: number;
  /**
   * Requests under way, including this one, oldest first; the first 256.
   */
  requests: RequestStatus[];
  /**
   * How many requests are under way in all.
   */
  requestsUnderWay: number;
  /**
   * How many requests were answered since it started, by outcome: `ok`, `refused` (a `verify` that refused), or the kind of the error.
   */
  outcomes: {
    [k: string]: number;
  };
  /**
   * The newest errors, newest first, at most 16.
   */
  lastErrors: LastError[];
  /**
   * The logins that are kept or in use, as they were when they were last used. Unlike `session/list`, this does not ask credential helpers whether they are still there.
   */
  sessions: SessionStatus[];
  /**
   * The memory of verified files.
   */
  cache: CacheStatus;
  /**
   * The files in which logins are looked for, in this order, after those of `session/login`.
   */
  credentialFiles: CredentialFile[];
  /**
   * The variables of the server's environment that decide this, if they are set. A client's own environment means nothing to the server.
   */
  environment: {
    [k: string]: string;
  };
}
/**
 * The owner's trust policy, and the signers that were seen.
 */
export interface TrustStatus {
  /**
   * The file whose section `[trust]` is the policy. It need not exist; absent where the server's user has no home.
   */
  file?: string | null;
  /**
   * SHA-256 of that file as it was when what is in force was read (`sha256:…`); absent if the file did not exist.
   */
  digest?: string | null;
  /**
   * How often the file was looked for, whether or not it could be used.
   */
  reads: number;
  /**
   * Why the policy in force cannot be used: nothing is accepted.
   */
  error?: string | null;
  /**
   * How many signers the policy in force has.
   */
  signers: number;
  /**
   * How many rules it has.
   */
  rules: number;
  /**
   * The file in which the signers of repositories are remembered; absent where the server's user has no home.
   */
  pins?: string | null;
  /**
   * Why signers cannot be remembered, or what is remembered cannot be told.
   */
  pinsError?: string | null;
  /**
   * The roots that bundles are verified by: those that come with the server, and the owner's.
   */
  roots?: RootStatus[];
}
/**
 * A trusted root of Sigstore.
 */
export interface RootStatus {
  /**
   * What signers call it.
   */
  name: string;
  /**
   * The owner's file; absent where it comes with the server.
   */
  path?: string | null;
  /**
   * SHA-256 of its text (`sha256:…`); absent where it cannot be used.
   */
  digest?: string | null;
  /**
   * Since when the newest of its authorities and logs has been valid, in seconds since 1970: about its age.
   */
  since?: number | null;
  /**
   * When the last log in it ends, or the last authority of a kind, in seconds since 1970; absent where none does.
   */
  until?: number | null;
  /**
   * The signers that name it, at most 16 of them.
   */
  signers?: string[];
  /**
   * What its owner should know: that it has ended, or what in it is not used.
   */
  warnings?: string[];
}
/**
 * When a server that nobody uses ends by itself.
 */
export interface IdleStatus {
  /**
   * How many seconds it stays after its last connection and request have ended.
   */
  timeoutSeconds: number;
  /**
   * For how many seconds after their last use logins that are only in its memory keep it alive.
   */
  loginsSeconds: number;
  /**
   * What keeps it alive, apart from this connection.
   */
  keptBy?: IdleKeeper | null;
  /**
   * How long it would stay if this connection ended now and no other came; absent while other connections or requests keep it alive.
   */
  endsInSeconds?: number | null;
}
/**
 * A request under way.
 */
export interface RequestStatus {
  /**
   * Its method.
   */
  method: string;
  /**
   * The name that its client gave in `initialize`.
   */
  client?: string | null;
  /**
   * The reference that it is about, if it names one. Of a long one, the end.
   */
  reference?: string | null;
  /**
   * The file that it reads or writes, if it names one. Of a long path, the end.
   */
  path?: string | null;
  /**
   * Milliseconds since it arrived.
   */
  ageMilliseconds: number;
  /**
   * What the server is doing for it: `waiting`, `asking`, `verifying`, `sending`, `receiving` or `finishing`. If it is about to be answered, how it ended.
   */
  phase: string;
  /**
   * Bytes that were read, sent or received for it.
   */
  bytes: number;
  /**
   * What `bytes` will be in the end, once that is known.
   */
  total?: number | null;
  /**
   * How much of `total` is done, from 0 to 100.
   */
  percentage?: number | null;
}
/**
 * Something that went wrong.
 */
export interface LastError {
  /**
   * Seconds since it last happened.
   */
  secondsAgo: number;
  /**
   * The method that failed; absent if it was not a request that failed.
   */
  method?: string | null;
  /**
   * The name that the client gave in `initialize`.
   */
  client?: string | null;
  /**
   * The kind of the error.
   */
  kind: ErrorKind;
  /**
   * What happened, for people.
   */
  message: string;
  /**
   * How often it happened in the same way.
   */
  times: number;
}
/**
 * How full the cache of facts about files is.
 */
export interface CacheStatus {
  /**
   * Files that are remembered.
   */
  entries: number;
  /**
   * Files that can be.
   */
  capacity: number;
}
/**
 * A file in which the server looks for logins.
 */
export interface CredentialFile {
  /**
   * Whose file it is.
   */
  source: LoginSource;
  /**
   * Its path. The file need not exist.
   */
  path: string;
}
/**
 * Result of `ServerRestart`: the new process serves the socket.
 */
export interface ServerRestartResult {
  /**
   * The new process.
   */
  processId: number;
  /**
   * Its version.
   */
  version: string;
  /**
   * Its build, as in `initialize`.
   */
  build?: string | null;
}
/**
 * Result of `ServerStop`: the server is stopping.
 */
export interface ServerStopResult {
  /**
   * Its process, for those who wait for its end.
   */
  processId: number;
}
/**
 * Result of `Discover`: an `OpenRPC` document. This type reads the members that tell one server from another.
 */
export interface DiscoverResult {
  /**
   * The version of the `OpenRPC` specification.
   */
  openrpc: string;
  /**
   * Title and version of the protocol.
   */
  info: OpenRpcInfo;
  /**
   * The methods.
   */
  methods: OpenRpcMethod[];
}
/**
 * Title and version of the protocol.
 */
export interface OpenRpcInfo {
  /**
   * `vouchd`.
   */
  title: string;
  /**
   * The protocol's version.
   */
  version: string;
}
/**
 * A method of the document.
 */
export interface OpenRpcMethod {
  /**
   * Its name.
   */
  name: string;
  /**
   * What it does, in one sentence.
   */
  summary: string;
}
/**
 * Params of `Progress`.
 */
export interface ProgressParams {
  /**
   * The `workDoneToken` of the request.
   */
  token: ProgressToken;
  /**
   * What there is to report.
   */
  value: WorkDone;
}
/**
 * It has begun.
 */
export interface WorkDoneBegin {
  kind: "begin";
  /**
   * What it does, for people: `Pushing`.
   */
  title: string;
  /**
   * Whether `$/cancelRequest` ends it: true.
   */
  cancellable: boolean;
  /**
   * What it is doing, in a word: `waiting`.
   */
  message?: string | null;
  /**
   * 0: without it, editors do not expect any later.
   */
  percentage?: number | null;
  /**
   * 0.
   */
  bytes: number;
  /**
   * As in a report.
   */
  total?: number | null;
}
/**
 * It is this far.
 */
export interface WorkDoneReport {
  kind: "report";
  /**
   * What it is doing, in a word: `sending`.
   */
  message?: string | null;
  /**
   * How much of `total` is done, from 0 to 100; absent while `total` is.
   */
  percentage?: number | null;
  /**
   * Bytes that were read, sent or received, each counted once for each of these. It never shrinks, and is never more than `total`.
   */
  bytes: number;
  /**
   * What `bytes` will be in the end; absent until that is known, then always the same.
   */
  total?: number | null;
}
/**
 * It has ended, and its answer follows.
 */
export interface WorkDoneEnd {
  kind: "end";
  /**
   * How it ended, in a word: `done`, `refused`, `cancelled` or `failed`.
   */
  message?: string | null;
}
/**
 * Of a later version.
 */
export interface LaterWorkDone {
  kind: string;
}
/**
 * The `error.data` of every error of this server, including JSON-RPC's own.
 */
export interface ErrorData {
  /**
   * What programs switch on.
   */
  kind: ErrorKind;
  /**
   * What to do next, for people.
   */
  help?: string | null;
  /**
   * Whether the same request may succeed later without anybody changing anything.
   */
  retryable: boolean;
  /**
   * The registry that the error is about, if any.
   */
  registry?: string | null;
  /**
   * The HTTP status that the registry answered, if it did.
   */
  status?: number | null;
}

/** What each method takes and answers. */
export interface Methods {
  /** Introduces client and server to each other. */
  "initialize": { params: InitializeParams; result: InitializeResult };
  /** Takes no more requests from this connection. */
  "shutdown": { params: NoParams; result: null };
  /** Judges an artifact by the signature rule. Takes either `path` or `reference`. */
  "verify": { params: VerifyParams; result: VerifyResult };
  /** Tells all that is known of an artifact, and who says so. Takes either `path` or `reference`. */
  "inspect": { params: InspectParams; result: InspectResult };
  /** Verifies a file and publishes it. */
  "push": { params: PushParams; result: PushResult };
  /** Fetches an artifact, and writes the file only if it verifies. */
  "pull": { params: PullParams; result: PullResult };
  /** Lists the tags of a repository or an image layout, a page at a time. */
  "tags": { params: TagsParams; result: TagsResult };
  /** Finds the references to artifacts in a document, and judges what they name. */
  "document/check": { params: DocumentCheckParams; result: DocumentCheckResult };
  /** Answers what an account has to sign for a file; the client signs it. */
  "sign/prepare": { params: SignPrepareParams; result: SignPrepareResult };
  /** Puts a signed token into a file, examines the result, and only then names it. */
  "sign/complete": { params: SignCompleteParams; result: SignCompleteResult };
  /** Checks a login with its registry and keeps it. Takes `username` and `password`, or `identityToken`. */
  "session/login": { params: SessionLoginParams; result: SessionStatus };
  /** Forgets a login and ends what is under way with it. */
  "session/logout": { params: SessionLogoutParams; result: SessionLogoutResult };
  /** Lists the logins that are kept or in use. */
  "session/list": { params: NoParams; result: SessionListResult };
  /** Tells what the server is doing. */
  "server/status": { params: NoParams; result: ServerStatusResult };
  /** Lets a new process of the installed program take over, without refusing anybody. */
  "server/restart": { params: NoParams; result: ServerRestartResult };
  /** Stops the server. */
  "server/stop": { params: NoParams; result: ServerStopResult };
  /** Answers this document. */
  "rpc.discover": { params: NoParams; result: DiscoverResult };
}

/** What is known of a kind of error. */
export interface KindOfError {
  readonly code: number;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** Whether it says that the artifact does not satisfy the signature rule. */
  readonly refusal: boolean;
}

/** Every kind of error of this version. */
export const KINDS: Readonly<Record<KnownErrorKind, KindOfError>> = {
  parseError: { code: -32700, retryable: false, refusal: false },
  invalidRequest: { code: -32600, retryable: false, refusal: false },
  methodNotFound: { code: -32601, retryable: false, refusal: false },
  invalidParams: { code: -32602, retryable: false, refusal: false },
  internalError: { code: -32603, retryable: false, refusal: false },
  cancelled: { code: -32800, retryable: false, refusal: false },
  unknownArtifact: { code: 1001, retryable: false, refusal: true },
  malformedArtifact: { code: 1002, retryable: false, refusal: true },
  tooLarge: { code: 1003, retryable: false, refusal: true },
  contentModified: { code: 1004, retryable: false, refusal: false },
  targetNotFound: { code: 1005, retryable: false, refusal: false },
  noBundle: { code: 1006, retryable: false, refusal: false },
  unsigned: { code: 1101, retryable: false, refusal: true },
  ambiguousToken: { code: 1102, retryable: false, refusal: true },
  invalidToken: { code: 1103, retryable: false, refusal: true },
  signatureInvalid: { code: 1104, retryable: false, refusal: true },
  notYetValid: { code: 1105, retryable: false, refusal: true },
  expired: { code: 1106, retryable: false, refusal: true },
  hashMismatch: { code: 1107, retryable: false, refusal: true },
  untrustedSigner: { code: 1108, retryable: false, refusal: true },
  signerChanged: { code: 1109, retryable: false, refusal: true },
  notAllowed: { code: 1110, retryable: false, refusal: true },
  signatureUnrelated: { code: 1111, retryable: false, refusal: true },
  invalidReference: { code: 1201, retryable: false, refusal: false },
  latestNotAllowed: { code: 1202, retryable: false, refusal: false },
  notFound: { code: 1203, retryable: false, refusal: false },
  unsupportedManifest: { code: 1204, retryable: false, refusal: false },
  invalidManifest: { code: 1205, retryable: false, refusal: false },
  digestMismatch: { code: 1206, retryable: true, refusal: false },
  registryUnreachable: { code: 1207, retryable: true, refusal: false },
  registryTimeout: { code: 1208, retryable: true, refusal: false },
  registryError: { code: 1209, retryable: true, refusal: false },
  registryRefused: { code: 1210, retryable: false, refusal: false },
  rateLimited: { code: 1211, retryable: true, refusal: false },
  insecureRegistry: { code: 1212, retryable: false, refusal: false },
  invalidLayout: { code: 1213, retryable: false, refusal: false },
  unauthorized: { code: 1301, retryable: false, refusal: false },
  denied: { code: 1302, retryable: false, refusal: false },
  credentialUnusable: { code: 1303, retryable: false, refusal: false },
  fileNotFound: { code: 1401, retryable: false, refusal: false },
  notAFile: { code: 1402, retryable: false, refusal: false },
  permissionDenied: { code: 1403, retryable: false, refusal: false },
  destinationExists: { code: 1404, retryable: false, refusal: false },
  diskFull: { code: 1405, retryable: true, refusal: false },
  invalidPath: { code: 1406, retryable: false, refusal: false },
  io: { code: 1407, retryable: true, refusal: false },
  busy: { code: 1501, retryable: true, refusal: false },
  shuttingDown: { code: 1502, retryable: true, refusal: false },
  unsupportedProtocol: { code: 1503, retryable: false, refusal: false },
  responseTooLarge: { code: 1504, retryable: false, refusal: false },
  restartFailed: { code: 1505, retryable: false, refusal: false },
  policyUnusable: { code: 1506, retryable: false, refusal: false },
};

/** The version of the protocol that this is. */
export const PROTOCOL_VERSION = "1.0";
