//! The figures of one round over all peers.

use serde::Serialize;

use crate::{
    bottleneck::Bottleneck,
    report::{ModelHash, ReportedEnd, RoundReport},
    survival::Holders,
};

/// Mean and largest value over the peers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

/// A round over the peers that have reported it: all of them, or those whose figures are there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundSummary {
    /// The round, from 0.
    pub round: u32,
    /// Peers that it sums over.
    pub peers: usize,
    /// Training samples of all peers.
    pub samples: u64,
    /// Test accuracy in [0, 1]; none when no peer evaluated a sample.
    pub accuracy: Option<f64>,
    /// Mean loss over the test samples; none when there are none, or a peer's loss was not finite.
    pub loss: Option<f64>,
    /// Mean of the peers' training losses, weighted by their samples; none when a peer with samples has none.
    pub train_loss: Option<f64>,
    /// Chunks that the peers hold, in sum.
    pub chunks_held: u64,
    /// Chunks that the peers should hold, in sum.
    pub chunks_total: u64,
    /// Payload bytes sent, in sum.
    pub bytes_sent: u64,
    /// Payload bytes received, in sum.
    pub bytes_received: u64,
    /// Payload bytes received for nothing, in sum.
    pub bytes_wasted: u64,
    /// Wall-clock seconds of training.
    pub train_seconds: Spread,
    /// Wall-clock seconds of the exchange.
    pub exchange_seconds: Spread,
    /// Wall-clock seconds of the aggregation.
    pub aggregate_seconds: Spread,
    /// Wall-clock seconds of the evaluation.
    pub evaluate_seconds: Spread,
    /// The largest resident set of any peer.
    pub peak_rss_bytes: u64,
    /// The model of most peers; of as many, that of most peers that are left, and then of the lowest index.
    pub model_hash: ModelHash,
    /// True if all peers that are left have that model.
    pub models_agree: bool,
    /// Whom the peers waited for last, as more than half of those say who waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<Bottleneck>,
    /// How it ended, as more than half of these peers say.
    #[serde(skip)]
    pub end: ReportedEnd,
}

impl RoundSummary {
    /// Sums reports in their order, which is that of the peers so that the figures do not depend on the order of arrival. Who is not left has
    /// ended before the run. None of no report.
    pub fn of<'a>(
        round: u32,
        end: ReportedEnd,
        reports: impl Iterator<Item = &'a RoundReport> + Clone,
        is_left: impl Fn(u32) -> bool,
    ) -> Option<Self> {
        let models = Models::of(reports.clone(), is_left)?;
        let peers = reports.clone().count();
        let sum = |count: fn(&RoundReport) -> u64| {
            let counts = reports.clone().map(count);
            counts.fold(0, u64::saturating_add)
        };
        let spread = |seconds: fn(&RoundReport) -> f64| Spread {
            mean: reports.clone().map(seconds).sum::<f64>() / peers as f64,
            max: reports.clone().map(seconds).fold(0.0, f64::max),
        };
        let samples = sum(|report| report.samples);
        let evaluated = sum(|report| report.evaluation.total);
        let loss_sum: Option<f64> = reports.clone().map(|report| report.evaluation.loss_sum).sum();
        let train_loss_sum: Option<f64> = reports
            .clone()
            .filter(|report| report.samples > 0)
            .map(|report| report.train.loss.map(|loss| loss * report.samples as f64))
            .sum();
        Some(Self {
            round,
            peers,
            samples,
            accuracy: mean(Some(sum(|report| report.evaluation.correct) as f64), evaluated),
            loss: mean(loss_sum, evaluated),
            train_loss: mean(train_loss_sum, samples),
            chunks_held: sum(|report| report.chunks_held),
            chunks_total: sum(|report| report.chunks_total),
            bytes_sent: sum(|report| report.bytes_sent),
            bytes_received: sum(|report| report.bytes_received),
            bytes_wasted: sum(|report| report.wasted.duplicate + report.wasted.corrupt),
            train_seconds: spread(|report| report.train.seconds),
            exchange_seconds: spread(|report| report.exchange_seconds),
            aggregate_seconds: spread(|report| report.aggregate_seconds),
            evaluate_seconds: spread(|report| report.evaluation.seconds),
            peak_rss_bytes: reports.clone().map(|report| report.peak_rss_bytes).max().unwrap_or(0),
            model_hash: models.hash,
            models_agree: models.agree,
            bottleneck: Bottleneck::of_round(reports.filter_map(|report| report.bottleneck)),
            end,
        })
    }
}

/// The model of a round.
struct Models {
    hash: ModelHash,
    agree: bool,
}

impl Models {
    fn of<'a>(reports: impl Iterator<Item = &'a RoundReport> + Clone, is_left: impl Fn(u32) -> bool) -> Option<Self> {
        // Hardly ever more than one.
        let mut holders: Vec<(ModelHash, Holders)> = Vec::new();
        for report in reports {
            let known = holders.iter().position(|(hash, _)| *hash == report.model_hash);
            let at = known.unwrap_or_else(|| {
                holders.push((report.model_hash, Holders::default()));
                holders.len() - 1
            });
            holders[at].1.add(is_left(report.peer));
        }
        let most = holders.iter().map(|(_, holders)| *holders).max()?;
        let (hash, _) = *holders.iter().find(|(_, holders)| *holders == most)?;
        let left = holders.iter().filter(|(_, holders)| holders.left > 0);
        let agree = match left.clone().next() {
            Some((first, _)) => *first == hash && left.count() == 1,
            None => holders.len() == 1,
        };
        Some(Self { hash, agree })
    }
}

fn mean(sum: Option<f64>, count: u64) -> Option<f64> {
    sum.filter(|_| count > 0).map(|sum| sum / count as f64)
}
