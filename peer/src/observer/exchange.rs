//! Notes on the exchange that is on: when chunks came, and over which links.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use fltorrent_crds::plan::CongestionControl;
use fltorrent_swarm::{Time, Wait};

use fltorrent_records::exchange::{Cpu, Exchange, Flow, MAX_FLOWS, MAX_ORIGINS, MAX_POINTS, TransportFigures, Waits};

/// Notes on the exchange that is on; their size is bounded by [`MAX_POINTS`] and the number of peers.
#[derive(Debug)]
pub(super) struct ExchangeNotes {
    chunks: u32,
    total: u64,
    held: u64,
    published: Option<Time>,
    points: Vec<(Time, u64)>,
    /// Chunks held and the time of the last one, by origin.
    origins: Vec<(u32, Time)>,
    /// Bytes sent since the last round's end, by neighbour.
    sent: BTreeMap<u32, u64>,
    /// Bytes received up to the last round's end, by neighbour.
    received_before: BTreeMap<u32, u64>,
    /// The peer's wait since then.
    wait: (Time, Wait),
    /// Time spent without anything to ask for, and choked.
    waited: [Duration; 2],
    /// Up to the last round's end.
    transport_before: TransportFigures,
    /// Up to the last round's end.
    cpu_before: Cpu,
}

impl ExchangeNotes {
    /// For so many peers, whose updates have so many chunks each.
    pub(super) fn new(peers: u32, chunks: u32) -> Self {
        Self {
            chunks,
            total: u64::from(peers) * u64::from(chunks),
            held: 0,
            published: None,
            points: Vec::new(),
            origins: vec![(0, Time::ZERO); peers as usize],
            sent: BTreeMap::new(),
            received_before: BTreeMap::new(),
            wait: (Time::ZERO, Wait::Served),
            waited: [Duration::ZERO; 2],
            transport_before: TransportFigures::default(),
            cpu_before: Cpu::default(),
        }
    }

    /// The peer's wait from now on. It counts from when its own update was ready.
    pub(super) fn waits(&mut self, now: Time, wait: Wait) {
        let (since, before) = std::mem::replace(&mut self.wait, (now, wait));
        let Some(published) = self.published else {
            return;
        };
        let passed = now.saturating_sub(since.max(published));
        match before {
            Wait::Nothing => self.waited[0] += passed,
            Wait::Choked => self.waited[1] += passed,
            Wait::Served => {}
        }
    }

    /// This peer's own update is ready: all its chunks are held.
    pub(super) fn published(&mut self, now: Time, me: u32) {
        self.published = Some(now);
        self.add(now, me, self.chunks);
    }

    /// A chunk of another peer was stored.
    pub(super) fn stored(&mut self, now: Time, origin: u32) {
        // A model that this peer takes over is nobody's update.
        if (origin as usize) < self.origins.len() {
            self.add(now, origin, 1);
        }
    }

    /// A chunk was sent.
    pub(super) fn sent(&mut self, neighbour: u32, bytes: u64) {
        *self.sent.entry(neighbour).or_default() += bytes;
    }

    fn add(&mut self, now: Time, origin: u32, chunks: u32) {
        let before = self.step();
        self.held += u64::from(chunks);
        if let Some((held, last)) = self.origins.get_mut(origin as usize) {
            *held += chunks;
            *last = now;
        }
        // One point for each of the equal steps that the count goes through.
        if self.step() > before {
            self.points.push((now, self.held));
        }
    }

    /// The equal part of the whole that the count is in; the last part is the whole itself.
    fn step(&self) -> u64 {
        self.held * (MAX_POINTS as u64 - 1) / self.total.max(1)
    }

    /// The round is over; `received` are all bytes received since the start, by neighbour, `transport` is what QUIC has
    /// counted since then, and `cpu` what this process has computed. The notes begin anew.
    pub(super) fn finish(
        &mut self,
        now: Time,
        round: u32,
        received: impl Iterator<Item = (u32, u64)>,
        transport: TransportFigures,
        cpu: Cpu,
    ) -> Exchange {
        self.waits(now, Wait::Served);
        let [nothing, choked] = std::mem::take(&mut self.waited).map(|time| rounded(time.as_secs_f64()));
        let before = std::mem::replace(&mut self.transport_before, transport);
        let cpu_before = std::mem::replace(&mut self.cpu_before, cpu);
        let published = self.published.take().unwrap_or_default();
        let seconds = |at: Time| rounded(at.as_secs_f64() - published.as_secs_f64());
        let stride = self.origins.len().div_ceil(MAX_ORIGINS).max(1);
        let exchange = Exchange {
            round,
            completion: self
                .points
                .iter()
                .map(|&(at, held)| (seconds(at), held as u32))
                .collect(),
            flows: self.flows(received),
            origins: (0..)
                .zip(&self.origins)
                .step_by(stride)
                .filter(|(_, (held, _))| *held == self.chunks)
                .map(|(origin, (_, last))| (origin, seconds(*last)))
                .collect(),
            waits: Waits { nothing, choked },
            transport: transport.since(before),
            cpu: cpu.since(cpu_before),
            congestion_control: CongestionControl::default(),
        };
        self.held = 0;
        self.points.clear();
        self.origins.fill((0, Time::ZERO));
        exchange
    }

    fn flows(&mut self, received: impl Iterator<Item = (u32, u64)>) -> Vec<Flow> {
        let mut sent = std::mem::take(&mut self.sent);
        let mut flows: Vec<Flow> = received
            .map(|(neighbour, all)| {
                let before = self.received_before.insert(neighbour, all).unwrap_or(0);
                Flow {
                    neighbour,
                    bytes_sent: sent.remove(&neighbour).unwrap_or(0),
                    bytes_received: all - before,
                }
            })
            .collect();
        flows.sort_by_key(|flow| Reverse(flow.bytes_sent + flow.bytes_received));
        flows.truncate(MAX_FLOWS);
        flows.sort_by_key(|flow| flow.neighbour);
        flows
    }
}

/// To a tenth of a millisecond: a curve needs no more, and the file stays small.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn ms(milliseconds: u64) -> Time {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_round_is_told_in_its_own_time_and_the_next_begins_anew() {
        let mut notes = ExchangeNotes::new(3, 2);
        notes.stored(ms(90), 2);
        notes.published(ms(100), 0);
        notes.stored(ms(110), 2);
        notes.stored(ms(120), 1);
        notes.stored(ms(150), 1);
        notes.sent(1, 8);
        notes.sent(1, 8);
        notes.waits(ms(90), Wait::Nothing);
        notes.waits(ms(105), Wait::Choked);
        notes.waits(ms(115), Wait::Served);
        notes.waits(ms(140), Wait::Nothing);
        let counted = TransportFigures {
            packets: 7,
            ..TransportFigures::default()
        };
        let cpu = Cpu {
            exchange: 0.5,
            process: 2.0,
        };
        let exchange = notes.finish(ms(150), 4, [(1, 24), (2, 8)].into_iter(), counted, cpu);
        assert_eq!(
            exchange,
            Exchange {
                round: 4,
                completion: vec![(-0.01, 1), (0.0, 3), (0.01, 4), (0.02, 5), (0.05, 6)],
                flows: vec![
                    Flow {
                        neighbour: 1,
                        bytes_sent: 16,
                        bytes_received: 24
                    },
                    Flow {
                        neighbour: 2,
                        bytes_sent: 0,
                        bytes_received: 8
                    },
                ],
                origins: vec![(0, 0.0), (1, 0.05), (2, 0.01)],
                waits: Waits {
                    nothing: 0.015,
                    choked: 0.01
                },
                transport: counted,
                cpu,
                congestion_control: CongestionControl::default(),
            }
        );

        notes.published(ms(200), 0);
        for origin in [1, 1, 2, 2] {
            notes.stored(ms(300), origin);
        }
        let next = notes.finish(
            ms(300),
            5,
            [(1, 48), (2, 8)].into_iter(),
            counted.plus(counted),
            Cpu {
                exchange: 0.75,
                process: 3.0,
            },
        );
        assert_eq!(next.transport, counted);
        let new = Cpu {
            exchange: 0.25,
            process: 1.0,
        };
        assert_eq!(next.cpu, new);
        assert_eq!(next.waits, Waits::default());
        assert_eq!(next.completion.first(), Some(&(0.0, 2)));
        assert_eq!(next.completion.last(), Some(&(0.1, 6)));
        let received: Vec<u64> = next.flows.iter().map(|flow| flow.bytes_received).collect();
        assert_eq!(received, [24, 0]);
        assert_eq!(next.flows[0].bytes_sent, 0);
    }

    #[test]
    fn a_line_is_bounded_however_many_peers_there_are() {
        let mut notes = ExchangeNotes::new(1000, 50);
        notes.published(ms(0), 0);
        for at in 0..999 * 50 {
            notes.stored(ms(at), 1 + (at / 50) as u32);
        }
        let received = (1..1000).map(|peer| (peer, u64::from(peer)));
        let exchange = notes.finish(ms(50_000), 0, received, TransportFigures::default(), Cpu::default());
        assert!(exchange.completion.len() <= MAX_POINTS);
        assert_eq!(exchange.completion.last().map(|last| last.1), Some(50_000));
        assert!(exchange.origins.len() <= MAX_ORIGINS);
        assert_eq!(exchange.flows.len(), MAX_FLOWS);
        assert_eq!(exchange.flows[0].neighbour, 999 - MAX_FLOWS as u32 + 1);
        assert!(serde_json::to_string(&exchange).unwrap().len() < 12 * 1024);
    }
}
