//! The record as it stands in a status.

use std::collections::BTreeMap;

use fltorrent_crds::status::{ExperimentStatus, ReplacedPeer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::life::{Ledger, Replaced};

/// The record in a status.
pub fn ledger(status: &ExperimentStatus) -> Ledger {
    Ledger {
        stage: status.stage.unwrap_or_default(),
        attempt: status.attempt,
        restarts: status.restarts,
        resume: status.resumed_after,
        begun: status.start_time.is_some(),
        replaced: status.replaced.iter().map(read).collect::<BTreeMap<_, _>>(),
    }
}

/// Puts the record into a status; when it began is put by others.
pub(super) fn put(status: &mut ExperimentStatus, ledger: &Ledger) {
    let Ledger {
        stage,
        attempt,
        restarts,
        resume,
        begun: _,
        replaced,
    } = ledger;
    status.stage = Some(*stage);
    status.attempt = *attempt;
    status.restarts = *restarts;
    status.resumed_after = *resume;
    status.replaced = replaced.iter().map(write).collect();
}

fn read(peer: &ReplacedPeer) -> (u32, Replaced) {
    let ReplacedPeer {
        peer,
        incarnation,
        state,
        used,
        row,
        round,
        since,
        reason,
    } = peer.clone();
    let replaced = Replaced {
        incarnation,
        state,
        used,
        row,
        round,
        since: since.map(|since| since.0),
        reason,
    };
    (peer, replaced)
}

fn write((peer, replaced): (&u32, &Replaced)) -> ReplacedPeer {
    let Replaced {
        incarnation,
        state,
        used,
        row,
        round,
        since,
        reason,
    } = replaced;
    ReplacedPeer {
        peer: *peer,
        incarnation: *incarnation,
        state: *state,
        used: *used,
        row: *row,
        round: *round,
        since: since.map(Time),
        reason: ExperimentStatus::word(reason),
    }
}
