//! How many peers are away at one time.

use std::collections::{BTreeMap, BTreeSet};

use super::{At, ChurnPlan, Run};
use crate::{Interval, experiment::ChurnKind, findings::Findings};

/// Peers that are back at a time, and peers that are gone from it on.
#[derive(Default)]
struct Change {
    back: BTreeSet<u32>,
    gone: BTreeSet<u32>,
}

/// Warns where fewer peers are left than the run needs. Rounds and times cannot be compared, so each are looked at alone.
pub(super) fn warn(plans: &BTreeMap<u32, Vec<ChurnPlan>>, run: &Run, findings: &mut Findings) {
    let is_round = |at: &At| matches!(at, At::Round(_));
    for rounds in [true, false] {
        let mut changes: BTreeMap<At, Change> = BTreeMap::new();
        let mut away = BTreeSet::new();
        for (&peer, events) in plans {
            // Whoever hangs is there all the same.
            let events_here = events.iter().filter(|due| is_round(&due.at) == rounds);
            for due in events_here.filter(|due| due.event != ChurnKind::Wedge) {
                if due.event == ChurnKind::Join {
                    away.insert(peer);
                    changes.entry(due.at).or_default().back.insert(peer);
                    continue;
                }
                changes.entry(due.at).or_default().gone.insert(peer);
                // Whoever dies while it stands still does not come back.
                let back = back(due).filter(|_| {
                    !events
                        .last()
                        .is_some_and(|last| last.event.is_last() && last.at == due.at)
                });
                if let Some(back) = back {
                    changes.entry(back).or_default().back.insert(peer);
                }
            }
        }
        let most = run.peers.saturating_sub(run.min_peers) as usize;
        let is_too_few = |away: &BTreeSet<u32>| away.len() > most;
        let mut found = is_too_few(&away).then_some((None, away.len()));
        for (at, change) in changes {
            away.retain(|peer| !change.back.contains(peer));
            away.extend(change.gone);
            if found.is_none() && is_too_few(&away) {
                found = Some((Some(at), away.len()));
            }
        }
        if let Some((at, count)) = found {
            let when = match at {
                None => "at the start".to_owned(),
                Some(At::Round(round)) => format!("in round {}", round + 1),
                Some(At::After(time)) => format!("after {}", Interval::from(time)),
            };
            findings.warn(
                "churn",
                format!(
                    "{when}, {count} of {} peers are away, and liveness.minPeers is {}: the run pauses",
                    run.peers, run.min_peers
                ),
            );
        }
    }
}

/// When a peer is there again; none: never, or nobody knows.
fn back(due: &ChurnPlan) -> Option<At> {
    if due.event.is_last() {
        return None;
    }
    match due.at {
        At::Round(_) if due.event != ChurnKind::Restart && due.lasts.is_none() => None,
        At::Round(round) => Some(At::Round(round + 1)),
        At::After(time) if due.event == ChurnKind::Restart => Some(At::After(time + due.lasts.unwrap_or_default())),
        At::After(time) => due.lasts.map(|lasts| At::After(time + lasts)),
    }
}

#[cfg(test)]
mod tests {
    use crate::Plan;

    const QUICKSTART: &str = include_str!("../../../../examples/quickstart.yaml");

    fn warnings(churn: &str) -> Vec<String> {
        let sets = [("churn".to_owned(), churn.to_owned())];
        let plan = Plan::load(QUICKSTART, &sets).unwrap();
        plan.warnings
            .into_iter()
            .map(|it| format!("{}: {}", it.path, it.message))
            .collect()
    }

    #[test]
    fn too_few_at_one_time_are_warned_about() {
        for (churn, warned) in [
            ("[{event: crash, peers: [0, 1, 2], round: 4}]", None),
            (
                "[{event: crash, peers: [0, 1, 2, 3], round: 4}]",
                Some("in round 4, 4 of 8"),
            ),
            (
                "[{event: crash, peers: [0, 1], round: 2}, {event: pause, peers: [2, 3], round: 5, for: 1s}]",
                Some("in round 5, 4 of 8"),
            ),
            // Whoever pauses in one round is back in the next.
            (
                "[{event: pause, peers: [0, 1], round: 2, for: 1s}, {event: pause, peers: [2, 3], round: 3, for: 1s}]",
                None,
            ),
            (
                "[{event: pause, peers: [0, 1], after: 2s, for: 2s}, {event: restart, peers: [2, 3], after: 3s, for: 2s}]",
                Some("after 3s, 4 of 8"),
            ),
            (
                "[{event: pause, peers: [0, 1], after: 2s, for: 1s}, {event: pause, peers: [2, 3], after: 3s}]",
                None,
            ),
            ("[{event: wedge, peers: [0, 1, 2, 3], round: 3}]", None),
        ] {
            let found = warnings(churn);
            match warned {
                None => assert_eq!(found, [""; 0], "{churn}"),
                Some(said) => {
                    let end = "peers are away, and liveness.minPeers is 5: the run pauses";
                    assert_eq!(found, [format!("churn: {said} {end}")], "{churn}");
                }
            }
        }
    }
}
