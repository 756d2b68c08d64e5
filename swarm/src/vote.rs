//! How peers agree on what of a round is folded when somebody is absent.
//!
//! Each member of the view floods what it holds. Once all members of one view have spoken, the set follows from their words
//! alone, so that all compute the same one, without a leader: a form of FloodSet (Lynch, Distributed Algorithms, 1996,
//! section 6.2) over an agreed view. A change of the view asks for new votes.

use std::collections::BTreeMap;

use crate::{bitfield::Bitfield, signed::Signed};

/// Votes that are kept of one voter in one round. Each change of the view takes one.
const KEPT: usize = 32;

/// A member's word on a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) round: u32,
    /// Counts this voter's votes in the round, from 1.
    pub(crate) ballot: u32,
    /// The processes of the members, added up: a view in which one of them has begun anew is another one.
    pub(crate) epoch: u32,
    /// What not everybody holds is left out, chunk by chunk; otherwise what somebody holds is waited for.
    pub(crate) cuts: bool,
    /// The voter has closed the round with every update, before anybody voted.
    pub(crate) is_closed: bool,
    /// The view: who takes part as the voter sees it.
    pub(crate) members: Bitfield,
    /// Origins whose update is not whole here, ascending, with the chunks of it that are.
    pub(crate) lacks: Vec<(u32, Bitfield)>,
}

impl Vote {
    /// Whether the voter holds a chunk of an origin.
    pub(crate) fn holds(&self, origin: u32, index: u32) -> bool {
        self.held(origin).is_none_or(|held| held.contains(index))
    }

    /// The chunks of an origin that the voter holds; none: all of them.
    fn held(&self, origin: u32) -> Option<&Bitfield> {
        let at = self.lacks.binary_search_by_key(&origin, |(of, _)| *of).ok()?;
        Some(&self.lacks[at].1)
    }
}

#[derive(Debug)]
struct Known {
    incarnation: u32,
    vote: Vote,
    signed: Signed,
}

/// The votes on one round.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    /// Of each voter, in the order of its ballots.
    of: BTreeMap<u32, Vec<Known>>,
}

/// What became of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// It was known, or there are too many of this voter.
    Nothing,
    /// It is new.
    News,
    /// The voter has signed two contents under one ballot.
    Lie,
}

impl Votes {
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// Whether a vote is exactly one that is known, so that its signature need not be checked.
    pub(crate) fn knows(&self, voter: u32, body: &[u8]) -> bool {
        let of = self.of.get(&voter).into_iter().flatten();
        of.into_iter().any(|known| known.signed.body == body)
    }

    /// A vote of one of the voter's processes, whose signature holds.
    pub(crate) fn add(&mut self, voter: u32, incarnation: u32, vote: Vote, signed: Signed) -> Cast {
        let votes = self.of.entry(voter).or_default();
        match votes.binary_search_by_key(&(incarnation, vote.ballot), |known| {
            (known.incarnation, known.vote.ballot)
        }) {
            Ok(at) if votes[at].signed.body == signed.body => Cast::Nothing,
            Ok(_) => Cast::Lie,
            Err(0) if votes.len() >= KEPT => Cast::Nothing,
            Err(at) => {
                votes.insert(
                    at,
                    Known {
                        incarnation,
                        vote,
                        signed,
                    },
                );
                if votes.len() > KEPT {
                    votes.remove(0);
                }
                Cast::News
            }
        }
    }

    /// The last vote of a voter, whichever of its processes has cast it.
    pub(crate) fn last_of(&self, voter: u32) -> Option<&Vote> {
        Some(&self.of.get(&voter)?.last()?.vote)
    }

    /// Whether a voter has voted in a view.
    pub(crate) fn has_voted(&self, voter: u32, members: &Bitfield, epoch: u32) -> bool {
        self.in_view(voter, (members, epoch)).is_some()
    }

    /// Members of a view who have voted in it to leave out what not everybody holds.
    pub(crate) fn cutters(&self, members: &Bitfield, epoch: u32) -> u32 {
        let votes = members
            .iter()
            .filter_map(|member| self.in_view(member, (members, epoch)));
        votes.filter(|vote| vote.cuts).count() as u32
    }

    /// Whether somebody leaves out what not everybody holds.
    pub(crate) fn cut(&self) -> bool {
        self.all().any(|(_, known)| known.vote.cuts)
    }

    /// All votes as they travel, in the order in which each voter cast them.
    pub(crate) fn statements(&self) -> impl Iterator<Item = &Signed> {
        self.all().map(|(_, known)| &known.signed)
    }

    fn all(&self) -> impl Iterator<Item = (u32, &Known)> {
        let of = self.of.iter();
        of.flat_map(|(&voter, votes)| votes.iter().map(move |known| (voter, known)))
    }

    fn in_view(&self, voter: u32, (members, epoch): (&Bitfield, u32)) -> Option<&Vote> {
        let votes = self.of.get(&voter)?.iter();
        votes
            .map(|known| &known.vote)
            .find(|vote| vote.epoch == epoch && vote.members == *members)
    }

    /// What is folded of a round of so many chunks an origin, once all members of one view of at least `least` peers have voted:
    /// positions `origin * chunks + index`.
    ///
    /// Of several views the first one counts, unless nobody of the last one holds some of its set any more.
    pub(crate) fn decided(&self, chunks: u32, least: u32) -> Option<Bitfield> {
        let mut seen: Vec<(&Bitfield, u32)> = Vec::new();
        let mut views: Vec<(u32, Vec<&Vote>)> = Vec::new();
        for (_, known) in self.all() {
            let (members, epoch) = (&known.vote.members, known.vote.epoch);
            if members.count() < least || seen.contains(&(members, epoch)) {
                continue;
            }
            seen.push((members, epoch));
            let votes: Option<Vec<&Vote>> = members
                .iter()
                .map(|member| self.in_view(member, (members, epoch)))
                .collect();
            if let Some(votes) = votes.filter(|votes| !votes.is_empty()) {
                let age = votes.iter().map(|vote| vote.ballot).max().unwrap_or(0);
                views.push((age, votes));
            }
        }
        views.sort_by(|(age, a), (other, b)| {
            let key = |votes: &[&Vote]| {
                (
                    u32::MAX - votes[0].members.count(),
                    votes[0].members.as_bytes().to_vec(),
                )
            };
            age.cmp(other).then_with(|| key(a).cmp(&key(b)))
        });
        let (_, last) = views.last()?;
        let there = union(last, chunks);
        let sets = views.iter().map(|(_, votes)| set(votes, chunks));
        let mut obtainable = sets.filter(|set| set.iter().all(|at| there.contains(at)));
        obtainable.next()
    }
}

/// The chunks that one of the voters holds at least.
fn union(votes: &[&Vote], chunks: u32) -> Bitfield {
    collect(votes, chunks, |votes, origin, index| {
        votes.iter().any(|vote| vote.holds(origin, index))
    })
}

/// What is folded by these votes: everything, where a voter has closed the round with that; else the updates that are whole with all voters together, or, where one of them cuts, the chunks
/// that every voter holds. A cut that would leave a chunk without any update is none.
fn set(votes: &[&Vote], chunks: u32) -> Bitfield {
    if votes.iter().any(|vote| vote.is_closed) {
        return collect(votes, chunks, |_, _, _| true);
    }
    if votes.iter().any(|vote| vote.cuts) {
        let common = collect(votes, chunks, |votes, origin, index| {
            votes.iter().all(|vote| vote.holds(origin, index))
        });
        let peers = common.len() / chunks;
        let is_covered = |index: u32| (0..peers).any(|origin| common.contains(origin * chunks + index));
        if (0..chunks).all(is_covered) {
            return common;
        }
    }
    let there = union(votes, chunks);
    let peers = there.len() / chunks;
    let mut whole = Bitfield::new(there.len());
    for origin in 0..peers {
        let positions = origin * chunks..(origin + 1) * chunks;
        if positions.clone().all(|at| there.contains(at)) {
            for at in positions {
                whole.insert(at);
            }
        }
    }
    whole
}

/// Origins that everybody holds are passed over as a whole.
fn collect(votes: &[&Vote], chunks: u32, keep: impl Fn(&[&Vote], u32, u32) -> bool) -> Bitfield {
    let peers = votes[0].members.len();
    let mut set = Bitfield::new(peers * chunks);
    for origin in 0..peers {
        let is_whole = votes.iter().all(|vote| vote.held(origin).is_none());
        for index in 0..chunks {
            if is_whole || keep(votes, origin, index) {
                set.insert(origin * chunks + index);
            }
        }
    }
    set
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const CHUNKS: u32 = 2;
    const PEERS: u32 = 4;

    fn bits(len: u32, positions: &[u32]) -> Bitfield {
        let mut bits = Bitfield::new(len);
        for &position in positions {
            bits.insert(position);
        }
        bits
    }

    fn vote(ballot: u32, members: &[u32], lacks: &[(u32, &[u32])]) -> Vote {
        Vote {
            round: 0,
            ballot,
            epoch: 0,
            cuts: false,
            is_closed: false,
            members: bits(PEERS, members),
            lacks: lacks
                .iter()
                .map(|(origin, held)| (*origin, bits(CHUNKS, held)))
                .collect(),
        }
    }

    fn cast(votes: &mut Votes, voter: u32, vote: Vote) -> Cast {
        let body = Bytes::from(format!("{voter} {vote:?}"));
        let signed = Signed {
            body,
            certificate: Bytes::new(),
            signature: Bytes::new(),
        };
        votes.add(voter, 0, vote, signed)
    }

    fn decided(votes: &Votes) -> Option<Vec<u32>> {
        Some(votes.decided(CHUNKS, 3)?.iter().collect())
    }

    #[test]
    fn all_members_have_to_vote_and_what_they_hold_together_counts() {
        let mut votes = Votes::default();
        // 3 is gone; 0 has one half of its update and 1 the other one.
        let lacks: [&[(u32, &[u32])]; 3] = [&[(3, &[0])], &[(3, &[1])], &[(3, &[])]];
        for (voter, lacks) in (0..).zip(lacks) {
            assert_eq!(decided(&votes), None);
            assert_eq!(cast(&mut votes, voter, vote(1, &[0, 1, 2], lacks)), Cast::News);
        }
        assert_eq!(decided(&votes), Some((0..8).collect()));
    }

    #[test]
    fn what_is_nowhere_whole_is_left_out() {
        let mut votes = Votes::default();
        for voter in 0..3 {
            cast(&mut votes, voter, vote(1, &[0, 1, 2], &[(3, &[0])]));
        }
        assert_eq!(decided(&votes), Some((0..6).collect()));
        assert_eq!(votes.decided(CHUNKS, 4), None, "too few take part");
    }

    #[test]
    fn a_cut_keeps_the_chunks_that_everybody_holds() {
        let mut votes = Votes::default();
        for voter in 0..4 {
            let held: &[u32] = if voter == 2 { &[0] } else { &[0, 1] };
            let lacks: &[(u32, &[u32])] = &[(3, held)];
            let lacks = if voter == 2 { lacks } else { &[] };
            let vote = Vote {
                cuts: voter == 1,
                ..vote(1, &[0, 1, 2, 3], lacks)
            };
            cast(&mut votes, voter, vote);
        }
        assert_eq!(decided(&votes), Some((0..7).collect()));
    }

    #[test]
    fn whoever_has_closed_the_round_with_everything_is_followed() {
        let mut votes = Votes::default();
        for voter in 0..4 {
            let lacks: &[(u32, &[u32])] = if voter == 2 { &[(3, &[0])] } else { &[] };
            let vote = Vote {
                cuts: voter == 2,
                is_closed: voter == 0,
                ..vote(1, &[0, 1, 2, 3], lacks)
            };
            cast(&mut votes, voter, vote);
        }
        assert_eq!(decided(&votes), Some((0..8).collect()));
    }

    #[test]
    fn a_cut_that_leaves_nothing_of_a_column_is_none() {
        let mut votes = Votes::default();
        let all: [&[(u32, &[u32])]; 3] = [
            &[(1, &[0]), (2, &[0]), (3, &[])],
            &[(0, &[0]), (2, &[0]), (3, &[])],
            &[(0, &[0]), (1, &[0]), (3, &[])],
        ];
        for (voter, lacks) in (0..).zip(all) {
            let vote = Vote {
                cuts: true,
                ..vote(1, &[0, 1, 2], lacks)
            };
            cast(&mut votes, voter, vote);
        }
        assert_eq!(decided(&votes), Some((0..6).collect()));
    }

    #[test]
    fn the_first_view_counts_while_its_set_can_be_had() {
        let first: &[(u32, &[u32])] = &[];
        let mut votes = Votes::default();
        // 0 holds all of 3's update, and votes in the first view only.
        cast(&mut votes, 0, vote(1, &[0, 1, 2, 3], first));
        for voter in 1..4 {
            let lacks: &[(u32, &[u32])] = if voter == 3 { &[] } else { &[(3, &[])] };
            cast(&mut votes, voter, vote(1, &[0, 1, 2, 3], lacks));
        }
        assert_eq!(decided(&votes), Some((0..8).collect()));
        // Whoever is left of a later view does not hold it.
        for voter in 0..3 {
            cast(&mut votes, voter, vote(2, &[0, 1, 2], &[(3, &[0])]));
        }
        assert_eq!(decided(&votes), Some((0..6).collect()));
    }

    #[test]
    fn what_an_earlier_process_held_is_not_waited_for() {
        let mut votes = Votes::default();
        // 3 holds its own update, which it loses with its process before anybody else has it.
        for voter in 0..4 {
            let lacks: &[(u32, &[u32])] = if voter == 3 { &[] } else { &[(3, &[])] };
            cast(&mut votes, voter, vote(1, &[0, 1, 2, 3], lacks));
        }
        assert_eq!(decided(&votes), Some((0..8).collect()));
        for voter in 0..4 {
            let vote = Vote {
                epoch: 1,
                ..vote(if voter == 3 { 1 } else { 2 }, &[0, 1, 2, 3], &[(3, &[])])
            };
            assert!(!votes.has_voted(voter, &vote.members, 1));
            let signed = Signed {
                body: Bytes::from(format!("{voter} {vote:?}")),
                certificate: Bytes::new(),
                signature: Bytes::new(),
            };
            assert_eq!(votes.add(voter, u32::from(voter == 3), vote, signed), Cast::News);
        }
        assert_eq!(decided(&votes), Some((0..6).collect()));
    }

    #[test]
    fn two_contents_of_one_ballot_are_a_lie() {
        let mut votes = Votes::default();
        assert_eq!(cast(&mut votes, 1, vote(1, &[0, 1], &[])), Cast::News);
        assert_eq!(cast(&mut votes, 1, vote(1, &[0, 1], &[])), Cast::Nothing);
        assert_eq!(cast(&mut votes, 1, vote(1, &[0, 1], &[(3, &[])])), Cast::Lie);
        assert_eq!(cast(&mut votes, 1, vote(2, &[0, 1, 2], &[])), Cast::News);
        assert_eq!(votes.last_of(1).map(|vote| vote.ballot), Some(2));
    }
}
