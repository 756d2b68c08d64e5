//! How much chance a wiring may take. A manifest is somebody else's text, and the operator of a whole cluster draws its graph.

use std::convert::Infallible;

use rand_core::{Rng, TryRng};

use super::{Edges, lists, parts};

/// Graphs that are drawn before it is given up.
const GRAPHS: u32 = 100;
/// Random numbers after which no other graph is begun; what one graph takes is bounded by its connections.
const NUMBERS: u64 = 20_000_000;

/// A generator that counts what it gives.
pub(super) struct Counted<R> {
    rng: R,
    numbers: u64,
}

impl<R> Counted<R> {
    pub(super) const fn new(rng: R) -> Self {
        Self { rng, numbers: 0 }
    }

    /// How many numbers were drawn.
    pub(super) const fn numbers(&self) -> u64 {
        self.numbers
    }
}

impl<R: Rng> TryRng for Counted<R> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.numbers += 1;
        Ok(self.rng.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.numbers += 1;
        Ok(self.rng.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.numbers += 1;
        self.rng.fill_bytes(bytes);
        Ok(())
    }
}

/// The first connected graph; `rng` has a generator for each that is drawn.
///
/// # Errors
/// How many were drawn, when none of them was connected.
pub(super) fn first_connected<R: Rng>(
    peers: u32,
    rng: impl Fn(u32) -> R,
    draw: impl Fn(&mut Counted<R>) -> Edges,
) -> Result<Edges, u32> {
    let mut numbers = 0;
    for graph in 0..GRAPHS {
        let mut rng = Counted::new(rng(graph));
        let edges = draw(&mut rng);
        if parts::components(&lists(&edges, peers)).len() == 1 {
            return Ok(edges);
        }
        numbers += rng.numbers();
        if numbers > NUMBERS {
            return Err(graph + 1);
        }
    }
    Err(GRAPHS)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::seeds;

    fn rng(graph: u32) -> impl Rng {
        seeds::rng(42, "topology.test", 0, graph)
    }

    #[test]
    fn the_first_connected_graph_is_taken_and_the_graphs_are_bounded() {
        let drawn = Cell::new(0);
        let edges = first_connected(3, rng, |_| {
            drawn.set(drawn.get() + 1);
            match drawn.get() {
                8 => vec![(0, 1), (1, 2)],
                _ => vec![(0, 1)],
            }
        });
        assert_eq!(edges, Ok(vec![(0, 1), (1, 2)]));
        assert_eq!(drawn.get(), 8);
        assert_eq!(first_connected(3, rng, |_| vec![(1, 2)]), Err(GRAPHS));
    }

    #[test]
    fn what_takes_too_much_chance_is_given_up() {
        let dear = first_connected(3, rng, |rng| {
            for _ in 0..NUMBERS / 2 {
                rng.next_u32();
            }
            vec![(1, 2)]
        });
        assert_eq!(dear, Err(3));
    }
}
