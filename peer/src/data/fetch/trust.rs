//! The authorities of servers: those that the user names, or the system's, or else those that come with the program.

use std::{env, ffi::OsString, io};

use rustls::{CertificateError, Error as TlsError};
use ureq::tls::{Certificate, RootCerts};

use super::FetchError;

/// Variables that name certificates in place of the system's, as for OpenSSL.
const FILE: &str = "SSL_CERT_FILE";
const FOLDER: &str = "SSL_CERT_DIR";

/// Authorities, and where they come from.
pub(super) struct Trust {
    pub(super) roots: RootCerts,
    pub(super) from: String,
}

impl Trust {
    /// Those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, or else the system's store, or else Mozilla's list of this program's time.
    pub(super) fn of_machine() -> Result<Self, FetchError> {
        let named: Vec<(&str, OsString)> = [FILE, FOLDER]
            .into_iter()
            .filter_map(|name| Some((name, env::var_os(name).filter(|value| !value.is_empty())?)))
            .collect();
        let named = named.iter().map(|(name, value)| format!("{name}={}", value.display()));
        let named = named.collect::<Vec<_>>().join(" and ");
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() && !named.is_empty() {
            let why = found.errors.into_iter().next();
            return Err(FetchError::Authorities {
                named,
                source: io::Error::other(why.map_or_else(
                    || "no certificate in PEM form is there".to_owned(),
                    |why| why.to_string(),
                )),
            });
        }
        if found.certs.is_empty() {
            return Ok(Self {
                roots: RootCerts::WebPki,
                from: "this program's own, as the system has none".to_owned(),
            });
        }
        Ok(Self {
            roots: found
                .certs
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned())
                .into(),
            from: match named.is_empty() {
                true => "the system's".to_owned(),
                false => format!("those of {named}"),
            },
        })
    }
}

/// Whether a request failed since nobody vouches for the server's certificate.
pub(super) fn is_untrusted(error: &ureq::Error) -> bool {
    let tls = match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()),
        _ => None,
    };
    matches!(
        tls,
        Some(TlsError::InvalidCertificate(
            // Also one of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        ))
    )
}
