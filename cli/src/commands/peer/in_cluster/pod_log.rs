//! What `kubectl logs` tells of a peer, beside what its driver logs itself.

use std::collections::{BTreeMap, BTreeSet};

use fltorrent_peer::news::News;
use fltorrent_records::report::RoundReport;

use crate::output::{bytes, figure};

/// Refusals of strangers that are told.
const STRANGERS: usize = 20;
/// Missing neighbours that are named.
const NAMED: usize = 8;

/// The log of a peer in a pod, with what was logged before, so that nothing is logged twice.
pub(super) struct PodLog {
    rounds: u32,
    neighbours: usize,
    missing: BTreeMap<u32, Option<String>>,
    strangers: BTreeSet<String>,
}

impl PodLog {
    pub(super) fn new(neighbours: &[u32], rounds: u32) -> Self {
        Self {
            rounds,
            neighbours: neighbours.len(),
            missing: neighbours.iter().map(|&peer| (peer, None)).collect(),
            strangers: BTreeSet::new(),
        }
    }

    pub(super) fn tell(&mut self, news: &News) {
        match news {
            News::Met { neighbour } => {
                self.missing.remove(neighbour);
                let there = self.neighbours - self.missing.len();
                tracing::info!(neighbour, there, of = self.neighbours, "connected to a neighbour");
            }
            News::Away { neighbour, why } => {
                let before = self.missing.insert(*neighbour, Some(why.clone()));
                if before.flatten().as_ref() != Some(why) {
                    tracing::warn!(neighbour, why, "a neighbour is away");
                }
            }
            News::Stranger { from, why, is_ending } => {
                let is_new = self.strangers.len() < STRANGERS && self.strangers.insert(format!("{from} {why}"));
                if is_new && *is_ending {
                    tracing::info!(%from, "a peer at this address is shutting down");
                } else if is_new {
                    tracing::warn!(%from, why, "a connection was refused");
                }
            }
            // The driver logs it.
            News::View(_) => {}
            News::Round(report) => self.round(report),
        }
    }

    /// Tells who is missing, if anybody.
    pub(super) fn remind(&self) {
        if let Some((neighbour, why)) = self.missing.first_key_value() {
            let named: Vec<String> = self.missing.keys().take(NAMED).map(ToString::to_string).collect();
            let why = why.as_deref().unwrap_or("no connection from it yet");
            tracing::info!(
                missing = self.missing.len(),
                peers = named.join(", "),
                "waiting for neighbours; of peer {neighbour}: {why}"
            );
        }
    }

    fn round(&self, report: &RoundReport) {
        tracing::info!(
            round = %format_args!("{}/{}", u64::from(report.round) + 1, self.rounds),
            accuracy = %figure(report.evaluation.accuracy()),
            loss = %figure(report.evaluation.loss()),
            received = %bytes(report.bytes_received),
            train = %format_args!("{:.2}s", report.train.seconds),
            exchange = %format_args!("{:.2}s", report.exchange_seconds),
            model = %report.model_hash,
            "finished a round"
        );
    }
}
