//! Whether a graph falls apart without one of its vertices.

/// Whether there is a cut vertex; `graph` lists the neighbours of each vertex, and is connected. By depth-first numbers and the lowest one that is
/// reached from below (Hopcroft and Tarjan, [Algorithm 447](https://doi.org/10.1145/362248.362272), 1973).
pub(crate) fn has_cut_vertex(graph: &[Vec<u32>]) -> bool {
    if graph.len() < 3 {
        return false;
    }
    // Its only neighbour is one.
    if graph.iter().any(|neighbours| neighbours.len() == 1) {
        return true;
    }
    const UNSEEN: u32 = u32::MAX;
    let mut numbers = vec![UNSEEN; graph.len()];
    let mut lowest = numbers.clone();
    (numbers[0], lowest[0]) = (0, 0);
    let (mut next, mut children_of_root) = (1, 0);
    // Vertices on the way from the root, each with how many of its neighbours were looked at.
    let mut way = vec![(0_u32, 0_usize)];
    while let Some((at, seen)) = way.last_mut() {
        let vertex = *at as usize;
        if let Some(&neighbour) = graph[vertex].get(*seen) {
            *seen += 1;
            let number = numbers[neighbour as usize];
            if number == UNSEEN {
                (numbers[neighbour as usize], lowest[neighbour as usize]) = (next, next);
                next += 1;
                way.push((neighbour, 0));
            } else {
                lowest[vertex] = lowest[vertex].min(number);
            }
            continue;
        }
        way.pop();
        match way.last() {
            Some(&(0, _)) => children_of_root += 1,
            Some(&(parent, _)) if lowest[vertex] >= numbers[parent as usize] => return true,
            Some(&(parent, _)) => lowest[parent as usize] = lowest[parent as usize].min(lowest[vertex]),
            None => {}
        }
    }
    children_of_root > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(vertices: u32, edges: &[(u32, u32)]) -> Vec<Vec<u32>> {
        let neighbours = |of: u32| {
            let other = move |&(a, b): &(u32, u32)| match of {
                _ if a == of => Some(b),
                _ if b == of => Some(a),
                _ => None,
            };
            edges.iter().filter_map(other).collect()
        };
        (0..vertices).map(neighbours).collect()
    }

    #[test]
    fn what_holds_others_together_is_found() {
        let ring: Vec<(u32, u32)> = (0..6).map(|at| (at, (at + 1) % 6)).collect();
        assert!(!has_cut_vertex(&graph(6, &ring)));
        assert!(!has_cut_vertex(&graph(3, &[(0, 1), (1, 2), (2, 0)])));
        assert!(!has_cut_vertex(&graph(2, &[(0, 1)])));
        assert!(!has_cut_vertex(&[]));
        let star: Vec<(u32, u32)> = (1..5).map(|leaf| (0, leaf)).collect();
        assert!(has_cut_vertex(&graph(5, &star)));
        assert!(has_cut_vertex(&graph(4, &[(0, 1), (1, 2), (2, 3)])));
    }

    #[test]
    fn two_triangles_meet_in_a_cut_vertex_whichever_it_is() {
        let bow = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 2)];
        for turn in 0..5 {
            let turned: Vec<(u32, u32)> = bow.iter().map(|&(a, b)| ((a + turn) % 5, (b + turn) % 5)).collect();
            assert!(has_cut_vertex(&graph(5, &turned)), "{turn}");
            // Another edge past it.
            let past: Vec<(u32, u32)> = [&turned[..], &[(turn % 5, (3 + turn) % 5)]].concat();
            assert!(!has_cut_vertex(&graph(5, &past)), "{turn}");
        }
    }
}
