//! A random order of positions that takes no memory.

use super::mix;

/// A permutation of `0..len`: positions to ranks and back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    len: u32,
    /// None: in order of position.
    scatter: Option<Scatter>,
}

/// A bijection of numbers of as many bits as `mask` has: multiplications by odd numbers, each followed by a shift to the
/// right of at least half the bits, which undoes itself.
#[derive(Clone, Copy, Debug)]
struct Scatter {
    mask: u32,
    shift: u32,
    start: u32,
    factors: [u32; 3],
    /// Their inverses, in the same order.
    inverses: [u32; 3],
}

impl Order {
    /// Positions by themselves.
    pub(crate) fn sequential(len: u32) -> Self {
        Self { len, scatter: None }
    }

    /// An order that follows from `seed`.
    pub(crate) fn random(len: u32, seed: u64) -> Self {
        let bits = u32::BITS - len.saturating_sub(1).leading_zeros();
        let draw = |domain: u64| mix(seed ^ domain) as u32;
        let factors = [1, 2, 3].map(|domain| draw(domain) | 1);
        Self {
            len,
            scatter: Some(Scatter {
                mask: u32::MAX.checked_shr(u32::BITS - bits).unwrap_or(0),
                shift: bits.div_ceil(2).max(1),
                start: draw(0),
                factors,
                inverses: factors.map(inverse),
            }),
        }
    }

    /// The rank of a position below `len`.
    ///
    /// Numbers of as many bits that are not below `len` are passed through (cycle walking: Black and Rogaway, "Ciphers with
    /// Arbitrary Finite Domains", CT-RSA 2002); that is less than one on average.
    pub(crate) fn rank(&self, position: u32) -> u32 {
        self.walk(position, Scatter::there)
    }

    /// The position of a rank below `len`.
    pub(crate) fn position(&self, rank: u32) -> u32 {
        self.walk(rank, Scatter::back)
    }

    fn walk(&self, from: u32, step: impl Fn(&Scatter, u32) -> u32) -> u32 {
        let Some(scatter) = &self.scatter else {
            return from;
        };
        let mut at = step(scatter, from);
        while at >= self.len {
            at = step(scatter, at);
        }
        at
    }
}

impl Scatter {
    fn there(&self, number: u32) -> u32 {
        let start = (number ^ self.start) & self.mask;
        self.factors.iter().fold(start, |number, factor| {
            let number = number.wrapping_mul(*factor) & self.mask;
            number ^ number >> self.shift
        })
    }

    fn back(&self, number: u32) -> u32 {
        let start = self.inverses.iter().rev().fold(number, |number, inverse| {
            let number = number ^ number >> self.shift;
            number.wrapping_mul(*inverse) & self.mask
        });
        (start ^ self.start) & self.mask
    }
}

/// The inverse of an odd number modulo 2³², by Newton's iteration: each step doubles the bits that are
/// right, three of which the number itself has.
fn inverse(odd: u32) -> u32 {
    (0..4).fold(odd, |inverse, _| {
        let wrong = 2_u32.wrapping_sub(odd.wrapping_mul(inverse));
        inverse.wrapping_mul(wrong)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_a_permutation_and_lead_back() {
        for len in (1..70).chain([127, 128, 129, 1000, 1 << 16]) {
            for order in [Order::sequential(len), Order::random(len, u64::from(len))] {
                let mut ranks: Vec<u32> = (0..len).map(|position| order.rank(position)).collect();
                let back = ranks.iter().map(|&rank| order.position(rank));
                assert!(back.eq(0..len), "{len}");
                ranks.sort_unstable();
                assert!(ranks.into_iter().eq(0..len), "{len}");
            }
        }
    }

    #[test]
    fn orders_of_two_seeds_have_little_in_common() {
        const LEN: u32 = 10_000;
        let after = |seed| {
            let order = Order::random(LEN, seed);
            move |position| (order.rank(position) < order.rank(position + 1)) as u32
        };
        for seed in 0..20 {
            let (a, b) = (after(seed), after(seed + 1));
            let agree: u32 = (0..LEN - 1).map(|at| u32::from(a(at) == b(at))).sum();
            assert!((4600..5400).contains(&agree), "{seed}: {agree}");
        }
    }

    #[test]
    fn the_largest_numbers_have_an_order_too() {
        let order = Order::random(u32::MAX, 5);
        for position in [0, 1, 77, u32::MAX - 1] {
            assert_eq!(order.position(order.rank(position)), position);
        }
    }
}
