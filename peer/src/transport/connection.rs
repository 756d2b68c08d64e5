//! One connection: its control stream in both directions, its pieces, its end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fltorrent_swarm::{Departure, Message, PieceHeader, Precedence, message::FrameDecoder};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use fltorrent_records::exchange::TransportFigures;

use super::{
    CLOSE_FAILED, CLOSE_FINISHED, CLOSE_LEFT, CLOSE_REFUSED, CLOSE_REPLACED, CLOSE_SPARE, CLOSE_VIOLATION, Event,
    Generation, LinkEvent,
    door::Place,
    error::{LinkError, OPEN_TIMEOUT},
    explain::{explain, foreign},
    gate::Gate,
    pieces,
    shared::{Reporter, Shared},
    uplink::Uplink,
    waiting::Waiting,
};

/// Bytes that are read from a control stream at once.
const CONTROL_READ: usize = 64 * 1024;
/// How long the last control messages may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// An entry of a control stream's queue.
enum Queued {
    Message(Bytes),
    /// Everything before it has been taken when it is reached; the driver is told.
    Fence,
}

/// A connection to a neighbour, as the driver holds it. Dropping it closes nothing; see [`Link::close`].
#[derive(Debug)]
pub struct Link {
    peer: u32,
    generation: Generation,
    is_dialled: bool,
    connection: Connection,
    control: Option<mpsc::UnboundedSender<Queued>>,
    /// Bounds what is in `control`.
    waiting: Waiting,
    writer: Option<tokio::task::JoinHandle<()>>,
    /// Where connections share it by rule.
    uplink: Option<Arc<Uplink>>,
    uploads: pieces::Running,
    downloads: pieces::Running,
    events: mpsc::Sender<Event>,
    tasks: [AbortHandle; 3],
}

impl Link {
    /// The neighbour.
    pub fn peer(&self) -> u32 {
        self.peer
    }

    /// Names this connection.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Whether this peer has dialled.
    pub fn is_dialled(&self) -> bool {
        self.is_dialled
    }

    /// Queues a control message and gives its length in bytes. A neighbour that does not read is given up.
    pub fn send(&self, message: &Message) -> u64 {
        let Some(control) = &self.control else {
            return 0;
        };
        let encoded = message.encode();
        let length = encoded.len() as u64;
        if self.waiting.add(length) {
            // A writer that has ended says so by the connection's end.
            control.send(Queued::Message(encoded)).ok();
        } else {
            let reason = "it does not read its control messages";
            let waiting = self.waiting.bytes();
            tracing::warn!(neighbour = self.peer, waiting, "connection closed: {reason}");
            self.connection
                .close(VarInt::from_u32(CLOSE_VIOLATION), reason.as_bytes());
        }
        length
    }

    /// Asks for a [`LinkEvent::Drained`] once QUIC has taken everything that was queued before.
    pub fn fence(&self) {
        if let Some(control) = &self.control {
            control.send(Queued::Fence).ok();
        }
    }

    /// QUIC's counts of this connection.
    pub fn figures(&self) -> TransportFigures {
        let stats = self.connection.stats();
        TransportFigures {
            control_bytes: 0,
            udp_bytes: stats.udp_tx.bytes,
            packets: stats.path.sent_packets,
            lost: stats.path.lost_packets,
            congestion_events: stats.path.congestion_events,
            blocked: stats.frame_tx.data_blocked
                + stats.frame_tx.stream_data_blocked
                + stats.frame_tx.streams_blocked_uni,
        }
    }

    /// Sends a piece on a stream of its own; [`LinkEvent::UploadEnded`] follows.
    pub fn upload(&self, header: PieceHeader, data: Bytes, precedence: Precedence) {
        self.connection.set_send_window(Gate::attend(&self.connection).held());
        let turns = self.uplink.clone().map(|uplink| pieces::Turns { uplink, precedence });
        let connection = self.connection.clone();
        pieces::upload(&self.uploads, connection, header, data, turns, self.reporter());
    }

    /// The neighbour asks for so many chunks beside those that are being sent.
    pub fn set_left(&self, left: u32) {
        if let Some(uplink) = &self.uplink {
            uplink.set_left(self.peer, left);
        }
    }

    /// Resets an upload's stream.
    pub fn abort_upload(&self, request: u32) {
        pieces::abort(&self.uploads, request);
    }

    /// Stops reading the stream that answers a request.
    pub fn abort_download(&self, request: u32) {
        pieces::abort(&self.downloads, request);
    }

    /// Closes at once.
    pub fn close(&self, code: u32, reason: &str) {
        self.connection.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// Closes after everything that was queued has been acknowledged, or the neighbour has gone.
    pub async fn finish(self) {
        self.close_after_all(CLOSE_FINISHED, "finished").await;
    }

    /// As [`Link::finish`], with another code and reason.
    pub async fn close_after_all(mut self, code: u32, reason: &str) {
        // A neighbour that does not acknowledge in time has left, or never will.
        tokio::time::timeout(FLUSH_TIMEOUT, self.flush()).await.ok();
        self.close(code, reason);
    }

    /// Waits until all control messages that were queued are acknowledged, or the neighbour has gone. No more are sent.
    pub async fn flush(&mut self) {
        self.control = None;
        if let Some(writer) = self.writer.take() {
            writer.await.ok();
        }
    }

    fn reporter(&self) -> Reporter {
        Reporter {
            peer: self.peer,
            generation: self.generation,
            events: self.events.clone(),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Sets up a connection that this peer has dialled.
pub(super) async fn open(connection: Connection, peer: u32, shared: &Shared) -> Result<(), LinkError> {
    let (send, receive) = connection.open_bi().await?;
    start(connection, peer, true, (send, receive), shared).await;
    Ok(())
}

/// Sets up a connection that this peer was dialled on.
pub(super) async fn accept(connection: Connection, peer: u32, place: Place, shared: &Shared) -> Result<(), LinkError> {
    let Ok(streams) = tokio::time::timeout(OPEN_TIMEOUT, connection.accept_bi()).await else {
        let error = LinkError::NoControlStream;
        connection.close(VarInt::from_u32(CLOSE_REFUSED), error.to_string().as_bytes());
        return Err(error);
    };
    let (send, receive) = streams?;
    // It is in, and nobody takes its place while the driver is busy.
    drop(place);
    start(connection, peer, false, (send, receive), shared).await;
    Ok(())
}

async fn start(
    connection: Connection,
    peer: u32,
    is_dialled: bool,
    (send, receive): (SendStream, RecvStream),
    shared: &Shared,
) {
    // From its first byte on.
    Gate::attend(&connection);
    static GENERATIONS: AtomicU64 = AtomicU64::new(0);
    let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
    let (control, queue) = mpsc::unbounded_channel();
    let waiting = Waiting::new(shared.limits.longest_frame());
    let reporter = Reporter {
        peer,
        generation,
        events: shared.events.clone(),
    };
    if let Some(uplink) = &shared.uplink {
        uplink.leads_to(connection.remote_address());
    }
    let downloads = pieces::Running::default();
    // Nothing is read before the driver knows the link: its first event must be the connection.
    let (known, until_known) = tokio::sync::watch::channel(());
    let (reading, until_read) = oneshot::channel();
    let decoder = FrameDecoder::new(shared.limits);
    let reader = read_control(receive, decoder, reporter.clone(), reading);
    let pieces = pieces::receive(
        connection.clone(),
        downloads.clone(),
        shared.buffers.clone(),
        reporter.clone(),
    );
    let end = watch_end(connection.clone(), until_read, reporter.clone());
    let writer = tokio::spawn(write_control(send, queue, waiting.clone(), reporter));
    let link = Link {
        peer,
        generation,
        is_dialled,
        connection,
        control: Some(control),
        waiting,
        writer: Some(writer),
        uplink: shared.uplink.clone(),
        uploads: pieces::Running::default(),
        downloads,
        events: shared.events.clone(),
        tasks: [
            tokio::spawn(after(until_known.clone(), reader)).abort_handle(),
            tokio::spawn(after(until_known.clone(), pieces)).abort_handle(),
            tokio::spawn(after(until_known, end)).abort_handle(),
        ],
    };
    if shared.events.send(Event::Connected(link)).await.is_ok() {
        known.send_replace(());
    }
}

/// Runs a task once the driver knows of its connection.
async fn after(mut known: tokio::sync::watch::Receiver<()>, task: impl Future<Output = ()>) {
    if known.changed().await.is_ok() {
        task.await;
    }
}

/// Ends with the stream, which ends with the connection. `_reading` is dropped then.
async fn read_control(
    mut stream: RecvStream,
    mut decoder: FrameDecoder,
    reporter: Reporter,
    _reading: oneshot::Sender<()>,
) {
    // A stream that ends or fails ends the connection too, and that is reported elsewhere.
    while let Ok(Some(chunk)) = stream.read_chunk(CONTROL_READ, true).await {
        decoder.extend(&chunk.bytes);
        while let Some(message) = decoder.next() {
            let (event, go_on) = match message {
                Ok(message) => (LinkEvent::Message(message), true),
                Err(error) => (LinkEvent::Garbage(error), false),
            };
            if !reporter.report(event).await || !go_on {
                return;
            }
        }
    }
}

async fn write_control(
    mut stream: SendStream,
    mut queue: mpsc::UnboundedReceiver<Queued>,
    waiting: Waiting,
    reporter: Reporter,
) {
    // Control goes before pieces. A priority can only be refused on a stream that is closed.
    stream.set_priority(i32::MAX).ok();
    let (mut queued, mut batch) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut queued, 256).await > 0 {
        let mut is_fenced = false;
        for item in queued.drain(..) {
            match item {
                Queued::Message(message) => batch.push(message),
                Queued::Fence => is_fenced = true,
            }
        }
        let mut rest = &mut batch[..];
        while !rest.is_empty() {
            let Ok(written) = stream.write_chunks(rest).await else {
                return;
            };
            waiting.take(written.bytes as u64);
            rest = &mut rest[written.chunks..];
        }
        batch.clear();
        if is_fenced {
            let reporter = reporter.clone();
            // The driver may wait for this task at its end.
            tokio::spawn(async move { reporter.report(LinkEvent::Drained).await });
        }
    }
    if stream.finish().is_ok() {
        stream.stopped().await.ok();
    }
}

/// Tells of the end after everything that came before it: the last messages may be a proof, and are nobody's once the link is gone.
async fn watch_end(connection: Connection, until_read: oneshot::Receiver<()>, reporter: Reporter) {
    let error = connection.closed().await;
    // Nothing is ever sent: the reader's end drops the other side.
    until_read.await.ok();
    reporter.report(LinkEvent::Closed(departure(&error))).await;
}

fn departure(error: &ConnectionError) -> Departure {
    let ConnectionError::ApplicationClosed(close) = error else {
        return Departure::Broken(explain(error));
    };
    let reason = foreign(&close.reason);
    match u32::try_from(close.error_code.into_inner()) {
        Ok(CLOSE_FINISHED) => Departure::Finished,
        Ok(CLOSE_FAILED) => Departure::Failed(reason),
        Ok(CLOSE_VIOLATION) => Departure::Broken(format!("it closed the connection: {reason}")),
        Ok(CLOSE_REFUSED) => Departure::Broken(format!("it refused the connection: {reason}")),
        Ok(CLOSE_LEFT) => Departure::Broken("it has left".to_owned()),
        Ok(CLOSE_SPARE) => Departure::Broken("it needs the connection no more".to_owned()),
        Ok(CLOSE_REPLACED) => Departure::Broken("it has a newer connection".to_owned()),
        _ => Departure::Broken(format!(
            "it closed the connection with code {}: {reason}",
            close.error_code
        )),
    }
}
