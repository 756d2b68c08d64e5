//! Divisions by proportions drawn from a symmetric Dirichlet distribution: of each class, or of the samples as a whole.
//!
//! Sources: by class T.-M. H. Hsu, H. Qi, M. Brown, "Measuring the Effects of Non-Identical Data Distribution for
//! Federated Visual Classification", 2019, in the form of Q. Li et al., "Federated Learning on Non-IID Data Silos: An
//! Experimental Study", ICDE 2022; by quantity the latter's section on quantity skew.

use rand_core::Rng;

use super::{Pool, ShardError, field, sorted};
use crate::{family::Sketch, seeds};

/// Draws before a division is given up.
const DRAWS: u32 = 100;

pub(super) const fn one_sample() -> u32 {
    1
}

/// A tenth of an even share, to start from.
pub(super) fn tenth_of_a_share(sketch: &Sketch) -> u32 {
    let share = |samples: u32| (samples / sketch.peers.max(1) / 10).max(1);
    sketch.samples.map_or(10, share)
}

/// Divides every part among the peers; drawn until every peer has `min_samples`, [`DRAWS`] times at most.
pub(super) fn divide(
    parts: &[Vec<u32>],
    alpha: f64,
    min_samples: u32,
    name: &str,
    pool: &Pool<'_>,
) -> Result<Vec<Vec<u32>>, ShardError> {
    // An empty shard has nothing to train on and no weight in the mean.
    let min_samples = min_samples.max(1);
    pool.least(&format!("{name}.minSamples"), min_samples)?;
    let purpose = format!("shards.{name}");
    let mut best = 0;
    for attempt in 0..DRAWS {
        let mut rng = seeds::rng(pool.seed, &purpose, 0, attempt);
        let mut shards = vec![Vec::new(); pool.peers];
        for part in parts {
            let mut order = part.clone();
            seeds::shuffle(&mut rng, &mut order);
            let mut rest = order.as_slice();
            let proportions = proportions(&mut rng, alpha, pool.peers);
            for (shard, count) in shards.iter_mut().zip(round(&proportions, rest.len())) {
                let (own, others) = rest.split_at(count.min(rest.len()));
                shard.extend_from_slice(own);
                rest = others;
            }
        }
        let least = shards.iter().map(Vec::len).min().unwrap_or(0) as u32;
        if least >= min_samples {
            return Ok(sorted(shards));
        }
        best = best.max(least);
    }
    Err(field(
        name,
        format!("in {DRAWS} draws some peer always had fewer than {min_samples} samples, at best {best}"),
        format!("take minSamples {best} or less, a larger alpha, fewer peers or another seed"),
    ))
}

/// A draw from the symmetric Dirichlet distribution: positive numbers that sum to 1.
fn proportions(rng: &mut impl Rng, alpha: f64, peers: usize) -> Vec<f64> {
    // In logarithms, since a gamma variate of a small shape is often below the smallest f64.
    let logs: Vec<f64> = (0..peers).map(|_| log_gamma_variate(rng, alpha)).collect();
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logs.iter().map(|log| libm::exp(log - largest)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// The logarithm of a gamma variate of scale 1.
///
/// Source: G. Marsaglia, W. W. Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26(3), 2000, with its
/// section 6 for shapes below 1: a variate of shape a + 1 times U^(1/a).
fn log_gamma_variate(rng: &mut impl Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        let log = log_gamma_variate(rng, shape + 1.0);
        return log + libm::log(seeds::unit(rng)) / shape;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / libm::sqrt(9.0 * d);
    loop {
        let x = seeds::normal(rng);
        let root = 1.0 + c * x;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        if libm::log(seeds::unit(rng)) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return libm::log(d) + libm::log(v);
        }
    }
}

/// Whole numbers near `proportions * total` that sum to `total`: rounded down, and what is left goes one by one to the
/// largest remainders, the lower index first among equals.
fn round(proportions: &[f64], total: usize) -> Vec<usize> {
    let exact: Vec<f64> = proportions.iter().map(|part| part * total as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|part| libm::floor(*part) as usize).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    let remainder = |i: usize| exact[i] - libm::floor(exact[i]);
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)).then(a.cmp(&b)));
    let given: usize = counts.iter().sum();
    for &i in order.iter().cycle().take(total.saturating_sub(given)) {
        counts[i] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_keeps_the_total_and_prefers_large_remainders() {
        assert_eq!(round(&[0.5, 0.3, 0.2], 10), [5, 3, 2]);
        assert_eq!(round(&[0.26, 0.37, 0.37], 10), [2, 4, 4]);
        assert_eq!(round(&[0.25, 0.25, 0.25, 0.25], 6), [2, 2, 1, 1]);
        assert_eq!(round(&[1.0, 0.0], 7), [7, 0]);
        assert_eq!(round(&[0.5, 0.5], 0), [0, 0]);
    }

    /// A part of a symmetric Dirichlet draw has mean 1/n and variance (n − 1) / (n² (n α + 1)).
    #[test]
    fn proportions_have_the_moments_of_the_distribution() {
        for alpha in [0.1, 0.5, 1.0, 3.0, 50.0] {
            let mut rng = seeds::rng(1, "test.dirichlet", 0, 0);
            let draws = 20_000;
            let first: Vec<f64> = (0..draws).map(|_| proportions(&mut rng, alpha, 4)[0]).collect();
            let mean = first.iter().sum::<f64>() / f64::from(draws);
            let variance = first.iter().map(|part| (part - mean).powi(2)).sum::<f64>() / f64::from(draws);
            let expected = 3.0 / (16.0 * (4.0 * alpha + 1.0));
            assert!(
                (mean - 0.25).abs() < 5.0 * (expected / f64::from(draws)).sqrt(),
                "{alpha}: {mean}"
            );
            assert!(
                (variance / expected - 1.0).abs() < 0.08,
                "{alpha}: {variance} {expected}"
            );
        }
    }

    #[test]
    fn extreme_shapes_give_numbers() {
        let mut rng = seeds::rng(1, "test.dirichlet", 0, 0);
        for alpha in [0.001, 1e6] {
            let parts = proportions(&mut rng, alpha, 100);
            assert!(parts.iter().all(|part| (0.0..=1.0).contains(part)));
            assert!((parts.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }
}
