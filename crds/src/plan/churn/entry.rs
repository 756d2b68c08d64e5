//! What an entry of `churn` may say.

use std::{collections::BTreeSet, time::Duration};

use fltorrent_swarm::OnPeerLoss;

use super::{At, Run};
use crate::{
    Interval,
    errors::MAX_ERRORS,
    experiment::{Churn, ChurnKind},
    findings::Findings,
    plan::{liveness::WEEK, settings::within},
    topology::missing_peer,
};

const LEAST: Duration = Duration::from_millis(1);

/// When it happens; none where that is drawn.
pub(super) fn at(entry: &Churn) -> Option<At> {
    let round = entry.round.map(|round| At::Round(round.saturating_sub(1)));
    round.or_else(|| entry.after.map(|after| At::After(after.get())))
}

pub(super) fn check(i: usize, entry: &Churn, run: &Run, findings: &mut Findings) {
    let path = format!("churn[{i}]");
    who_and_when(&path, entry, findings);
    peers(&path, &entry.peers, run.peers, findings);
    round(&path, entry, run.rounds, findings);
    let kind = entry.event.name();
    let length = |field: &str, interval: Option<Interval>, findings: &mut Findings| {
        if let Some(interval) = interval {
            within(&format!("{path}.{field}"), interval, LEAST, WEEK, findings);
        }
    };
    length("after", entry.after, findings);
    match entry.lasts {
        Some(lasts) if !entry.event.may_last() => findings.error(
            &format!("{path}.for"),
            format!("{lasts}, but a {kind} has no length"),
            "remove it; pause, restart and wedge have one",
        ),
        lasts => length("for", lasts, findings),
    }
    if run.on_peer_loss == OnPeerLoss::Continue {
        return;
    }
    let path = format!("{path}.event");
    match entry.event {
        ChurnKind::Join | ChurnKind::Restart => findings.error(
            &path,
            format!(
                "a {kind} has rounds without the peer, and with failurePolicy.onPeerLoss: fail none may be missing"
            ),
            "failurePolicy.onPeerLoss: continue has rounds without some peers",
        ),
        ChurnKind::Leave | ChurnKind::Crash => {
            findings.warn(&path, "with failurePolicy.onPeerLoss: fail the run ends with it");
        }
        ChurnKind::Pause | ChurnKind::Wedge => {}
    }
}

/// One of two ways to say whom it happens to, and of two ways to say when.
fn who_and_when(path: &str, entry: &Churn, findings: &mut Findings) {
    let (has_round, has_after) = (entry.round.is_some(), entry.after.is_some());
    match (entry.peers.is_empty(), entry.rate) {
        (true, None) => findings.error(path, "happens to nobody", "write peers with their indices, or a rate"),
        (false, Some(_)) => findings.error(path, "has both peers and a rate", "write one of the two"),
        (true, Some(_)) if entry.event == ChurnKind::Join => findings.error(
            &format!("{path}.rate"),
            "a peer that is drawn to join would have to be drawn to be away",
            "write peers with their indices",
        ),
        (true, Some(_)) if has_round || has_after => findings.error(
            path,
            "has a rate, which is of every round, and a time",
            "remove round and after, or write peers instead of rate",
        ),
        (true, Some(_)) => {}
        (false, None) if has_round && has_after => {
            findings.error(path, "has both round and after", "write one of the two");
        }
        (false, None) if !has_round && !has_after => {
            findings.error(path, "has no time", "write a round, or after with a time such as 90s");
        }
        (false, None) => {}
    }
}

fn peers(path: &str, peers: &[u32], count: u32, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (j, &peer) in peers.iter().enumerate() {
        if findings.errors.len() >= MAX_ERRORS {
            return;
        }
        let path = format!("{path}.peers[{j}]");
        if peer >= count {
            findings.errors.push(missing_peer(&path, peer, count));
        } else if !seen.insert(peer) {
            findings.error(&path, format!("peer {peer} is there twice"), "name every peer once");
        }
    }
}

fn round(path: &str, entry: &Churn, rounds: u32, findings: &mut Findings) {
    if entry.event == ChurnKind::Join && rounds == 1 {
        return findings.error(
            &format!("{path}.event"),
            "the run has one round, and whoever joins takes part from a later one on",
            "remove the entry, or give training.rounds 2 or more",
        );
    }
    let Some(round) = entry.round else { return };
    let path = format!("{path}.round");
    if round > rounds {
        findings.error(
            &path,
            format!("{round} is after the last of {rounds} rounds"),
            format!("at most {rounds} will do"),
        );
    } else if entry.event == ChurnKind::Join && round == 1 {
        findings.error(
            &path,
            "whoever takes part from round 1 on does not join",
            "take 2 or more, or remove the entry",
        );
    }
}
