//! One spanning tree, and what is needed to find it.

/// A tree that hangs from its first member, in preorder. Peers that are not in it are in no subtree.
pub(super) struct Rooted {
    /// By peer; the root is its own.
    pub(super) parents: Vec<u32>,
    /// By peer: its place, and the end of its subtree.
    pub(super) enters: Vec<u32>,
    pub(super) ends: Vec<u32>,
}

impl Rooted {
    /// Of so many peers; `edges` make a tree that `root` is in.
    pub(super) fn new(peers: usize, root: u32, edges: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut wired = vec![Vec::new(); peers];
        for (a, b) in edges {
            wired[a as usize].push(b);
            wired[b as usize].push(a);
        }
        let mut tree = Self {
            parents: (0..peers as u32).collect(),
            enters: vec![u32::MAX; peers],
            ends: vec![u32::MAX; peers],
        };
        let mut order = Vec::with_capacity(peers);
        let mut stack = vec![root];
        while let Some(peer) = stack.pop() {
            tree.enters[peer as usize] = order.len() as u32;
            order.push(peer);
            for &child in &wired[peer as usize] {
                if child != tree.parents[peer as usize] {
                    tree.parents[child as usize] = peer;
                    stack.push(child);
                }
            }
        }
        // Subtrees are side by side in preorder.
        let mut sizes = vec![1_u32; peers];
        for &peer in order.iter().skip(1).rev() {
            sizes[tree.parents[peer as usize] as usize] += sizes[peer as usize];
        }
        for &peer in &order {
            tree.ends[peer as usize] = tree.enters[peer as usize] + sizes[peer as usize];
        }
        tree
    }
}

/// Parts of a graph that hang together (union-find; Tarjan and van Leeuwen, "Worst-Case Analysis of Set Union Algorithms", JACM 1984).
pub(super) struct Parts {
    above: Vec<u32>,
}

impl Parts {
    pub(super) fn new(peers: usize) -> Self {
        Self {
            above: (0..peers as u32).collect(),
        }
    }

    fn top(&mut self, mut peer: u32) -> u32 {
        while self.above[peer as usize] != peer {
            let above = self.above[self.above[peer as usize] as usize];
            self.above[peer as usize] = above;
            peer = above;
        }
        peer
    }

    pub(super) fn are_apart(&mut self, a: u32, b: u32) -> bool {
        self.top(a) != self.top(b)
    }

    /// True where they were apart.
    pub(super) fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.top(a), self.top(b));
        self.above[a.max(b) as usize] = a.min(b);
        a != b
    }
}
