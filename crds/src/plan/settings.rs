//! Training, exchange, aggregation, transport and output.

use std::time::Duration;

use fltorrent_swarm::RoundRules;

use super::{DataPlan, ExchangePlan, ModelPlan, OutputPlan, TrainingPlan, TransportPlan};
use crate::{
    Interval,
    aggregation::Aggregation,
    experiment::{Exchange, Output, Training, Transport},
    findings::Findings,
    schedule::Schedule,
};

/// Most bytes of a chunk by default.
const LARGE_CHUNK: u64 = 256 << 10;
/// Bytes of a chunk of an update of which there are not [`MANY_CHUNKS`] by default: at the end of a round a peer waits for the
/// last chunk that its neighbour has just begun to receive.
const SMALL_CHUNK: u64 = 32 << 10;
/// The default number of chunks of an update, unless it is very small or large.
const MANY_CHUNKS: u64 = 40;
/// The least default number of chunks.
const FEW_CHUNKS: u64 = 10;
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

impl Default for TrainingPlan {
    /// What follows from a manifest that says nothing about training.
    fn default() -> Self {
        let (training, aggregation) = (Training::default(), Aggregation::default());
        self::training(&training, &aggregation, None, None, &mut Findings::default())
    }
}

/// How each peer trains; `peers` is none when their number is not known.
pub(super) fn training(
    training: &Training,
    aggregation: &Aggregation,
    data: Option<&DataPlan>,
    peers: Option<u32>,
    findings: &mut Findings,
) -> TrainingPlan {
    let batch = training.batch_size;
    let largest = data.and_then(|data| typical_shard(data, peers?));
    if let Some(largest) = largest.filter(|&largest| u64::from(batch) > largest) {
        findings.error(
            "training.batchSize",
            format!("{batch} is more than the {largest} training samples of a peer"),
            format!("at most {largest} will do"),
        );
    }
    TrainingPlan {
        rounds: training.rounds,
        epochs: training.epochs,
        batch_size: batch,
        learning_rate: training.learning_rate,
        schedule: schedule(training, findings),
        warmup_rounds: training.schedule.warmup_rounds,
        momentum: training.momentum,
        weight_decay: training.weight_decay,
        clip_norm: training.clip_norm,
        proximal: aggregation.as_dyn().proximal(),
        backend: training.backend,
        threads: training.threads,
    }
}

fn schedule(training: &Training, findings: &mut Findings) -> Schedule {
    let spec = &training.schedule;
    if spec.warmup_rounds >= training.rounds {
        findings.error(
            "training.schedule.warmupRounds",
            format!("{} leaves nothing of {} rounds", spec.warmup_rounds, training.rounds),
            format!("at most {} will do", training.rounds.saturating_sub(1)),
        );
    }
    let left = training.rounds.saturating_sub(spec.warmup_rounds);
    spec.schedule.as_dyn().check(left, findings);
    spec.schedule
}

/// Training samples that a peer has: the mean where they are drawn, the most where they are listed.
fn typical_shard(data: &DataPlan, peers: u32) -> Option<u64> {
    let mean = |samples: u32| u64::from(samples).div_ceil(u64::from(peers.max(1)));
    let listed = data.partition.as_dyn().listed();
    listed.or_else(|| data.source.train_samples().map(mean))
}

/// How chunks are swapped; `degree` is the largest number of neighbours, 0 when it is not known.
pub(super) fn exchange(
    exchange: &Exchange,
    round: RoundRules,
    model: Option<&ModelPlan>,
    degree: usize,
    findings: &mut Findings,
) -> ExchangePlan {
    let slots = exchange.upload_slots;
    // The default says nothing about what a user meant.
    if degree > 0 && slots as usize >= degree && slots != Exchange::default().upload_slots {
        findings.warn(
            "exchange.uploadSlots",
            format!("{slots} slots for at most {degree} neighbours: nobody is ever choked"),
        );
    }
    within(
        "exchange.unchokeInterval",
        exchange.unchoke_interval,
        Duration::from_millis(1),
        HOUR,
        findings,
    );
    within(
        "exchange.optimisticUnchokeInterval",
        exchange.optimistic_unchoke_interval,
        Duration::from_millis(1),
        DAY,
        findings,
    );
    if exchange.optimistic_unchoke_interval < exchange.unchoke_interval {
        findings.error(
            "exchange.optimisticUnchokeInterval",
            format!(
                "{} is shorter than unchokeInterval, {}",
                exchange.optimistic_unchoke_interval, exchange.unchoke_interval
            ),
            "take the same or more",
        );
    }
    ExchangePlan {
        upload_slots: slots,
        unchoke_interval: exchange.unchoke_interval.get(),
        optimistic_unchoke_interval: exchange.optimistic_unchoke_interval.get(),
        choke_policy: exchange.choke_policy,
        chunk_selection: exchange.chunk_selection,
        num_chunks: num_chunks(exchange.num_chunks, model, findings),
        memory_budget: exchange.memory_budget.get(),
        round,
    }
}

fn num_chunks(asked: Option<u32>, model: Option<&ModelPlan>, findings: &mut Findings) -> u32 {
    let Some(model) = model else {
        return asked.unwrap_or(1);
    };
    let Some(asked) = asked else {
        let chunks = model
            .bytes
            .div_ceil(SMALL_CHUNK)
            .clamp(FEW_CHUNKS, MANY_CHUNKS)
            .max(model.bytes.div_ceil(LARGE_CHUNK))
            .min(model.parameters);
        return u32::try_from(chunks).unwrap_or(u32::MAX);
    };
    if u64::from(asked) > model.parameters {
        findings.error(
            "exchange.numChunks",
            format!("{asked} is more than the model's {} parameters", model.parameters),
            format!("at most {} will do", model.parameters),
        );
    }
    asked
}

/// Connections between peers.
pub(super) const fn transport(transport: &Transport) -> TransportPlan {
    TransportPlan {
        mtu: transport.mtu,
        congestion_control: transport.congestion_control,
    }
}

/// Where results go.
pub(super) fn output(output: &Output) -> OutputPlan {
    OutputPlan {
        directory: output.directory.clone(),
        peer_models: output.peer_models,
    }
}

/// Notes an interval that is out of its range.
pub(super) fn within(path: &str, interval: Interval, least: Duration, most: Duration, findings: &mut Findings) {
    if !(least..=most).contains(&interval.get()) {
        findings.error(
            path,
            format!("{interval} is out of range"),
            format!("{least:?} to {}h will do", most.as_secs() / 3600),
        );
    }
}
