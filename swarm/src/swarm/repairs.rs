//! Extra neighbours in place of lost ones.
//!
//! Who is lost follows from the link states, and whom this peer is wired to from that ([`crate::repair`]); a partner computes the same.
//! One that does not answer counts as lost too, which everybody hears, so that the rule gives others. Where two know of different losses
//! for a moment, whoever is reached by a member of the run talks to it, within bounds.
//!
//! An entry of [`Swarm::neighbours`] is made with the first connection and never taken away, so that positions stay what they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Action, Notice, Swarm};
use crate::{
    Time,
    neighbour::{Neighbour, NeighbourState},
    repair::{Repair, partners},
    round::Round,
};

/// Connections of peers that this one would not be wired to, at once.
const MOST_UNINVITED: usize = 8;
/// Peers that may ever be wired to this one beside those that it would be wired to.
const MOST_EXTRA: usize = 64;
/// Peers that did not answer and are still tried, since it may have been the way to them.
const MOST_TRIED: usize = 8;
/// A link that lasts shorter was refused right after it was made; the next try waits twice as long, up to a bound.
const LASTING: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MOST_DOUBLINGS: u32 = 6;
/// Extra links are closed after so many borders of rounds without need. By the first one only the peer that is back has taken part in
/// a round from its beginning, and others may still lack chunks of the one before.
const BORDERS: u32 = 2;

/// What this peer knows of losses, and whom it is wired to.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// The change of the view and the round for which `lost` holds.
    seen: Option<(u64, u32)>,
    /// Who is lost, and since when.
    lost: BTreeMap<u32, Time>,
    /// Those of them by which it is wired: it takes some time to be lost.
    wired_by: BTreeSet<u32>,
    partners: BTreeMap<u32, Partner>,
    /// Partners that did not answer.
    unreached: BTreeSet<u32>,
}

/// A peer that this one is wired to by the rule.
#[derive(Debug)]
struct Partner {
    /// Since when there is no link to it; none while there is one.
    apart_since: Option<Time>,
    /// The driver tries to reach it.
    is_dialled: bool,
    /// When it was dialled last, and how often in a row without a link that lasted.
    dialled: Option<(Time, u32)>,
    /// The round in which it ceased to be needed.
    spare_since: Option<u32>,
}

impl Swarm {
    /// Whether neighbours of lost peers are wired anew, so that any peer of the run may be reached and may come.
    pub fn repairs(&self) -> bool {
        self.config.repair != Repair::None && self.goes_on_without()
    }

    /// Whether the topology or the rule gives this peer a neighbour. What others say of themselves counts for less.
    pub(super) fn is_wired_to(&self, neighbour: &Neighbour) -> bool {
        !neighbour.is_extra || self.repairs.partners.contains_key(&neighbour.peer)
    }

    /// Partners that did not answer.
    pub(super) fn unreached(&self) -> impl Iterator<Item = u32> {
        self.repairs.unreached.iter().copied()
    }

    /// Looks who is lost, and sees to the links that follow from it.
    pub(super) fn repair(&mut self, now: Time) {
        if !self.repairs() || self.has_finished() {
            return;
        }
        loop {
            let some_are_there = self.note_lost(now);
            self.choose_partners(now);
            self.watch_partners(now);
            if !self.give_partners_up(now) && !some_are_there {
                return;
            }
            self.tell_links(now);
        }
    }

    /// When [`Self::repair`] has to be called at the latest.
    pub(super) fn next_repair(&self) -> Option<Time> {
        let settled = self
            .repairs
            .lost
            .values()
            .map(|&since| since + self.config.round_rules.patience);
        let partners = self.repairs.partners.iter();
        let dials = partners
            .clone()
            .filter_map(|(&peer, partner)| self.dial_due(peer, partner));
        let given_up = partners.filter_map(|(&peer, partner)| self.given_up_at(peer, partner));
        let due = settled
            .chain(dials)
            .chain(given_up)
            .filter(|&due| due > self.settled_at)
            .min();
        due.filter(|_| self.repairs())
    }

    /// True when others have to hear that somebody answers after all.
    fn note_lost(&mut self, now: Time) -> bool {
        let seen = Some((self.view.changes(), self.current.number));
        if self.repairs.seen == seen {
            return false;
        }
        let mut lost = self.view.lost();
        // One that is reached again by way of a repair alone stays lost here, or else the repair would undo itself.
        let is_apart = |peer: &u32| {
            let at = self.find(*peer).filter(|&at| !self.neighbours[at].is_extra);
            at.is_some_and(|at| self.is_down(now, at))
        };
        lost.extend(self.repairs.lost.keys().copied().filter(is_apart));
        if self.is_last() {
            lost.retain(|&peer| !self.view.has_left(peer));
        }
        let since = |peer: u32| (peer, self.repairs.lost.get(&peer).copied().unwrap_or(now));
        let lost = lost.into_iter().map(since).collect();
        let repairs = &mut self.repairs;
        (repairs.seen, repairs.lost) = (seen, lost);
        let before = repairs.unreached.len();
        repairs.unreached.retain(|&peer| !self.view.reaches(peer));
        repairs.unreached.len() < before
    }

    /// Goes by the rule once somebody is lost for long enough, or no more.
    fn choose_partners(&mut self, now: Time) {
        let patience = self.config.round_rules.patience;
        let settled = self.repairs.lost.iter().filter(|&(_, &since)| since + patience <= now);
        let settled: BTreeSet<u32> = settled.map(|(&peer, _)| peer).collect();
        if settled == self.repairs.wired_by {
            return;
        }
        let config = &self.config;
        let chosen = partners(
            config.repair,
            &config.topology,
            &settled,
            config.common_seed,
            config.me(),
        );
        let (round, repairs) = (self.current.number, &mut self.repairs);
        let needed = repairs
            .partners
            .iter()
            .filter(|(_, partner)| partner.spare_since.is_none());
        let before: BTreeSet<u32> = needed.map(|(&peer, _)| peer).collect();
        for (peer, partner) in &mut repairs.partners {
            partner.spare_since = match chosen.contains(peer) {
                true => None,
                false => Some(partner.spare_since.unwrap_or(round)),
            };
        }
        for &peer in &chosen {
            repairs.partners.entry(peer).or_insert(Partner {
                apart_since: Some(now),
                is_dialled: false,
                dialled: None,
                spare_since: None,
            });
        }
        if chosen != before {
            self.actions.push_back(Action::Notice(Notice::Rewired {
                lost: settled.iter().copied().collect(),
                neighbours: chosen.into_iter().collect(),
            }));
        }
        repairs.wired_by = settled;
    }

    /// Dials partners that are needed, and lets go of those that are neither needed nor there.
    fn watch_partners(&mut self, now: Time) {
        for peer in self.repairs.partners.keys().copied().collect::<Vec<u32>>() {
            let neighbour = self.find(peer).map(|at| &self.neighbours[at]);
            let is_open = neighbour.is_some_and(Neighbour::is_open);
            let is_connected = neighbour.is_some_and(Neighbour::is_connected);
            let is_reached = self.view.reaches(peer);
            let is_tried = self.repairs.unreached.iter().take(MOST_TRIED).any(|it| *it == peer);
            let Some(partner) = self.repairs.partners.get_mut(&peer) else {
                continue;
            };
            // One that does not say that there is a link is as good as away.
            let is_there = is_open && is_reached;
            partner.apart_since = (!is_there).then(|| partner.apart_since.unwrap_or(now));
            partner.dialled = partner.dialled.filter(|&(at, _)| !is_open || now < at + LASTING);
            partner.is_dialled &= !is_connected;
            if partner.spare_since.is_some() && !is_connected && !is_tried {
                if partner.is_dialled {
                    self.actions.push_back(Action::Hangup { peer });
                }
                self.repairs.partners.remove(&peer);
            }
        }
        let partners = self.repairs.partners.iter();
        let due = partners.filter(|&(&peer, partner)| self.dial_due(peer, partner).is_some_and(|due| due <= now));
        for peer in due.map(|(&peer, _)| peer).collect::<Vec<u32>>() {
            if let Some(partner) = self.repairs.partners.get_mut(&peer) {
                partner.is_dialled = true;
                let tries = partner.dialled.map_or(0, |(_, tries)| tries);
                partner.dialled = Some((now, tries.saturating_add(1)));
                self.actions.push_back(Action::Dial { peer });
            }
        }
    }

    /// When a partner is dialled: as in the topology the higher index does it, unless it seems to know nothing of it.
    fn dial_due(&self, peer: u32, partner: &Partner) -> Option<Time> {
        let connected = |at: usize| self.neighbours[at].is_connected();
        if partner.is_dialled || self.find(peer).is_some_and(connected) {
            return None;
        }
        let patience = self.config.round_rules.patience;
        let since = partner.apart_since?;
        let first = if peer < self.config.me() {
            since
        } else {
            since + patience
        };
        // A connection that is made and closed at once is no reason to hurry.
        let pause = |(at, tries): (Time, u32)| at + FIRST_PAUSE * 2_u32.pow(tries.min(MOST_DOUBLINGS));
        Some(partner.dialled.map_or(first, |dialled| first.max(pause(dialled))))
    }

    /// True when others have to hear that somebody does not answer.
    fn give_partners_up(&mut self, now: Time) -> bool {
        let partners = self.repairs.partners.iter();
        let late = partners.filter(|&(&peer, partner)| self.given_up_at(peer, partner).is_some_and(|due| due <= now));
        let late: Vec<u32> = late.map(|(&peer, _)| peer).collect();
        self.repairs.unreached.extend(&late);
        !late.is_empty()
    }

    /// When a partner that does not answer counts as lost.
    fn given_up_at(&self, peer: u32, partner: &Partner) -> Option<Time> {
        let is_needed = partner.spare_since.is_none() && !self.view.reaches(peer);
        let since = partner
            .apart_since
            .filter(|_| is_needed && !self.repairs.unreached.contains(&peer))?;
        Some(since + self.config.join_within.min(self.config.lost_after))
    }

    /// At the border of a round: closes links whose peers are not needed any more.
    pub(super) fn undo_repairs(&mut self, now: Time) {
        let round = self.current.number;
        let is_over = |partner: &Partner| partner.spare_since.is_some_and(|since| since + BORDERS <= round);
        let partners = self.repairs.partners.iter().filter(|(_, partner)| is_over(partner));
        for peer in partners.map(|(&peer, _)| peer).collect::<Vec<u32>>() {
            self.repairs.partners.remove(&peer);
            if let Some(at) = self.find(peer) {
                self.drop_neighbour(now, at, NeighbourState::Unused);
            }
            self.actions.push_back(Action::Hangup { peer });
        }
    }

    /// The place of a peer that has been reached, or has reached this one: a neighbour, or a member of the run that there is room for.
    pub(super) fn admit(&mut self, now: Time, peer: u32) -> Option<usize> {
        let at = self.find(peer);
        if at.is_some_and(|at| !self.neighbours[at].is_extra) {
            return at;
        }
        if !self.repairs() || peer >= self.config.peers || peer == self.config.me() {
            return None;
        }
        let is_partner = |peer: &u32| self.repairs.partners.contains_key(peer);
        let extra = self.neighbours.iter().filter(|neighbour| neighbour.is_extra);
        let uninvited = extra.filter(|neighbour| !is_partner(&neighbour.peer) && neighbour.peer != peer);
        let connected = uninvited.clone().filter(|neighbour| neighbour.is_connected());
        let has_room = connected.count() < MOST_UNINVITED && (at.is_some() || uninvited.count() < MOST_EXTRA);
        if !has_room && !is_partner(&peer) {
            self.actions.push_back(Action::Hangup { peer });
            return None;
        }
        if at.is_some() {
            return at;
        }
        self.neighbours.push(Neighbour::extra(peer, now));
        self.rounds_mut().for_each(Round::add_neighbour);
        Some(self.neighbours.len() - 1)
    }
}
