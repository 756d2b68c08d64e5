//! What uplinks carry, as their peers have measured and said, and when trees follow that.
//!
//! A peer says so at most once a round, and only where it is something else than before. That comes to everybody within moments, and trees differ only until
//! then: it costs time and no chunk.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::Swarm;
use crate::{
    Time,
    signed::Signed,
    statement::{MeasuredUplink, Speaker, Statement},
    suppliers::UplinkRate,
};

/// Trees follow so long after something was said, and so much longer for each peer: others say something as well, and trees between many peers
/// take a while to find.
const GATHERED: Duration = Duration::from_millis(200);
const GATHERED_EACH: Duration = Duration::from_millis(5);
/// Each time that they follow in a round, others have to wait twice as long; more often they do not.
const MOST_FOLLOWED: u32 = 4;

/// What a peer has said last.
#[derive(Debug)]
struct Said {
    incarnation: u32,
    round: u32,
    signed: Signed,
}

/// What is known of the peers' uplinks.
#[derive(Debug)]
pub(super) struct Uplinks {
    /// By peer; empty where nobody follows trees.
    rates: Vec<UplinkRate>,
    said: BTreeMap<u32, Said>,
    /// When trees follow what was said.
    follow_at: Option<Time>,
    /// How often they have in this round.
    followed: u32,
}

/// What is known already of what somebody says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing, or something older.
    No,
    /// That, or something newer.
    Yes,
    /// Something else of the same round: it lies.
    Otherwise,
}

impl Uplinks {
    /// Of so many peers, of which nobody has measured anything.
    pub(super) fn new(peers: u32) -> Self {
        Self {
            rates: vec![UplinkRate::default(); peers as usize],
            said: BTreeMap::new(),
            follow_at: None,
            followed: 0,
        }
    }

    /// Those of these peers. What others have said, who may not have said it to everybody, counts for nothing.
    pub(super) fn of(&self, members: &[u32]) -> Arc<[UplinkRate]> {
        let mut rates = vec![UplinkRate::default(); self.rates.len()];
        for &member in members {
            if let Some(rate) = rates.get_mut(member as usize) {
                *rate = self.rates[member as usize];
            }
        }
        rates.into()
    }

    /// All that was said, for a neighbour that may not know it.
    pub(super) fn statements(&self) -> impl Iterator<Item = &Signed> {
        self.said.values().map(|said| &said.signed)
    }

    /// Whether a process of a peer has said something in this round or in a later one.
    fn knows(&self, peer: u32, incarnation: u32, round: u32) -> bool {
        let said = self.said.get(&peer);
        said.is_some_and(|said| (said.incarnation, said.round) >= (incarnation, round))
    }

    /// What is known of a statement of a round.
    pub(super) fn known(&self, peer: u32, incarnation: u32, round: u32, signed: &Signed) -> Known {
        match self.said.get(&peer) {
            Some(said) if (said.incarnation, said.round) == (incarnation, round) && said.signed.body != signed.body => {
                Known::Otherwise
            }
            _ if self.knows(peer, incarnation, round) => Known::Yes,
            _ => Known::No,
        }
    }
}

impl Swarm {
    /// This peer's uplink was measured to carry so many bytes a second. Gives what the others are told, where that is news.
    pub fn measured_uplink(&mut self, now: Time, rate: f64) -> Option<UplinkRate> {
        let (me, incarnation) = (self.config.me(), self.config.hello.incarnation);
        let known = *self.uplinks.rates.get(me as usize)?;
        let (rate, round) = (known.measured(rate), self.current.number);
        if rate == known || self.ended || self.joining.is_some() || self.uplinks.knows(me, incarnation, round) {
            return None;
        }
        let measured = MeasuredUplink { round, rate };
        let signed = self.sign(&Statement::Uplink(measured))?;
        let speaker = self.speaker();
        self.uplink_heard(now, &speaker, measured, None, signed);
        Some(rate)
    }

    pub(super) fn uplink_heard(
        &mut self,
        now: Time,
        of: &Speaker,
        measured: MeasuredUplink,
        from: Option<usize>,
        signed: Signed,
    ) {
        let MeasuredUplink { round, rate } = measured;
        let Some(known) = self.uplinks.rates.get_mut(of.peer as usize) else {
            return;
        };
        if std::mem::replace(known, rate) != rate && self.uplinks.followed < MOST_FOLLOWED {
            let gathered = (GATHERED + GATHERED_EACH * self.config.peers) * (1 << self.uplinks.followed);
            self.uplinks.follow_at.get_or_insert(now + gathered);
        }
        self.pass_on_uplink(of.peer, from, &signed);
        let incarnation = of.incarnation;
        let said = Said {
            incarnation,
            round,
            signed,
        };
        self.uplinks.said.insert(of.peer, said);
    }

    /// Tells the neighbours that are further from who says it; while a link may be down, all.
    fn pass_on_uplink(&mut self, origin: u32, from: Option<usize>, signed: &Signed) {
        let suppliers = self.suppliers.clone().filter(|_| self.view.is_quiet());
        let is_further = |at| suppliers.as_ref().is_none_or(|it| it.is_further(at, origin));
        self.flood_to(from, signed, is_further);
    }

    /// When [`Self::follow_uplinks`] has to be called at the latest.
    pub(super) fn next_follow_uplinks(&self) -> Option<Time> {
        self.uplinks.follow_at
    }

    /// A round begins here with what is known now.
    pub(super) fn begin_with_uplinks(&mut self) {
        (self.uplinks.follow_at, self.uplinks.followed) = (None, 0);
    }

    /// A link has gone by which somebody may have been told: everybody is told all once more.
    pub(super) fn tell_uplinks_again(&mut self) {
        let said: Vec<Signed> = self.uplinks.statements().cloned().collect();
        for signed in &said {
            self.flood(None, signed);
        }
    }

    /// Trees follow within the round what was said of uplinks.
    pub(super) fn follow_uplinks(&mut self, now: Time) {
        if self.uplinks.follow_at.is_none_or(|due| due > now) {
            return;
        }
        self.uplinks.follow_at = None;
        self.uplinks.followed += 1;
        let followed = self.suppliers.clone().filter(|_| self.current.suppliers().is_some());
        let Some(followed) = followed.filter(|_| !self.current.is_closed()) else {
            return;
        };
        let members: Vec<u32> = (0..self.config.peers).filter(|&peer| followed.has(peer)).collect();
        let Some(suppliers) = self.suppliers_of(&members).filter(|new| !Arc::ptr_eq(new, &followed)) else {
            return;
        };
        self.suppliers = Some(Arc::clone(&suppliers));
        let arriving = self.arriving().collect();
        let taken_back = self.current.change_suppliers(suppliers, &arriving);
        for (at, positions) in taken_back {
            self.tell_unwanted(at, &positions);
        }
        self.update_interest();
    }
}
