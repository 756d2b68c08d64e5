//! Who is absent, since when and why, and whether those that are left are too few.

use fltorrent_crds::status::{ConditionType, ExperimentStatus, Stage};
use jiff::Timestamp;

use super::view::{Absent, View};
use crate::{
    life::{Ledger, ReplacedState},
    names,
};

/// Why an experiment is paused.
const BELOW: &str = "BelowMinPeers";
/// Peers that are named.
const NAMED: usize = 8;

/// Whether a condition holds, why in a word and in a sentence.
pub(super) type Said = (bool, &'static str, String);

/// True if nobody is absent, as far as the record says.
pub(super) fn is_nobody(ledger: &Ledger) -> bool {
    ledger
        .replaced
        .values()
        .all(|peer| peer.row == 0 && peer.state == ReplacedState::Replaced)
}

/// Whether too few peers are there for a round, by their own word or by their pods.
pub(super) fn paused(
    status: &ExperimentStatus,
    ledger: &Ledger,
    view: &View<'_>,
    trains: bool,
    now: Timestamp,
) -> Said {
    // One that is not ready for a moment is there.
    let absent = u32::try_from(view.absent.len()).unwrap_or(u32::MAX);
    let present = view.peers.saturating_sub(absent).saturating_sub(view.to_join);
    let there = view.paused.unwrap_or(present).min(present);
    if ledger.stage != Stage::Running || !view.goes_on || !trains || there >= view.min_peers {
        return (false, "NotPaused", "enough peers take part".to_owned());
    }
    let before = status
        .condition(ConditionType::Paused)
        .filter(|found| found.status == "True");
    let since = before.map_or(now, |found| found.last_transition_time.0);
    let until = since.checked_add(view.pause_limit).unwrap_or(since);
    let message = format!(
        "{there} of {} peers take part, and a round needs {}: they wait for others, and fail about {} if none come",
        view.peers,
        view.min_peers,
        Timestamp::from_second(until.as_second()).unwrap_or(until),
    );
    (true, BELOW, message)
}

/// Whether somebody is absent.
pub(super) fn stalled(name: &str, ledger: &Ledger, view: &View<'_>, paused: &Said) -> Said {
    if ledger.stage != Stage::Running && ledger.stage != Stage::Starting || !view.goes_on {
        return (false, "NotStalled", "no peer is waited for".to_owned());
    }
    let (is_below, below, said) = paused;
    let mut told: Vec<String> = is_below.then(|| said.clone()).into_iter().collect();
    told.extend(view.absent.iter().take(NAMED).map(|one| says(name, one)));
    if let Some(more) = view.absent.len().checked_sub(NAMED).filter(|more| *more > 0) {
        told.push(format!("{more} more peers"));
    }
    if told.is_empty() {
        return (false, "NotStalled", "no peer is absent".to_owned());
    }
    let all_lost = view.absent.iter().all(|one| one.peer.state == ReplacedState::Lost);
    let reason = match (is_below, all_lost) {
        (true, _) => below,
        (false, true) => "PeerLost",
        (false, false) => "PeerAbsent",
    };
    (true, reason, told.join("; "))
}

fn says(name: &str, absent: &Absent) -> String {
    let Absent { index, peer, attempt } = absent;
    let since = peer
        .since
        .map(|since: Timestamp| format!(" since {since}"))
        .unwrap_or_default();
    let why = match peer.reason.is_empty() {
        true => String::new(),
        false => format!(" ({})", peer.reason),
    };
    if peer.state == ReplacedState::Lost {
        return format!("peer {index} is lost{since}{why}");
    }
    let pod = names::pod(name, *index, *attempt, peer.incarnation);
    format!("peer {index} is absent{since}{why}, and pod {pod} takes its place")
}
