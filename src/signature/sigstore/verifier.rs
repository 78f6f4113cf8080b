//! The one file that names `sigstore-verify`: what it is given, what it is asked, and what its
//! answers mean.
//!
//! It needs a provider of cryptography for the whole process, and panics without one. [`Verifier::new`]
//! is the only way to one, and installs it: ring for all that has the message, `p256` and `p384`
//! where only its digest is known.

use super::bundle::Bundle;
use crate::{name::Digest, signature::step::Step};
use ring::{digest, signature};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TransparencyLogError, VerificationPolicy,
    crypto::{self, CryptoProvider, HashContext, SigningScheme as Scheme},
    trust_root::TrustedRoot,
    types::{self, DerPublicKey, HashAlgorithm, Sha256Hash},
};
use std::{fmt, sync::Once};

/// Verifies bundles by one root.
pub(super) struct Verifier(sigstore_verify::Verifier);

/// What a bundle has to prove.
#[derive(Debug, Clone, Copy)]
pub(super) enum Terms<'a> {
    /// By a certificate of the root: issued in public, and logged.
    Logged,
    /// By a certificate of the root, which has neither log; a timestamp says when.
    Unlogged,
    /// By this key, and logged.
    Key(&'a PublicKey),
}

/// What holds of a bundle.
#[derive(Debug)]
pub(super) struct Verified {
    /// The latest time that somebody vouches for, in seconds since 1970.
    pub(super) signed_at: Option<u64>,
}

/// What does not hold of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) what: String,
    /// What held before.
    pub(super) after: After,
}

/// How far it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing of it was verified yet.
    Nothing,
    /// The steps before, in the order in which they are taken.
    Steps,
    /// Its signature.
    Signature,
}

impl Fault {
    /// Before anything was verified.
    pub(super) fn early(step: Step, what: impl Into<String>) -> Self {
        Self {
            step,
            what: what.into(),
            after: After::Nothing,
        }
    }

    /// Once the signature was.
    pub(super) fn late(step: Step, what: impl Into<String>) -> Self {
        Self {
            step,
            what: what.into(),
            after: After::Signature,
        }
    }
}

/// A public key, as SPKI has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey(DerPublicKey);

impl PublicKey {
    /// Reads PEM, and fails where it is of a kind that nobody could verify with.
    pub(super) fn of_pem(text: &str) -> Result<Self, String> {
        let key = DerPublicKey::from_pem(text).map_err(
            |_| "it is not a public key in PEM, which begins with `-----BEGIN PUBLIC KEY-----`",
        )?;
        crypto::KeyAlgorithm::from_spki(&key)
            .map_err(|error| format!("it is a key of a kind that cannot be used: {error}"))?;
        Ok(Self(key))
    }

    /// SHA-256 of the key.
    pub(super) fn fingerprint(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl Verifier {
    /// Of a trusted root in JSON.
    pub(super) fn new(root: &str) -> Result<Self, String> {
        install();
        let root = TrustedRoot::from_json(root).map_err(|error| error.to_string())?;
        let verifier = sigstore_verify::Verifier::new(&root).map_err(|error| error.to_string())?;
        Ok(Self(verifier))
    }

    /// Verifies a bundle over what has that digest.
    pub(super) fn verify(
        &self,
        bundle: &Bundle,
        subject: Digest,
        terms: Terms<'_>,
    ) -> Result<Verified, Fault> {
        let parsed = types::Bundle::from_json(bundle.text());
        let parsed = parsed.map_err(|error| Fault::early(Step::Bundle, error.to_string()))?;
        let digest = Sha256Hash::new(subject.bytes());
        let any = VerificationPolicy::any_identity();
        let result = match terms {
            Terms::Logged => self.0.verify(digest, &parsed, &any),
            Terms::Unlogged => {
                let relaxed = any.skip_tlog_unsafe().skip_sct();
                self.0.verify(digest, &parsed, &relaxed)
            }
            Terms::Key(key) => {
                let policy = PublicKeyVerificationPolicy::new(key.0.clone());
                self.0.verify(digest, &parsed, &policy)
            }
        };
        let result = result.map_err(|error| fault(&error, terms))?;
        // What was asked for was done.
        let done = match terms {
            Terms::Logged => {
                result.certificate_verified() && result.sct_verified() && result.tlog_verified()
            }
            Terms::Unlogged => result.certificate_verified(),
            Terms::Key(_) => result.tlog_verified(),
        };
        if !done {
            return Err(Fault::early(Step::Bundle, "not all of it was verified"));
        }
        let times = result.verified_timestamps().iter();
        let times = times.filter_map(|time| u64::try_from(time.as_second()).ok());
        Ok(Verified {
            signed_at: times.max(),
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

/// What it means that a step fails.
fn in_short(step: Step, terms: Terms<'_>) -> &'static str {
    match (step, terms) {
        (Step::Certificate, _) => "its certificate does not count",
        (Step::Sct, _) => "nothing proves that its certificate was issued in public",
        (Step::Log, _) => "nothing proves that it stands in the log of signatures",
        (Step::Time, _) => "nothing proves that it was signed while its certificate was valid",
        (Step::Signature, Terms::Key(_)) => "that key did not sign this",
        (Step::Signature, _) => "its certificate's key did not sign this",
        _ => "it is not put together as bundles are",
    }
}

/// Which step an error is about.
fn fault(error: &Error, terms: Terms<'_>) -> Fault {
    use TransparencyLogError as Log;
    use sigstore_verify::bundle::Error as Form;
    let early = matches!(
        error,
        Error::Bundle(_) | Error::InvalidBundle(_) | Error::UnsupportedBundle(_) | Error::Types(_)
    );
    let step = match error {
        Error::Certificate(CertificateError::Sct(_)) => Step::Sct,
        Error::Certificate(
            CertificateError::NotYetValid { .. }
            | CertificateError::Expired { .. }
            | CertificateError::NoValidAuthority { .. },
        )
        | Error::Timestamp(_)
        | Error::TransparencyLog(Log::IntegratedTime(_)) => Step::Time,
        // Of a certificate, the promise is asked when it was made; of a key, whether it was.
        Error::TransparencyLog(Log::InclusionPromise(_)) if !matches!(terms, Terms::Key(_)) => {
            Step::Time
        }
        Error::Certificate(_) => Step::Certificate,
        Error::TransparencyLog(_)
        | Error::Bundle(
            Form::MissingSigningTimeEvidence
            | Form::MissingInclusionPromise(_)
            | Form::MissingInclusionProof(_)
            | Form::MissingCheckpoint
            | Form::LogIndexOutOfRange { .. }
            | Form::CheckpointRootMismatch,
        ) => Step::Log,
        Error::SignatureInvalid(_)
        | Error::ArtifactMismatch(_)
        | Error::UnsupportedArtifact(_)
        | Error::Crypto(_) => Step::Signature,
        _ => Step::Bundle,
    };
    Fault {
        step,
        what: format!("{}: {error}", in_short(step, terms)),
        after: if early { After::Nothing } else { After::Steps },
    }
}

/// Installs the provider, once in a process.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Where there is one already, that one is used.
        let _ = crypto::install_default_provider(&Provider);
    });
}

#[derive(Debug)]
struct Provider;

struct Hash(digest::Context);

impl HashContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

impl CryptoProvider for Provider {
    fn hash(&self, algorithm: HashAlgorithm) -> crypto::Result<Box<dyn HashContext>> {
        let algorithm = match algorithm {
            HashAlgorithm::Sha2256 => &digest::SHA256,
            HashAlgorithm::Sha2384 => &digest::SHA384,
            HashAlgorithm::Sha2512 => &digest::SHA512,
            _ => return Err(unsupported("another hash")),
        };
        Ok(Box::new(Hash(digest::Context::new(algorithm))))
    }

    fn verify_raw(
        &self,
        scheme: Scheme,
        key: &[u8],
        data: &[u8],
        made: &[u8],
    ) -> crypto::Result<()> {
        count();
        let algorithm: &dyn signature::VerificationAlgorithm = match scheme {
            Scheme::EcdsaP256Sha256 => &signature::ECDSA_P256_SHA256_ASN1,
            Scheme::EcdsaP256Sha384 => &signature::ECDSA_P256_SHA384_ASN1,
            Scheme::EcdsaP384Sha256 => &signature::ECDSA_P384_SHA256_ASN1,
            Scheme::EcdsaP384Sha384 => &signature::ECDSA_P384_SHA384_ASN1,
            Scheme::Ed25519 => &signature::ED25519,
            Scheme::RsaPkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Scheme::RsaPkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Scheme::RsaPkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Scheme::RsaPssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Scheme::RsaPssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Scheme::RsaPssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return Err(unsupported(scheme.name())),
        };
        signature::UnparsedPublicKey::new(algorithm, key)
            .verify(data, made)
            .map_err(|_| mismatch(scheme))
    }

    fn verify_prehashed(
        &self,
        scheme: Scheme,
        key: &[u8],
        digest: &[u8],
        made: &[u8],
    ) -> crypto::Result<()> {
        macro_rules! ecdsa {
            ($curve:ident) => {{
                use $curve::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
                let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| mismatch(scheme))?;
                let made = Signature::from_der(made).map_err(|_| mismatch(scheme))?;
                key.verify_prehash(digest, &made)
                    .map_err(|_| mismatch(scheme))
            }};
        }
        count();
        match scheme {
            Scheme::EcdsaP256Sha256 | Scheme::EcdsaP256Sha384 => ecdsa!(p256),
            Scheme::EcdsaP384Sha256 | Scheme::EcdsaP384Sha384 => ecdsa!(p384),
            _ => Err(unsupported(scheme.name())),
        }
    }
}

fn mismatch(scheme: Scheme) -> crypto::Error {
    crypto::Error::Verification(format!("the {} signature does not verify", scheme.name()))
}

fn unsupported(what: &str) -> crypto::Error {
    crypto::Error::UnsupportedAlgorithm(what.into())
}

#[cfg(not(test))]
fn count() {}

/// What tests count costs by, instead of time.
#[cfg(test)]
fn count() {
    VERIFIED.with(|verified| verified.set(verified.get() + 1));
}

#[cfg(test)]
thread_local! {
    /// How many signatures this thread has verified.
    pub(super) static VERIFIED: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}
