//! What peers tell each other without being asked: metainfos, haves, completion, interest.

use std::{sync::Arc, time::Duration};

use super::{Action, Notice, Swarm, Violation, settle::Follows};
use crate::{
    Time,
    equivocation::Equivocation,
    message::Message,
    metainfo::{KnownMetainfo, SignedMetainfo},
    round::Round,
};

/// Announcements to a neighbour that is being served follow each other no sooner, so that some share a message.
const COALESCE: Duration = Duration::from_millis(10);
/// To one that knows of plenty which it lacks and could ask for here they are not urgent.
const COALESCE_PLENTY: Duration = Duration::from_millis(40);
const PLENTY: usize = 64;

impl Swarm {
    /// A neighbour has just been greeted: everything that it may not know.
    pub(super) fn tell_everything(&mut self, at: usize) {
        let mut messages = Vec::new();
        let window = [
            self.previous.as_mut(),
            Some(&mut self.current),
            self.next.as_deref_mut(),
        ];
        for round in window.into_iter().flatten() {
            describe(round, at, &mut messages);
        }
        for message in messages {
            self.send(at, message);
        }
    }

    pub(super) fn got_haves(
        &mut self,
        at: usize,
        round: u32,
        positions: impl Iterator<Item = u32>,
    ) -> Result<(), Violation> {
        self.check_round(round)?;
        self.check_incomplete(at, round)?;
        let Some(round) = self.round_mut(round) else {
            return Ok(());
        };
        for position in positions {
            round.add_have(at, position);
        }
        Ok(())
    }

    /// Who has said that it is complete neither tells of chunks of that round nor asks for them, unless it died and began
    /// anew. What is still kept it can have again; what is released nobody can give it.
    pub(super) fn check_incomplete(&mut self, at: usize, number: u32) -> Result<(), Violation> {
        let is_kept = number >= self.released;
        match self.round_mut(number) {
            Some(round) if round.link(at).complete => {
                if is_kept {
                    round.forget_complete(at);
                }
                Err(Violation::Anew { round: number })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn got_complete(&mut self, at: usize, round: u32) -> Result<(), Violation> {
        self.check_round(round)?;
        if let Some(round) = self.round_mut(round) {
            round.add_complete(at);
        }
        Ok(())
    }

    pub(super) fn got_metainfo(
        &mut self,
        at: usize,
        signed: SignedMetainfo,
    ) -> Result<Follows, Violation> {
        let read = self.verifier.read(signed, self.config.layout.chunks())?;
        let (parsed, signed) = (&read.parsed, &read.signed);
        let (origin, number) = (parsed.origin, parsed.round);
        self.check_round(number)?;
        let bad = |why: &str| Violation::Metainfo {
            origin,
            why: why.to_owned(),
        };
        if origin >= self.config.peers {
            return Err(bad("there is no such peer"));
        }
        if parsed.run != self.config.hello.run || parsed.attempt != self.config.hello.attempt {
            return Err(bad("it belongs to another run"));
        }
        let Some(round) = self.round_mut(number) else {
            return Ok(Follows::Nothing);
        };
        round.mark_metainfo(at, origin);
        let known = round
            .metainfo(origin)
            .map(|known| round.is_disputed(origin) || known.signed.body == signed.body);
        // This peer's own update comes from its own training only; that an origin lies is proven once.
        if known == Some(true) || known.is_none() && origin == self.config.me() {
            return Ok(Follows::Nothing);
        }
        self.verifier
            .verify(origin, &signed.certificate, &signed.body, &signed.signature)
            .map_err(|why| bad(&why))?;
        if known == Some(false) {
            self.dispute(at, (number, origin), signed.clone());
            return Ok(Follows::Nothing);
        }
        Ok(match self.adopt_metainfo(read, Some(at)) {
            true => Follows::OnlyRequests,
            false => Follows::Nothing,
        })
    }

    /// An origin has signed two updates for one round: the neighbours have the first one and get the second, so that
    /// everybody holds the proof.
    fn dispute(&mut self, from: usize, (round, origin): (u32, u32), second: SignedMetainfo) {
        let Some(first) = self.round_mut(round).and_then(|it| it.dispute(origin)) else {
            return;
        };
        let proof = Box::new(Equivocation::new(first.signed.clone(), second.clone()));
        for at in (0..self.links.len()).filter(|&at| at != from) {
            if self.links[at].is_open() {
                self.send(at, Message::Metainfo(second.clone()));
            }
        }
        let notice = Notice::Equivocation {
            origin,
            round,
            proof,
        };
        self.actions.push_back(Action::Notice(notice));
    }

    /// Keeps a metainfo that holds and floods it; true when chunks can be asked for since.
    pub(super) fn adopt_metainfo(
        &mut self,
        known: Arc<KnownMetainfo>,
        from: Option<usize>,
    ) -> bool {
        let (origin, number) = (known.parsed.origin, known.parsed.round);
        let open: Vec<usize> = (0..self.links.len())
            .filter(|&at| self.links[at].is_open())
            .collect();
        let Some(round) = self.round_mut(number) else {
            return false;
        };
        let unaware: Vec<usize> = open
            .into_iter()
            .filter(|&at| Some(at) != from && round.mark_metainfo(at, origin))
            .collect();
        let is_askable = round.set_metainfo(origin, Arc::clone(&known));
        for at in unaware {
            self.send(at, Message::Metainfo(known.signed.clone()));
        }
        is_askable
    }

    /// Remembers to tell every neighbour that lacks the chunk.
    pub(super) fn announce(&mut self, now: Time, position: u32) {
        for (at, link) in self.links.iter_mut().enumerate() {
            if !link.is_open() || self.current.has(at, position) {
                continue;
            }
            link.haves.push(position);
            if link.haves_due.is_none() {
                let known = self.current.ahead_of(at) as usize - link.haves.len();
                let pause = match link.active.is_empty() {
                    _ if known >= PLENTY => COALESCE_PLENTY,
                    false => COALESCE,
                    true => Duration::ZERO,
                };
                let due = link.haves_sent_at.map_or(now, |sent| sent + pause);
                link.haves_due = Some(due.max(now));
            }
        }
    }

    pub(super) fn announce_complete(&mut self, round: u32) {
        for at in 0..self.links.len() {
            self.links[at].haves.clear();
            self.links[at].haves_due = None;
            if self.links[at].is_open() {
                self.send(at, Message::Complete { round });
            }
        }
    }

    /// Sends the announcements that are due.
    pub(super) fn flush_haves(&mut self, now: Time) {
        for at in 0..self.links.len() {
            let link = &mut self.links[at];
            if link.haves_due.is_none_or(|due| due > now) {
                continue;
            }
            link.haves_due = None;
            link.haves_sent_at = Some(now);
            let mut positions: Vec<u32> = std::mem::take(&mut link.haves);
            positions.retain(|&position| !self.current.has(at, position));
            positions.sort_unstable();
            if positions.is_empty() {
                continue;
            }
            let round = self.current.number;
            // Deltas take a byte or more each; the whole bitfield is shorter when there are many.
            let message = if positions.len() > self.current.held().as_bytes().len() {
                Message::Bitfield {
                    round,
                    held: self.current.held().clone(),
                }
            } else {
                Message::Have { round, positions }
            };
            self.send(at, message);
        }
    }

    /// Tells neighbours whether they have something that this peer misses.
    pub(super) fn update_interest(&mut self) {
        for at in 0..self.links.len() {
            self.update_interest_in(at);
        }
    }

    pub(super) fn update_interest_in(&mut self, at: usize) {
        let interesting = self.current.is_interesting(at);
        let link = &mut self.links[at];
        if !link.is_open() || link.interested == interesting {
            return;
        }
        link.interested = interesting;
        self.send(
            at,
            if interesting {
                Message::Interested
            } else {
                Message::NotInterested
            },
        );
    }
}

fn describe(round: &mut Round, at: usize, messages: &mut Vec<Message>) {
    let number = round.number;
    let known: Vec<_> = round
        .metainfos()
        .map(|known| (known.parsed.origin, known.signed.clone()))
        .collect();
    for (origin, signed) in known {
        round.mark_metainfo(at, origin);
        messages.push(Message::Metainfo(signed));
    }
    if round.is_complete() {
        messages.push(Message::Complete { round: number });
    } else if !round.held().is_empty() {
        messages.push(Message::Bitfield {
            round: number,
            held: round.held().clone(),
        });
    }
}
