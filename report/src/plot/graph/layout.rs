//! Where peers are drawn: by what the links are, never by chance.

use super::{Link, on_circle};

/// Layers of a tree that still fit one below the other.
const MOST_LAYERS: usize = 9;

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One peer has all links: it lies in the middle.
    Star { hub: usize },
    /// There is one way between any two peers: layers below peer 0.
    Tree,
    /// Anything else: on a circle, by index.
    Circle,
}

impl Shape {
    pub(super) fn of(peers: usize, links: &[Link]) -> Self {
        let degree = |peer| links.iter().filter(|link| link.a == peer || link.b == peer).count();
        if links.len() + 1 != peers || peers < 4 {
            return Self::Circle;
        }
        if let Some(hub) = (0..peers).find(|&peer| degree(peer) == links.len()) {
            return Self::Star { hub };
        }
        match layers(peers, links) {
            Some(layers) if layers.iter().all(|layer| *layer < MOST_LAYERS) => Self::Tree,
            _ => Self::Circle,
        }
    }
}

/// The places of all peers, and the drawing's height.
pub(super) fn places(peers: usize, links: &[Link], width: f64) -> (Vec<(f64, f64)>, f64) {
    let middle = (width / 2.0, width * 0.39);
    let radius = width * 0.345;
    let circle = |at, of| on_circle(at, of, middle, radius);
    match Shape::of(peers, links) {
        Shape::Star { hub } => {
            let places = (0..peers).map(|peer| match peer {
                peer if peer == hub => middle,
                peer => circle(peer - usize::from(peer > hub), peers - 1),
            });
            (places.collect(), width * 0.78)
        }
        Shape::Tree => tree(peers, links, width),
        Shape::Circle => ((0..peers).map(|peer| circle(peer, peers)).collect(), width * 0.78),
    }
}

/// Each peer's distance from peer 0; none when there are peers without a way to it.
fn layers(peers: usize, links: &[Link]) -> Option<Vec<usize>> {
    let mut layers = vec![usize::MAX; peers];
    let mut reached = vec![0];
    *layers.first_mut()? = 0;
    let mut next = 0;
    while let Some(&peer) = reached.get(next) {
        next += 1;
        for other in neighbours(peer, links) {
            if layers.get(other) == Some(&usize::MAX) {
                layers[other] = layers[peer] + 1;
                reached.push(other);
            }
        }
    }
    (reached.len() == peers).then_some(layers)
}

fn neighbours(peer: usize, links: &[Link]) -> impl Iterator<Item = usize> {
    links.iter().filter_map(move |link| match peer {
        peer if peer == link.a => Some(link.b),
        peer if peer == link.b => Some(link.a),
        _ => None,
    })
}

/// Leaves side by side, each parent in the middle above its children.
fn tree(peers: usize, links: &[Link], width: f64) -> (Vec<(f64, f64)>, f64) {
    const MARGIN: f64 = 24.0;
    let layers = layers(peers, links).unwrap_or_default();
    let deepest = layers.iter().copied().max().unwrap_or(0);
    let step = (width * 0.6 / deepest.max(1) as f64).min(95.0);
    let children = |peer: usize| -> Vec<usize> {
        let below = |other: &usize| layers[*other] == layers[peer] + 1;
        let mut children: Vec<usize> = neighbours(peer, links).filter(below).collect();
        children.sort_unstable();
        children
    };
    // Depth first, so that the leaves of one parent lie together.
    let mut slots = vec![0.0; peers];
    let mut leaves = 0.0;
    let mut stack = vec![(0, false)];
    while let Some((peer, seen)) = stack.pop() {
        let below = children(peer);
        match (below.first(), below.last()) {
            (Some(first), Some(last)) if seen => slots[peer] = (slots[*first] + slots[*last]) / 2.0,
            (Some(_), Some(_)) => {
                stack.push((peer, true));
                stack.extend(below.into_iter().rev().map(|child| (child, false)));
            }
            _ => {
                slots[peer] = leaves;
                leaves += 1.0;
            }
        }
    }
    let wide = (width - 2.0 * MARGIN) / (leaves - 1.0_f64).max(1.0);
    let place = |(slot, layer): (&f64, &usize)| (MARGIN + slot * wide, MARGIN + *layer as f64 * step);
    (
        slots.iter().zip(&layers).map(place).collect(),
        2.0 * MARGIN + deepest as f64 * step,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(edges: &[(usize, usize)]) -> Vec<Link> {
        let link = |&(a, b): &(usize, usize)| Link {
            a,
            b,
            forth: 1,
            back: 1,
        };
        edges.iter().map(link).collect()
    }

    #[test]
    fn the_shape_follows_from_the_links() {
        let star = links(&[(0, 2), (1, 2), (2, 3), (2, 4)]);
        assert_eq!(Shape::of(5, &star), Shape::Star { hub: 2 });
        assert_eq!(places(5, &star, 100.0).0[2], (50.0, 39.0));
        let tree: Vec<(usize, usize)> = (1..20).map(|peer| ((peer - 1) / 3, peer)).collect();
        assert_eq!(Shape::of(20, &links(&tree)), Shape::Tree);
        let line: Vec<(usize, usize)> = (1..20).map(|peer| (peer - 1, peer)).collect();
        assert_eq!(Shape::of(20, &links(&line)), Shape::Circle);
        let ring = links(&[(0, 1), (1, 2), (2, 3), (0, 3)]);
        assert_eq!(Shape::of(4, &ring), Shape::Circle);
        let parts = links(&[(0, 1), (2, 3), (3, 4), (2, 4)]);
        assert_eq!(Shape::of(5, &parts), Shape::Circle);
        assert_eq!(Shape::of(1, &[]), Shape::Circle);
    }

    #[test]
    fn no_two_peers_lie_on_each_other_and_all_are_inside() {
        let tree: Vec<(usize, usize)> = (1..40).map(|peer| ((peer - 1) / 3, peer)).collect();
        let star: Vec<(usize, usize)> = (1..40).map(|peer| (0, peer)).collect();
        let ring: Vec<(usize, usize)> = (0..40).map(|peer| (peer, (peer + 1) % 40)).collect();
        for edges in [tree, star, ring] {
            let (places, height) = places(40, &links(&edges), 480.0);
            for (at, (x, y)) in places.iter().enumerate() {
                assert!((0.0..=480.0).contains(x) && (0.0..=height).contains(y));
                for (ox, oy) in &places[at + 1..] {
                    assert!((x - ox).hypot(y - oy) > 9.0);
                }
            }
        }
    }
}
