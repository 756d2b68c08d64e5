//! QUIC between neighbours: the only module that knows quinn.
//!
//! One connection an edge, made by the neighbour with the higher index; beside the topology by whoever wants it. On it one bidirectional control stream, opened by
//! the one that dialled, and one unidirectional stream a piece, opened by the one that sends it. Both sides show a
//! certificate of the run's authority; who is not a neighbour of this experiment is refused.

mod bounded;
mod config;
mod congestion;
mod connection;
mod dial;
mod door;
mod endpoint;
mod error;
mod explain;
mod gate;
mod host_queue;
mod pieces;
mod probe;
mod shaped;
mod shared;
pub mod socket;
mod uplink;
mod waiting;

pub use config::{
    CLOSE_FAILED, CLOSE_FINISHED, CLOSE_LEFT, CLOSE_REFUSED, CLOSE_REPLACED, CLOSE_SPARE, CLOSE_VIOLATION,
};
pub use connection::Link;
pub use endpoint::{Transport, TransportError, bare};
pub use error::LinkError;
pub use shaped::shape;

use std::net::IpAddr;

use bytes::Bytes;
use fltorrent_swarm::{Departure, Message, PieceFault, PieceHeader, message::DecodeError};
use tokio::sync::oneshot;

/// Names one connection among all that a process ever had, so that what belongs to an old one is not taken for new.
pub type Generation = u64;

/// An event of the transport.
#[derive(Debug)]
pub enum Event {
    /// A connection to a neighbour is there, and its control stream is open.
    Connected(Link),
    /// A neighbour could not be reached; the transport tries again.
    Unreachable {
        /// The neighbour.
        peer: u32,
        /// The cause.
        reason: String,
    },
    /// Somebody wanted to connect and was refused, or left in the middle of it.
    Stranger {
        /// From where.
        from: IpAddr,
        /// Why it came to nothing.
        reason: String,
        /// Its process ends: it was not refused.
        is_ending: bool,
    },
    /// Something happened on a connection.
    Link {
        /// The neighbour.
        peer: u32,
        /// Its connection.
        generation: Generation,
        /// The event.
        event: LinkEvent,
    },
}

/// An event of a connection.
#[derive(Debug)]
pub enum LinkEvent {
    /// A message came.
    Message(Message),
    /// QUIC has taken all messages that were queued before [`Link::fence`].
    Drained,
    /// The control stream's bytes are no message.
    Garbage(DecodeError),
    /// A piece's stream has begun; the answer says whether to read it.
    PieceHeader {
        /// Its header.
        header: PieceHeader,
        /// Where the hash goes that its bytes have to have, or that they are not to be read.
        expected: oneshot::Sender<Option<[u8; 32]>>,
    },
    /// A piece has come in full.
    Piece {
        /// Its header.
        header: PieceHeader,
        /// The chunk's bytes, when they are right.
        data: Result<Bytes, PieceFault>,
        /// CPU seconds of other threads than the driver's that were spent on it.
        cpu_elsewhere: f64,
    },
    /// A piece's stream ended before its time.
    PieceFailed {
        /// The request that it should have answered.
        request: u32,
    },
    /// An upload was taken by the transport, or came to nothing.
    UploadEnded {
        /// The request that it answers.
        request: u32,
        /// Bytes of the chunk when it was sent.
        sent: Option<u32>,
    },
    /// The connection is gone.
    Closed(Departure),
}
