//! When peers count as absent, and when a round may close without them.

use std::time::Duration;

use fltorrent_swarm::{Deadline, OnPeerLoss, Repair, RoundRules};

use super::{
    LivenessPlan, RetryPlan,
    settings::{DAY, HOUR, within},
};
use crate::{
    Interval, TimeLimit,
    experiment::{Liveness, Round},
    findings::Findings,
};

/// What `auto` stands for.
const INTERVAL: Interval = Interval::from_secs(5);
const TIMEOUT: Interval = Interval::from_secs(20);
const LEAST: Duration = Duration::from_millis(100);
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
pub(super) const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// When one of so many peers counts as absent, and how many have to be left.
pub(super) fn liveness(
    liveness: &Liveness,
    peers: u32,
    on_peer_loss: OnPeerLoss,
    findings: &mut Findings,
) -> LivenessPlan {
    let interval = liveness.heartbeat_interval.or(INTERVAL);
    let timeout = liveness.heartbeat_timeout.or(TIMEOUT);
    within("liveness.heartbeatInterval", interval, LEAST, HOUR, findings);
    within("liveness.heartbeatTimeout", timeout, LEAST, DAY, findings);
    if timeout <= interval {
        findings.error(
            "liveness.heartbeatTimeout",
            format!("{timeout} is not longer than heartbeatInterval, {interval}"),
            "three or four times heartbeatInterval is usual; auto for both is shorter",
        );
    }
    within("liveness.pauseLimit", liveness.pause_limit, LEAST, WEEK, findings);
    LivenessPlan {
        heartbeat_interval: interval.get(),
        heartbeat_timeout: timeout.get(),
        min_peers: min_peers(liveness, peers, findings),
        pause_limit: liveness.pause_limit.get(),
        progress_lease: progress_lease(liveness.progress_lease, on_peer_loss, findings),
        retries: retries(liveness, findings),
    }
}

fn progress_lease(lease: TimeLimit, on_peer_loss: OnPeerLoss, findings: &mut Findings) -> Deadline {
    if let (TimeLimit::After(lease), OnPeerLoss::Fail) = (lease, on_peer_loss) {
        findings.error(
            "liveness.progressLease",
            format!("{lease} never counts, since with failurePolicy.onPeerLoss: fail no update may be missing"),
            "auto, or failurePolicy.onPeerLoss: continue",
        );
    }
    time_limit("liveness.progressLease", lease, findings)
}

/// A time limit of a field, within what such a one may be.
fn time_limit(field: &str, limit: TimeLimit, findings: &mut Findings) -> Deadline {
    match limit {
        TimeLimit::Auto => Deadline::Auto,
        TimeLimit::None => Deadline::None,
        TimeLimit::After(limit) => {
            within(field, limit, LEAST, WEEK, findings);
            Deadline::After(limit.get())
        }
    }
}

fn retries(liveness: &Liveness, findings: &mut Findings) -> RetryPlan {
    let (base, longest) = (
        liveness.send_retry_base_delay.given(),
        liveness.send_retry_max_delay.given(),
    );
    let jitter = liveness.send_retry_jitter.given();
    for (field, given, most) in [
        ("liveness.sendRetryBaseDelay", base, HOUR),
        ("liveness.sendRetryMaxDelay", longest, DAY),
        ("liveness.sendRetryJitter", jitter, HOUR),
    ] {
        if let Some(given) = given {
            within(field, given, SHORTEST_WAIT, most, findings);
        }
    }
    if let (Some(base), Some(longest)) = (base, longest)
        && longest < base
    {
        findings.error(
            "liveness.sendRetryMaxDelay",
            format!("{longest} is shorter than sendRetryBaseDelay, {base}"),
            "waits double from that one on; give a longer one, or auto",
        );
    }
    RetryPlan {
        max_retries: liveness.send_max_retries,
        base_delay: base.map(Interval::get),
        max_delay: longest.map(Interval::get),
        jitter: jitter.map(Interval::get),
    }
}

fn min_peers(liveness: &Liveness, peers: u32, findings: &mut Findings) -> u32 {
    let majority = Liveness::default().needed(peers);
    let asked = liveness.needed(peers);
    if asked > peers {
        findings.error(
            "liveness.minPeers",
            format!("{asked} is more than the {peers} peers"),
            format!("at most {peers} will do"),
        );
    } else if asked < majority {
        findings.warn(
            "liveness.minPeers",
            format!(
                "{asked} of {peers} are not more than half: parts of the swarm that lose each other may train on apart, each \
                 with a model of its own"
            ),
        );
    }
    asked
}

/// When a round of so many peers may close that is not complete.
pub(super) fn round(round: &Round, peers: u32, on_peer_loss: OnPeerLoss, findings: &mut Findings) -> RoundRules {
    let quorum = quorum(round.quorum, peers);
    if on_peer_loss == OnPeerLoss::Fail {
        needs_all(round, quorum < peers, findings);
    }
    within(
        "exchange.round.patience",
        round.patience,
        Duration::from_millis(1),
        HOUR,
        findings,
    );
    RoundRules {
        quorum,
        patience: round.patience.get(),
        deadline: time_limit("exchange.round.deadline", round.deadline, findings),
    }
}

/// How the neighbours of lost peers are wired.
pub(super) fn repair(repair: Repair, on_peer_loss: OnPeerLoss, findings: &mut Findings) -> Repair {
    if repair != Repair::None && on_peer_loss == OnPeerLoss::Fail {
        findings.error(
            "topology.repair",
            format!("{} never happens, since the first loss ends the run", repair.name()),
            "none, or failurePolicy.onPeerLoss: continue",
        );
    }
    repair
}

/// A run that no peer may miss has no round without one.
fn needs_all(round: &Round, is_partial: bool, findings: &mut Findings) {
    let expected = "failurePolicy.onPeerLoss: continue has rounds without some peers";
    if is_partial {
        let found = format!(
            "{} leaves peers out, and with failurePolicy.onPeerLoss: fail none may be missing",
            round.quorum
        );
        findings.error("exchange.round.quorum", found, expected);
    }
    if let TimeLimit::After(limit) = round.deadline {
        let found = format!("{limit} may leave peers out, and with failurePolicy.onPeerLoss: fail none may be missing");
        findings.error("exchange.round.deadline", found, expected);
    }
}

/// The fewest peers that are this share of all. A product would be a peer too many where it is rounded up: 0.55 · 100 is more
/// than 55, while 55 ÷ 100 is the same number as 0.55.
fn quorum(share: f64, peers: u32) -> u32 {
    let about = (share * f64::from(peers)) as u32;
    (about.max(1)..peers)
        .find(|&count| f64::from(count) / f64::from(peers) >= share)
        .unwrap_or(peers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plan;

    const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

    fn plan(sets: &[(&str, &str)]) -> Plan {
        let own = |(path, value): &(&str, &str)| (path.to_string(), value.to_string());
        let sets: Vec<_> = sets.iter().map(own).collect();
        Plan::load(QUICKSTART, &sets).unwrap()
    }

    #[test]
    fn auto_is_faster_than_the_default() {
        let seconds = |sets: &[(&str, &str)]| {
            let LivenessPlan {
                heartbeat_interval,
                heartbeat_timeout,
                ..
            } = plan(sets).liveness;
            (heartbeat_interval.as_secs(), heartbeat_timeout.as_secs())
        };
        assert_eq!(seconds(&[]), (30, 90));
        let interval = ("liveness.heartbeatInterval", "auto");
        assert_eq!(seconds(&[interval]), (5, 90));
        assert_eq!(seconds(&[interval, ("liveness.heartbeatTimeout", "auto")]), (5, 20));
        assert_eq!(seconds(&[interval, ("liveness.heartbeatTimeout", "6s")]), (5, 6));
    }

    #[test]
    fn more_than_half_of_the_peers_have_to_be_there_unless_the_manifest_says_otherwise() {
        let least = |peers: &'static str| plan(&[("groups[0].count", peers)]).liveness.min_peers;
        assert_eq!(["1", "2", "3", "8", "9"].map(least), [1, 2, 2, 5, 5]);
        for (asked, is_warned_about) in [("1", true), ("4", true), ("5", false), ("8", false)] {
            let plan = plan(&[("liveness.minPeers", asked)]);
            assert_eq!(plan.liveness.min_peers.to_string(), asked);
            let paths: Vec<&str> = plan.warnings.iter().map(|warning| warning.path.as_str()).collect();
            assert_eq!(paths == ["liveness.minPeers"], is_warned_about, "{asked}: {paths:?}");
        }
    }

    #[test]
    fn a_longest_wait_is_not_shorter_than_the_first() {
        let [base, longest] = ["liveness.sendRetryBaseDelay", "liveness.sendRetryMaxDelay"];
        let retries = plan(&[(base, "1s"), (longest, "1s")]).liveness.retries;
        let second = Some(Duration::from_secs(1));
        assert_eq!(
            (retries.base_delay, retries.max_delay, retries.jitter),
            (second, second, None)
        );
        let sets = [(base, "2s"), (longest, "1s")].map(|(path, value)| (path.to_owned(), value.to_owned()));
        let error = Plan::load(QUICKSTART, &sets).unwrap_err().to_string();
        assert!(
            error.starts_with("liveness.sendRetryMaxDelay: 1s is shorter than sendRetryBaseDelay, 2s; "),
            "{error}"
        );
    }

    #[test]
    fn whoever_wants_all_peers_gets_no_round_without_one() {
        let fail = |set: (&str, &str)| {
            let sets = [("failurePolicy.onPeerLoss", "fail"), set];
            let sets: Vec<_> = sets.map(|(path, value)| (path.to_owned(), value.to_owned())).into();
            Plan::load(QUICKSTART, &sets)
                .map(drop)
                .map_err(|errors| errors.to_string())
        };
        assert_eq!(fail(("exchange.round.patience", "1s")), Ok(()));
        for (path, value) in [
            ("exchange.round.quorum", "0.5"),
            ("exchange.round.deadline", "40s"),
            ("topology.repair", "ring"),
            ("liveness.progressLease", "40s"),
        ] {
            let error = fail((path, value)).unwrap_err();
            assert!(error.starts_with(&format!("{path}: {value} ")), "{error}");
        }
    }

    #[test]
    fn a_deadline_is_found_or_given_or_none() {
        let deadline = |text| plan(&[("exchange.round.deadline", text)]).exchange.round.deadline;
        assert_eq!(deadline("auto"), Deadline::Auto);
        assert_eq!(deadline("none"), Deadline::None);
        assert_eq!(deadline("1m30s"), Deadline::After(Duration::from_secs(90)));
        let lease = |text| plan(&[("liveness.progressLease", text)]).liveness.progress_lease;
        assert_eq!(plan(&[]).liveness.progress_lease, Deadline::Auto);
        assert_eq!(lease("none"), Deadline::None);
        assert_eq!(lease("2s"), Deadline::After(Duration::from_secs(2)));
    }

    #[test]
    fn a_quorum_is_never_less_than_its_share_and_never_a_peer_too_many() {
        for (share, peers, count) in [
            (1.0, 8, 8),
            (1.0, 1, 1),
            (0.0001, 10_000, 1),
            (0.0001, 3, 1),
            (0.5, 8, 4),
            (0.5, 7, 4),
            (0.51, 8, 5),
            (0.55, 100, 55),
            (0.999_999, 8, 8),
        ] {
            assert_eq!(quorum(share, peers), count, "{share} of {peers}");
        }
        for peers in 1..300 {
            for count in 1..=peers {
                assert_eq!(quorum(f64::from(count) / f64::from(peers), peers), count);
            }
        }
    }
}
