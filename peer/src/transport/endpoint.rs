//! The endpoint: takes and makes connections, and finds out who is on the other side.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fltorrent_coordinator::{
    identity::{Role, RunId},
    tls::{Credentials, TlsError},
};
use fltorrent_crds::{
    PeerAddress,
    plan::{CongestionControl, LinkPlan, LivenessPlan, TransportPlan},
};
use fltorrent_swarm::{message::Limits, sending::CONNECTION_ID};
use quinn::{
    ClientConfig, Connection, Endpoint, EndpointConfig, Incoming, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig},
};
use quinn_proto::RandomConnectionIdGenerator;
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::buffers::Buffers;

use super::{
    CLOSE_REFUSED, Event, Link, LinkError, config, connection, dial,
    door::{Door, Place},
    explain::{explain, is_ending},
    shared::{HANDSHAKE, Shared},
    socket::{self, Socket},
    uplink::Uplink,
};

/// Why there is no transport.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum TransportError {
    #[error("this peer's credentials cannot be used")]
    Tls(#[from] TlsError),
    #[error("this peer's certificate is the coordinator's")]
    NotAPeer,
    #[error("the TLS provider lacks QUIC's first cipher suite")]
    Suite(#[from] NoInitialCipherSuite),
    #[error("the QUIC endpoint cannot be made")]
    Endpoint(#[from] std::io::Error),
}

/// The endpoint of one peer, dialling and accepting in the background until dropped.
pub struct Transport {
    endpoint: Endpoint,
    settings: Arc<TransportConfig>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    /// Peers beside the topology that are dialled; dropping an entry ends that.
    dials: BTreeMap<u32, oneshot::Sender<Infallible>>,
    addresses: Vec<PeerAddress>,
    run: RunId,
    control: CongestionControl,
}

impl Transport {
    /// Starts on a bound socket: accepts neighbours with higher indices and dials those with lower ones at
    /// `addresses[index]`, again and again. A process that takes the place of another one, or of a peer that joins `late`, dials all of
    /// them once. `link` is what the
    /// socket's datagrams go through (see [`super::shape`]); the default one when nothing is known of it. Where it `is_open`, all
    /// members of the run may connect, and be dialled. Where it `shares_uplink`, what takes precedence goes first.
    ///
    /// # Errors
    /// When the credentials or the socket cannot be used.
    #[expect(clippy::too_many_arguments, reason = "each comes from another place")]
    pub fn start(
        socket: Socket,
        credentials: &Credentials,
        plan: &TransportPlan,
        liveness: &LivenessPlan,
        link: &LinkPlan,
        buffers: &Buffers,
        neighbours: &[u32],
        addresses: &[PeerAddress],
        late: &[u32],
        is_open: bool,
        shares_uplink: bool,
        limits: Limits,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, TransportError> {
        let shared = shares_uplink.then(|| config::shared_uplink(plan, link));
        let transport = config::transport(
            plan,
            liveness,
            link,
            neighbours.len(),
            buffers.longest(),
            shared.as_ref(),
        );
        let mut tasks = JoinSet::new();
        let uplink = shared.map(|link| Uplink::start(link, &mut tasks));
        let socket = socket::bounded(socket, config::max_payload(plan), uplink.clone());
        let endpoint = open(socket, credentials, plan, Arc::clone(&transport))?;
        let identity = credentials.identity();
        let Role::Peer {
            index: me,
            attempt,
            incarnation,
        } = identity.role
        else {
            return Err(TransportError::NotAPeer);
        };
        let shared = Arc::new(Shared {
            me,
            attempt,
            accepted: Mutex::default(),
            neighbours: neighbours.to_vec(),
            late: late.to_vec(),
            is_open,
            retries: liveness.retries,
            limits,
            events,
            buffers: buffers.clone(),
            door: Door::new(neighbours.len()),
            uplink,
            client: Mutex::new(client(credentials, Arc::clone(&transport))?),
        });
        tasks.spawn(accept(endpoint.clone(), Arc::clone(&shared)));
        let is_new = shared.comes_later(me, incarnation);
        for &neighbour in neighbours.iter().filter(|&&neighbour| neighbour < me || is_new) {
            if let Some(address) = addresses.get(neighbour as usize) {
                let target = dial::Target {
                    peer: neighbour,
                    address: address.clone(),
                    run: identity.run,
                };
                tasks.spawn(dial::keep_dialling(endpoint.clone(), target, Arc::clone(&shared)));
            }
        }
        let control = plan.congestion_control.over(link);
        tracing::info!(
            %control,
            up_bits = link.up.map(|up| up.rate),
            down_bits = link.down.map(|down| down.rate),
            delay_seconds = link.delay.as_secs_f64(),
            jitter_seconds = link.jitter.as_secs_f64(),
            loss = f64::from(link.loss) / 1e6,
            "congestion control"
        );
        Ok(Self {
            endpoint,
            settings: transport,
            shared,
            tasks,
            dials: BTreeMap::new(),
            addresses: addresses.to_vec(),
            run: identity.run,
            control,
        })
    }

    /// Dials a peer that is no neighbour in the topology until there is a connection.
    pub fn dial(&mut self, peer: u32) {
        let Some(address) = self.addresses.get(peer as usize).cloned() else {
            return;
        };
        while self.tasks.try_join_next().is_some() {}
        let run = self.run;
        let target = dial::Target { peer, address, run };
        let (wanted, until) = oneshot::channel();
        self.dials.insert(peer, wanted);
        let (endpoint, shared) = (self.endpoint.clone(), Arc::clone(&self.shared));
        self.tasks.spawn(dial::reach(endpoint, target, shared, until));
    }

    /// Dials such a peer no more.
    pub fn hang_up(&mut self, peer: u32) {
        self.dials.remove(&peer);
    }

    /// Whether a connection is of use: one that this peer has dialled may have come when nobody waited for it any more.
    pub fn takes(&mut self, link: &Link) -> bool {
        let peer = link.peer();
        let was_awaited = self.dials.remove(&peer).is_some();
        was_awaited || !link.is_dialled() || self.shared.neighbours.contains(&peer)
    }

    /// Shows other credentials on new connections. Those that are open stay as they are.
    ///
    /// # Errors
    /// When the credentials cannot be used; nothing changes then.
    pub fn renew(&self, credentials: &Credentials) -> Result<(), TransportError> {
        let client = client(credentials, Arc::clone(&self.settings))?;
        let server = server(credentials, Arc::clone(&self.settings))?;
        self.endpoint.set_server_config(Some(server));
        *self.shared.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    /// The congestion control.
    pub const fn congestion_control(&self) -> CongestionControl {
        self.control
    }

    /// Bytes a second that the uplink was measured to carry, where connections share one whose rate nobody declares.
    pub fn measured_uplink(&self) -> Option<f64> {
        self.shared.uplink.as_ref().and_then(|uplink| uplink.measured())
    }

    /// Closes every connection with a code and a reason, and waits until the other sides know or `grace` is over.
    pub async fn close(mut self, code: u32, reason: &str, grace: Duration) {
        self.tasks.abort_all();
        self.endpoint.close(VarInt::from_u32(code), reason.as_bytes());
        // Whoever has not answered by then is gone.
        timeout(grace, self.endpoint.wait_idle()).await.ok();
    }
}

/// An endpoint with a peer's settings and nothing of the exchange, to see what that adds: one stream carries all, in pieces of `piece`
/// bytes, of which `window` may be on their way. Must be called within a tokio runtime.
///
/// # Errors
/// When the credentials cannot be used, or the socket fails.
pub fn bare(
    socket: Socket,
    plan: &TransportPlan,
    liveness: &LivenessPlan,
    credentials: &Credentials,
    piece: u32,
    window: u32,
) -> Result<Endpoint, TransportError> {
    let mut transport = config::transport(plan, liveness, &LinkPlan::default(), 1, piece, None);
    if let Some(settings) = Arc::get_mut(&mut transport) {
        settings.stream_receive_window(window.into());
    }
    open(socket, credentials, plan, transport)
}

/// An endpoint on a bound socket that takes and makes connections between members of the run.
fn open(
    socket: Socket,
    credentials: &Credentials,
    plan: &TransportPlan,
    transport: Arc<TransportConfig>,
) -> Result<Endpoint, TransportError> {
    let server = server(credentials, Arc::clone(&transport))?;
    let client = client(credentials, transport)?;
    let mut settings = EndpointConfig::default();
    // `max_payload` is at least QUIC's least of 1200.
    settings.max_udp_payload_size(config::max_payload(plan)).ok();
    settings.cid_generator(|| Box::new(RandomConnectionIdGenerator::new(CONNECTION_ID as usize)));
    let mut endpoint = Endpoint::new_with_abstract_socket(settings, Some(server), socket, Arc::new(TokioRuntime))?;
    endpoint.set_default_client_config(client);
    Ok(endpoint)
}

fn server(credentials: &Credentials, transport: Arc<TransportConfig>) -> Result<ServerConfig, TransportError> {
    let tls = QuicServerConfig::try_from(credentials.server_config(&[config::ALPN])?)?;
    let mut server = ServerConfig::with_crypto(Arc::new(tls));
    server.transport_config(transport);
    Ok(server)
}

fn client(credentials: &Credentials, transport: Arc<TransportConfig>) -> Result<ClientConfig, TransportError> {
    let tls = QuicClientConfig::try_from(credentials.client_config(&[config::ALPN])?)?;
    let mut client = ClientConfig::new(Arc::new(tls));
    client.transport_config(transport);
    Ok(client)
}

async fn accept(endpoint: Endpoint, shared: Arc<Shared>) {
    let mut handshakes = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while handshakes.try_join_next().is_some() {}
        let (from, is_validated) = (incoming.remote_address(), incoming.remote_address_validated());
        let Some(place) = shared.door.knock(from.ip(), is_validated) else {
            // Only an address that is validated may not be asked again.
            incoming.retry().ok();
            continue;
        };
        let number = place.number();
        let handshake = receive(incoming, place, Arc::clone(&shared));
        let task = handshakes.spawn(handshake);
        shared.door.keep(number, task);
    }
}

/// Lets somebody in who is a neighbour.
async fn receive(incoming: Incoming, place: Place, shared: Arc<Shared>) {
    let from = incoming.remote_address();
    match timeout(HANDSHAKE, incoming).await {
        Ok(Ok(connection)) => welcome(connection, place, &shared).await,
        Ok(Err(error)) => {
            let (reason, is_ending) = (explain(&error), is_ending(&error));
            shared.came_to_nothing(from, reason, is_ending).await;
        }
        Err(_) => {
            let reason = format!("it did not end its handshake within {HANDSHAKE:?}");
            shared.refused(from, reason).await;
        }
    }
}

async fn welcome(connection: Connection, place: Place, shared: &Shared) {
    let from = connection.remote_address();
    // Those who dial it otherwise may not know yet that it is there.
    let is_dialler = |peer: u32, incarnation: u32| {
        peer > shared.me || shared.comes_later(peer, incarnation) || !shared.neighbours.contains(&peer)
    };
    match shared.identify(&connection).and_then(|(peer, incarnation)| {
        is_dialler(peer, incarnation)
            .then_some(peer)
            .ok_or(LinkError::WrongDirection { peer })
    }) {
        Ok(peer) => match connection::accept(connection.clone(), peer, place, shared).await {
            Ok(()) => shared.note_accepted(peer, connection),
            Err(error) => tracing::warn!(%from, neighbour = peer, %error, "a connection was not used"),
        },
        Err(error) => {
            drop(place);
            let reason = error.to_string();
            connection.close(VarInt::from_u32(CLOSE_REFUSED), reason.as_bytes());
            shared.refused(from, reason).await;
        }
    }
}
