//! What people do without a swarm, over TCP: push whole updates over the edges, or let a server average them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use fltorrent_crds::Plan;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
};

use super::{
    Contest, Failed,
    lab::{Lab, address},
    outcome::Outcome,
};

const PORT: u16 = 7777;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// An update on its way: who made it, and its bytes.
type Update = (u32, Arc<[u8]>);

/// Every peer sends its update to its neighbours; a peer that has one whole sends it on to those that are farther from its
/// origin on a tree of shortest ways, so that nobody gets anything twice.
pub(super) async fn direct(contest: &Contest<'_>) -> Result<Outcome, Failed> {
    let plan = contest.plan();
    let peers = plan.peers.len() as u32;
    let edges: Vec<(u32, u32)> = plan
        .peers
        .iter()
        .flat_map(|peer| peer.neighbours.iter().map(|&other| (peer.index, other)))
        .filter(|(a, b)| a < b)
        .collect();
    let children = Arc::new(children(plan));
    let mut streams: Vec<Vec<(u32, TcpStream)>> = (0..peers).map(|_| Vec::new()).collect();
    for ((a, b), (ours, theirs)) in connect(contest.lab, &edges).await? {
        streams[a as usize].push((b, ours));
        streams[b as usize].push((a, theirs));
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for (index, streams) in (0..peers).zip(streams) {
        let own: Arc<[u8]> = vec![index as u8; contest.case.update as usize].into();
        tasks.spawn(push(index, peers, own, streams, Arc::clone(&children)));
    }
    finish(tasks, began).await
}

/// The peers to which a peer sends an update, by origin and peer.
fn children(plan: &Plan) -> BTreeMap<(u32, u32), Vec<u32>> {
    let mut children: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for origin in 0..plan.peers.len() as u32 {
        let mut reached = vec![false; plan.peers.len()];
        reached[origin as usize] = true;
        let mut level = vec![origin];
        while !level.is_empty() {
            let mut next = Vec::new();
            for peer in level {
                for &neighbour in &plan.peers[peer as usize].neighbours {
                    if !std::mem::replace(&mut reached[neighbour as usize], true) {
                        children.entry((origin, peer)).or_default().push(neighbour);
                        next.push(neighbour);
                    }
                }
            }
            level = next;
        }
    }
    children
}

/// One peer: ends when it has everybody's update and has sent on what it should.
async fn push(
    index: u32,
    peers: u32,
    own: Arc<[u8]>,
    streams: Vec<(u32, TcpStream)>,
    children: Arc<BTreeMap<(u32, u32), Vec<u32>>>,
) -> io::Result<Instant> {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let mut queues = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let length = own.len();
    for (neighbour, stream) in streams {
        let (read, write) = stream.into_split();
        let (queue, waiting) = mpsc::unbounded_channel();
        queues.insert(neighbour, queue);
        tasks.spawn(send_all(write, waiting));
        tasks.spawn(receive_all(read, length, arrived.clone()));
    }
    drop(arrived);
    let pass_on = |update: &Update| {
        for child in children.get(&(update.0, index)).into_iter().flatten() {
            if let Some(queue) = queues.get(child) {
                // A connection that has gone ends its tasks, and their error is the one that is told.
                queue.send(update.clone()).ok();
            }
        }
    };
    pass_on(&(index, own));
    for _ in 1..peers {
        let Some(update) = arrivals.recv().await else {
            break;
        };
        pass_on(&update);
    }
    let complete = Instant::now();
    drop(queues);
    while let Some(done) = tasks.join_next().await {
        done.map_err(io::Error::other)??;
    }
    Ok(complete)
}

async fn send_all(mut stream: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Update>) -> io::Result<()> {
    while let Some((origin, bytes)) = queue.recv().await {
        stream.write_u32(origin).await?;
        stream.write_all(&bytes).await?;
    }
    stream.shutdown().await
}

async fn receive_all(
    mut stream: OwnedReadHalf,
    length: usize,
    arrived: mpsc::UnboundedSender<Update>,
) -> io::Result<()> {
    loop {
        let origin = match stream.read_u32().await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            origin => origin?,
        };
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        // The peer has all it wants when nobody listens.
        arrived.send((origin, bytes.into())).ok();
    }
}

/// Every peer sends its update to a server, the last machine, which averages them and sends the mean back to all: what most
/// federated learning does.
pub(super) async fn server(contest: &Contest<'_>) -> Result<Outcome, Failed> {
    let peers = contest.plan().peers.len() as u32;
    let edges: Vec<(u32, u32)> = (0..peers).map(|peer| (peer, peers)).collect();
    let length = contest.case.update as usize;
    let (mut clients, mut served) = (Vec::new(), Vec::new());
    for (_, (ours, theirs)) in connect(contest.lab, &edges).await? {
        clients.push(ours);
        served.push(theirs);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let mut update = vec![1; length];
            client.write_all(&update).await?;
            client.read_exact(&mut update).await?;
            Ok(Instant::now())
        });
    }
    tasks.spawn(average(served, length));
    finish(tasks, began).await
}

async fn average(clients: Vec<TcpStream>, length: usize) -> io::Result<Instant> {
    let count = clients.len() as u32;
    let mut reading = JoinSet::new();
    for mut client in clients {
        reading.spawn(async move {
            let mut update = vec![0; length];
            client.read_exact(&mut update).await?;
            io::Result::Ok((client, update))
        });
    }
    let (mut sums, mut clients) = (vec![0u32; length], Vec::new());
    while let Some(read) = reading.join_next().await {
        let (client, update) = read.map_err(io::Error::other)??;
        for (sum, value) in sums.iter_mut().zip(update) {
            *sum += u32::from(value);
        }
        clients.push(client);
    }
    let mean: Arc<[u8]> = sums.iter().map(|sum| (sum / count) as u8).collect();
    let mut writing = JoinSet::new();
    for mut client in clients {
        let mean = Arc::clone(&mean);
        writing.spawn(async move { client.write_all(&mean).await });
    }
    while let Some(written) = writing.join_next().await {
        written.map_err(io::Error::other)??;
    }
    Ok(Instant::now())
}

async fn finish(mut tasks: JoinSet<io::Result<Instant>>, began: Instant) -> Result<Outcome, Failed> {
    let mut ended = began;
    while let Some(done) = tasks.join_next().await {
        let complete = done.map_err(io::Error::other).flatten().map_err(Failed::Plain)?;
        ended = ended.max(complete);
    }
    Ok(Outcome {
        seconds: Some((ended - began).as_secs_f64()),
        ..Outcome::default()
    })
}

/// Both ends of a connection.
type Ends = (TcpStream, TcpStream);

/// Connects machines pairwise; the second of each pair listens.
pub(super) async fn connect(lab: &Lab, edges: &[(u32, u32)]) -> Result<Vec<((u32, u32), Ends)>, Failed> {
    let mut listeners: BTreeMap<u32, TcpListener> = BTreeMap::new();
    let mut connected = Vec::new();
    for &(from, to) in edges {
        let there = SocketAddr::from((address(to), PORT));
        let listener = match listeners.entry(to) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let socket = lab.on(to, || {
                    let socket = TcpSocket::new_v4()?;
                    socket.set_reuseaddr(true)?;
                    socket.bind(there)?;
                    Ok(socket)
                })?;
                entry.insert(socket.listen(BACKLOG).map_err(Failed::Plain)?)
            }
        };
        let socket = lab.on(from, TcpSocket::new_v4)?;
        let (ours, theirs) = tokio::try_join!(socket.connect(there), listener.accept()).map_err(Failed::Plain)?;
        connected.push(((from, to), (ours, theirs.0)));
    }
    Ok(connected)
}
