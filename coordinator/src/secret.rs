//! The operator's one secret, from which the authority of every run and the seals on its pods follow. Nothing is stored for a run: who
//! has the secret has the same authorities and knows its own pods.

use std::fmt;

use fltorrent_records::hex;
use rustls::crypto::ring;

use crate::{
    authority::{Authority, AuthorityError},
    identity::RunId,
};

/// Bytes of a secret.
pub const SECRET_BYTES: usize = 32;

/// Key derivation contexts of BLAKE3: one for each purpose, never reused.
const AUTHORITY_CONTEXT: &str = "fltorrent.io v1alpha1 Ed25519 seed of a run's authority";
const SEAL_CONTEXT: &str = "fltorrent.io v1alpha1 key of the seals on pods";

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum SecretError {
    #[error("the system gave no randomness for the root secret")]
    NoRandomness,
    #[error(
        "the root secret has {found} bytes; expected {SECRET_BYTES}. Delete it to have a new one created; running peers then need new certificates"
    )]
    Length { found: usize },
}

/// 32 bytes that only the operator knows.
#[derive(Clone)]
pub struct RootSecret([u8; SECRET_BYTES]);

/// The facts that a seal vouches for: the operator itself created this pod, and no other, for this place in this experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedPod<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub name: &'a str,
    /// The pod's own `metadata.uid`, which the API server gives to one pod only.
    pub uid: &'a str,
    /// `metadata.uid` of its experiment.
    pub experiment: &'a str,
    /// The peer's index in the plan.
    pub index: u32,
    /// The peer's attempt.
    pub attempt: u32,
    /// The number of its process among those of the attempt.
    pub incarnation: u32,
}

impl RootSecret {
    /// A new secret from the system's randomness.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = [0; SECRET_BYTES];
        ring::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The secret that [`as_bytes`](Self::as_bytes) gave.
    ///
    /// # Errors
    /// When it has not [`SECRET_BYTES`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| SecretError::Length { found: bytes.len() })
    }

    /// The bytes, to be stored where nobody else can read them.
    pub const fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The authority of a run: the same key and the same certificate at every call.
    ///
    /// # Errors
    /// When its certificate cannot be written.
    pub fn authority(&self, run: RunId) -> Result<Authority, AuthorityError> {
        let material = [&self.0[..], run.as_bytes()].concat();
        Authority::from_seed(run, &blake3::derive_key(AUTHORITY_CONTEXT, &material))
    }

    /// The seal (64 hex digits) that the operator puts on a pod it has made.
    pub fn seal(&self, pod: &SealedPod<'_>) -> String {
        hex::encode(self.hash(pod).as_bytes())
    }

    /// True if a text is the seal of this pod. How long this takes tells nothing of the right one.
    pub fn is_sealed(&self, pod: &SealedPod<'_>, seal: &str) -> bool {
        hex::decode::<32>(seal).is_some_and(|found| self.hash(pod) == found)
    }

    fn hash(&self, pod: &SealedPod<'_>) -> blake3::Hash {
        let SealedPod {
            namespace,
            name,
            uid,
            experiment,
            index,
            attempt,
            incarnation,
        } = pod;
        let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key(SEAL_CONTEXT, &self.0));
        for text in [namespace, name, uid, experiment] {
            // Its length first, so that no two pods have the same bytes.
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&index.to_le_bytes());
        hasher.update(&attempt.to_le_bytes());
        if *incarnation > 0 {
            // That of an attempt's first process stays what it was when there were no others, and pods that run stay sealed.
            hasher.update(&incarnation.to_le_bytes());
        }
        hasher.finalize()
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RootSecret(not shown)")
    }
}
