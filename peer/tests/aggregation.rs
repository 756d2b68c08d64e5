//! Other rules through the same seam: peers over real QUIC end with what the rule gives of whole updates.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::sync::Arc;

use fltorrent_peer::{
    aggregate::{Aggregation, Column, Part, Updates},
    store::StoreError,
};
use support::Run;

/// The median of each coordinate: no weights, one column at a time.
struct Median;

impl Aggregation for Median {
    fn column(&mut self, column: &Column<'_>, out: &mut [f64]) -> Result<(), StoreError> {
        let parts: Vec<Part> = column.parts().collect::<Result<_, _>>()?;
        let mut rows: Vec<_> = parts.iter().map(Part::values).collect();
        for value in out {
            *value = median(rows.iter_mut().map(|row| row.next().unwrap()).collect());
        }
        Ok(())
    }
}

fn median(mut values: Vec<f32>) -> f64 {
    values.sort_by(f32::total_cmp);
    f64::from(values[values.len() / 2])
}

/// The update that is nearest to all others together: it takes distances of whole updates before the first column.
#[derive(Default)]
struct Medoid {
    chosen: u32,
}

impl Aggregation for Medoid {
    fn survey(&mut self, updates: &Updates<'_>) -> Result<(), StoreError> {
        let mut sums = std::collections::BTreeMap::<u32, f64>::new();
        for column in updates.columns() {
            let parts: Vec<Part> = column.parts().collect::<Result<_, _>>()?;
            for (a, b) in parts.iter().flat_map(|a| parts.iter().map(move |b| (a, b))) {
                let values = a.values().zip(b.values());
                *sums.entry(a.origin).or_default() += values.map(square).sum::<f64>();
            }
        }
        let nearest = sums.iter().min_by(|a, b| a.1.total_cmp(b.1));
        self.chosen = *nearest.unwrap().0;
        Ok(())
    }

    fn column(&mut self, column: &Column<'_>, out: &mut [f64]) -> Result<(), StoreError> {
        for part in column.parts() {
            let part = part?;
            if part.origin == self.chosen {
                let values = part.values().map(f64::from);
                out.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            }
        }
        Ok(())
    }
}

fn square((a, b): (f32, f32)) -> f64 {
    (f64::from(a) - f64::from(b)).powi(2)
}

fn run(aggregation: fn() -> Box<dyn Aggregation>) -> Arc<Run> {
    let star = vec![(0, 1), (0, 2)];
    Arc::new(Run {
        aggregation,
        ..Run::new(3, star)
    })
}

#[test]
fn a_rule_by_coordinates_is_applied_by_every_peer() {
    let run = run(|| Box::new(Median));
    let expected = run.sequential(|updates| {
        let of = |at: usize| median(updates.iter().map(|update| update[at]).collect()) as f32;
        (0..run.elements).map(of).collect()
    });
    for result in run.all() {
        assert_eq!(result.unwrap(), expected);
    }
}

#[test]
fn a_rule_by_distances_sees_whole_updates_before_the_first_column() {
    let run = run(|| Box::<Medoid>::default());
    // Peer 1 adds less than peer 2 and more than peer 0.
    let expected = run.sequential(|updates| updates[1].clone());
    for result in run.all() {
        assert_eq!(result.unwrap(), expected);
    }
}
