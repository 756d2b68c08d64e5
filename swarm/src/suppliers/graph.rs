//! The graph in which trees are looked for.

/// Who is wired to whom and how fast each can send, and which peers take part.
#[derive(Clone, Copy, Debug)]
pub struct Graph<'a> {
    wiring: &'a [Vec<u32>],
    uplinks: &'a [f64],
    members: &'a [u32],
}

impl<'a> Graph<'a> {
    /// `wiring` has the neighbours of each peer, `uplinks` their rates in any unit, `members` ascending the peers that take part. None where a
    /// rate is not above zero, and where there are fewer than two members.
    pub fn new(wiring: &'a [Vec<u32>], uplinks: &'a [f64], members: &'a [u32]) -> Option<Self> {
        let is_fast = |peer: &u32| {
            let rate = uplinks.get(*peer as usize);
            rate.is_some_and(|rate| *rate > 0.0 && rate.is_finite())
        };
        let is_sound = uplinks.len() == wiring.len() && members.len() > 1 && members.iter().all(is_fast);
        is_sound.then_some(Self {
            wiring,
            uplinks,
            members,
        })
    }

    /// Peers, those that do not take part included.
    pub(super) fn peers(&self) -> usize {
        self.wiring.len()
    }

    pub(super) fn members(&self) -> &'a [u32] {
        self.members
    }

    pub(super) fn uplink(&self, peer: u32) -> f64 {
        self.uplinks[peer as usize]
    }

    /// The members among a peer's neighbours.
    pub(super) fn neighbours(&self, peer: u32) -> impl Iterator<Item = u32> + 'a {
        let members = self.members;
        let wired = self.wiring[peer as usize].iter().copied();
        let are_all = members.len() == self.wiring.len();
        wired.filter(move |other| are_all || members.binary_search(other).is_ok())
    }

    /// The connections between members, each once, the lower peer first.
    pub(super) fn edges(&self) -> Vec<(u32, u32)> {
        let edges = |&a: &u32| self.neighbours(a).filter(move |&b| a < b).map(move |b| (a, b));
        self.members.iter().flat_map(edges).collect()
    }

    /// Hops from a peer to each other one; as many as a number can count where no way leads.
    pub(super) fn hops(&self, from: u32, hops: &mut Vec<u32>) {
        hops.clear();
        hops.resize(self.peers(), u32::MAX);
        hops[from as usize] = 0;
        let mut reached = vec![from];
        let mut next = 0;
        while let Some(&peer) = reached.get(next) {
            next += 1;
            for other in self.neighbours(peer) {
                if hops[other as usize] == u32::MAX {
                    hops[other as usize] = hops[peer as usize] + 1;
                    reached.push(other);
                }
            }
        }
    }
}
