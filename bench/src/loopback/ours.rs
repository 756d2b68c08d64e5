//! What our peers took, from their metrics files.

use std::io;

use fltorrent_cli::launcher::Results;
use fltorrent_records::{
    exchange::Exchange,
    file::lines,
    line::{Event, Line},
};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ours {
    /// Bytes of chunks that all peers together received; of those that were sent, as many.
    pub(super) payload: f64,
    /// Seconds of exchange: in each round from when the first peer had its update until the last one had all.
    pub(super) seconds: f64,
    /// Chunks received while all peers had their update and none was complete, so that nobody computes beside the exchange.
    pub(super) undisturbed: Undisturbed,
    /// CPU seconds of the threads that exchange.
    pub(super) exchange: f64,
    /// CPU seconds of whole processes.
    pub(super) process: f64,
    /// Most bytes that one peer had in memory.
    pub(super) memory: u64,
}

/// A part of the exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Undisturbed {
    /// Bytes of chunks that came.
    pub(super) payload: f64,
    /// Seconds.
    pub(super) seconds: f64,
}

impl Undisturbed {
    /// Of one round: when it ended at each peer, and what each says of it.
    fn of(round: &[(f64, &Exchange)]) -> Self {
        let began = |&(ended, exchange): &(f64, &Exchange)| ended - lasted(exchange);
        let from = round.iter().map(began).fold(f64::NEG_INFINITY, f64::max);
        let to = round.iter().map(|(ended, _)| *ended).fold(f64::INFINITY, f64::min);
        if from >= to {
            return Self::default();
        }
        let came = round.iter().map(|peer| {
            let held = |time: f64| held(&peer.1.completion, time - began(peer));
            let received: u64 = peer.1.flows.iter().map(|flow| flow.bytes_received).sum();
            let all = peer.1.completion.last().map_or(0, |last| last.1);
            let of_others = f64::from(all) * (1.0 - 1.0 / round.len() as f64);
            received as f64 * (held(to) - held(from)) / of_others.max(1.0)
        });
        Self {
            payload: came.sum(),
            seconds: to - from,
        }
    }
}

fn lasted(exchange: &Exchange) -> f64 {
    exchange.completion.last().map_or(0.0, |last| last.0)
}

/// Chunks held at a time, between two points of a curve in proportion.
fn held(curve: &[(f64, u32)], time: f64) -> f64 {
    let after = curve.partition_point(|point| point.0 <= time);
    let before = after.checked_sub(1).and_then(|at| curve.get(at));
    match (before, curve.get(after)) {
        (Some(&(begin, few)), Some(&(end, many))) => {
            let part = (time - begin) / (end - begin);
            f64::from(few) + part * (f64::from(many) - f64::from(few))
        }
        (Some(&(_, held)), None) | (None, Some(&(_, held))) => f64::from(held),
        (None, None) => 0.0,
    }
}

impl Ours {
    /// Reads what `peers` peers have written.
    pub(super) fn read(results: &Results, peers: u32) -> io::Result<Self> {
        let mut rounds = Vec::new();
        let mut memory = 0;
        for index in 0..peers {
            for Line { time, event } in lines(&results.of_peer(index, "jsonl"))?.flatten() {
                match event {
                    Event::Exchange(exchange) => rounds.push((time, *exchange)),
                    Event::Round(report) => memory = memory.max(report.peak_rss_bytes),
                    _ => {}
                }
            }
        }
        Ok(Self {
            memory,
            ..Self::of(&rounds)
        })
    }

    /// Rounds of all peers with the times at which they ended. The first one is left out: connections are made in it and memory is
    /// taken for the first time, which bare QUIC's time has neither of.
    fn of(rounds: &[(f64, Exchange)]) -> Self {
        let mut ours = Self::default();
        let last = rounds.iter().map(|(_, exchange)| exchange.round).max();
        for round in 1..=last.unwrap_or(0) {
            let (mut began, mut ended) = (f64::INFINITY, f64::NEG_INFINITY);
            let of_round: Vec<(f64, &Exchange)> = rounds
                .iter()
                .filter(|(_, exchange)| exchange.round == round)
                .map(|(time, exchange)| (*time, exchange))
                .collect();
            let undisturbed = Undisturbed::of(&of_round);
            ours.undisturbed.payload += undisturbed.payload;
            ours.undisturbed.seconds += undisturbed.seconds;
            for &(time, exchange) in &of_round {
                began = began.min(time - lasted(exchange));
                ended = ended.max(time);
                // A peer goes on to serve after its line of the last round, so what it sent and what it received differ, and
                // each has its cost.
                let flows = exchange.flows.iter();
                let bytes: u64 = flows.map(|flow| flow.bytes_sent + flow.bytes_received).sum();
                ours.payload += bytes as f64 / 2.0;
                ours.exchange += exchange.cpu.exchange;
                ours.process += exchange.cpu.process;
            }
            ours.seconds += (ended - began).max(0.0);
        }
        ours
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::exchange::{Cpu, Flow};

    use super::*;

    fn round(round: u32, completion: &[(f64, u32)], sent: u64) -> Exchange {
        Exchange {
            round,
            completion: completion.to_vec(),
            flows: vec![Flow {
                neighbour: 1,
                bytes_sent: sent,
                bytes_received: 100,
            }],
            cpu: Cpu {
                exchange: 0.5,
                process: 0.75,
            },
            ..Exchange::default()
        }
    }

    #[test]
    fn a_round_is_from_the_first_update_to_the_last_chunk_and_the_first_one_does_not_count() {
        // Peer 0 has its update at 10 and at 20, peer 1 at 11 and at 21; between 21 and 22 both exchange.
        let rounds = [
            (12.0, round(0, &[(0.0, 1), (2.0, 2)], 80)),
            (23.0, round(1, &[(0.0, 10), (1.0, 12), (3.0, 20)], 120)),
            (13.0, round(0, &[(0.0, 1), (2.0, 2)], 100)),
            (22.0, round(1, &[(-0.5, 5), (0.0, 15), (1.0, 20)], 90)),
        ];
        let ours = Ours::of(&rounds);
        assert_eq!(
            ours,
            Ours {
                payload: 205.0,
                seconds: 3.0,
                // Of ten chunks of 10 bytes that each gets, half of eight and five.
                undisturbed: Undisturbed {
                    payload: 90.0,
                    seconds: 1.0
                },
                exchange: 1.0,
                process: 1.5,
                memory: 0
            }
        );
    }

    #[test]
    fn one_that_begins_after_another_has_all_leaves_nothing_undisturbed() {
        let rounds = [
            (12.0, round(1, &[(0.0, 1), (1.0, 2)], 100)),
            (15.0, round(1, &[(-2.0, 1), (2.0, 2)], 100)),
        ];
        assert_eq!(Ours::of(&rounds).undisturbed, Undisturbed::default());
        assert_eq!(held(&[], 1.0), 0.0);
        assert_eq!(held(&[(1.0, 5)], 0.0), 5.0);
    }
}
