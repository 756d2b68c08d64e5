//! Lines for the person who started a peer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use fltorrent_peer::news::News;
use fltorrent_records::report::RoundReport;

use super::setup::Setup;
use crate::output::{Summary, bytes, description_text, figure};

/// Refusals of strangers that are told; more are in the log only.
const STRANGERS: usize = 20;

/// The lines of a peer on a terminal, with what was printed before, so that nothing is printed twice.
pub(super) struct Lines<'a> {
    setup: &'a Setup,
    listens: SocketAddr,
    metrics: Option<SocketAddr>,
    /// Neighbours that are not connected, with the last that is known of the cause.
    missing: BTreeMap<u32, Option<String>>,
    met: BTreeSet<u32>,
    strangers: BTreeSet<(IpAddr, String)>,
    rounds_begun: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(setup: &'a Setup, listens: SocketAddr, metrics: Option<SocketAddr>) -> Self {
        Self {
            setup,
            listens,
            metrics,
            missing: neighbours(setup).iter().map(|&peer| (peer, None)).collect(),
            met: BTreeSet::new(),
            strangers: BTreeSet::new(),
            rounds_begun: false,
        }
    }

    pub(super) fn has_met_anyone(&self) -> bool {
        !self.met.is_empty()
    }

    pub(super) fn header(&self) -> String {
        let plan = &self.setup.resolved.plan;
        let list: Vec<String> = neighbours(self.setup).iter().map(ToString::to_string).collect();
        let metrics = match self.metrics {
            Some(address) => format!("\n  metrics  http://{address}/metrics"),
            None => String::new(),
        };
        format!(
            "{}\n  plan     {}\n  run      {}, attempt {}\n  peer     {} of {}, listens on UDP {}, neighbours {}{metrics}\n  results  {}",
            description_text(&self.setup.description),
            plan.hash_text(),
            self.setup.run,
            self.setup.attempt,
            self.setup.index,
            plan.peers.len(),
            self.listens,
            list.join(", "),
            self.setup.results.path().display(),
        )
    }

    /// Who is missing, where it should be, and why; none when all are there.
    pub(super) fn waiting(&self) -> Option<String> {
        let missing: Vec<String> = self
            .missing
            .iter()
            .map(|(&peer, why)| self.one_missing(peer, why.as_deref()))
            .collect();
        (!missing.is_empty()).then(|| missing.join("\n"))
    }

    fn one_missing(&self, peer: u32, why: Option<&str>) -> String {
        let address = self
            .setup
            .nodes
            .peers
            .get(peer as usize)
            .map_or_else(String::new, |node| format!(" at {}", node.address));
        let why = why.unwrap_or(if peer > self.setup.index {
            "it has not connected yet: it is the side that dials; check that it runs, and its output"
        } else {
            "it has not answered yet"
        });
        format!("waiting for peer {peer}{address}: {why}")
    }

    /// The line about a piece of news; none if it was printed before.
    pub(super) fn news(&mut self, news: &News) -> Option<String> {
        match news {
            News::Met { neighbour } => {
                self.missing.remove(neighbour);
                self.met.insert(*neighbour);
                let all = neighbours(self.setup).len();
                Some(format!(
                    "connected to peer {neighbour}: {} of {all} neighbours",
                    all - self.missing.len()
                ))
            }
            News::Away { neighbour, why } => {
                let before = self.missing.insert(*neighbour, Some(why.clone()));
                (before.flatten().as_ref() != Some(why)).then(|| self.one_missing(*neighbour, Some(why)))
            }
            News::Stranger { from, why, is_ending } => {
                let is_told = self.strangers.len() >= STRANGERS || !self.strangers.insert((*from, why.clone()));
                (!is_told).then(|| stranger(*from, why, *is_ending))
            }
            News::View(notice) => Some(notice.to_string()),
            News::Round(report) => Some(self.round(report)),
        }
    }

    fn round(&mut self, report: &RoundReport) -> String {
        let head = if std::mem::replace(&mut self.rounds_begun, true) {
            String::new()
        } else {
            format!(
                "\n{:>9} {:>9} {:>9} {:>13} {:>10} {:>9} {:>10}  model\n",
                "round", "accuracy", "loss", "chunks", "received", "train", "exchange"
            )
        };
        format!(
            "{head}{:>9} {:>9} {:>9} {:>13} {:>10} {:>8.2}s {:>9.2}s  {:.12}",
            format!(
                "{}/{}",
                u64::from(report.round) + 1,
                self.setup.resolved.plan.training.rounds
            ),
            figure(report.evaluation.accuracy()),
            figure(report.evaluation.loss()),
            format!("{}/{}", report.chunks_held, report.chunks_total),
            bytes(report.bytes_received),
            report.train.seconds,
            report.exchange_seconds,
            report.model_hash,
        )
    }
}

fn neighbours(setup: &Setup) -> &[u32] {
    let peers = &setup.resolved.plan.peers;
    peers.get(setup.index as usize).map_or(&[], |peer| &peer.neighbours)
}

/// How it ended; accuracy is over this peer's part of the test data.
pub(super) fn finished(summary: &Summary) -> String {
    let hash = summary.model_hash.map_or_else(String::new, |hash| hash.to_string());
    let reason = match &summary.reason {
        Some(reason) => format!("\nended     early, {reason}"),
        None => String::new(),
    };
    let accuracy = match summary.test_samples {
        None | Some(0) => "- since this peer has no test samples".to_owned(),
        Some(samples) => format!(
            "{} on this peer's {samples} test samples; the model's accuracy is over all peers",
            figure(summary.accuracy)
        ),
    };
    format!(
        "{reason}\naccuracy  {accuracy}\nmodel     {hash}\nresults   {}",
        summary.results
    )
}

/// Who did not get in.
fn stranger(from: IpAddr, why: &str, is_ending: bool) -> String {
    if is_ending {
        format!("a peer at {from} is shutting down: see its output")
    } else {
        format!("refused a connection from {from}: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_about_to_go_was_not_refused() {
        let from = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(
            stranger(from, "it accepts no more connections", true),
            "a peer at 127.0.0.1 is shutting down: see its output"
        );
        assert_eq!(stranger(from, "x", false), "refused a connection from 127.0.0.1: x");
    }
}
