//! How fast plain averaging with neighbours would converge.

use super::Graph;

/// Steps of the iteration times connections that are spent at most, about a second.
const WORK: usize = 200_000_000;
/// What is left of the residual when an eigenvalue counts as found.
const TOLERANCE: f64 = 1e-9;

/// 1 − the second largest modulus of an eigenvalue of the Metropolis–Hastings matrix, in which the weight of a
/// connection is 1 ÷ (1 + the larger of both degrees); none when it is not found in time, as on a long ring.
///
/// Power iteration of the matrix' square, orthogonal to the constant vector. Source of the matrix: Xiao and Boyd, "Fast
/// linear iterations for distributed averaging" (Systems & Control Letters 53, 2004).
pub(super) fn spectral_gap(graph: &Graph<'_>) -> Option<f64> {
    let peers = graph.len();
    if peers < 2 {
        return Some(1.0);
    }
    let ends: usize = graph.iter().map(|list| list.len()).sum();
    // Any start will do that is not orthogonal to the vector looked for.
    let mut vector: Vec<f64> = (1..=peers).map(|i| (i as f64 * 0.754_877).fract()).collect();
    let mut once = vec![0.0; peers];
    let mut twice = vec![0.0; peers];
    normalise(&mut vector)?;
    for _ in 0..WORK / (2 * ends + peers) {
        multiply(graph, &vector, &mut once);
        multiply(graph, &once, &mut twice);
        let square: f64 = vector.iter().zip(&twice).map(|(a, b)| a * b).sum();
        let residual: f64 = vector
            .iter()
            .zip(&twice)
            .map(|(a, b)| (b - square * a) * (b - square * a))
            .sum();
        if residual.sqrt() < TOLERANCE {
            return Some(1.0 - square.max(0.0).sqrt());
        }
        std::mem::swap(&mut vector, &mut twice);
        normalise(&mut vector)?;
    }
    None
}

/// Takes the mean away and scales to length 1; none when nothing is left.
fn normalise(vector: &mut [f64]) -> Option<()> {
    let mean = vector.iter().sum::<f64>() / vector.len() as f64;
    for value in vector.iter_mut() {
        *value -= mean;
    }
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        return None;
    }
    for value in vector {
        *value /= length;
    }
    Some(())
}

fn multiply(graph: &Graph<'_>, vector: &[f64], product: &mut [f64]) {
    for (peer, list) in graph.iter().enumerate() {
        let own = vector[peer];
        let moved: f64 = list
            .iter()
            .map(|&neighbour| {
                let larger = list.len().max(graph[neighbour as usize].len());
                (vector[neighbour as usize] - own) / (1 + larger) as f64
            })
            .sum();
        product[peer] = own + moved;
    }
}
