//! A swarm's outputs.

use std::{fmt, ops::Add, time::Duration};

use data_encoding::HEXLOWER;
use thiserror::Error;

use crate::{
    bitfield::Bitfield,
    chunk::ChunkId,
    early_stop::StopRecord,
    equivocation::Equivocation,
    message::{DecodeError, HelloMismatch, Message},
    metainfo::{Miscount, Signed},
    round::RoundPhase,
};

/// Something that the driver has to do, in the order in which it is polled.
#[derive(Debug)]
pub enum Action {
    /// Send a message on the neighbour's control stream.
    Send {
        /// Neighbour.
        to: u32,
        /// The message.
        message: Message,
    },
    /// Report [`crate::Swarm::handle_drained`] once the transport has taken all messages to a neighbour that came before.
    Fence {
        /// Neighbour.
        to: u32,
    },
    /// Send a stored chunk on a stream of its own, and report [`crate::Swarm::handle_upload_ended`].
    Upload {
        /// Neighbour.
        to: u32,
        /// Its request.
        request: u32,
        /// The chunk.
        chunk: ChunkId,
    },
    /// Reset an upload's stream; its end is still reported.
    AbortUpload {
        /// Neighbour.
        to: u32,
        /// Its request.
        request: u32,
    },
    /// Stop reading the stream that answers a request, when it has begun.
    AbortDownload {
        /// Neighbour.
        from: u32,
        /// The request.
        request: u32,
    },
    /// Look for an origin's chunks in what earlier processes have kept, and report each that has its hash
    /// ([`crate::Swarm::handle_recalled`]), and the end of that ([`crate::Swarm::handle_recall_ended`]). Neighbours are asked for the others
    /// then.
    Recall(Recall),
    /// All chunks of a round are held.
    Complete {
        /// The round.
        round: u32,
    },
    /// The model that others made of a round is in the store, as the update of an origin that there is not: the first index after
    /// the peers'. This peer goes on from it; report [`crate::Swarm::refuse_model`] where its BLAKE3 is another one.
    Adopt(Adoption),
    /// There is nothing to catch up with: this peer, which was to catch up, is in the first round like the others.
    Begin {
        /// The first round of which it gives an update: it trains for none before.
        gives_from: u32,
    },
    /// A neighbour catches up and wants the model that this round has made, which is to be put into the store in that way: report
    /// [`crate::Swarm::offer_model`].
    MakeModel {
        /// The round.
        round: u32,
    },
    /// Nobody will ask for this round any more.
    Release {
        /// The round.
        round: u32,
    },
    /// Close the connection to a neighbour that broke the rules.
    Disconnect {
        /// Neighbour.
        peer: u32,
        /// The violation.
        violation: Violation,
    },
    /// Reach a peer that is no neighbour in the topology, trying again and again until there is a connection to it.
    Dial {
        /// The peer.
        peer: u32,
    },
    /// Close the connection to such a peer, and do not try to reach it any more.
    Hangup {
        /// The peer.
        peer: u32,
    },
    /// Something that a person may want to know.
    Notice(Notice),
    /// All rounds are over here and at the neighbours.
    Leave,
    /// The run cannot go on.
    Fail(Failure),
}

/// Chunks that earlier processes of this peer may have kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recall {
    /// The number under which it is answered.
    pub id: u64,
    /// The round.
    pub round: u32,
    /// Whose chunks; the first index after the peers' for a model.
    pub origin: u32,
    /// BLAKE3 of each, by index.
    pub hashes: Vec<[u8; 32]>,
}

/// What ended a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Every update is there.
    All,
    /// The peers that take part went on without those that are absent, or with a quorum.
    Quorum,
    /// It had taken too long.
    Deadline,
}

/// A model that this peer takes over, since the others went on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The round that made it; this peer takes part from the next one on.
    pub round: u32,
    /// Its BLAKE3.
    pub model: [u8; 32],
    /// [`RoundEnd::digest`] of that round.
    pub folded: [u8; 32],
    /// The first round of which this peer gives an update, the next one or a later one: it trains for none before.
    pub gives_from: u32,
}

/// The end of a round, as it was agreed.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundEnd {
    /// The round.
    pub round: u32,
    /// What ended it.
    pub cause: EndCause,
    /// Origins of which nothing is folded, ascending.
    pub missing: Vec<u32>,
    /// What is folded: positions `origin * chunks + index`; none: everything.
    pub set: Option<Bitfield>,
    /// BLAKE3 over what is folded (origins, their metainfos, and the chunks where it is not all of them) and over the record of
    /// early stop. The next round's metainfos name it, so that those who ended the round alike know it of each other.
    pub digest: [u8; 32],
    /// BLAKE3 over what is folded alone.
    pub set_hash: [u8; 32],
    /// The record of early stop after the round.
    pub stop: StopRecord,
    /// Whether more than half of all peers have signed that they ended the round before as this one did; none in the first round, and where
    /// this peer has taken a model over since.
    pub certified_before: Option<bool>,
    /// Whom this peer waited for last; none where nobody's update in the model was complete here after its own. Others may say something
    /// else.
    pub bottleneck: Option<Bottleneck>,
}

/// The peer whose update, of those in the model of a round, was complete here last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bottleneck {
    /// That peer.
    pub peer: u32,
    /// The phase that took more of the wait.
    pub phase: RoundPhase,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The neighbour said that it has finished.
    Finished,
    /// The neighbour said that the run has failed, and why.
    Failed(String),
    /// Anything else.
    Broken(String),
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("it has finished"),
            Self::Failed(why) => write!(f, "its run has failed: {why}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

/// A neighbour's breach of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum Violation {
    #[error("it sent what is no message: {0}")]
    Decode(#[from] DecodeError),
    #[error("{0}")]
    Hello(#[from] HelloMismatch),
    #[error("its first message was not a hello")]
    NoHello,
    #[error("it sent a second hello")]
    SecondHello,
    #[error("it spoke of round {found} while this peer is in round {current}")]
    FutureRound { found: u32, current: u32 },
    #[error("it has started from scratch: it had said that it was complete in round {round}")]
    Restarted { round: u32 },
    #[error("it rejected request {request}, which was not withdrawn")]
    Reject { request: u32 },
    #[error("it sent request {found} after request {last}")]
    RequestOrder { found: u32, last: u32 },
    #[error("it has more than {0} requests waiting")]
    Flood(usize),
    #[error("it began the piece for request {request} a second time")]
    PieceTwice { request: u32 },
    #[error("it answered request {request} with what was not asked for")]
    Piece { request: u32 },
    #[error("it sent a metainfo of origin {origin} that does not hold: {why}")]
    Metainfo { origin: u32, why: String },
    #[error("it sent a statement of peer {of} that does not hold: {why}")]
    Statement { of: u32, why: String },
}

/// Why the run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum Failure {
    #[error("peer {peer} is lost: not reachable for {after:?} ({why})")]
    Lost { peer: u32, after: Duration, why: String },
    #[error("{} for {after:?}, {} (liveness.minPeers)", have_taken_part(*present), needed_are(*needed))]
    TooFew { present: u32, needed: u32, after: Duration },
    #[error("the others have finished the run without this peer, which is in round {round}")]
    LeftBehind { round: u32 },
    #[error("process {latest} of this peer has taken the place of this one, process {own}")]
    Superseded { own: u32, latest: u32 },
    #[error("this peer cannot sign what it says of its links: {0}")]
    Unsigned(String),
    #[error("{message} (so peer {peer} says)")]
    Neighbour { peer: u32, message: String },
    #[error("peer {origin} published NaN or infinity in round {round}; lower its learning rate")]
    NotFinite { origin: u32, round: u32 },
    #[error(
        "peer {origin} signed two different updates for round {round}: it lies, or its machine does not repeat what it computes; the logs have both, as a proof"
    )]
    Equivocation {
        origin: u32,
        round: u32,
        proof: Box<Equivocation>,
    },
    #[error(
        "peer {origin} signed {what} in round {round}: its word cannot weigh that much; the logs have it, as a proof"
    )]
    Miscount {
        origin: u32,
        round: u32,
        what: Miscount,
        proof: Box<Signed>,
    },
    #[error(
        "peer {origin} trained round {round} from model {}, this peer from {}: an origin gave them different updates, or one of their machines computes something else; compare the models that their logs name",
        short(theirs),
        short(ours)
    )]
    ModelsDiffer {
        origin: u32,
        round: u32,
        theirs: [u8; 32],
        ours: [u8; 32],
        proof: Box<[Signed; 2]>,
    },
    #[error("this peer's own update cannot be published")]
    Unpublishable(#[source] DecodeError),
    #[error("this peer's own update cannot be published: it would sign {0}; this is a bug")]
    Miscounted(Miscount),
}

impl Failure {
    /// The signed proof for whoever knows the run's authority: frames of metainfos in hexadecimal digits.
    pub fn proof(&self) -> Option<String> {
        match self {
            Self::Equivocation { proof, .. } => Some(format!("{:x}", **proof)),
            Self::Miscount { proof, .. } => Some(digits(std::slice::from_ref(proof))),
            Self::ModelsDiffer { proof, .. } => Some(digits(proof.as_ref())),
            _ => None,
        }
    }
}

/// Metainfos as they travel, one after the other, in hexadecimal digits.
fn digits(metainfos: &[Signed]) -> String {
    let frames = metainfos.iter().flat_map(|it| Message::Metainfo(it.clone()).encode());
    HEXLOWER.encode(&frames.collect::<Vec<_>>())
}

/// The digits of a hash by which people know it.
fn short(hash: &[u8; 32]) -> String {
    HEXLOWER.encode(&hash[..6])
}

/// What a peer owes the others, without which a round cannot end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// Its word on the end of a round.
    Vote,
    /// Chunks of which it has said in its vote that it holds them.
    Chunks,
}

impl fmt::Display for Owed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vote => "has not voted on the end",
            Self::Chunks => "gives nobody what it has voted to hold",
        })
    }
}

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum Notice {
    #[error("peer {from} sent a wrong chunk {} of origin {} in round {}; it is requested elsewhere", chunk.index, chunk.origin, chunk.round)]
    Corrupt { from: u32, chunk: ChunkId },
    #[error("peer {from} has not answered a request for chunk {} of origin {}; it is requested elsewhere", chunk.index, chunk.origin)]
    Overdue { from: u32, chunk: ChunkId },
    #[error("peer {peer} was not heard of again after this peer had finished")]
    NoGoodbye { peer: u32 },
    #[error("peer {peer} is absent: {}", match is_reached {
        true => "it catches up, or the others suspect it",
        false => "nobody who takes part has a link to it",
    })]
    Absent { peer: u32, is_reached: bool },
    #[error(
        "the others are in round {theirs} while this peer is in round {round}: it asks for the model that they go on from"
    )]
    Behind { round: u32, theirs: u32 },
    #[error("this peer has the model of round {round} and takes part again")]
    Caught { round: u32 },
    #[error("the model of round {round} that this peer was given is not the one that the others have signed")]
    WrongModel { round: u32 },
    #[error("{}", rewired(lost, neighbours))]
    Rewired { lost: Vec<u32>, neighbours: Vec<u32> },
    #[error("peer {peer} is back")]
    Back { peer: u32 },
    #[error("the training of peer {peer} makes no progress (liveness.progressLease): nobody waits for its update")]
    Hangs { peer: u32 },
    #[error("the training of peer {peer} makes progress again")]
    Trains { peer: u32 },
    #[error("peer {peer} takes part, and {owed} of round {round}: it counts as absent until it is in step again")]
    Suspected { peer: u32, owed: Owed, round: u32 },
    #[error("{}", paused(*present, *needed))]
    Paused { present: u32, needed: u32 },
    #[error("{} again: the run goes on", take_part(*present))]
    Resumed { present: u32, needed: u32 },
    #[error("peer {peer} has signed two contents of one statement: it takes part no more")]
    Contradiction { peer: u32 },
}

fn rewired(lost: &[u32], neighbours: &[u32]) -> String {
    let listed = |peers: &[u32]| {
        let list = peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("{} {list}", if peers.len() == 1 { "peer" } else { "peers" })
    };
    let are = if lost.len() == 1 { "is" } else { "are" };
    match neighbours {
        [] => "wired as the topology says, and to nobody else".to_owned(),
        _ => format!(
            "wired to {} as well while {} {are} lost",
            listed(neighbours),
            listed(lost)
        ),
    }
}

fn take_part(peers: u32) -> String {
    match peers {
        1 => "1 peer takes part".to_owned(),
        _ => format!("{peers} peers take part"),
    }
}

fn have_taken_part(peers: u32) -> String {
    match peers {
        1 => "1 peer has taken part".to_owned(),
        _ => format!("{peers} peers have taken part"),
    }
}

fn needed_are(peers: u32) -> String {
    format!("{peers} {} needed", if peers == 1 { "is" } else { "are" })
}

/// Whoever catches up closes no round, however many take part.
fn paused(present: u32, needed: u32) -> String {
    match present < needed {
        true => format!(
            "paused: {}, {} (liveness.minPeers)",
            take_part(present),
            needed_are(needed)
        ),
        false => "paused: this peer catches up with the others".to_owned(),
    }
}

/// A peer's wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// No neighbour has a chunk that it misses.
    Nothing,
    /// Some have one, and all of them choke it.
    Choked,
    /// It may ask.
    Served,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of chunks received and kept.
    pub payload_received: u64,
    /// Bytes of chunks that an earlier process had kept, and that were not fetched again.
    pub recalled: u64,
    /// Chunks whose upload ended well.
    pub uploads: u64,
    /// Bytes of chunks that came although they were held already.
    pub duplicate: u64,
    /// Pieces that did not have the signed hash.
    pub corrupt: u64,
    /// Bytes of those pieces.
    pub corrupt_bytes: u64,
    /// Pieces that nobody had asked for.
    pub unrequested: u64,
    /// Requests that were given up for being overdue.
    pub overdue: u64,
    /// Requests of others that could not be served: choked, or not held.
    pub refused: u64,
    /// Connections closed since the neighbour broke the rules.
    pub violations: u64,
    /// Times that this peer choked a neighbour.
    pub chokes: u64,
}

/// Those of two processes of a peer.
impl Add for Stats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            payload_received: self.payload_received + other.payload_received,
            recalled: self.recalled + other.recalled,
            uploads: self.uploads + other.uploads,
            duplicate: self.duplicate + other.duplicate,
            corrupt: self.corrupt + other.corrupt,
            corrupt_bytes: self.corrupt_bytes + other.corrupt_bytes,
            unrequested: self.unrequested + other.unrequested,
            overdue: self.overdue + other.overdue,
            refused: self.refused + other.refused,
            violations: self.violations + other.violations,
            chokes: self.chokes + other.chokes,
        }
    }
}
