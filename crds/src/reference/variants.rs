//! Examples that follow from the registries of variants.

use super::Example;
use crate::{
    aggregation::Aggregation,
    data::DIGITS_TRAIN,
    family::{self, Family, Sketch},
    partition::Partition,
    schedule::Schedule,
    topology::Topology,
};

/// The examples, and one of each variant that none of them is named after: the settings to start from, for the peers and the data of
/// the minimal manifest.
///
/// # Errors
/// When a setting is nothing that JSON has.
pub fn with_variants(mut examples: Vec<Example>) -> Result<Vec<Example>, serde_json::Error> {
    let sketch = Sketch {
        peers: 8,
        samples: Some(DIGITS_TRAIN),
        is_table: false,
    };
    add::<Topology>("topology", "topology:\n", &sketch, &mut examples)?;
    let partition = "data:\n  type: digits\n  partition:\n";
    add::<Partition>("data.partition", partition, &sketch, &mut examples)?;
    let of_table = Sketch {
        samples: None,
        is_table: true,
        ..sketch
    };
    add::<Partition>("data.partition", TABLE, &of_table, &mut examples)?;
    add::<Schedule>("training", "training:\n  schedule:\n", &sketch, &mut examples)?;
    add::<Aggregation>("aggregation", "aggregation:\n", &sketch, &mut examples)?;
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(examples)
}

/// What stands above a partition that wants a table.
const TABLE: &str = "data:
  type: csv
  csv:
    train: patients/train.csv
    test: patients/test.csv
    labelColumn: diagnosis
    classes: 2
    inputShape: [30]
  partition:
";

/// `heading` is where they are shown, `above` the lines that the choice stands under.
fn add<F: Family>(
    heading: &str,
    above: &str,
    sketch: &Sketch,
    examples: &mut Vec<Example>,
) -> Result<(), serde_json::Error> {
    for choice in F::examples(sketch) {
        let name = format!("{heading}-{}", choice.name());
        if examples.iter().any(|example| example.name == name) {
            continue;
        }
        let parent = above.lines().last().unwrap_or_default();
        let indent = parent.len() - parent.trim_start().len() + 2;
        let yaml = family::yaml(&choice, indent)?;
        let summary = choice.variant().summary();
        examples.push(Example {
            name,
            text: format!("# {summary}.\n{above}{yaml}"),
        });
    }
    Ok(())
}
