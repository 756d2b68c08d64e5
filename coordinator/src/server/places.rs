//! Who has a place at a port: bounded in all, for each address while it is a stranger's, and for each member of a run.
//!
//! A stranger is whoever has not shown a certificate yet. When all places are taken, the address with the most strangers gives up its
//! oldest one for somebody else: connections that are opened and left alone keep nobody out.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use crate::{identity::Identity, rate::source};

/// Connections of one member of a run at a time; it sends its reports one after the other.
const OF_ONE_MEMBER: usize = 4;

/// Limits of open connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// All.
    pub(crate) at_once: usize,
    /// Strangers of one address; none where all come from one address anyway.
    pub(crate) of_one_address: Option<usize>,
}

/// The decision about a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<H> {
    /// Yes; by this number it is known.
    Place(u64),
    /// Yes, and somebody else has to leave.
    Instead(u64, Option<H>),
    /// Not before somebody has left.
    Wait,
    /// No: its address has too many.
    Refused,
}

/// The open connections. `H` is the handle by which a stranger's connection is closed.
#[derive(Debug)]
pub(crate) struct Places<H> {
    limits: Limits,
    next: u64,
    /// In the order of arrival.
    strangers: BTreeMap<u64, Stranger<H>>,
    by_source: HashMap<IpAddr, usize>,
    members: HashMap<u64, Identity>,
}

#[derive(Debug)]
struct Stranger<H> {
    source: IpAddr,
    handle: Option<H>,
}

impl<H> Places<H> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            strangers: BTreeMap::new(),
            by_source: HashMap::new(),
            members: HashMap::new(),
        }
    }

    /// Somebody comes from an address.
    pub(crate) fn enter(&mut self, from: IpAddr) -> Entry<H> {
        let source = source(from);
        let here = self.by_source.get(&source).copied().unwrap_or(0);
        if self.limits.of_one_address.is_some_and(|most| here >= most) {
            return Entry::Refused;
        }
        if self.strangers.len() + self.members.len() < self.limits.at_once {
            return Entry::Place(self.take(source));
        }
        let most = self.by_source.values().copied().max().unwrap_or(0);
        // Where it would only turn the tables, the one that was first stays.
        if most < here + 2 {
            return Entry::Wait;
        }
        let oldest = self
            .strangers
            .iter()
            .find(|(_, stranger)| self.by_source.get(&stranger.source) == Some(&most));
        let Some(oldest) = oldest.map(|(&number, _)| number) else {
            return Entry::Wait;
        };
        let handle = self.remove_stranger(oldest).and_then(|it| it.handle);
        Entry::Instead(self.take(source), handle)
    }

    /// Sets the handle by which a stranger's connection is closed; no effect if it has left or is a member.
    pub(crate) fn attach(&mut self, number: u64, handle: H) {
        if let Some(stranger) = self.strangers.get_mut(&number) {
            stranger.handle = Some(handle);
        }
    }

    /// A stranger has shown whom it is. Says whether it may stay.
    pub(crate) fn prove(&mut self, number: u64, identity: Identity) -> bool {
        if self.remove_stranger(number).is_none() {
            return false;
        }
        let same = self.members.values().filter(|&&it| it == identity).count();
        if same >= OF_ONE_MEMBER {
            return false;
        }
        self.members.insert(number, identity);
        true
    }

    /// Somebody leaves, if it is there.
    pub(crate) fn leave(&mut self, number: u64) {
        self.members.remove(&number);
        self.remove_stranger(number);
    }

    fn take(&mut self, source: IpAddr) -> u64 {
        let number = self.next;
        self.next += 1;
        *self.by_source.entry(source).or_default() += 1;
        let handle = None;
        self.strangers.insert(number, Stranger { source, handle });
        number
    }

    fn remove_stranger(&mut self, number: u64) -> Option<Stranger<H>> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(count) = self.by_source.get_mut(&stranger.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&stranger.source);
            }
        }
        Some(stranger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::RunId;

    const LIMITS: Limits = Limits {
        at_once: 6,
        of_one_address: Some(4),
    };

    fn address(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    /// The number of whoever enters, with its number attached.
    fn entered(places: &mut Places<u64>, last: u8) -> u64 {
        let Entry::Place(number) = places.enter(address(last)) else {
            panic!("no place for {last}");
        };
        places.attach(number, number);
        number
    }

    #[test]
    fn one_address_takes_its_share_and_makes_room_for_others() {
        let mut places = Places::new(LIMITS);
        let first: Vec<u64> = (0..4).map(|_| entered(&mut places, 1)).collect();
        assert_eq!(places.enter(address(1)), Entry::Refused);
        let second = entered(&mut places, 2);
        let third = entered(&mut places, 3);
        // All places are taken: the oldest of who has the most leaves.
        assert_eq!(places.enter(address(4)), Entry::Instead(6, Some(first[0])));
        assert_eq!(places.enter(address(2)), Entry::Instead(7, Some(first[1])));
        // The handle of one that has none yet is simply not there, and the shares are even now.
        assert_eq!(places.enter(address(4)), Entry::Wait);
        assert_eq!(places.enter(address(3)), Entry::Wait);
        // One that was made to leave leaves once.
        places.leave(first[0]);
        for number in [first[2], first[3], second, third, 6, 7] {
            places.leave(number);
        }
        assert!(places.by_source.is_empty() && places.strangers.is_empty());
    }

    #[test]
    fn where_all_have_one_address_they_wait() {
        let mut places = Places::new(Limits {
            of_one_address: None,
            ..LIMITS
        });
        let all: Vec<u64> = (0..6).map(|_| entered(&mut places, 1)).collect();
        assert_eq!(places.enter(address(1)), Entry::Wait);
        places.leave(all[3]);
        assert_eq!(places.enter(address(1)), Entry::Place(6));
    }

    #[test]
    fn members_are_bounded_by_who_they_are_and_never_displaced() {
        let mut places = Places::new(LIMITS);
        let run = RunId::from_bytes([1; 16]);
        let (one, other) = (Identity::peer(run, 1, 0, 0), Identity::peer(run, 2, 0, 0));
        for _ in 0..OF_ONE_MEMBER {
            let number = entered(&mut places, 1);
            assert!(places.prove(number, one));
        }
        let fifth = entered(&mut places, 1);
        assert!(!places.prove(fifth, one));
        places.leave(fifth);
        for _ in 0..2 {
            let number = entered(&mut places, 1);
            assert!(places.prove(number, other));
        }
        assert_eq!(places.enter(address(2)), Entry::Wait);
        places.leave(0);
        let next = entered(&mut places, 2);
        assert!(places.prove(next, one));
    }
}
