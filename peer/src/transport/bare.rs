//! A bare QUIC transfer, to see what the exchange adds to it: two endpoints in one process, each on a thread of its own, and
//! one connection over which both send and read and throw away. The TLS suite, MTU, acknowledgements and segmentation are
//! those of the exchange; there are no chunks, no hashes and no store.

use std::{
    net::Ipv4Addr,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use fltorrent_coordinator::{
    authority::{Authority, AuthorityError},
    identity::{Identity, IdentityError, RunId},
    key::{KeyError, PeerKey},
    tls::{Credentials, TlsError},
};
use fltorrent_crds::plan::TransportPlan;
use quinn::{ConnectError, Connection, ConnectionError, Endpoint, ReadError, VarInt, WriteError};
use thiserror::Error;

use super::{
    CLOSE_FINISHED, TransportError, config,
    endpoint::open,
    socket::{self, BindError},
};
use crate::clock;

/// How long the certificates hold.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Bytes that are handed to QUIC, or taken from it, at once: the size of a large update's chunk.
const PIECE: usize = 256 * 1024;
/// What may be on its way: as much as one connection of the exchange may have on all its streams.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Why there was no transfer.
#[derive(Debug, Error)]
pub enum BareError {
    /// The run of the two has no name.
    #[error("no run could be named")]
    Identity(#[from] IdentityError),
    /// No certificates.
    #[error("the certificates could not be made")]
    Authority(#[from] AuthorityError),
    /// No keys.
    #[error("the keys could not be made")]
    Key(#[from] KeyError),
    /// Certificates that cannot be used.
    #[error("the certificates cannot be used")]
    Tls(#[from] TlsError),
    /// No socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No endpoint or runtime.
    #[error(transparent)]
    Endpoint(#[from] TransportError),
    /// No runtime.
    #[error("the runtime or its socket failed")]
    System(#[from] std::io::Error),
    /// The other endpoint cannot be dialled.
    #[error("the other endpoint cannot be dialled")]
    Connect(#[from] ConnectError),
    /// The connection failed.
    #[error("the connection failed")]
    Connection(#[from] ConnectionError),
    /// Not everything was sent.
    #[error("the stream could not be written")]
    Write(#[from] WriteError),
    /// Not everything came.
    #[error("the stream could not be read")]
    Read(#[from] ReadError),
    /// The other side stopped or has gone.
    #[error("the other endpoint has gone")]
    Gone,
}

/// What a transfer took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Bytes received by both together.
    pub payload: u64,
    /// Seconds from the first byte to the last.
    pub seconds: f64,
    /// CPU seconds of both threads in that time.
    pub cpu: f64,
}

/// Sends `bytes` in each direction at once, over loopback, after the connection was made.
///
/// # Errors
/// [`BareError`].
pub fn transfer(plan: &TransportPlan, bytes: u64) -> Result<Transfer, BareError> {
    let run = RunId::random()?;
    let authority = Authority::generate(run, LIFETIME, SystemTime::now())?;
    let (listener, dialler) = (credentials(&authority, 0)?, credentials(&authority, 1)?);
    let (address_in, address) = mpsc::channel();
    let name = Identity::peer(run, 0, 0).server_name();
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| {
            on_a_runtime(async {
                let endpoint = endpoint(plan, &listener)?;
                // The other side has gone when it does not take this, and says why.
                address_in.send(endpoint.local_addr()?).ok();
                let incoming = endpoint.accept().await.ok_or(BareError::Gone)?;
                exchange(&endpoint, incoming.await?, bytes).await
            })
        });
        let one = on_a_runtime(async {
            let endpoint = endpoint(plan, &dialler)?;
            let address = address.recv().map_err(|_| BareError::Gone)?;
            let connection = endpoint.connect(address, &name)?.await?;
            exchange(&endpoint, connection, bytes).await
        });
        // A panic was printed by the thread.
        (one, other.join().unwrap_or(Err(BareError::Gone)))
    });
    let (one, other) = (one?, other?);
    let (began, ended) = (one.began.min(other.began), one.ended.max(other.ended));
    Ok(Transfer {
        payload: 2 * bytes,
        seconds: (ended - began).as_secs_f64(),
        cpu: one.cpu + other.cpu,
    })
}

/// What one side took.
struct Side {
    began: Instant,
    ended: Instant,
    cpu: f64,
}

fn credentials(authority: &Authority, index: u32) -> Result<Credentials, BareError> {
    let key = PeerKey::generate()?;
    let certificate = authority.sign_peer(&key.request_pem()?, index, 0, SystemTime::now())?;
    Ok(Credentials::new(
        authority.certificate_pem(),
        &certificate,
        key,
    )?)
}

/// As a peer's driver runs: on one thread.
fn on_a_runtime<T>(task: impl Future<Output = Result<T, BareError>>) -> Result<T, BareError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(task)
}

fn endpoint(plan: &TransportPlan, credentials: &Credentials) -> Result<Endpoint, BareError> {
    let mut transport = config::transport(plan, PIECE as u32);
    // One stream carries all, where the exchange has one a piece.
    if let Some(settings) = Arc::get_mut(&mut transport) {
        settings.stream_receive_window(STREAM_WINDOW.into());
    }
    let socket = socket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(open(socket, credentials, plan, transport)?)
}

/// Sends and receives so many bytes, and waits until the other side has them too.
async fn exchange(
    endpoint: &Endpoint,
    connection: Connection,
    bytes: u64,
) -> Result<Side, BareError> {
    let (began, cpu) = (Instant::now(), clock::thread_seconds());
    let (sent, received) = tokio::join!(send(&connection, bytes), receive(&connection, bytes));
    sent?;
    received?;
    let side = Side {
        began,
        ended: Instant::now(),
        cpu: clock::thread_seconds() - cpu,
    };
    connection.close(VarInt::from_u32(CLOSE_FINISHED), b"finished");
    endpoint.wait_idle().await;
    Ok(side)
}

/// Ends when everything was acknowledged.
async fn send(connection: &Connection, bytes: u64) -> Result<(), BareError> {
    let piece = Bytes::from(vec![7; PIECE]);
    let mut stream = connection.open_uni().await?;
    let mut left = bytes;
    while left > 0 {
        let part = piece.slice(..left.min(PIECE as u64) as usize);
        left -= part.len() as u64;
        stream.write_chunk(part).await?;
    }
    // It was not finished before.
    stream.finish().ok();
    // The other side may have read all and closed already.
    stream.stopped().await.ok();
    Ok(())
}

/// Throws away what comes.
async fn receive(connection: &Connection, bytes: u64) -> Result<(), BareError> {
    let mut stream = connection.accept_uni().await?;
    let mut left = bytes;
    while let Some(chunk) = stream.read_chunk(PIECE, true).await? {
        left = left.saturating_sub(chunk.bytes.len() as u64);
    }
    if left > 0 {
        return Err(BareError::Gone);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_in_both_directions_and_costs_time() {
        let plan = TransportPlan {
            keep_alive: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(20),
            lost_after: Duration::from_secs(30),
            mtu: 1452,
        };
        // Not a whole number of pieces.
        let bytes = 3 * PIECE as u64 + 17;
        let Transfer {
            payload,
            seconds,
            cpu,
        } = transfer(&plan, bytes).unwrap();
        assert_eq!(payload, 2 * bytes);
        assert!(seconds > 0.0 && cpu > 0.0);
    }
}
