//! How far peers are from each other.

use super::Graph;

/// The largest and the mean number of connections between two different peers of a connected graph.
///
/// A breadth-first search from every peer, which stops when it has seen everybody.
pub(super) fn distances(graph: &Graph<'_>) -> (u32, f64) {
    let peers = graph.len();
    let mut seen = vec![u32::MAX; peers];
    let mut queue: Vec<u32> = Vec::with_capacity(peers);
    let (mut most, mut sum) = (0, 0_u64);
    for start in 0..peers as u32 {
        queue.clear();
        queue.push(start);
        seen[start as usize] = start;
        let (mut next, mut distance) = (0, 0);
        while next < queue.len() && queue.len() < peers {
            distance += 1;
            let end = queue.len();
            while next < end && queue.len() < peers {
                for &neighbour in graph[queue[next] as usize] {
                    // The mark is the search's number, so that nothing has to be cleared between searches.
                    if seen[neighbour as usize] != start {
                        seen[neighbour as usize] = start;
                        queue.push(neighbour);
                        sum += u64::from(distance);
                    }
                }
                next += 1;
            }
            next = end;
        }
        most = most.max(distance);
    }
    let pairs = peers as f64 * peers.saturating_sub(1) as f64;
    let mean = if peers > 1 { sum as f64 / pairs } else { 0.0 };
    (most, mean)
}
