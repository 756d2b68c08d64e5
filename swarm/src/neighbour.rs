//! One neighbour: what flows in both directions between it and this peer.

use std::{collections::VecDeque, time::Duration};

use crate::{
    Time,
    chunk::ChunkId,
    rate::{DeliveryRate, Mark, RollingRate},
    requests::{Requests, is_standing},
};

/// Bytes that are asked for before a neighbour's rate is known.
const FIRST_WINDOW: u64 = 64 * 1024;
/// Most requests that wait at one neighbour.
pub(crate) const MAX_OUTSTANDING: usize = 64;
/// Most requests of a neighbour that are kept: twice what an honest one sends.
pub(crate) const MAX_QUEUED: usize = 2 * MAX_OUTSTANDING;
/// Pieces handed to the transport for one neighbour at once. What the transport has not taken yet can still be reordered
/// and given to others; it takes the next one while it still has a window's worth of this one to send.
pub(crate) const MAX_ACTIVE: usize = 1;
/// First time that a sender of a wrong piece is not asked; doubles each time.
const FIRST_PENALTY: Duration = Duration::from_secs(1);
/// Longest such time: it may be the only path.
const LONGEST_PENALTY: Duration = Duration::from_secs(64);
/// How long a neighbour with a new slot is waited for before its response time is known, and at most unless its response
/// takes longer.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PATIENCE: Duration = Duration::from_secs(5);
/// Bounds of a response time that is guessed because requests come too late.
const SHORTEST_RESPONSE: Duration = Duration::from_millis(1);
const LONGEST_RESPONSE: Duration = Duration::from_secs(16);
/// Bytes of announcements that are handed over for a neighbour before its transport is heard of: a neighbour that comes back
/// to thousands of peers has megabytes to learn, and need not have room for them.
pub(crate) const AHEAD: u64 = 256 * 1024;
/// Span of the rolling rate by which neighbours are ranked.
const RANKING_SPAN: Duration = Duration::from_secs(20);

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NeighbourState {
    /// No connection since then.
    Away { since: Time, why: String },
    /// Connected; the neighbour's hello has not come yet, and it has been of no use since then.
    Greeting { since: Time },
    /// Both know each other.
    Open,
    /// It held everything and left.
    Departed,
    /// It is no neighbour in the topology, and not connected: nothing is asked of it.
    Unused,
}

/// One neighbour.
#[derive(Debug)]
pub(crate) struct Neighbour {
    pub(crate) peer: u32,
    pub(crate) state: NeighbourState,
    /// It is no neighbour in the topology.
    pub(crate) is_extra: bool,
    /// Whether both ever knew each other.
    pub(crate) met: bool,
    /// The number of its process, as its last hello said.
    pub(crate) incarnation: u32,
    /// It said hello while it caught up with others.
    pub(crate) catches_up: bool,

    /// Its last hello did not fit.
    pub(crate) unfit: bool,
    /// It is rounds behind, and has not said yet that it catches up.
    pub(crate) behind: bool,
    /// It could not take what this peer said of its round: it was in the one before the last, or further back.
    pub(crate) missed: bool,
    /// The last round that it spoke of, where that is more than one ahead of this peer's.
    pub(crate) ahead: Option<u32>,

    // What this peer asks of the neighbour.
    pub(crate) choked: bool,
    pub(crate) interested: bool,
    pub(crate) chokes_seen: u32,
    pub(crate) requests_sent: u32,
    pub(crate) outstanding: Requests,
    /// Pieces that have begun to come in answer to standing requests.
    pub(crate) arriving: Requests,
    /// When the last piece came.
    pub(crate) came_at: Option<Mark>,
    /// Chunks that it could send beside its last piece that answered a standing request.
    pub(crate) backlog: u32,
    /// When its last piece came, or when it was first asked for something that it was to supply.
    pub(crate) supplied_at: Time,
    /// No request times out before this; it may be that of one which has been answered.
    pub(crate) timeout_from: Option<Time>,
    pub(crate) delivery: DeliveryRate,
    pub(crate) received: RollingRate,
    /// Bytes of chunks that came from it and were kept, since the start.
    pub(crate) kept: u64,
    penalty: Duration,
    pub(crate) not_before: Time,
    /// Penalties since a chunk was last kept: others are asked first, and it gets one request at a time.
    pub(crate) strikes: u32,
    /// Since when it has broken rules without a chunk that went well either way: coming back is no use then.
    pub(crate) at_fault_since: Option<Time>,

    // What the neighbour asks of this peer.
    pub(crate) choking: bool,
    pub(crate) peer_interested: bool,
    pub(crate) chokes_sent: u32,
    pub(crate) last_requested: u32,
    pub(crate) last_started: u32,
    /// When a piece that answers a standing request last began to go there.
    pub(crate) pushed_at: Time,
    pub(crate) queue: VecDeque<(u32, ChunkId)>,
    pub(crate) active: Vec<u32>,
    /// When it is told of metainfos that it still seems to lack.
    pub(crate) metainfos_due: Option<Time>,
    /// Pieces that were sent in answer to standing requests.
    pub(crate) standing_sent: u32,
    /// It was told that this peer has nothing to send, and nothing was sent to it since.
    pub(crate) is_told_idle: bool,
    /// It said that it has nothing to send.
    pub(crate) is_idle: bool,
    /// When it announced something last; none once all that it has was asked of it that was worth it.
    pub(crate) offers_since: Option<Time>,
    /// Since when it has waited for a slot.
    pub(crate) waiting_since: Time,
    /// When it last asked for something.
    pub(crate) last_request_at: Time,
    /// When it got its slot, while nothing has been served since.
    pub(crate) unserved_since: Option<Time>,
    /// Shortest time from an unchoke to the request that followed.
    response: Option<Duration>,
    /// A request came too late for a slot since the last unchoke.
    crossed: bool,

    // Announcements of the current round that were not sent yet, ascending.
    pub(crate) haves: Vec<u32>,
    pub(crate) haves_due: Option<Time>,
    pub(crate) haves_sent_at: Option<Time>,

    /// Bytes of announcements that were handed over since the transport was last heard of.
    pub(crate) handed_over: u64,
    /// No more of them are before the transport has taken those.
    pub(crate) fenced: bool,
}

impl Neighbour {
    pub(crate) fn new(peer: u32, now: Time) -> Self {
        Self {
            peer,
            state: NeighbourState::Away {
                since: now,
                why: "it was never reached".to_owned(),
            },
            is_extra: false,
            met: false,
            incarnation: 0,
            catches_up: false,
            unfit: false,
            behind: false,
            missed: false,
            ahead: None,
            choked: true,
            interested: false,
            chokes_seen: 0,
            requests_sent: 0,
            outstanding: Requests::default(),
            arriving: Requests::default(),
            came_at: None,
            backlog: 0,
            supplied_at: now,
            timeout_from: None,
            delivery: DeliveryRate::default(),
            received: RollingRate::new(RANKING_SPAN),
            kept: 0,
            penalty: Duration::ZERO,
            not_before: Time::ZERO,
            strikes: 0,
            at_fault_since: None,
            choking: true,
            peer_interested: false,
            chokes_sent: 0,
            last_requested: 0,
            last_started: 0,
            pushed_at: Time::ZERO,
            queue: VecDeque::new(),
            active: Vec::new(),
            metainfos_due: None,
            standing_sent: 0,
            is_told_idle: false,
            is_idle: false,
            offers_since: None,
            waiting_since: now,
            last_request_at: now,
            unserved_since: None,
            response: None,
            crossed: false,
            haves: Vec::new(),
            haves_due: None,
            haves_sent_at: None,
            handed_over: 0,
            fenced: false,
        }
    }

    /// One beside those of the topology, which is about to be connected.
    pub(crate) fn extra(peer: u32, now: Time) -> Self {
        Self {
            state: NeighbourState::Unused,
            is_extra: true,
            ..Self::new(peer, now)
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == NeighbourState::Open
    }

    /// Whether it was there or is not needed, and is not connected now.
    pub(crate) fn is_away_again(&self) -> bool {
        match self.state {
            NeighbourState::Away { .. } => self.met,
            NeighbourState::Departed | NeighbourState::Unused => true,
            NeighbourState::Greeting { .. } | NeighbourState::Open => false,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, NeighbourState::Greeting { .. } | NeighbourState::Open)
    }

    /// Back to how a connection starts; what was learned about rates and faults stays.
    pub(crate) fn reset(&mut self, state: NeighbourState, now: Time) {
        let fresh = Self::new(self.peer, now);
        let old = std::mem::replace(self, fresh);
        self.state = state;
        self.is_extra = old.is_extra;
        self.met = old.met;
        self.incarnation = old.incarnation;
        self.unfit = old.unfit;
        self.delivery = old.delivery;
        self.received = old.received;
        self.kept = old.kept;
        self.penalty = old.penalty;
        self.not_before = old.not_before;
        self.strikes = old.strikes;
        self.at_fault_since = old.at_fault_since;
        self.response = old.response;
    }

    /// The requests among which one of this number is.
    pub(crate) fn requests_mut(&mut self, request: u32) -> &mut Requests {
        match is_standing(request) {
            true => &mut self.arriving,
            false => &mut self.outstanding,
        }
    }

    /// Whether it got its slot so recently that its first request may still be on its way.
    pub(crate) fn is_settling(&self, now: Time) -> bool {
        let patience = self.response.map_or(FIRST_PATIENCE, |response| {
            (response * 4).min(LONGEST_PATIENCE).max(response * 5 / 4)
        });
        !self.choking && self.unserved_since.is_some_and(|since| now < since + patience)
    }

    /// It has a slot from now on.
    pub(crate) fn open_slot(&mut self, now: Time) {
        self.choking = false;
        self.crossed = false;
        self.last_request_at = now;
        self.unserved_since = Some(now);
    }

    /// A request came while it had its slot.
    pub(crate) fn on_request_in_time(&mut self, now: Time) {
        if let Some(since) = self.unserved_since {
            let response = now.saturating_sub(since);
            self.response = Some(self.response.map_or(response, |least| least.min(response)));
        }
    }

    /// A request crossed a choke: the slot moved on faster than requests travel, so that it is waited for longer.
    pub(crate) fn on_request_too_late(&mut self) {
        if !std::mem::replace(&mut self.crossed, true) {
            let response = self.response.unwrap_or(FIRST_PATIENCE / 4);
            self.response = Some((response * 2).clamp(SHORTEST_RESPONSE, LONGEST_RESPONSE));
        }
    }

    /// A wrong or overdue piece: not asked for a while, each time longer, but never for good. What was asked for before
    /// the penalty began does not make it longer.
    pub(crate) fn penalise(&mut self, now: Time) {
        if now < self.not_before {
            return;
        }
        self.penalty = (self.penalty * 2).clamp(FIRST_PENALTY, LONGEST_PENALTY);
        self.not_before = now + self.penalty;
        self.strikes = self.strikes.saturating_add(1);
    }

    /// A chunk of it was right.
    pub(crate) fn keep(&mut self, bytes: u64) {
        self.kept += bytes;
        self.penalty /= 2;
        self.strikes = 0;
        self.at_fault_since = None;
    }

    /// Whether requests may be sent.
    pub(crate) fn may_ask(&self, now: Time) -> bool {
        self.is_open() && !self.choked && now >= self.not_before
    }

    /// Bytes that should be outstanding: one and a half times what the neighbour delivers in the shortest time that a
    /// piece has taken, and a chunk.
    fn window(&self, chunk: u32) -> u64 {
        let chunk = u64::from(chunk);
        let least = 2 * chunk;
        match (self.delivery.rate(), self.delivery.latency()) {
            (Some(rate), Some(latency)) => least.max((1.5 * rate * latency.as_secs_f64()) as u64 + chunk),
            _ => least.max(FIRST_WINDOW),
        }
    }

    /// Whether one more chunk may be asked for, beside so many bytes that are about to be.
    pub(crate) fn has_room(&self, chunk: u32, coming: u64) -> bool {
        let asked = self.outstanding.bytes() + coming;
        if self.strikes > 0 {
            return asked == 0;
        }
        self.outstanding.len() < MAX_OUTSTANDING && asked < self.window(chunk)
    }

    /// Seconds until what is outstanding has come, at the neighbour's rate or else at `fallback`.
    pub(crate) fn load(&self, fallback: f64) -> f64 {
        self.outstanding.bytes() as f64 / self.rate(fallback)
    }

    /// Whether it has delivered anything yet.
    pub(crate) fn is_measured(&self) -> bool {
        self.delivery.typical().is_some()
    }

    /// How little it can be relied on: penalties since the last chunk, and whether there never was one.
    pub(crate) fn unreliability(&self) -> (u32, bool) {
        (self.strikes, !self.is_measured())
    }

    /// Bytes a second that it delivers lately, or else `fallback`.
    pub(crate) fn rate(&self, fallback: f64) -> f64 {
        self.delivery.typical().unwrap_or(fallback)
    }

    /// How long one more chunk should take.
    pub(crate) fn expected(&self, bytes: u32) -> Option<Duration> {
        let rate = self.delivery.typical()?;
        let queued = (self.outstanding.bytes() + u64::from(bytes)) as f64 / rate;
        Some(self.delivery.latency()? + Duration::try_from_secs_f64(queued).ok()?)
    }

    /// Since when the neighbour has been of no use: not connected, or connected without a hello that fits.
    pub(crate) fn useless_since(&self) -> Option<Time> {
        match self.state {
            NeighbourState::Away { since, .. } | NeighbourState::Greeting { since } => Some(since),
            NeighbourState::Open | NeighbourState::Departed | NeighbourState::Unused => None,
        }
    }
}
