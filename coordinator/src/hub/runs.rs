//! The runs whose peers have come: the authority of each, its coordinator's certificate, and how far it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use fltorrent_records::{
    progress::{Progress, RoundEnds, Standing, in_flight},
    report::{Course, PauseReport},
};
use rustls::ServerConfig;

use super::{
    Member, RunFacts, RunSpan,
    pauses::{Paused, Pauses},
};
use crate::{
    authority::{Authority, AuthorityError},
    identity::{Role, RunId},
    secret::RootSecret,
    tls::{Credentials, HTTP_ALPN, TlsError},
};

/// Runs that are served at a time.
pub const MAX_RUNS: usize = 4096;

/// Why a run is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunsError {
    #[error("{MAX_RUNS} runs are served already")]
    Full,
    #[error("the run's authority cannot sign")]
    Authority(#[from] AuthorityError),
    #[error("the coordinator's certificate cannot be used")]
    Tls(#[from] TlsError),
}

/// A later process of a peer has a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} has a certificate", Role::Peer { index: *index, attempt: *attempt, incarnation: *incarnation })]
pub(super) struct Replaced {
    index: u32,
    attempt: u32,
    incarnation: u32,
}

/// All runs; at most [`MAX_RUNS`].
#[derive(Debug)]
pub(super) struct Runs {
    root: RootSecret,
    lifetime: Duration,
    by_id: Mutex<HashMap<RunId, Arc<Run>>>,
}

impl Runs {
    pub(super) fn new(root: RootSecret, lifetime: Duration) -> Self {
        Self {
            root,
            lifetime,
            by_id: Mutex::default(),
        }
    }

    pub(super) fn get(&self, run: RunId) -> Option<Arc<Run>> {
        lock(&self.by_id).get(&run).cloned()
    }

    pub(super) fn remove(&self, run: RunId) {
        lock(&self.by_id).remove(&run);
    }

    /// A run of which these facts are known; its progress begins anew when they have changed. Runs that no longer exist make room.
    pub(super) fn open(
        &self,
        id: RunId,
        facts: RunFacts,
        exists: impl Fn(RunId) -> bool,
    ) -> Result<Arc<Run>, RunsError> {
        let mut by_id = lock(&self.by_id);
        if let Some(run) = by_id.get(&id).filter(|run| run.facts == facts) {
            return Ok(Arc::clone(run));
        }
        if by_id.len() >= MAX_RUNS && !by_id.contains_key(&id) {
            by_id.retain(|&id, _| exists(id));
            if by_id.len() >= MAX_RUNS {
                return Err(RunsError::Full);
            }
        }
        let authority = self.root.authority(id)?.signing_for(self.lifetime)?;
        let run = Arc::new(Run {
            facts,
            authority,
            lifetime: self.lifetime,
            shown: Mutex::new(None),
            signed: Mutex::default(),
            progress: Mutex::new(progress(&facts)),
            ends_before: OnceLock::new(),
            pauses: Mutex::default(),
        });
        by_id.insert(id, Arc::clone(&run));
        Ok(run)
    }
}

/// Of peers of which it is known only what they say.
fn progress(facts: &RunFacts) -> Progress {
    Progress::recent(facts.peers, facts.rounds, in_flight(facts.peers))
        .with_least(facts.min_peers)
        .in_order()
        .by_ends()
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) facts: RunFacts,
    pub(super) authority: Authority,
    pub(super) progress: Mutex<Progress>,
    ends_before: OnceLock<RoundEnds>,
    pauses: Mutex<Pauses>,
    lifetime: Duration,
    shown: Mutex<Option<Shown>>,
    /// Attempt and incarnation of the newest process that has a certificate, by peer.
    signed: Mutex<HashMap<u32, (u32, u32)>>,
}

/// The server configuration, and the time of its renewal.
#[derive(Debug)]
struct Shown {
    tls: Arc<ServerConfig>,
    until: SystemTime,
}

impl Run {
    pub(super) fn progress(&self) -> Progress {
        lock(&self.progress).clone()
    }

    pub(super) fn standing(&self, ends: RoundEnds) -> Standing {
        let standing = lock(&self.progress).standing();
        let before = self.ends_before.get_or_init(|| ends);
        Standing {
            ends: standing.ends.plus(*before),
            ..standing
        }
    }

    /// A peer says that it is paused.
    pub(super) fn paused(&self, pause: PauseReport, now: Instant) {
        // What a round needs is known here.
        if pause.peer < self.facts.peers && pause.needed <= self.facts.min_peers {
            lock(&self.pauses).note(pause, now);
        }
    }

    /// Whether the run is paused, as far as peers have said of late.
    pub(super) fn pause(&self, now: Instant) -> Option<Paused> {
        let progress = lock(&self.progress);
        let done = |peer| progress.rounds_done_by(peer);
        lock(&self.pauses).of_run(self.facts.peers, done, now)
    }

    /// How far the run is, as its peers report and as is known of their processes.
    pub(super) fn course(&self, span: RunSpan, now: SystemTime) -> Course {
        let rounds = lock(&self.progress).rounds_done_first();
        let since = span.began.and_then(|began| now.duration_since(began).ok());
        Course {
            rounds,
            seconds: since.map(|since| since.as_secs()),
            is_over: span.is_over || rounds >= self.facts.rounds,
        }
    }

    pub(super) fn rounds_done(&self, peer: u32) -> u32 {
        lock(&self.progress).rounds_done_by(peer)
    }

    pub(super) fn leave(&self, peers: impl IntoIterator<Item = u32>) {
        let mut progress = lock(&self.progress);
        for peer in peers {
            progress.leave(peer);
        }
    }

    /// Takes note that a process gets a certificate or shows one. Who comes after a later one has got its own has been replaced: its
    /// identity is what that one has, and neither does it get one nor do its reports count.
    pub(super) fn admit(&self, member: &Member) -> Result<(), Replaced> {
        let &Member {
            index,
            attempt,
            incarnation,
        } = member;
        let mut signed = lock(&self.signed);
        let newest = signed.entry(index).or_default();
        if *newest > (attempt, incarnation) {
            let (attempt, incarnation) = *newest;
            return Err(Replaced {
                index,
                attempt,
                incarnation,
            });
        }
        *newest = (attempt, incarnation);
        Ok(())
    }

    /// The configuration of the run's coordinator, with a certificate that is good for a third of its lifetime at least.
    pub(super) fn tls(&self, now: SystemTime) -> Result<Arc<ServerConfig>, RunsError> {
        let mut shown = lock(&self.shown);
        if let Some(shown) = shown.as_ref().filter(|shown| now < shown.until) {
            return Ok(Arc::clone(&shown.tls));
        }
        let (key, certificate) = self.authority.issue_coordinator(now)?;
        let authority = self.authority.certificate_pem();
        let tls = Credentials::new(authority, &certificate, key)?.open_server_config(&[HTTP_ALPN])?;
        *shown = Some(Shown {
            tls: Arc::clone(&tls),
            until: now + self.lifetime * 2 / 3,
        });
        Ok(tls)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use fltorrent_records::{progress::Outcome, report::sample};

    use super::*;

    const FACTS: RunFacts = RunFacts {
        peers: 2,
        rounds: 3,
        min_peers: 2,
        attempt: 0,
    };

    fn runs() -> Runs {
        let root = RootSecret::from_bytes(&[1; 32]).unwrap();
        Runs::new(root, Duration::from_secs(60))
    }

    fn id(number: usize) -> RunId {
        RunId::from_bytes((number as u128).to_be_bytes())
    }

    #[test]
    fn a_run_is_kept_while_its_facts_are_the_same() {
        let runs = runs();
        let one = runs.open(id(1), FACTS, |_| true).unwrap();
        assert!(Arc::ptr_eq(&one, &runs.open(id(1), FACTS, |_| true).unwrap()));
        let next = RunFacts { attempt: 1, ..FACTS };
        let again = runs.open(id(1), next, |_| true).unwrap();
        assert!(!Arc::ptr_eq(&one, &again));
        assert_eq!(one.authority.certificate_pem(), again.authority.certificate_pem());
        runs.remove(id(1));
        assert!(runs.get(id(1)).is_none());
    }

    #[test]
    fn runs_are_bounded_and_those_that_are_over_make_room() {
        let runs = runs();
        for number in 0..MAX_RUNS {
            runs.open(id(number), FACTS, |_| true).unwrap();
        }
        let full = runs.open(id(MAX_RUNS), FACTS, |_| true);
        assert!(matches!(full, Err(RunsError::Full)));
        runs.open(id(7), FACTS, |_| true).unwrap();
        runs.open(id(MAX_RUNS), FACTS, |run| run != id(9)).unwrap();
        assert!(runs.get(id(9)).is_none());
        assert!(runs.get(id(8)).is_some());
    }

    /// Whoever opens a connection opens a run, of 10,000 peers maybe: room for their reports is made when one of them reports.
    #[test]
    fn a_run_that_nobody_reports_of_takes_no_room_for_reports() {
        let facts = RunFacts { peers: 10_000, ..FACTS };
        let run = runs().open(id(1), facts, |_| true).unwrap();
        assert_eq!(lock(&run.progress).room(), 0);
        let told = lock(&run.progress).handle_report(&sample(3, 0, 1));
        assert_eq!(told.unwrap(), Outcome::New);
        assert_eq!(lock(&run.progress).room(), 10_000);
    }

    /// Three peers of which two are enough.
    #[test]
    fn rounds_are_counted_without_who_is_not_there_and_with_those_before() {
        let facts = RunFacts {
            peers: 3,
            rounds: 9,
            ..FACTS
        };
        let run = runs().open(id(1), facts, |_| true).unwrap();
        let report = |peer, round| lock(&run.progress).handle_report(&sample(peer, 0, round)).unwrap();
        let before = RoundEnds {
            all: 4,
            quorum: 1,
            ..RoundEnds::default()
        };
        let done = |ends| {
            let standing = run.standing(ends);
            (standing.last.map(|last| last.round), standing.ends.all)
        };
        assert_eq!(done(before), (None, 4));
        for peer in 0..3 {
            report(peer, 5);
        }
        // What is said later is what this hub has counted itself.
        let later = RoundEnds { all: 5, ..before };
        assert_eq!(done(later), (Some(5), 5));
        report(0, 6);
        report(1, 6);
        assert_eq!(done(later), (Some(5), 5));
        run.leave([2, 7]);
        assert_eq!(done(later), (Some(6), 6));
        assert_eq!([0, 2, 7].map(|peer| run.rounds_done(peer)), [7, 6, 0]);
        // It is back, and waited for.
        report(2, 7);
        report(0, 7);
        assert_eq!(done(later).0, Some(6));
        report(1, 7);
        assert_eq!(done(later), (Some(7), 7));
    }

    #[test]
    fn whoever_joins_later_is_told_how_far_the_others_are() {
        let run = runs().open(id(1), FACTS, |_| true).unwrap();
        let began = SystemTime::now();
        let course = |began, is_over, seconds| {
            let now = SystemTime::now() + Duration::from_secs(seconds);
            run.course(RunSpan { began, is_over }, now)
        };
        assert_eq!(course(None, false, 0), Course::default());
        assert_eq!(course(Some(began), false, 90).seconds, Some(90));
        // By a clock that is behind it has not begun.
        assert_eq!(course(Some(began + Duration::from_secs(60)), false, 0).seconds, None);
        lock(&run.progress).handle_report(&sample(1, 0, 1)).unwrap();
        let found = course(None, false, 0);
        assert_eq!((found.rounds, found.is_over), (2, false));
        assert!(course(None, true, 0).is_over);
        lock(&run.progress).handle_report(&sample(0, 0, 2)).unwrap();
        assert_eq!(
            (course(None, false, 0).rounds, course(None, false, 0).is_over),
            (3, true)
        );
    }

    #[test]
    fn a_pause_counts_only_with_a_peer_and_a_need_that_can_be() {
        let run = runs().open(id(1), FACTS, |_| true).unwrap();
        let now = Instant::now();
        for (peer, needed, counts) in [(0, 3, false), (2, 2, false), (0, 2, true)] {
            let pause = PauseReport {
                peer,
                attempt: 0,
                round: 1,
                present: 1,
                needed,
                seconds: 5,
            };
            run.paused(pause, now);
            assert_eq!(run.pause(now).is_some(), counts, "{peer} {needed}");
        }
    }

    #[test]
    fn a_process_that_was_replaced_is_known() {
        let run = runs().open(id(1), FACTS, |_| true).unwrap();
        let ask = |index, attempt, incarnation| {
            run.admit(&Member {
                index,
                attempt,
                incarnation,
            })
        };
        for (attempt, incarnation) in [(0, 0), (0, 0), (0, 2), (0, 2)] {
            assert_eq!(ask(1, attempt, incarnation), Ok(()));
        }
        let error = ask(1, 0, 1).unwrap_err();
        assert_eq!(error.to_string(), "peer 1, attempt 0, incarnation 2 has a certificate");
        assert_eq!(ask(0, 0, 0), Ok(()));
        // A later attempt begins to count anew.
        assert_eq!(ask(1, 1, 0), Ok(()));
        assert!(ask(1, 0, 3).is_err());
    }

    #[test]
    fn the_own_certificate_is_renewed_at_two_thirds() {
        let run = runs().open(id(1), FACTS, |_| true).unwrap();
        let start = SystemTime::now();
        let at = |seconds| run.tls(start + Duration::from_secs(seconds)).unwrap();
        let first = at(0);
        assert!(Arc::ptr_eq(&first, &at(39)));
        let second = at(40);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&second, &at(79)));
    }
}
