//! What our peers took, from their metrics files.

use std::{fs::File, io};

use fltorrent_peer::journal::exchange::Exchange;

use crate::launcher::{
    Results,
    journal::{Line, lines},
};

/// One run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ours {
    /// Bytes of chunks that all peers together received; of those that were sent, as many.
    pub(super) payload: f64,
    /// Seconds of exchange: in each round from when the first peer had its update until the last one had all.
    pub(super) seconds: f64,
    /// CPU seconds of the threads that exchange.
    pub(super) exchange: f64,
    /// CPU seconds of whole processes.
    pub(super) process: f64,
    /// Most bytes that one peer had in memory.
    pub(super) memory: u64,
}

impl Ours {
    /// Reads what `peers` peers have written.
    pub(super) fn read(results: &Results, peers: u32) -> io::Result<Self> {
        let mut rounds = Vec::new();
        let mut memory = 0;
        for index in 0..peers {
            let file = File::open(results.of_peer(index, "jsonl"))?;
            for (time, line) in lines(file).flatten() {
                match line {
                    Line::Exchange(exchange) => rounds.push((time, *exchange)),
                    Line::Round(report) => memory = memory.max(report.peak_rss_bytes),
                    _ => {}
                }
            }
        }
        Ok(Self {
            memory,
            ..Self::of(&rounds)
        })
    }

    /// Rounds of all peers with the times at which they ended.
    fn of(rounds: &[(f64, Exchange)]) -> Self {
        let mut ours = Self::default();
        let last = rounds.iter().map(|(_, exchange)| exchange.round).max();
        for round in 0..=last.unwrap_or(0) {
            let (mut began, mut ended) = (f64::INFINITY, f64::NEG_INFINITY);
            for (time, exchange) in rounds
                .iter()
                .filter(|(_, exchange)| exchange.round == round)
            {
                let lasted = exchange.completion.last().map_or(0.0, |last| last.0);
                began = began.min(time - lasted);
                ended = ended.max(*time);
                // A peer goes on to serve after its line of the last round, so what it sent and what it received differ, and
                // each has its cost.
                let flows = exchange.flows.iter();
                let bytes: u64 = flows
                    .map(|flow| flow.bytes_sent + flow.bytes_received)
                    .sum();
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
    use super::*;
    use fltorrent_peer::journal::exchange::{Cpu, Flow};

    #[test]
    fn a_round_is_from_the_first_update_to_the_last_chunk() {
        let round = |round, lasted, bytes_sent| Exchange {
            round,
            completion: vec![(0.0, 1), (lasted, 2)],
            flows: vec![Flow {
                neighbour: 1,
                bytes_sent,
                bytes_received: 100,
            }],
            cpu: Cpu {
                exchange: 0.5,
                process: 0.75,
            },
            ..Exchange::default()
        };
        // Peer 0 has its update at 10 and at 20, peer 1 at 11 and at 21.
        let rounds = [
            (12.0, round(0, 2.0, 80)),
            (23.0, round(1, 3.0, 120)),
            (13.0, round(0, 2.0, 100)),
            (22.0, round(1, 1.0, 90)),
        ];
        let ours = Ours::of(&rounds);
        assert_eq!(
            ours,
            Ours {
                payload: 395.0,
                seconds: 6.0,
                exchange: 2.0,
                process: 3.0,
                memory: 0
            }
        );
    }
}
