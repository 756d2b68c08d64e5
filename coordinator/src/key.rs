//! A peer's own key: it makes it, asks for a certificate with it, and signs with it. The key never leaves the peer.

use std::fmt;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SigningKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Prefix of every message that a peer signs, so that no signature passes for one made inside TLS, where the same key is used.
pub(crate) const SIGNATURE_CONTEXT: &[u8] = b"fltorrent.io/v1alpha1 signed message\0";

/// Why a key cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum KeyError {
    #[error("no Ed25519 key could be made")]
    Generate(#[source] rcgen::Error),
    #[error("the private key cannot be read; expected an Ed25519 key as PKCS#8 in PEM")]
    Parse(#[source] rcgen::Error),
    #[error("no certificate request could be made")]
    Request(#[source] rcgen::Error),
    #[error("the message could not be signed")]
    Sign(#[source] rcgen::Error),
}

/// An Ed25519 key. Its signatures are deterministic and 64 bytes long.
pub struct PeerKey {
    pair: KeyPair,
}

impl PeerKey {
    /// A new key from the system's randomness.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        KeyPair::generate_for(&PKCS_ED25519)
            .map(|pair| Self { pair })
            .map_err(KeyError::Generate)
    }

    /// The key that [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// When the text is no Ed25519 key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_ED25519)
            .map(|pair| Self { pair })
            .map_err(KeyError::Parse)
    }

    /// The same key once more.
    ///
    /// # Errors
    /// When the key cannot be read back.
    pub fn duplicate(&self) -> Result<Self, KeyError> {
        Self::from_pem(&self.to_pem())
    }

    /// The private key as PKCS#8 in PEM.
    pub fn to_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// A certificate request (PKCS#10, PEM) for this key. It names nobody: the authority decides whom a key belongs to.
    ///
    /// # Errors
    /// When the request cannot be signed.
    pub fn request_pem(&self) -> Result<String, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .serialize_request(&self.pair)
            .and_then(|request| request.pem())
            .map_err(KeyError::Request)
    }

    /// The Ed25519 signature (64 bytes) over a message, for [`SignatureVerifier`](crate::signature::SignatureVerifier).
    ///
    /// # Errors
    /// When the signature cannot be made.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pair
            .sign(&[SIGNATURE_CONTEXT, message].concat())
            .map_err(KeyError::Sign)
    }

    /// The private key as rustls wants it.
    pub(crate) fn private_key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into()
    }

    pub(crate) const fn pair(&self) -> &KeyPair {
        &self.pair
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PeerKey(Ed25519, not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem_and_is_not_shown() {
        let key = PeerKey::generate().unwrap();
        let again = PeerKey::from_pem(&key.to_pem()).unwrap();
        assert_eq!(key.sign(b"message").unwrap(), again.sign(b"message").unwrap());
        assert_eq!(key.sign(b"message").unwrap().len(), 64);
        assert_eq!(format!("{key:?}"), "PeerKey(Ed25519, not shown)");
    }

    #[test]
    fn other_keys_are_refused() {
        let ecdsa = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .unwrap()
            .serialize_pem();
        for wrong in [
            "",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            &ecdsa,
        ] {
            assert!(matches!(PeerKey::from_pem(wrong), Err(KeyError::Parse(_))));
        }
    }
}
