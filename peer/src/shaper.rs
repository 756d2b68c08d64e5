//! An access link's effect on datagrams, in virtual time: which are dropped, and when the others leave it.
//!
//! ```text
//!     sent ─► queue ─► rate up ─► loss ─► delay ± jitter ─► the network
//! received ◄─ rate down ◄─ queue ◄───────────────────────── the network
//! ```
//!
//! All connections of a peer share its two rates, each with one queue that drops what does not fit (drop-tail). Delay, jitter
//! and loss come behind them. Nothing here reads a clock: times are spans since a start that the caller chooses, and must
//! not go back.

mod rate;
mod wander;

use std::{net::SocketAddr, time::Duration};

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

/// A peer's link as what it sends sees it.
#[derive(Debug)]
pub struct Uplink {
    link: LinkPlan,
    rate: Option<Rate>,
    wander: Wander,
    losses: ChaCha8Rng,
}

impl Uplink {
    /// The uplink of a peer. What is random follows from the run's seed.
    pub fn new(link: &LinkPlan, seed: u64, peer: u32) -> Self {
        Self {
            link: *link,
            rate: link.up.map(Rate::new),
            wander: Wander::new(link.jitter, seeds::rng(seed, "network.jitter", peer, 0)),
            losses: seeds::rng(seed, "network.loss", peer, 0),
        }
    }

    /// Sends an IP packet of so many bytes.
    pub fn send(&mut self, now: Duration, bytes: u64) -> Fate {
        let leaves = match &mut self.rate {
            Some(rate) => rate.take(now, bytes),
            None => Some(now),
        };
        let Some(leaves) = leaves else {
            return Fate::Overflows;
        };
        // A draw for every datagram, so that one loss does not shift the next.
        let drawn = seeds::below(&mut self.losses, 1_000_000);
        if drawn < self.link.loss {
            return Fate::Lost;
        }
        Fate::Leaves(self.wander.shift(leaves + self.link.delay, leaves))
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
        (0..count).map(|i| link.send(MS * i, 1000)).collect()
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
    fn packets_count_with_their_headers() {
        assert_eq!(packet_bytes(address(1), 1452), 1480);
        assert_eq!(packet_bytes("[::1]:1".parse().unwrap(), 1452), 1500);
        assert_eq!(packet_bytes("[::ffff:1.2.3.4]:1".parse().unwrap(), 1452), 1480);
    }

    #[test]
    fn a_link_without_limits_changes_nothing() {
        let mut link = Uplink::new(&LinkPlan::default(), 1, 0);
        for i in 0..1000 {
            assert_eq!(link.send(MS, 60_000 + i), Fate::Leaves(MS));
        }
    }
}
