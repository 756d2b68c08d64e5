//! A peer's knowledge of its run.

use std::sync::Arc;

use anyhow::{Result, ensure};
use fltorrent_coordinator::{
    identity::{Role, RunId},
    key::PeerKey,
    tls::Credentials,
};
use fltorrent_crds::{Bindings, PeerAddress};
use tokio::sync::watch;

use crate::CurrentCredentials;

/// The others, and what this peer shows of itself.
pub struct Membership {
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// The number of this process among those of the peer in the attempt, from 0.
    pub incarnation: u32,
    /// The certificate of the run's authority, PEM.
    pub authority: String,
    /// Where each peer of the plan listens (QUIC), in index order.
    pub addresses: Vec<PeerAddress>,
    /// Where `bt_complete` goes; none: nowhere.
    pub coordinator: Option<PeerAddress>,
    /// The own certificate and key.
    pub credentials: CurrentCredentials,
}

impl Membership {
    /// For a whole run: nobody renews the certificate.
    ///
    /// # Errors
    /// When the run, a certificate or the key cannot be read.
    pub fn of(bindings: Bindings, key: PeerKey) -> Result<Self> {
        let credentials = Credentials::new(&bindings.authority, &bindings.certificate, key)?;
        Ok(Self {
            run: bindings.run.parse()?,
            attempt: bindings.attempt,
            incarnation: bindings.incarnation,
            authority: bindings.authority,
            addresses: bindings.addresses,
            coordinator: bindings.coordinator,
            credentials: watch::channel(Arc::new(credentials)).1,
        })
    }

    /// The credentials, when they are those of peer `index` of a plan with so many peers.
    pub(super) fn credentials_of(&self, index: u32, incarnation: u32, peers: usize) -> Result<Arc<Credentials>> {
        let addresses = self.addresses.len();
        ensure!(
            addresses == peers,
            "the bindings have {addresses} addresses, the plan has {peers} peers"
        );
        let credentials = Arc::clone(&self.credentials.borrow());
        let (identity, attempt) = (credentials.identity(), self.attempt);
        ensure!(
            self.incarnation == incarnation,
            "the bindings are for process {} of this peer, which is process {incarnation}",
            self.incarnation
        );
        ensure!(
            identity.run == self.run
                && identity.role
                    == Role::Peer {
                        index,
                        attempt,
                        incarnation
                    },
            "the certificate is for {identity}, not for peer {index} of run {}",
            self.run
        );
        Ok(credentials)
    }
}
