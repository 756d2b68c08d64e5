//! How the training samples are divided among the peers.

mod by_column;
mod classes;
mod contiguous;
mod dirichlet;
mod error;
mod explicit;
mod groups;
mod iid;
mod proportions;
mod quantity;
mod shards;

use crate::{
    FieldError,
    column::Column,
    data::{Columns, SampleKind},
    errors::quote,
    family::{Family, Sketch, family},
    findings::Findings,
};
pub use by_column::ByColumn;
pub use classes::Classes;
pub use contiguous::Contiguous;
pub use dirichlet::Dirichlet;
pub use error::ShardError;
pub use explicit::Explicit;
pub use groups::Groups;
pub use iid::Iid;
pub use quantity::Quantity;
pub use shards::Shards;

family! {
    /// How the training samples are divided among the peers.
    pub enum Partition: dyn Division {
        "iid" => Iid,
        "dirichlet" => Dirichlet,
        "explicit" => Explicit,
        "classes" => Classes,
        "shards" => Shards,
        "quantity" => Quantity,
        "contiguous" => Contiguous,
        "byColumn" => ByColumn,
    }
}

impl Default for Partition {
    fn default() -> Self {
        Iid.into()
    }
}

impl Partition {
    /// The column of a table by which it divides, and which is no input of the model then.
    pub fn column(&self) -> Option<&Column> {
        self.as_dyn().column()
    }
}

/// What a division is asked.
pub(crate) trait Division {
    /// Adds what can be said before the data is read.
    fn check(&self, _facts: &Facts<'_>, _findings: &mut Findings) {}

    /// Whether it divides by class, which the windows of a text do not have.
    fn needs_classes(&self) -> bool {
        false
    }

    /// The column of a table by which it divides, and which is no input of the model then.
    fn column(&self) -> Option<&Column> {
        None
    }

    /// Samples of the peer with the most, where the manifest lists them.
    fn listed(&self) -> Option<u64> {
        None
    }

    /// The training samples of every peer, ascending and not empty, as [`crate::shards::derive`] says.
    ///
    /// # Errors
    /// When the samples do not suffice.
    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError>;
}

/// What a plan knows of the data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) classes: u32,
    pub(crate) peers: u64,
    /// Training samples; none when only the files say it.
    pub(crate) samples: Option<u64>,
    /// How the rows of a table are read.
    pub(crate) columns: Option<&'a Columns>,
}

impl Facts<'_> {
    /// There must be `least` samples for every peer.
    fn least(&self, field: &str, least: u32, findings: &mut Findings) {
        let Self { peers, samples, .. } = *self;
        let wanted = u64::from(least) * peers;
        if let Some(samples) = samples.filter(|samples| wanted > *samples && peers <= *samples) {
            findings.error(
                &format!("data.partition.{field}"),
                format!("{least} samples for each of {peers} peers are {wanted}"),
                format!(
                    "the data has {samples} training samples; at most {} will do",
                    samples / peers.max(1)
                ),
            );
        }
    }
}

/// What is divided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool<'a> {
    /// The experiment's.
    pub(crate) seed: u64,
    /// At least 1, and no more than samples.
    pub(crate) peers: usize,
    /// One label a training sample; a u32 counts them.
    pub(crate) labels: &'a [u8],
    /// What the division's column says of each, where it has one.
    pub(crate) groups: Option<&'a Groups>,
}

impl Pool<'_> {
    /// Training samples.
    fn count(&self) -> u32 {
        self.labels.len() as u32
    }

    /// The samples of each class that has some.
    fn classes(&self) -> Vec<Vec<u32>> {
        let mut classes: Vec<Vec<u32>> = vec![Vec::new(); 256];
        for (index, &label) in (0_u32..).zip(self.labels) {
            classes[usize::from(label)].push(index);
        }
        classes.retain(|class| !class.is_empty());
        classes
    }

    /// Checks that there are `least` samples for every peer.
    fn least(&self, name: &str, least: u32) -> Result<(), ShardError> {
        let (samples, peers) = (self.labels.len(), self.peers);
        if least as usize <= samples / peers {
            return Ok(());
        }
        Err(field(
            name,
            format!("{least} samples for each of {peers} peers are more than the {samples} training samples"),
            format!("at most {} will do", samples / peers),
        ))
    }
}

/// What is wrong with a field of the division.
fn field(name: &str, found: impl Into<String>, expected: impl Into<String>) -> ShardError {
    FieldError::new(format!("data.partition.{name}"), found, expected).into()
}

/// Cuts `0..count` into slices in order, whose lengths differ by one at most.
fn slices(parts: usize, count: u32) -> Vec<Vec<u32>> {
    // Within u64: both factors come from a u32 and from a number of parts that does not exceed one.
    let edge = |part: usize| (part as u64 * u64::from(count) / parts as u64) as u32;
    (0..parts).map(|part| (edge(part)..edge(part + 1)).collect()).collect()
}

fn sorted(mut shards: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    for shard in &mut shards {
        shard.sort_unstable();
    }
    shards
}

/// Adds what can be said of a division before the data is read; false where it is none for such data.
pub(crate) fn check(partition: &Partition, facts: &Facts<'_>, samples: SampleKind, findings: &mut Findings) -> bool {
    let division = partition.as_dyn();
    if samples == SampleKind::Text && division.needs_classes() {
        let sketch = Sketch {
            peers: 1,
            samples: Some(1),
            is_table: false,
        };
        let others = Partition::examples(&sketch);
        let others = others.iter().filter(|other| !other.as_dyn().needs_classes());
        let others: Vec<&str> = others.map(Family::name).collect();
        findings.error(
            "data.partition.type",
            format!(
                "{} divides by class, and the windows of a text have none",
                partition.name()
            ),
            format!("for a text there is {}", others.join(", ")),
        );
        return false;
    }
    if let Some(column) = division.column()
        && !check_column(partition.name(), column, facts.columns, findings)
    {
        return false;
    }
    division.check(facts, findings);
    true
}

/// Whether a table that is read like this may have the column of a division.
fn check_column(name: &str, column: &Column, columns: Option<&Columns>, findings: &mut Findings) -> bool {
    let path = format!("data.partition.{name}.column");
    match (columns, column) {
        (None, _) => findings.error(
            "data.partition.type",
            format!("{name} divides by a column, and the data is no table"),
            "write `type: csv` under data, or another type of partition",
        ),
        (Some(columns), Column::Name(found)) if !columns.header => findings.error(
            &path,
            format!("{} is a name, but data.csv.header is false", quote(found)),
            "write the column's number counted from 0, or `header: true`",
        ),
        (Some(columns), _) if columns.label == *column => findings.error(
            &path,
            format!("{column} is data.csv.labelColumn as well"),
            "name the column that says whose a row is",
        ),
        _ => return true,
    }
    false
}
