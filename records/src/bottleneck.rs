//! Whom the peers of a run wait for.

use std::collections::BTreeMap;

use fltorrent_crds::experiment::MAX_PEERS;
use serde::{Deserialize, Deserializer, Serialize, de};

/// Where the time went that an update was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoundPhase {
    /// Into its training, until it was announced.
    Training,
    /// Into its exchange.
    Exchange,
}

impl RoundPhase {
    /// As the records have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Exchange => "exchange",
        }
    }
}

/// Whom a peer waited for last in a round: of the updates in the model that peer's was complete here last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bottleneck {
    /// That peer.
    #[serde(deserialize_with = "possible")]
    pub peer: u32,
    /// The phase that took more of the wait.
    pub phase: RoundPhase,
}

impl Bottleneck {
    /// Of a round, as its peers say: whom more than half of those waited for last that waited for somebody, and the phase that most of these
    /// name. None where they do not agree, as in a round that all ended at about the same time.
    pub fn of_round(said: impl IntoIterator<Item = Self>) -> Option<Self> {
        let counts = WaitedFor::count(said);
        let all: usize = counts.iter().map(WaitedFor::times).sum();
        let most = counts.first().filter(|most| 2 * most.times() > all)?;
        let phase = match most.training >= most.exchange {
            true => RoundPhase::Training,
            false => RoundPhase::Exchange,
        };
        Some(Self { peer: most.peer, phase })
    }
}

/// How often a peer was waited for last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitedFor {
    /// That peer.
    pub peer: u32,
    /// How often it was its training that took more of the wait.
    pub training: usize,
    /// How often it was the exchange.
    pub exchange: usize,
}

impl WaitedFor {
    /// Who was waited for, most often first.
    pub fn count(bottlenecks: impl IntoIterator<Item = Bottleneck>) -> Vec<Self> {
        let mut counts: BTreeMap<u32, Self> = BTreeMap::new();
        for Bottleneck { peer, phase } in bottlenecks {
            let none = Self {
                peer,
                training: 0,
                exchange: 0,
            };
            let count = counts.entry(peer).or_insert(none);
            match phase {
                RoundPhase::Training => count.training += 1,
                RoundPhase::Exchange => count.exchange += 1,
            }
        }
        let mut counts: Vec<Self> = counts.into_values().collect();
        counts.sort_by_key(|count| std::cmp::Reverse(count.times()));
        counts
    }

    /// How often in all.
    pub const fn times(&self) -> usize {
        self.training + self.exchange
    }
}

/// A peer that can be one of a run: a file is not trusted with memory.
fn possible<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        peer if peer < MAX_PEERS => Ok(peer),
        _ => Err(de::Error::custom(format_args!("expected a peer below {MAX_PEERS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        RoundPhase::{Exchange, Training},
        *,
    };

    fn said(these: &[(u32, RoundPhase)]) -> Vec<Bottleneck> {
        these.iter().map(|&(peer, phase)| Bottleneck { peer, phase }).collect()
    }

    #[test]
    fn more_than_half_of_those_who_waited_say_for_whom() {
        for (these, expected) in [
            (&[][..], None),
            // Of two peers one waits for the other.
            (&[(1, Training)], Some((1, Training))),
            (&[(1, Training), (0, Exchange)], None),
            (&[(1, Exchange), (0, Training), (1, Exchange)], Some((1, Exchange))),
            (&[(1, Exchange), (1, Training), (0, Exchange)], Some((1, Training))),
            (&[(1, Exchange), (2, Training), (0, Exchange)], None),
        ] {
            let expected = expected.map(|(peer, phase)| Bottleneck { peer, phase });
            assert_eq!(Bottleneck::of_round(said(these)), expected, "{these:?}");
        }
    }

    #[test]
    fn who_was_waited_for_most_often_comes_first() {
        let these = said(&[
            (5, Training),
            (2, Exchange),
            (2, Training),
            (7, Training),
            (2, Exchange),
        ]);
        let counts = WaitedFor::count(these);
        let found: Vec<_> = counts.iter().map(|it| (it.peer, it.training, it.exchange)).collect();
        assert_eq!(found, [(2, 1, 2), (5, 1, 0), (7, 1, 0)]);
        assert_eq!(counts[0].times(), 3);
    }
}
