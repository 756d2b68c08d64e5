//! Who holds a certificate: a peer of a run, or its coordinator, written as the certificate's only DNS name.

use std::{fmt, str::FromStr};

use fltorrent_records::hex;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use webpki::EndEntityCert;

const DOMAIN: &str = "fltorrent";
const COORDINATOR: &str = "coordinator";
const INCARNATION: &str = "incarnation-";

/// The largest certificate that is looked at, in bytes; those of an [`Authority`](crate::authority::Authority) have about 500.
pub const MAX_CERTIFICATE_BYTES: usize = 4096;

/// Why a name or certificate tells no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum IdentityError {
    #[error("the system gave no randomness for a run id")]
    NoRandomness,
    #[error("`{0}` is not a run id; expected 32 lower-case hex digits")]
    Run(String),
    #[error(
        "`{0}` is not an identity; expected `peer-<index>[.incarnation-<incarnation>].attempt-<attempt>.<run>.fltorrent` or `coordinator.<run>.fltorrent`"
    )]
    Name(String),
    #[error("the certificate has {found} bytes; at most {MAX_CERTIFICATE_BYTES} are read")]
    TooLarge { found: usize },
    #[error("the certificate cannot be read")]
    Unreadable(#[source] webpki::Error),
    #[error("the certificate has {found} DNS names; expected exactly one")]
    NameCount { found: usize },
}

/// The id of one run of an experiment: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId([u8; 16]);

impl RunId {
    /// A new run's id, from the system's randomness.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> Result<Self, IdentityError> {
        let mut bytes = [0; 16];
        ring::default_provider()
            .secure_random
            .fill(&mut bytes)
            .map_err(|_| IdentityError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The run of an experiment in a cluster, from its object's `metadata.uid`, which no other object ever has.
    pub fn of_experiment(uid: &str) -> Self {
        let mut bits = [0; 16];
        blake3::Hasher::new_derive_key("fltorrent.io v1alpha1 run id of an experiment")
            .update(uid.as_bytes())
            .finalize_xof()
            .fill(&mut bits);
        Self(bits)
    }

    /// The run with these bits.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bits as bytes, in the order of their hex digits.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RunId({self})")
    }
}

impl FromStr for RunId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        hex::decode(text)
            .map(Self)
            .ok_or_else(|| IdentityError::Run(shortened(text)))
    }
}

/// The role of a certificate's holder in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A peer.
    Peer {
        /// The peer's index in the plan.
        index: u32,
        /// How often all peers of the run were restarted together.
        attempt: u32,
        /// How often this peer was restarted alone since: of two processes of one peer the one with the higher number counts.
        incarnation: u32,
    },
    /// The collector of the peers' reports.
    Coordinator,
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer {
                index,
                attempt,
                incarnation: 0,
            } => write!(formatter, "peer {index}, attempt {attempt}"),
            Self::Peer {
                index,
                attempt,
                incarnation,
            } => write!(formatter, "peer {index}, attempt {attempt}, incarnation {incarnation}"),
            Self::Coordinator => formatter.write_str("the coordinator"),
        }
    }
}

/// A role in a run. Its text form is the DNS name of its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The run.
    pub run: RunId,
    /// The role in it.
    pub role: Role,
}

impl Identity {
    /// The identity of a process of a peer.
    pub const fn peer(run: RunId, index: u32, attempt: u32, incarnation: u32) -> Self {
        Self {
            run,
            role: Role::Peer {
                index,
                attempt,
                incarnation,
            },
        }
    }

    /// The identity of the run's coordinator.
    pub const fn coordinator(run: RunId) -> Self {
        Self {
            run,
            role: Role::Coordinator,
        }
    }

    /// The name by which to dial: [`tls`](crate::tls) refuses a server whose certificate has another one. A peer's attempt and
    /// incarnation are left out, since who dials cannot know them beforehand.
    pub fn server_name(&self) -> String {
        let Self { run, role } = self;
        match role {
            Role::Peer { index, .. } => format!("peer-{index}.{run}.{DOMAIN}"),
            Role::Coordinator => format!("{COORDINATOR}.{run}.{DOMAIN}"),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, role } = self;
        match role {
            Role::Peer {
                index,
                attempt,
                incarnation: 0,
            } => write!(formatter, "peer-{index}.attempt-{attempt}.{run}.{DOMAIN}"),
            Role::Peer {
                index,
                attempt,
                incarnation,
            } => write!(
                formatter,
                "peer-{index}.incarnation-{incarnation}.attempt-{attempt}.{run}.{DOMAIN}"
            ),
            Role::Coordinator => write!(formatter, "{COORDINATOR}.{run}.{DOMAIN}"),
        }
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(name: &str) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::Name(shortened(name));
        let mut labels = name.split('.');
        let mut next = || labels.next().ok_or_else(wrong);
        let first = next()?;
        let role = if first == COORDINATOR {
            Role::Coordinator
        } else {
            let index = numbered(first, "peer-").ok_or_else(wrong)?;
            let mut label = next()?;
            let incarnation = match label.starts_with(INCARNATION) {
                true => {
                    let incarnation = numbered(label, INCARNATION).filter(|&number| number > 0);
                    label = next()?;
                    incarnation.ok_or_else(wrong)?
                }
                // That of the first process is not written.
                false => 0,
            };
            Role::Peer {
                index,
                attempt: numbered(label, "attempt-").ok_or_else(wrong)?,
                incarnation,
            }
        };
        let run = next()?.parse()?;
        if next()? != DOMAIN || labels.next().is_some() {
            return Err(wrong());
        }
        Ok(Self { run, role })
    }
}

/// The identity that a certificate names. This reads the name only; whether to believe it is for [`tls`](crate::tls) or
/// [`signature`](crate::signature) to say.
///
/// # Errors
/// When the certificate is too large or unreadable, or has not exactly one DNS name, or that is no identity.
pub fn identity_of(certificate: &CertificateDer<'_>) -> Result<Identity, IdentityError> {
    if certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(IdentityError::TooLarge {
            found: certificate.len(),
        });
    }
    let parsed = EndEntityCert::try_from(certificate).map_err(IdentityError::Unreadable)?;
    let mut names = parsed.valid_dns_names();
    match (names.next(), names.count()) {
        (Some(name), 0) => name.parse(),
        (first, rest) => Err(IdentityError::NameCount {
            found: usize::from(first.is_some()) + rest,
        }),
    }
}

/// The certificates of a PEM text, each with the identity that it names; what stands between them is passed over.
///
/// # Errors
/// When one of them cannot be read or names no identity, or there is none.
pub fn certificates(pem: &str) -> Result<Vec<(Identity, String)>, IdentityError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    let mut found = Vec::new();
    for rest in pem.split(BEGIN).skip(1) {
        let text = format!("{BEGIN}{rest}");
        let certificate = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|_| IdentityError::Unreadable(webpki::Error::BadDer))?;
        found.push((identity_of(&certificate)?, text));
    }
    if found.is_empty() {
        return Err(IdentityError::Unreadable(webpki::Error::BadDer));
    }
    Ok(found)
}

/// A decimal number after a prefix; one spelling for each number.
fn numbered(label: &str, prefix: &str) -> Option<u32> {
    let digits = label.strip_prefix(prefix)?;
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    digits.parse().ok().filter(|_| canonical)
}

/// Enough of a foreign text to be recognised in a message.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RUN: RunId = RunId::from_bytes([0x5a; 16]);
    const HEX: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

    #[test]
    fn names_are_those_of_the_design() {
        assert_eq!(
            Identity::peer(RUN, 3, 0, 0).to_string(),
            format!("peer-3.attempt-0.{HEX}.fltorrent")
        );
        assert_eq!(
            Identity::peer(RUN, 3, 7, 2).server_name(),
            format!("peer-3.{HEX}.fltorrent")
        );
        assert_eq!(
            Identity::coordinator(RUN).to_string(),
            format!("coordinator.{HEX}.fltorrent")
        );
        assert_eq!(
            Identity::coordinator(RUN).server_name(),
            Identity::coordinator(RUN).to_string()
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        for wrong in [
            String::new(),
            "fltorrent".into(),
            format!("peer-3.{HEX}.fltorrent"),
            format!("peer-03.attempt-0.{HEX}.fltorrent"),
            format!("peer-3.incarnation-0.attempt-0.{HEX}.fltorrent"),
            format!("peer-3.incarnation-01.attempt-0.{HEX}.fltorrent"),
            format!("peer-3.incarnation-1.{HEX}.fltorrent"),
            format!("peer-3.attempt-0.incarnation-1.{HEX}.fltorrent"),
            format!("peer-+3.attempt-0.{HEX}.fltorrent"),
            format!("peer-.attempt-0.{HEX}.fltorrent"),
            format!("peer--3.attempt-0.{HEX}.fltorrent"),
            format!("peer-4294967296.attempt-0.{HEX}.fltorrent"),
            format!("Peer-3.attempt-0.{HEX}.fltorrent"),
            format!("peer-3.attempt-0.{HEX}.fltorrent."),
            format!("peer-3.attempt-0.{HEX}.fltorrent.example"),
            format!("peer-3.attempt-0.{HEX}.example"),
            format!("peer-3.attempt-0.{HEX}"),
            format!("peer-3.attempt-0.{}.fltorrent", &HEX[1..]),
            format!("peer-3.attempt-0.{}.fltorrent", HEX.to_uppercase()),
            format!("coordinator.attempt-0.{HEX}.fltorrent"),
            format!("coordinator-0.{HEX}.fltorrent"),
            format!("*.{HEX}.fltorrent"),
        ] {
            assert!(wrong.parse::<Identity>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_foreign_certificate_has_no_identity() {
        let named = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let key = rcgen::KeyPair::generate().unwrap();
            rcgen::CertificateParams::new(names)
                .unwrap()
                .self_signed(&key)
                .unwrap()
                .der()
                .clone()
        };
        let good = format!("coordinator.{HEX}.fltorrent");
        assert_eq!(identity_of(&named(&[&good])), Ok(Identity::coordinator(RUN)));
        assert_eq!(identity_of(&named(&[])), Err(IdentityError::NameCount { found: 0 }));
        assert_eq!(
            identity_of(&named(&[&good, &good])),
            Err(IdentityError::NameCount { found: 2 })
        );
        assert!(matches!(
            identity_of(&named(&["example.org"])),
            Err(IdentityError::Name(_))
        ));
        let large = CertificateDer::from(vec![0; MAX_CERTIFICATE_BYTES + 1]);
        assert_eq!(
            identity_of(&large),
            Err(IdentityError::TooLarge {
                found: MAX_CERTIFICATE_BYTES + 1
            })
        );
    }

    proptest! {
        #[test]
        fn every_identity_survives_its_name(run: [u8; 16], index: u32, attempt: u32, incarnation: u32) {
            let run = RunId::from_bytes(run);
            for identity in [
                Identity::peer(run, index, attempt, incarnation),
                Identity::peer(run, index, attempt, 0),
                Identity::coordinator(run),
            ] {
                prop_assert_eq!(identity.to_string().parse(), Ok(identity));
            }
        }

        #[test]
        fn no_text_and_no_bytes_panic(text in ".*", bytes: Vec<u8>) {
            let _ = text.parse::<Identity>();
            let _ = identity_of(&CertificateDer::from(bytes));
        }
    }
}
