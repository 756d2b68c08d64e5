//! Pieces: one unidirectional stream each, a header and then a chunk's bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use fltorrent_swarm::{PieceFault, PieceHeader, Precedence, check_piece};
use quinn::{Connection, RecvStream, SendStream, WriteError};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

use super::{LinkEvent, gate::Gate, shared::Reporter, uplink::Uplink};
use crate::{buffers::Buffers, clock};

/// Longer pieces are hashed on another thread than the driver's, so that messages do not wait for it. No chunk is longer unless the
/// manifest says so: the driver hashes those of usual length about as fast as it hands them over.
const LARGE: usize = 256 * 1024;
/// How long a piece waits at a gate before it looks whether that is still the connection's.
const PATH_CHECK: Duration = Duration::from_millis(500);

/// The tasks that send or receive pieces, by request.
#[derive(Clone, Debug, Default)]
pub(super) struct Running(Arc<Mutex<HashMap<u32, AbortHandle>>>);

impl Running {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<u32, AbortHandle>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends the task of a request, which resets or stops its stream.
pub(super) fn abort(running: &Running, request: u32) {
    if let Some(task) = running.with(|tasks| tasks.remove(&request)) {
        task.abort();
    }
}

/// Reports that an upload came to nothing unless it is told otherwise.
struct UploadGuard {
    request: u32,
    running: Running,
    reporter: Reporter,
    sent: Option<u32>,
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        self.running.with(|tasks| tasks.remove(&self.request));
        let (request, sent, reporter) = (self.request, self.sent, self.reporter.clone());
        // A task that is aborted cannot wait for the driver to take the report itself.
        tokio::spawn(async move { reporter.report(LinkEvent::UploadEnded { request, sent }).await });
    }
}

/// A piece's turns at an uplink that connections share by rule.
pub(super) struct Turns {
    pub(super) uplink: Arc<Uplink>,
    pub(super) precedence: Precedence,
}

pub(super) fn upload(
    running: &Running,
    connection: Connection,
    header: PieceHeader,
    data: Bytes,
    turns: Option<Turns>,
    reporter: Reporter,
) {
    let to = reporter.peer;
    let request = header.request;
    let guard = UploadGuard {
        request,
        running: running.clone(),
        reporter,
        sent: None,
    };
    running.with(|tasks| {
        let task = tokio::spawn(async move {
            // The whole guard lives in the task: it reports when the task ends, however it ends.
            let mut guard = guard;
            let Ok(mut stream) = connection.open_uni().await else {
                return;
            };
            let write = write(&mut stream, &connection, (header.encode(), data), to, turns);
            let written = tokio::select! {
                written = write => written.is_ok(),
                _ = connection.closed() => false,
            };
            if written && stream.finish().is_ok() {
                guard.sent = Some(header.length);
            }
        });
        tasks.insert(request, task.abort_handle());
    });
}

/// Gives QUIC a piece as the gate lets it through. Where the neighbour's address changes, QUIC begins with another controller, and nothing
/// opens the gate of the one before.
async fn write(
    stream: &mut SendStream,
    connection: &Connection,
    (mut header, mut data): (Bytes, Bytes),
    to: u32,
    turns: Option<Turns>,
) -> Result<(), WriteError> {
    let mut gate = Gate::attend(connection);
    while !header.is_empty() || !data.is_empty() {
        let Ok(room) = timeout(PATH_CHECK, gate.batch()).await else {
            gate = Gate::attend(connection);
            continue;
        };
        let room = room.min(header.len() + data.len());
        let room = match &turns {
            Some(Turns { uplink, precedence }) => uplink.turn(to, *precedence, room).await,
            None => room,
        };
        let first = header.split_to(header.len().min(room));
        let second = data.split_to(data.len().min(room - first.len()));
        gate.give(first.len() + second.len());
        stream.write_all_chunks(&mut [first, second]).await?;
    }
    Ok(())
}

/// Takes pieces until the connection is gone.
pub(super) async fn receive(connection: Connection, running: Running, buffers: Buffers, reporter: Reporter) {
    let mut streams = JoinSet::new();
    while let Ok(stream) = connection.accept_uni().await {
        while streams.try_join_next().is_some() {}
        streams.spawn(receive_one(stream, running.clone(), buffers.clone(), reporter.clone()));
    }
}

async fn receive_one(mut stream: RecvStream, running: Running, buffers: Buffers, reporter: Reporter) {
    let mut header = [0; PieceHeader::LEN];
    if stream.read_exact(&mut header).await.is_err() {
        return;
    }
    let header = match PieceHeader::decode(&header) {
        Ok(header) => header,
        Err(error) => {
            reporter.report(LinkEvent::Garbage(error)).await;
            return;
        }
    };
    let (expected, answer) = oneshot::channel();
    if !reporter.report(LinkEvent::PieceHeader { header, expected }).await {
        return;
    }
    // Dropping the stream stops it.
    let Ok(Some(hash)) = answer.await else {
        return;
    };
    let request = header.request;
    let body = tokio::spawn(async move {
        // The answer has bounded the length.
        let mut data = buffers.take(header.length as usize);
        stream.read_exact(data.bytes_mut()).await.ok()?;
        check(data.freeze(), hash).await
    });
    running.with(|tasks| tasks.insert(request, body.abort_handle()));
    let result = body.await;
    running.with(|tasks| tasks.remove(&request));
    let event = match result {
        Ok(Some((data, cpu_elsewhere))) => LinkEvent::Piece {
            header,
            data,
            cpu_elsewhere,
        },
        // By this peer: nobody waits for it.
        Err(error) if error.is_cancelled() => return,
        // Another one may give it: this process has no thread left for it.
        Ok(None) | Err(_) => LinkEvent::PieceFailed { request },
    };
    reporter.report(event).await;
}

/// Compares a piece with what its origin signed, and gives the CPU seconds that another thread took for it; `None` when nobody can.
async fn check(data: Bytes, hash: [u8; 32]) -> Option<(Result<Bytes, PieceFault>, f64)> {
    let is_large = data.len() > LARGE;
    let check = move || check_piece(&data, &hash).map(|()| data);
    if !is_large {
        return Some((check(), 0.0));
    }
    let timed = move || {
        let before = clock::thread_seconds();
        (check(), clock::thread_seconds() - before)
    };
    tokio::task::spawn_blocking(timed).await.ok()
}
