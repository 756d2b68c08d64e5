use proptest::prelude::*;

use super::*;

fn record(holder: &str, version: u32) -> Record {
    Record {
        holder: holder.into(),
        transitions: 3,
        version: version.to_string(),
    }
}

const TAKE: Move = Move::Write {
    transitions: 4,
    renewal: false,
};

#[test]
fn a_free_lease_is_taken() {
    let now = Instant::now();
    let mut election = Election::new("a".into());
    let first = Move::Write {
        transitions: 1,
        renewal: false,
    };
    assert_eq!(election.handle_read(None, now), first);
    assert_eq!(election.handle_read(Some(record("", 1)), now), TAKE);
    assert!(!election.leads());
    election.handle_written(4, "2".into(), now);
    assert!(election.leads());
}

#[test]
fn a_lease_that_is_renewed_is_left_alone_and_a_dead_one_taken() {
    let start = Instant::now();
    let mut election = Election::new("b".into());
    for second in 0..60 {
        let now = start + Duration::from_secs(second);
        let version = u32::try_from(second / 10).unwrap();
        assert_eq!(election.handle_read(Some(record("a", version)), now), Move::Wait);
    }
    let last = start + Duration::from_secs(50);
    let at = |seconds| last + Duration::from_secs(seconds);
    assert_eq!(election.handle_read(Some(record("a", 5)), at(15)), Move::Wait);
    assert_eq!(election.handle_read(Some(record("a", 5)), at(16)), TAKE);
}

#[test]
fn a_leader_that_cannot_renew_stops_before_another_begins() {
    let start = Instant::now();
    let mut election = Election::new("a".into());
    election.handle_read(None, start);
    election.handle_written(1, "1".into(), start);
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(election.handle_failure(at(9)), Move::Wait);
    assert_eq!(election.patience(at(9)), Duration::from_secs(1));
    assert_eq!(election.handle_failure(at(10)), Move::Lost);
    assert_eq!(election.handle_read(Some(record("a", 1)), at(11)), Move::Lost);
    const { assert!(RENEW_DEADLINE.as_secs() < DURATION.as_secs()) };
}

#[test]
fn a_lease_in_other_hands_is_lost() {
    let now = Instant::now();
    let mut election = Election::new("a".into());
    election.handle_written(1, "1".into(), now);
    assert_eq!(election.handle_read(Some(record("b", 2)), now), Move::Lost);
    let mut again = Election::new("a".into());
    let renewal = Move::Write {
        transitions: 3,
        renewal: true,
    };
    assert_eq!(again.handle_read(Some(record("a", 7)), now), renewal);
}

/// A Lease behind a store with versions, as the API server has it.
#[derive(Default)]
struct Store(Option<Record>, u32);

impl Store {
    fn write(&mut self, seen: &Option<Record>, holder: &str, transitions: i32) -> Option<String> {
        let current = self.0.as_ref().map(|record| &record.version);
        if current != seen.as_ref().map(|record| &record.version) {
            return None;
        }
        self.1 += 1;
        let version = self.1.to_string();
        self.0 = Some(Record {
            holder: holder.into(),
            transitions,
            version: version.clone(),
        });
        Some(version)
    }
}

proptest! {
    /// Three replicas whose clocks differ, that are slow, cut off and started again at will: never do two lead at a time.
    #[test]
    fn there_is_one_leader_at_most(
        steps in prop::collection::vec((0_usize..3, 0_u64..9, 0_u8..10, 0_u64..3), 1..200),
        skews in prop::array::uniform3(0_u64..3600),
    ) {
        let start = Instant::now();
        let mut clock = Duration::ZERO;
        let mut store = Store::default();
        let mut replicas = ["a", "b", "c"].map(|name| Election::new(name.into()));
        for (who, pause, fault, lag) in steps {
            clock += Duration::from_secs(pause);
            let now = |clock: Duration| start + clock + Duration::from_secs(skews[who]);
            let replica = &mut replicas[who];
            let read = store.0.clone();
            let next = match fault {
                0 => replica.handle_failure(now(clock)),
                1 => { *replica = Election::new(["a", "b", "c"][who].into()); continue; }
                _ => replica.handle_read(read.clone(), now(clock)),
            };
            match next {
                Move::Write { transitions, .. } => {
                    // The write arrives late, or after somebody else's; its time counts from when it was sent.
                    let began = now(clock);
                    clock += Duration::from_secs(lag);
                    let name = ["a", "b", "c"][who];
                    if let Some(version) = store.write(&read, name, transitions) {
                        replicas[who].handle_written(transitions, version, began);
                    }
                }
                Move::Lost => *replica = Election::new(["a", "b", "c"][who].into()),
                Move::Wait => {}
            }
            // Who leads by its own clock: the process ends at its deadline even when no step of it comes.
            let leading = (0..3).filter(|&i| {
                let now = start + clock + Duration::from_secs(skews[i]);
                replicas[i].leads() && !replicas[i].is_late(now)
            }).count();
            prop_assert!(leading <= 1, "{leading} lead");
        }
    }
}
