//! By column: the split that the data has by itself, as where hospitals or banks learn together.

use std::cmp::Ordering;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Division, Pool, ShardError, field};
use crate::{
    column::Column,
    errors::quote,
    family::{Settings, Sketch},
    limits::MAX_PEERS,
};

/// Whole numbers below this are exact in an f64; larger ones that differ could be one, so that they are texts.
const EXACT: f64 = (1_u64 << 53) as f64;
/// Values that an error names.
const NAMED: usize = 5;

/// Rows go to the peer that a column of the table names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ByColumn {
    /// The column, which is no input of the model: its name in the header, or its number counted from 0. Its different values in the
    /// training file, ordered as numbers where all are, or else as texts, are the peers in index order. The test file has the column too.
    pub column: Column,
}

impl Settings for ByColumn {
    fn example(sketch: &Sketch) -> Option<Self> {
        sketch.is_table.then(|| Self {
            column: Column::Name("hospital".to_owned()),
        })
    }

    fn brief(&self) -> Option<String> {
        Some(self.column.to_string())
    }
}

impl Division for ByColumn {
    fn column(&self) -> Option<&Column> {
        Some(&self.column)
    }

    fn shards(&self, pool: &Pool<'_>) -> Result<Vec<Vec<u32>>, ShardError> {
        let groups = pool.groups.ok_or_else(|| {
            let found = format!("the data has no column {}", self.column);
            field("byColumn.column", found, "give a table of data.csv")
        })?;
        if groups.values().len() > MAX_PEERS as usize {
            return Err(self.unequal(groups.values(), groups.values().len(), pool.peers));
        }
        let (peers, count) = in_order(groups.values());
        if count != pool.peers {
            return Err(self.unequal(groups.values(), count, pool.peers));
        }
        let mut shards = vec![Vec::new(); count];
        for (sample, &value) in (0..).zip(groups.of()) {
            shards[peers[value as usize]].push(sample);
        }
        Ok(shards)
    }
}

impl ByColumn {
    fn unequal(&self, values: &[Vec<u8>], count: usize, peers: usize) -> ShardError {
        let mut named: Vec<String> = values
            .iter()
            .map(|value| quote(&String::from_utf8_lossy(value)))
            .collect();
        if named.len() > NAMED {
            named.truncate(NAMED);
            named.push("…".to_owned());
        }
        let (count, more) = match count > MAX_PEERS as usize {
            true => (MAX_PEERS as usize, "more than "),
            false => (count, ""),
        };
        field(
            "byColumn.column",
            format!(
                "{} has {more}{count} different values ({}) for {peers} peers",
                self.column,
                named.join(", ")
            ),
            "each value is a peer: change the count of groups, or name another column",
        )
    }
}

/// For each value its place among the different ones, and how many these are. Numbers that are equal are one value, however they are
/// written.
fn in_order(values: &[Vec<u8>]) -> (Vec<usize>, usize) {
    let number = |value: &Vec<u8>| {
        let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
        (number.abs() < EXACT).then_some(number)
    };
    let numbers: Option<Vec<f64>> = values.iter().map(number).collect();
    let compare = |a: usize, b: usize| match &numbers {
        Some(numbers) => numbers[a].partial_cmp(&numbers[b]).unwrap_or(Ordering::Equal),
        None => values[a].cmp(&values[b]),
    };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| compare(a, b));
    let mut places = vec![0; values.len()];
    let mut last = 0;
    for pair in order.windows(2) {
        last += usize::from(compare(pair[0], pair[1]) != Ordering::Equal);
        places[pair[1]] = last;
    }
    (places, (last + 1).min(values.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Plan,
        partition::Partition,
        shards::{self, Groups},
    };

    fn derive(values: &[&str], peers: usize) -> Result<Vec<Vec<u32>>, String> {
        let mut groups = Groups::default();
        for value in values {
            groups.push(value.as_bytes());
        }
        let column = Column::Name("site".to_owned());
        let partition = Partition::from(ByColumn { column });
        let labels = vec![0; values.len()];
        shards::derive(&partition, 1, peers, &labels, Some(&groups), 2).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_peers_in_the_order_of_numbers_or_of_texts() {
        assert_eq!(
            derive(&["10", "9", "10", "-1"], 3),
            Ok(vec![vec![3], vec![1], vec![0, 2]])
        );
        assert_eq!(derive(&["10", "9", "1e1", "9.0"], 2), Ok(vec![vec![1, 3], vec![0, 2]]));
        assert_eq!(derive(&["10", "9", "x"], 3), Ok(vec![vec![0], vec![1], vec![2]]));
        assert_eq!(derive(&["b", "B", "b"], 2), Ok(vec![vec![1], vec![0, 2]]));
        let long = ["9007199254740993", "9007199254740992"];
        assert_eq!(derive(&long, 2), Ok(vec![vec![1], vec![0]]));
    }

    #[test]
    fn as_many_peers_as_values_are_wanted() {
        assert_eq!(
            derive(&["a", "b", "c", "a", "d", "e", "f"], 4).unwrap_err(),
            "data.partition.byColumn.column: site has 6 different values (`a`, `b`, `c`, `d`, `e`, …) for 4 peers; each value is a \
             peer: change the count of groups, or name another column"
        );
        let many: Vec<String> = (0..10_002).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(
            derive(&many, 3)
                .unwrap_err()
                .contains("has more than 10000 different values")
        );
        let partition = Partition::from(ByColumn {
            column: Column::Number(3),
        });
        let error = shards::derive(&partition, 1, 1, &[0, 1], None, 2)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("data.partition.byColumn.column: the data has no column 3;"),
            "{error}"
        );
    }

    #[test]
    fn columns_that_cannot_be_it_are_refused() {
        const CSV: &str = "{type: csv, csv: {train: a, test: b, labelColumn: kind, classes: 2, inputShape: [3]}";
        let numbered = CSV.replace("labelColumn: kind", "labelColumn: 0, header: false");
        for (data, settings, expected) in [
            (
                CSV,
                "{}",
                "data.partition.byColumn.column: is missing; write the column's name",
            ),
            (
                CSV,
                "{column: true}",
                "data.partition.byColumn.column: true is not a column",
            ),
            (
                CSV,
                "{column: -1}",
                "data.partition.byColumn.column: -1 is out of range",
            ),
            (
                CSV,
                "{column: ''}",
                "data.partition.byColumn.column: `` is not the name of a column",
            ),
            (
                CSV,
                "{column: kind}",
                "data.partition.byColumn.column: kind is data.csv.labelColumn as well; name the column",
            ),
            (
                &numbered,
                "{column: 0}",
                "data.partition.byColumn.column: 0 is data.csv.labelColumn as well",
            ),
            (
                &numbered,
                "{column: site}",
                "data.partition.byColumn.column: `site` is a name, but data.csv.header is false",
            ),
            (
                "{type: idx, idx: {path: x}",
                "{column: site}",
                "data.partition.type: byColumn divides by a column, and the data is no table; write `type: csv`",
            ),
            (
                "{type: text, text: {path: x}",
                "{column: site}",
                "data.partition.type: byColumn divides by a column",
            ),
        ] {
            let text = format!(
                "{{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {{name: x}}, spec: {{groups: [{{name: p, count: 2}}], \
                 topology: {{type: ring}}, model: {{type: mlp, mlp: {{hidden: []}}}}, \
                 data: {data}, partition: {{type: byColumn, byColumn: {settings}}}}}}}}}"
            );
            let errors = Plan::load(&text, &[]).unwrap_err().into_vec();
            assert_eq!(errors.len(), 1, "{errors:?}");
            let error = errors[0].to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
