//! Chunks that the processes before have kept, looked for on another thread, one update after the other.

use std::collections::VecDeque;

use bytes::Bytes;
use fltorrent_swarm::Recall;
use tokio::sync::mpsc;

use super::{Driver, RunError};
use crate::kept::{Kept, Search};

/// Chunks that wait for the driver: their memory is not the store's yet.
const WAITING: usize = 2;

/// What a search gives.
#[derive(Debug)]
pub(super) enum Found {
    /// A chunk that is what it should be.
    Chunk { recall: u64, index: u32, data: Bytes },
    /// There is no other.
    End { recall: u64 },
}

/// What was kept, and the searches in it.
#[derive(Debug)]
pub(super) struct Recalls {
    kept: Kept,
    waiting: VecDeque<Recall>,
    is_busy: bool,
    /// Chunks of the search that goes on.
    count: u32,
    found: (mpsc::Sender<Found>, mpsc::Receiver<Found>),
}

impl Recalls {
    pub(super) fn new(kept: Kept) -> Self {
        Self {
            kept,
            waiting: VecDeque::new(),
            is_busy: false,
            count: 0,
            found: mpsc::channel(WAITING),
        }
    }

    /// The next thing that is found; for ever none while nothing is looked for.
    pub(super) async fn next(&mut self) -> Option<Found> {
        self.found.1.recv().await
    }

    /// Of rounds up to this one nothing is looked for any more.
    pub(super) fn forget(&mut self, round: u32) {
        self.kept.forget(round);
    }
}

impl Driver {
    pub(super) fn recall(&mut self, recall: Recall) {
        // Of another round, or of the same origin before, nobody takes an answer any more.
        let waiting = &mut self.recalls.waiting;
        waiting.retain(|it| it.round == recall.round && it.origin != recall.origin);
        waiting.push_back(recall);
        self.search_next();
    }

    fn search_next(&mut self) {
        let recalls = &mut self.recalls;
        if recalls.is_busy {
            return;
        }
        let Some(recall) = recalls.waiting.pop_front() else {
            return;
        };
        let swarm = &self.parts.swarm;
        let buffers = self.parts.store.buffers();
        let search = recalls.kept.search(recall, *swarm.layout(), swarm.peers(), buffers);
        let (recall, found) = (search.id(), recalls.found.0.clone());
        (recalls.is_busy, recalls.count) = (true, 0);
        let end = found.clone();
        let searching = tokio::task::spawn_blocking(move || report(&search, &found));
        tokio::spawn(async move {
            // Whatever becomes of it, neighbours are asked for what it has not found. The driver has gone when it does not take this.
            searching.await.ok();
            end.send(Found::End { recall }).await.ok();
        });
    }

    pub(super) fn found(&mut self, found: Found) -> Result<(), RunError> {
        let now = self.now();
        match found {
            Found::Chunk { recall, index, data } => {
                if let Some(chunk) = self.parts.swarm.handle_recalled(now, recall, index) {
                    self.recalls.count += 1;
                    self.observer.stored(now, chunk.origin);
                    self.hold(chunk.round);
                    self.parts.store.put(chunk, data)?;
                }
            }
            Found::End { recall } => {
                self.parts.swarm.handle_recall_ended(now, recall);
                if self.recalls.count > 0 {
                    let chunks = self.recalls.count;
                    tracing::info!(round = self.parts.swarm.round(), chunks, "kept by an earlier process");
                }
                self.recalls.is_busy = false;
                self.search_next();
            }
        }
        Ok(())
    }
}

fn report(search: &Search, found: &mpsc::Sender<Found>) {
    let recall = search.id();
    for (index, data) in search.found() {
        // The driver has gone when it does not take this.
        if found.blocking_send(Found::Chunk { recall, index, data }).is_err() {
            return;
        }
    }
}
