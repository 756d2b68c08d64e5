//! What is signed, as it travels: metainfos, and statements.

use bytes::Bytes;

/// Longest certificate (DER) that is accepted, bytes.
pub(crate) const MAX_CERTIFICATE: usize = 4096;
/// Longest signature that is accepted, bytes.
pub(crate) const MAX_SIGNATURE: usize = 256;

/// A statement as it travels: the signed bytes, who signed, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is signed, such as [`crate::Metainfo::encode`].
    pub body: Bytes,
    /// The signer's certificate, DER.
    pub certificate: Bytes,
    /// The signature over `body` under the certificate's key.
    pub signature: Bytes,
}
