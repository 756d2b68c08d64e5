//! The identity in a certificate, and in a name.
#![no_main]

use fltorrent_coordinator::identity::{Identity, identity_of};
use rustls_pki_types::CertificateDer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = identity_of(&CertificateDer::from(bytes));
    if let Ok(name) = std::str::from_utf8(bytes)
        && let Ok(identity) = name.parse::<Identity>()
    {
        assert_eq!(identity.server_name(), name, "{identity:?} has two names");
    }
});
