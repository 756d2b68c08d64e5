//! An access link's effect on datagrams, in virtual time: which are dropped, and when the others leave it.
//!
//! ```text
//!     sent ─► queue ─► rate up ─► loss ─► delay ± jitter ─► the network
//! received ◄─ rate down ◄─ queue ◄───────────────────────── the network
//! ```
//!
//! All connections of a peer share its two rates, each with one queue that drops what does not fit (drop-tail). Delay, jitter
//! and loss belong to the way to a neighbour, and may differ from one to another. Nothing here reads a clock: times are
//! spans since a start that the caller chooses, and must not go back.

mod rate;
mod wander;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use fltorrent_crds::{
    plan::{LinkPlan, RatePlan},
    seeds,
};
use rand_chacha::ChaCha8Rng;

use self::{rate::Rate, wander::Wander};

/// Bytes of IP's and UDP's headers.
const HEADERS: [u64; 2] = [28, 48];

/// The fate of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves the link at this time.
    Leaves(Duration),
    /// The queue was full.
    Overflows,
    /// It was lost on its way.
    Lost,
}

/// Bytes of the IP packet that carries a datagram to or from an address.
pub fn packet_bytes(address: SocketAddr, datagram: usize) -> u64 {
    datagram as u64 + HEADERS[usize::from(address.ip().to_canonical().is_ipv6())]
}

/// The way from a peer to a neighbour, behind the peer's access link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Mean time on it.
    pub delay: Duration,
    /// How far the delay wanders up and down, at most `delay`.
    pub jitter: Duration,
    /// Share of the datagrams that is lost, millionths.
    pub loss: u32,
}

impl From<&LinkPlan> for Way {
    fn from(link: &LinkPlan) -> Self {
        Self {
            delay: link.delay,
            jitter: link.jitter,
            loss: link.loss,
        }
    }
}

/// A way with what has happened on it.
#[derive(Debug)]
struct Travelled {
    way: Way,
    wander: Wander,
    losses: ChaCha8Rng,
}

impl Travelled {
    fn new(way: Way, seed: u64, peer: u32, number: u32) -> Self {
        Self {
            way,
            wander: Wander::new(way.jitter, seeds::rng(seed, "network.jitter", peer, number)),
            losses: seeds::rng(seed, "network.loss", peer, number),
        }
    }

    fn send(&mut self, leaves: Duration) -> Fate {
        // A draw for every datagram, so that one loss does not shift the next.
        let drawn = seeds::below(&mut self.losses, 1_000_000);
        if drawn < self.way.loss {
            return Fate::Lost;
        }
        Fate::Leaves(self.wander.shift(leaves + self.way.delay, leaves))
    }
}

/// A peer's link as what it sends sees it.
#[derive(Debug)]
pub struct Uplink {
    rate: Option<Rate>,
    others: Travelled,
    neighbours: BTreeMap<SocketAddr, Travelled>,
}

impl Uplink {
    /// The uplink of a peer, with the same way to every neighbour. What is random follows from the run's seed.
    pub fn new(link: &LinkPlan, seed: u64, peer: u32) -> Self {
        Self {
            rate: link.up.map(Rate::new),
            others: Travelled::new(link.into(), seed, peer, 0),
            neighbours: BTreeMap::new(),
        }
    }

    /// Gives one neighbour a way of its own; `number` tells its random numbers from those of other neighbours and is not 0.
    #[must_use]
    pub fn with_way(mut self, to: SocketAddr, way: Way, seed: u64, peer: u32, number: u32) -> Self {
        self.neighbours.insert(to, Travelled::new(way, seed, peer, number));
        self
    }

    /// Sends an IP packet of so many bytes.
    pub fn send(&mut self, now: Duration, to: SocketAddr, bytes: u64) -> Fate {
        let leaves = match &mut self.rate {
            Some(rate) => rate.take(now, bytes),
            None => Some(now),
        };
        let Some(leaves) = leaves else {
            return Fate::Overflows;
        };
        self.neighbours.get_mut(&to).unwrap_or(&mut self.others).send(leaves)
    }
}

/// A peer's link as what it receives sees it.
#[derive(Debug)]
pub struct Downlink {
    rate: Rate,
}

impl Downlink {
    /// The downlink with a rate.
    pub fn new(rate: RatePlan) -> Self {
        Self { rate: Rate::new(rate) }
    }

    /// Receives an IP packet of so many bytes: it is through at the time given back, unless it is dropped.
    pub fn receive(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        self.rate.take(now, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn address(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn rate(rate: u64, queue: u64) -> Option<RatePlan> {
        Some(RatePlan { rate, queue })
    }

    fn link() -> LinkPlan {
        LinkPlan {
            up: rate(10_000_000, 62_500),
            down: None,
            delay: 50 * MS,
            jitter: 10 * MS,
            loss: 10_000,
        }
    }

    /// Fates of a packet a millisecond.
    fn fates(mut link: Uplink, count: u32) -> Vec<Fate> {
        (0..count).map(|i| link.send(MS * i, address(1), 1000)).collect()
    }

    #[test]
    fn the_same_seed_decides_the_same_and_another_one_otherwise() {
        let decided = |seed, peer| fates(Uplink::new(&link(), seed, peer), 2000);
        assert_eq!(decided(1, 2), decided(1, 2));
        assert_ne!(decided(1, 2), decided(2, 2));
        assert_ne!(decided(1, 2), decided(1, 3));
    }

    #[test]
    fn the_share_that_is_lost_is_the_one_asked_for() {
        let count = 200_000;
        let fates = fates(Uplink::new(&link(), 5, 0), count);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost).count();
        // Five standard deviations of a binomial distribution.
        let expected = f64::from(count) * 0.01;
        assert!((lost as f64 - expected).abs() < 5.0 * expected.sqrt(), "{lost}");
        let none = LinkPlan { loss: 0, ..link() };
        let fates = self::fates(Uplink::new(&none, 5, 0), 10_000);
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Leaves(_))));
    }

    #[test]
    fn neighbours_share_the_rate_and_each_has_its_own_way() {
        let near = Way {
            delay: 5 * MS,
            ..Way::default()
        };
        let plain = LinkPlan {
            jitter: Duration::ZERO,
            loss: 0,
            ..link()
        };
        let mut link = Uplink::new(&plain, 1, 0).with_way(address(9), near, 1, 0, 1);
        // 1250 bytes at 10 Mbit/s are a millisecond.
        assert_eq!(link.send(Duration::ZERO, address(1), 1250), Fate::Leaves(51 * MS));
        assert_eq!(link.send(Duration::ZERO, address(9), 1250), Fate::Leaves(7 * MS));
        assert_eq!(link.send(Duration::ZERO, address(2), 1250), Fate::Leaves(53 * MS));
    }

    #[test]
    fn packets_count_with_their_headers() {
        assert_eq!(packet_bytes(address(1), 1452), 1480);
        assert_eq!(packet_bytes("[::1]:1".parse().unwrap(), 1452), 1500);
        assert_eq!(packet_bytes("[::ffff:1.2.3.4]:1".parse().unwrap(), 1452), 1480);
    }

    #[test]
    fn a_link_without_limits_changes_nothing() {
        let mut link = Uplink::new(&LinkPlan::default(), 1, 0);
        for i in 0..1000 {
            assert_eq!(link.send(MS, address(1), 60_000 + i), Fate::Leaves(MS));
        }
    }
}
