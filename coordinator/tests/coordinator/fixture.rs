//! A run with its authority, and what its members hold.

use std::time::{Duration, SystemTime};

use fltorrent_coordinator::{authority::Authority, identity::RunId, key::PeerKey, tls::Credentials};
use fltorrent_records::report::{RoundReport, sample};

pub(crate) const RUN: RunId = RunId::from_bytes([0x5a; 16]);
pub(crate) const OTHER_RUN: RunId = RunId::from_bytes([0xa5; 16]);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn authority(run: RunId) -> Authority {
    Authority::generate(run, HOUR, SystemTime::now()).unwrap()
}

/// An authority whose certificates ended an hour ago, and when it was alive.
pub(crate) fn expired_authority(run: RunId) -> (Authority, SystemTime) {
    let then = SystemTime::now() - 2 * HOUR;
    (Authority::generate(run, HOUR, then).unwrap(), then)
}

pub(crate) fn peer(authority: &Authority, index: u32) -> Credentials {
    peer_at(authority, index, SystemTime::now())
}

pub(crate) fn peer_at(authority: &Authority, index: u32, now: SystemTime) -> Credentials {
    let key = PeerKey::generate().unwrap();
    let request = key.request_pem().unwrap();
    let certificate = authority.sign_peer(&request, index, 0, 0, now).unwrap();
    Credentials::new(authority.certificate_pem(), &certificate, key).unwrap()
}

pub(crate) fn coordinator(authority: &Authority) -> Credentials {
    coordinator_at(authority, SystemTime::now())
}

pub(crate) fn coordinator_at(authority: &Authority, now: SystemTime) -> Credentials {
    let (key, certificate) = authority.issue_coordinator(now).unwrap();
    Credentials::new(authority.certificate_pem(), &certificate, key).unwrap()
}

pub(crate) fn report(peer: u32, round: u32) -> RoundReport {
    sample(peer, 0, round)
}
