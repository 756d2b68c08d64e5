//! The events of each peer: those that the manifest lists, and those that are drawn.

mod away;
mod entry;

use std::{collections::BTreeMap, ops::Range};

pub use fltorrent_swarm::churn::{At, ChurnPlan};
use fltorrent_swarm::{OnPeerLoss, churn::ChurnKind};
use rand_chacha::ChaCha8Rng;

use super::{PeerPlan, Plan};
use crate::{errors::MAX_ERRORS, experiment::Churn, findings::Findings, seeds};

/// Events of all peers together.
const MOST: usize = 100_000;

/// An event of one peer, and the entry of the manifest that it comes from.
#[derive(Clone, Copy)]
struct Due {
    entry: usize,
    plan: ChurnPlan,
}

impl Due {
    /// What happens at one time happens in the manifest's order, but nobody does anything before it joins.
    fn order(&self) -> (At, bool, usize) {
        (self.plan.at, self.plan.event != ChurnKind::Join, self.entry)
    }
}

impl PeerPlan {
    /// Whether the process of this incarnation is to be started again when it has died: unless the peer's next death is its last.
    pub fn comes_back(&self, incarnation: u32) -> bool {
        let mut deaths = self
            .churn
            .iter()
            .map(|due| due.event)
            .filter(|event| event.is_last() || *event == ChurnKind::Restart);
        !deaths.nth(incarnation as usize).is_some_and(ChurnKind::is_last)
    }
}

impl Plan {
    /// Peers that join later, ascending, and when, in a run whose first round this is. One that resumes has all its peers.
    pub fn late(&self, first_round: u32) -> impl Iterator<Item = (u32, At)> {
        let joins = |peer: &PeerPlan| {
            let first = peer.churn.first().filter(|due| due.event == ChurnKind::Join)?;
            Some((peer.index, first.at))
        };
        self.peers.iter().filter_map(joins).filter(move |_| first_round == 0)
    }
}

/// What is known of the run.
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) peers: u32,
    pub(super) rounds: u32,
    pub(super) min_peers: u32,
    pub(super) on_peer_loss: OnPeerLoss,
}

/// The events of all peers that have some, by peer, each in order.
pub(super) fn churn(churn: &[Churn], run: &Run, findings: &mut Findings) -> BTreeMap<u32, Vec<ChurnPlan>> {
    let before = findings.errors.len();
    for (i, entry) in churn.iter().enumerate() {
        if findings.errors.len() < MAX_ERRORS {
            entry::check(i, entry, run, findings);
        }
    }
    if findings.errors.len() > before {
        return BTreeMap::new();
    }
    let mut all = listed(churn);
    check_together(&all, churn, findings);
    check_beginning(&all, run, findings);
    let count = all.values().map(Vec::len).sum::<usize>();
    let fits = findings.errors.len() > before || count <= MOST && draw(churn, run, MOST - count, &mut all);
    if !fits {
        findings.error(
            "churn",
            format!("more than {MOST} events in all"),
            "take a lower rate, fewer rounds or fewer peers",
        );
    }
    if findings.errors.len() > before {
        return BTreeMap::new();
    }
    let plans = all.into_iter().map(|(peer, events)| (peer, until_the_last(&events)));
    let plans = plans.collect();
    away::warn(&plans, run, findings);
    plans
}

/// The events that the manifest lists.
fn listed(churn: &[Churn]) -> BTreeMap<u32, Vec<Due>> {
    let mut all: BTreeMap<u32, Vec<Due>> = BTreeMap::new();
    for (entry, it) in churn.iter().enumerate() {
        let Some(at) = entry::at(it) else { continue };
        let plan = planned(it, at);
        for &peer in &it.peers {
            all.entry(peer).or_default().push(Due { entry, plan });
        }
    }
    for events in all.values_mut() {
        events.sort_by_key(Due::order);
    }
    all
}

fn planned(churn: &Churn, at: At) -> ChurnPlan {
    ChurnPlan {
        event: churn.event,
        at,
        lasts: churn.lasts.map(crate::Interval::get),
    }
}

/// What cannot follow each other.
fn check_together(all: &BTreeMap<u32, Vec<Due>>, churn: &[Churn], findings: &mut Findings) {
    let drawn = churn.iter().position(|entry| entry.rate.is_some());
    let is_round = |due: &Due| matches!(due.plan.at, At::Round(_));
    for (peer, events) in all {
        if findings.errors.len() >= MAX_ERRORS {
            return;
        }
        let by_round = events.iter().find(|due| is_round(due)).map(|due| due.entry).or(drawn);
        if let (Some(other), Some(due)) = (by_round, events.iter().find(|due| !is_round(due))) {
            findings.error(
                &format!("churn[{}].after", due.entry),
                format!("peer {peer} has events in rounds, too (churn[{other}])"),
                "give all events of a peer a round, or all a time",
            );
            continue;
        }
        let joins = |due: &&Due| due.plan.event == ChurnKind::Join;
        if let Some(join) = events.iter().skip(1).find(joins) {
            let first = &events[0];
            let found = match first.plan.event {
                ChurnKind::Join => format!("peer {peer} joins in churn[{}] already", first.entry),
                other => format!("peer {peer} joins after its {} (churn[{}])", other.name(), first.entry),
            };
            let expected = "a peer joins once, before anything else happens to it";
            findings.error(&format!("churn[{}]", join.entry), found, expected);
            continue;
        }
        let last = events.iter().position(|due| due.plan.event.is_last());
        if let Some((last, after)) = last.and_then(|at| Some((&events[at], events.get(at + 1)?))) {
            findings.error(
                &format!("churn[{}]", after.entry),
                format!("peer {peer} has gone by then (churn[{}])", last.entry),
                "remove it, or let it happen earlier",
            );
        }
    }
}

/// A run begins with somebody: whoever joins with a round waits for others who begin it.
fn check_beginning(all: &BTreeMap<u32, Vec<Due>>, run: &Run, findings: &mut Findings) {
    let joins = |events: &&Vec<Due>| events.first().is_some_and(|first| first.plan.event == ChurnKind::Join);
    if all.values().filter(joins).count() == run.peers as usize {
        findings.error(
            "churn",
            format!("all {} peers join later, so that nobody begins", run.peers),
            "let at least one peer be there from the beginning",
        );
    }
}

/// Adds the events that are drawn; false when there are more than these.
fn draw(churn: &[Churn], run: &Run, most: usize, all: &mut BTreeMap<u32, Vec<Due>>) -> bool {
    let mut left = most;
    let rates = churn.iter().enumerate().filter_map(|(i, it)| Some((i, it, it.rate?)));
    for (draw, (entry, it, rate)) in (0..).zip(rates) {
        for peer in 0..run.peers {
            let from = all.get(&peer).map_or(0, |events| joins_in(events));
            let rounds = Successes::new(seeds::rng(run.seed, "churn", peer, draw), rate, from..run.rounds);
            // More than one end does nothing.
            let most = if it.event.is_last() { 1 } else { usize::MAX };
            for round in rounds.take(most) {
                let Some(less) = left.checked_sub(1) else {
                    return false;
                };
                left = less;
                let plan = planned(it, At::Round(round));
                all.entry(peer).or_default().push(Due { entry, plan });
            }
        }
    }
    for events in all.values_mut() {
        events.sort_by_key(Due::order);
    }
    true
}

/// The first round that a peer takes part in, which has its first event first.
fn joins_in(events: &[Due]) -> u32 {
    match events.first().map(|first| first.plan) {
        Some(ChurnPlan {
            event: ChurnKind::Join,
            at: At::Round(round),
            ..
        }) => round,
        _ => 0,
    }
}

/// The rounds in which something happens that happens in each with the same probability, without a draw for each of them.
struct Successes {
    rng: ChaCha8Rng,
    /// ln of the probability that it does not happen.
    log_failure: f64,
    rounds: Range<u32>,
}

impl Successes {
    fn new(rng: ChaCha8Rng, rate: f64, rounds: Range<u32>) -> Self {
        let log_failure = libm::log1p(-rate);
        Self {
            rng,
            log_failure,
            rounds,
        }
    }
}

impl Iterator for Successes {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        // The failures before a success are geometrically distributed. L. Devroye, "Non-Uniform Random Variate Generation", 1986, X.2.
        let failures = (libm::log(seeds::unit(&mut self.rng)) / self.log_failure).floor();
        let round = f64::from(self.rounds.start) + failures;
        if round >= f64::from(self.rounds.end) {
            return None;
        }
        self.rounds.start = round as u32 + 1;
        Some(round as u32)
    }
}

/// Nothing happens to a peer that has gone.
fn until_the_last(events: &[Due]) -> Vec<ChurnPlan> {
    let last = events.iter().position(|due| due.plan.event.is_last());
    let count = last.map_or(events.len(), |last| last + 1);
    events.iter().take(count).map(|due| due.plan).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Plan;

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn plan(churn: &str, sets: &[(&str, &str)]) -> Plan {
        let sets = [("churn", churn)].into_iter().chain(sets.iter().copied());
        let sets: Vec<_> = sets
            .map(|(path, value)| (path.to_string(), value.to_string()))
            .collect();
        Plan::load(QUICKSTART, &sets).unwrap()
    }

    fn rounds(plan: &Plan) -> Vec<Vec<(ChurnKind, u32)>> {
        let of = |due: &ChurnPlan| match due.at {
            At::Round(round) => (due.event, round),
            At::After(time) => panic!("{time:?}"),
        };
        let peers = plan.peers.iter();
        peers.map(|peer| peer.churn.iter().map(of).collect()).collect()
    }

    #[test]
    fn what_is_listed_comes_in_the_order_of_time_and_rounds_count_from_one() {
        let plan = plan(
            "[{event: crash, peers: [3, 5], round: 4}, {event: pause, peers: [3], round: 2, for: 2s}, \
             {event: wedge, peers: [1], after: 1m, for: 5s}, {event: leave, peers: [1], after: 90s}]",
            &[],
        );
        let seconds = Duration::from_secs;
        let due = |event, at, lasts: Option<u64>| ChurnPlan {
            event,
            at,
            lasts: lasts.map(seconds),
        };
        let expected = [
            due(ChurnKind::Pause, At::Round(1), Some(2)),
            due(ChurnKind::Crash, At::Round(3), None),
        ];
        assert_eq!(plan.peers[3].churn, expected);
        assert_eq!(plan.peers[5].churn, expected[1..]);
        let expected = [
            due(ChurnKind::Wedge, At::After(seconds(60)), Some(5)),
            due(ChurnKind::Leave, At::After(seconds(90)), None),
        ];
        assert_eq!(plan.peers[1].churn, expected);
        assert_eq!(plan.peers[0].churn, []);
    }

    #[test]
    fn what_is_drawn_is_the_same_each_time_and_as_frequent_as_it_should_be() {
        let sets = [("groups[0].count", "20"), ("training.rounds", "1000")];
        let churn = "[{event: pause, rate: 0.1, for: 1s}, {event: wedge, rate: 0.001, for: 1s}]";
        let drawn = plan(churn, &sets);
        assert_eq!(drawn, plan(churn, &sets));
        let count = |kind| rounds(&drawn).iter().flatten().filter(|it| it.0 == kind).count();
        assert!((1_850..2_150).contains(&count(ChurnKind::Pause)));
        assert!((5..40).contains(&count(ChurnKind::Wedge)));
        let other = plan(churn, &[sets[0], sets[1], ("seed", "8")]);
        assert_ne!(rounds(&drawn), rounds(&other));
        // Another entry, or more rounds, change nothing of what was drawn before.
        let first = plan("[{event: pause, rate: 0.1, for: 1s}]", &sets);
        let longer = plan(churn, &[sets[0], ("training.rounds", "1100")]);
        for at in 0..20 {
            let pauses = |plan: &Plan| -> Vec<(ChurnKind, u32)> {
                let own = rounds(plan)[at].clone().into_iter();
                own.filter(|it| it.0 == ChurnKind::Pause && it.1 < 1000).collect()
            };
            assert_eq!(pauses(&drawn), pauses(&first));
            assert_eq!(pauses(&drawn), pauses(&longer));
        }
    }

    #[test]
    fn a_rate_of_one_is_every_round_and_nothing_comes_after_the_end() {
        let all = plan("[{event: pause, rate: 1, for: 1s}]", &[("training.rounds", "3")]);
        let pauses = [0, 1, 2].map(|round| (ChurnKind::Pause, round));
        assert!(rounds(&all).iter().all(|own| *own == pauses));
        let dead = plan(
            "[{event: pause, rate: 1, for: 1s}, {event: crash, peers: [2], round: 2}]",
            &[],
        );
        let expected = [(ChurnKind::Pause, 0), (ChurnKind::Pause, 1), (ChurnKind::Crash, 1)];
        assert_eq!(rounds(&dead)[2], expected);
        let late = plan(
            "[{event: crash, rate: 1}, {event: join, peers: [2], round: 4}]",
            &[("liveness.minPeers", "1")],
        );
        assert_eq!(rounds(&late)[1], [(ChurnKind::Crash, 0)]);
        assert_eq!(rounds(&late)[2], [(ChurnKind::Join, 3), (ChurnKind::Crash, 3)]);
    }

    #[test]
    fn whoever_restarts_comes_back_until_it_crashes() {
        let plan = plan(
            "[{event: restart, peers: [1, 2], round: 2}, {event: pause, peers: [1], round: 3, for: 1s}, \
             {event: crash, peers: [1], round: 5}]",
            &[],
        );
        let back = |peer: usize| [0, 1, 2].map(|incarnation| plan.peers[peer].comes_back(incarnation));
        assert_eq!(back(0), [true, true, true]);
        assert_eq!(back(1), [true, false, true]);
        assert_eq!(back(2), [true, true, true]);
    }

    #[test]
    fn whoever_joins_is_late_unless_the_run_resumes() {
        let plan = plan(
            "[{event: join, peers: [6, 2], round: 3}, {event: join, peers: [4], after: 5s}, \
             {event: restart, peers: [2, 1], round: 5}]",
            &[],
        );
        let late: Vec<(u32, At)> = plan.late(0).collect();
        let after = At::After(Duration::from_secs(5));
        assert_eq!(late, [(2, At::Round(2)), (4, after), (6, At::Round(2))]);
        assert_eq!(plan.late(2).count(), 0);
    }

    #[test]
    fn a_run_may_resume_with_other_events() {
        let churn = plan("[{event: pause, peers: [1], round: 2, for: 1s}]", &[]);
        let none = plan("[]", &[]);
        assert_ne!(churn.hash(), none.hash());
        assert_eq!(churn.resume_hash(), none.resume_hash());
    }
}
