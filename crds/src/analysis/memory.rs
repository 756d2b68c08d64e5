//! A peer's memory.

use serde::Serialize;

use crate::{Plan, Quantity};

/// Program, threads, buffers of the socket and the trainer's own: what a peer of a tiny model takes, measured.
const PROGRAM: u64 = 36 << 20;
/// Copies of the parameters: in the model, its gradients, the flat parameters, and while they are put into the model.
const COPIES: u64 = 4;
/// What one connection may hold at least for receiving and for sending, and in chunks.
const LEAST_RECEIVED: u64 = 4 << 20;
const LEAST_SENT: u64 = 1 << 20;
const CHUNKS_RECEIVED: u64 = 4;
const CHUNKS_SENT: u64 = 2;

/// Step of a pod's request.
const STEP: u64 = 16 << 20;

/// A forecast of a peer's memory, in bytes: what it may hold at the most demanding moment on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The program itself.
    pub program: u64,
    /// Parameters and gradients.
    pub model: u64,
    /// Chunks of two rounds, as far as `exchange.memoryBudget` allows.
    pub chunks: u64,
    /// Chunks in a file on disk.
    pub chunks_in_file: u64,
    /// A column of chunks in f64 while updates are aggregated.
    pub combining: u64,
    /// Windows of its connections when all of them are full; on a fast network they are nearly empty.
    pub connections: u64,
}

impl Memory {
    /// All of it but the file.
    pub const fn total(&self) -> u64 {
        self.program + self.model + self.chunks + self.combining + self.connections
    }

    /// What a pod asks for: the total, up to the next multiple of 16Mi.
    pub fn request(&self) -> Quantity {
        Quantity::up_to(self.total().div_ceil(STEP).saturating_mul(STEP))
    }
}

/// The forecast for a peer with so many neighbours. Its samples and what a layer passes on come on top.
pub fn memory(plan: &Plan, neighbours: u32) -> Memory {
    let update = plan.model.bytes;
    let parameters = plan.model.parameters;
    let chunk = parameters.div_ceil(u64::from(plan.exchange.num_chunks.max(1))) * 4;
    let (chunks, chunks_in_file) = plan.chunk_bytes();
    let received = (CHUNKS_RECEIVED * chunk).max(LEAST_RECEIVED);
    let sent = (CHUNKS_SENT * chunk).max(LEAST_SENT);
    // A window is never filled with more than a round has.
    let window = (received + sent).min(update.saturating_mul(plan.peers.len() as u64));
    Memory {
        program: PROGRAM,
        model: COPIES * update,
        chunks,
        chunks_in_file,
        combining: 2 * chunk + chunk,
        connections: u64::from(neighbours) * window,
    }
}
