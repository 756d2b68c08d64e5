//! A bare QUIC transfer, to see what the exchange adds to it: two endpoints in one process, each on a thread of its own, and
//! one connection over which both send an update again and again and write what comes over the update that came before. The
//! TLS suite, MTU, acknowledgements and segmentation are those of the exchange; there are no chunks, no hashes and no store.

use std::{
    net::Ipv4Addr,
    sync::mpsc,
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
use fltorrent_crds::plan::{LivenessPlan, TransportPlan};
use fltorrent_peer::{
    clock,
    transport::{
        self, CLOSE_FINISHED, TransportError,
        socket::{self, BindError},
    },
};
use quinn::{ConnectError, Connection, ConnectionError, Endpoint, ReadExactError, VarInt, WriteError};
use thiserror::Error;

/// Time that the certificates hold.
const LIFETIME: Duration = Duration::from_secs(3600);
/// Bytes that are handed to QUIC, or taken from it, at once: the size of a large update's chunk.
const PIECE: usize = 256 * 1024;
/// Bytes in flight: as many as one connection of the exchange may have on all its streams.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Why there was no transfer.
#[derive(Debug, Error)]
pub(crate) enum BareError {
    #[error("no run could be named")]
    Identity(#[from] IdentityError),
    #[error("the certificates could not be made")]
    Authority(#[from] AuthorityError),
    #[error("the keys could not be made")]
    Key(#[from] KeyError),
    #[error("the certificates cannot be used")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Endpoint(#[from] TransportError),
    #[error("the runtime or its socket failed")]
    System(#[from] std::io::Error),
    #[error("the other endpoint cannot be dialled")]
    Connect(#[from] ConnectError),
    #[error("the connection failed")]
    Connection(#[from] ConnectionError),
    #[error("the stream could not be written")]
    Write(#[from] WriteError),
    #[error("the stream could not be read")]
    Read(#[from] ReadExactError),
    #[error("the other endpoint has gone")]
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Transfer {
    /// Bytes received by both together.
    pub(crate) payload: u64,
    /// Seconds from the first byte to the last.
    pub(crate) seconds: f64,
    /// CPU seconds of both threads in that time.
    pub(crate) cpu: f64,
}

/// Sends `bytes` in each direction at once, over loopback, after the connection was made: an update of `update` bytes, again
/// and again.
///
/// # Errors
/// [`BareError`].
pub(crate) fn transfer(
    plan: &TransportPlan,
    liveness: &LivenessPlan,
    update: usize,
    bytes: u64,
) -> Result<Transfer, BareError> {
    let work = Work { update, bytes };
    let run = RunId::random()?;
    let authority = Authority::generate(run, LIFETIME, SystemTime::now())?;
    let (listener, dialler) = (credentials(&authority, 0)?, credentials(&authority, 1)?);
    let (address_in, address) = mpsc::channel();
    let name = Identity::peer(run, 0, 0, 0).server_name();
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(|| {
            on_a_runtime(async {
                let endpoint = endpoint(plan, liveness, &listener)?;
                // The other side has gone when it does not take this, and says why.
                address_in.send(endpoint.local_addr()?).ok();
                let incoming = endpoint.accept().await.ok_or(BareError::Gone)?;
                exchange(&endpoint, incoming.await?, work).await
            })
        });
        let one = on_a_runtime(async {
            let endpoint = endpoint(plan, liveness, &dialler)?;
            let address = address.recv().map_err(|_| BareError::Gone)?;
            let connection = endpoint.connect(address, &name)?.await?;
            exchange(&endpoint, connection, work).await
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

#[derive(Clone, Copy)]
struct Work {
    /// Size of what lies in memory.
    update: usize,
    /// Bytes that are sent of it.
    bytes: u64,
}

struct Side {
    began: Instant,
    ended: Instant,
    cpu: f64,
}

fn credentials(authority: &Authority, index: u32) -> Result<Credentials, BareError> {
    let key = PeerKey::generate()?;
    let certificate = authority.sign_peer(&key.request_pem()?, index, 0, 0, SystemTime::now())?;
    Ok(Credentials::new(authority.certificate_pem(), &certificate, key)?)
}

/// As a peer's driver runs: on one thread.
fn on_a_runtime<T>(task: impl Future<Output = Result<T, BareError>>) -> Result<T, BareError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(task)
}

fn endpoint(plan: &TransportPlan, liveness: &LivenessPlan, credentials: &Credentials) -> Result<Endpoint, BareError> {
    let socket = socket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok(transport::bare(
        socket,
        plan,
        liveness,
        credentials,
        PIECE as u32,
        STREAM_WINDOW,
    )?)
}

/// Sends and receives so many bytes, and waits until the other side has them too.
async fn exchange(endpoint: &Endpoint, connection: Connection, work: Work) -> Result<Side, BareError> {
    let update = Bytes::from(vec![7; work.update]);
    // Not 0: the pages shall be there before the first byte comes.
    let mut room = vec![8; work.update];
    let (began, cpu) = (Instant::now(), clock::thread_seconds());
    let (sent, received) = tokio::join!(
        send(&connection, &update, work.bytes),
        receive(&connection, &mut room, work.bytes)
    );
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
async fn send(connection: &Connection, update: &Bytes, bytes: u64) -> Result<(), BareError> {
    let mut stream = connection.open_uni().await?;
    for (at, length) in parts(update.len(), bytes) {
        stream.write_chunk(update.slice(at..at + length)).await?;
    }
    // It was not finished before.
    stream.finish().ok();
    // The other side may have read all and closed already.
    stream.stopped().await.ok();
    Ok(())
}

async fn receive(connection: &Connection, room: &mut [u8], bytes: u64) -> Result<(), BareError> {
    let mut stream = connection.accept_uni().await?;
    for (at, length) in parts(room.len(), bytes) {
        stream.read_exact(&mut room[at..at + length]).await?;
    }
    Ok(())
}

/// Where the parts of at most [`PIECE`] bytes begin that are handed over one after the other, and their lengths.
fn parts(update: usize, bytes: u64) -> impl Iterator<Item = (usize, usize)> {
    let mut sent = 0;
    std::iter::from_fn(move || {
        let at = (sent % update.max(1) as u64) as usize;
        let left = usize::try_from(bytes - sent).unwrap_or(usize::MAX);
        let length = left.min(PIECE).min(update - at);
        sent += length as u64;
        (length > 0).then_some((at, length))
    })
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::plan::{CongestionControl, Deadline, RetryPlan};

    use super::*;

    #[test]
    fn an_update_is_sent_again_and_again_until_all_bytes_are() {
        let all: Vec<_> = parts(PIECE + 3, 2 * PIECE as u64).collect();
        assert_eq!(all, [(0, PIECE), (PIECE, 3), (0, PIECE - 3)]);
        assert_eq!(parts(0, 5).count() + parts(5, 0).count(), 0);
    }

    #[test]
    fn everything_comes_in_both_directions_and_costs_time() {
        let plan = TransportPlan {
            mtu: 1452,
            congestion_control: CongestionControl::Auto,
        };
        let liveness = LivenessPlan {
            heartbeat_interval: Duration::from_secs(5),
            heartbeat_timeout: Duration::from_secs(20),
            min_peers: 2,
            pause_limit: Duration::from_secs(600),
            progress_lease: Deadline::Auto,
            retries: RetryPlan::default(),
        };
        // Not a whole number of pieces.
        let bytes = 3 * PIECE as u64 + 17;
        let Transfer { payload, seconds, cpu } = transfer(&plan, &liveness, 2 * PIECE + 5, bytes).unwrap();
        assert_eq!(payload, 2 * bytes);
        assert!(seconds > 0.0 && cpu > 0.0);
    }
}
