//! The parts of a graph that is not connected, in words.

use std::fmt::Write;

/// Parts, and ranges of a part, that an error prints.
const PRINTED: usize = 6;

/// The graph's connected parts, each ascending, in the order of their smallest peers.
pub(super) fn components(neighbours: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut seen = vec![false; neighbours.len()];
    let mut parts = Vec::new();
    for start in 0..neighbours.len() {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start as u32];
        let mut next = 0;
        while let Some(&peer) = part.get(next) {
            next += 1;
            for &neighbour in &neighbours[peer as usize] {
                if !seen[neighbour as usize] {
                    seen[neighbour as usize] = true;
                    part.push(neighbour);
                }
            }
        }
        part.sort_unstable();
        parts.push(part);
    }
    parts
}

/// `{0–3}, {4, 5}, {6}`, shortened when there are many.
pub(super) fn describe(parts: &[Vec<u32>]) -> String {
    let mut text = String::new();
    for (i, part) in parts.iter().take(PRINTED).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        // Writing to a String does not fail.
        let _ = write!(text, "{comma}{{{}}}", ranges(part));
    }
    if parts.len() > PRINTED {
        let _ = write!(text, " and {} more", parts.len() - PRINTED);
    }
    text
}

/// Ascending numbers as ranges: `0–3, 5, 8–9`.
fn ranges(numbers: &[u32]) -> String {
    let runs: Vec<&[u32]> = numbers.chunk_by(|a, b| a + 1 == *b).collect();
    let mut texts: Vec<String> = runs
        .iter()
        .take(PRINTED)
        .map(|run| match run {
            [first, .., last] => format!("{first}–{last}"),
            [only] => only.to_string(),
            [] => String::new(),
        })
        .collect();
    if runs.len() > PRINTED {
        texts.push("…".to_owned());
    }
    texts.join(", ")
}
