//! The door for strangers: bounds of the handshakes that are under way, and of the log lines about refused ones.
//!
//! A handshake costs memory from its first packet on, and anybody can send one, from any address. While few are under way all
//! are let in. Then only addresses are that answer (QUIC's Retry, RFC 9000, 8.1.2), which costs nothing to ask. And where the
//! place is full, the address that has most of it gives up its oldest handshake for the new one: a neighbour's takes a few round
//! trips, so that one which is old is of no use.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::AbortHandle;

/// Handshakes beside those of all neighbours that are let in as they come, and at most.
const SPARE: [usize; 2] = [8, 16];
/// Refusals that are told at once, and the time after which one more is.
const REFUSALS_LOGGED: (u32, Duration) = (20, Duration::from_secs(10));

/// The answer to somebody who wants to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The handshake begins.
    Enter {
        /// Names it.
        number: u64,
        /// One that ends for it.
        instead_of: Option<u64>,
    },
    /// The address is to show that it is there.
    Validate,
}

/// The handshakes that are under way, by age.
#[derive(Debug)]
struct Places {
    /// So many are let in as they come, and so many at most.
    most: [usize; 2],
    taken: BTreeMap<u64, IpAddr>,
    next: u64,
}

impl Places {
    fn new(neighbours: usize) -> Self {
        Self {
            most: [neighbours + SPARE[0], 2 * neighbours + SPARE[1]],
            taken: BTreeMap::new(),
            next: 0,
        }
    }

    fn knock(&mut self, from: IpAddr, is_validated: bool) -> Answer {
        let [calm, most] = self.most;
        if self.taken.len() >= calm && !is_validated {
            return Answer::Validate;
        }
        let instead_of = (self.taken.len() >= most).then(|| self.oldest_of_most());
        let instead_of = instead_of.flatten();
        if let Some(old) = instead_of {
            self.taken.remove(&old);
        }
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, site(from));
        Answer::Enter { number, instead_of }
    }

    /// The oldest handshake of the address that has most of them.
    fn oldest_of_most(&self) -> Option<u64> {
        let mut sites: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
        for (&number, &site) in &self.taken {
            sites.entry(site).or_insert((0, number)).0 += 1;
        }
        let (_, oldest) = sites
            .into_values()
            .max_by_key(|&(count, oldest)| (count, std::cmp::Reverse(oldest)))?;
        Some(oldest)
    }
}

/// Where somebody is: of IPv6, the network, whose addresses one machine has for the asking.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address => address,
    }
}

/// The door of an endpoint.
#[derive(Clone, Debug)]
pub(super) struct Door(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    places: Places,
    /// Handshakes that can be ended from here.
    tasks: BTreeMap<u64, AbortHandle>,
    refusals: RefusalLimit,
}

/// A handshake's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    door: Door,
}

impl Door {
    pub(super) fn new(neighbours: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            places: Places::new(neighbours),
            tasks: BTreeMap::new(),
            refusals: RefusalLimit::default(),
        })))
    }

    /// A place for a handshake; none where the address has to show first that it is there.
    pub(super) fn knock(&self, from: IpAddr, is_validated: bool) -> Option<Place> {
        let mut inner = self.inner();
        let Answer::Enter { number, instead_of } = inner.places.knock(from, is_validated) else {
            return None;
        };
        let old = instead_of.and_then(|old| inner.tasks.remove(&old));
        drop(inner);
        if let Some(old) = old {
            old.abort();
        }
        let door = self.clone();
        Some(Place { number, door })
    }

    /// The handle that ends a handshake when its place is taken. One that is over already has none.
    pub(super) fn keep(&self, number: u64, task: AbortHandle) {
        let mut inner = self.inner();
        if inner.places.taken.contains_key(&number) {
            inner.tasks.insert(number, task);
        }
    }

    /// Whether one more refusal may be told, and how many were not since the last one that was.
    pub(super) fn may_tell(&self) -> Option<u64> {
        self.inner().refusals.ask(Instant::now())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.door.inner();
        inner.places.taken.remove(&self.number);
        inner.tasks.remove(&self.number);
    }
}

/// How much was told of refusals. Time comes as an argument.
#[derive(Debug, Default)]
struct RefusalLimit {
    full_at: Option<Instant>,
    untold: u64,
}

impl RefusalLimit {
    fn ask(&mut self, now: Instant) -> Option<u64> {
        let (burst, every) = REFUSALS_LOGGED;
        let next = self.full_at.unwrap_or(now).max(now) + every;
        if next.saturating_duration_since(now) > every * burst {
            self.untold += 1;
            return None;
        }
        self.full_at = Some(next);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn enters(places: &mut Places, from: IpAddr) -> (u64, Option<u64>) {
        match places.knock(from, true) {
            Answer::Enter { number, instead_of } => (number, instead_of),
            Answer::Validate => panic!("it was validated"),
        }
    }

    #[test]
    fn addresses_have_to_answer_once_handshakes_pile_up() {
        let mut places = Places::new(2);
        for _ in 0..10 {
            let answer = places.knock(address(1), false);
            assert!(matches!(answer, Answer::Enter { .. }), "{answer:?}");
        }
        for _ in 0..1000 {
            assert_eq!(places.knock(address(1), false), Answer::Validate);
        }
        assert_eq!(places.taken.len(), 10, "who does not answer costs nothing");
        assert_eq!(enters(&mut places, address(2)), (10, None));
        places.taken.clear();
        assert!(matches!(places.knock(address(1), false), Answer::Enter { .. }));
    }

    #[test]
    fn who_answers_and_stands_still_keeps_nobody_out() {
        let mut places = Places::new(2);
        for number in 0..20 {
            assert_eq!(enters(&mut places, address(1)), (number, None));
        }
        // Another address takes the place of the one that has most, and keeps its own.
        assert_eq!(enters(&mut places, address(2)), (20, Some(0)));
        assert_eq!(enters(&mut places, address(1)), (21, Some(1)));
        assert_eq!(enters(&mut places, address(1)), (22, Some(2)));
        assert!(places.taken.contains_key(&20));
        // From the same address the newest are let in: a neighbour may be behind the same router.
        for _ in 0..100 {
            enters(&mut places, address(1));
        }
        assert_eq!(places.taken.len(), 20);
        assert!(places.taken.contains_key(&20));
    }

    #[test]
    fn a_machine_with_many_addresses_of_its_network_is_one() {
        let of = |text: &str| text.parse().unwrap();
        let mut places = Places::new(0);
        enters(&mut places, of("::ffff:10.0.0.1"));
        for last in 0..15 {
            enters(&mut places, of(&format!("fd77:0:0:1::{last:x}")));
        }
        assert_eq!(places.taken.len(), 16);
        assert_eq!(enters(&mut places, of("10.0.0.1")), (16, Some(1)));
        assert_eq!(enters(&mut places, of("fd77:0:0:2::1")), (17, Some(2)));
    }

    #[test]
    fn refusals_are_told_at_a_bounded_rate_and_the_rest_is_counted() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut refusals = RefusalLimit::default();
        for _ in 0..20 {
            assert_eq!(refusals.ask(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(refusals.ask(after(1)), None);
        }
        assert_eq!(refusals.ask(after(10)), Some(1000));
        assert_eq!(refusals.ask(after(11)), None);
        assert_eq!(refusals.ask(after(20)), Some(1));
    }
}
