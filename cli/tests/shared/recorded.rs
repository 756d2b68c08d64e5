//! What peers have recorded of their rounds, beside plain sequential FedAvg.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fltorrent_crds::Plan;
use serde_json::Value;

use crate::oracle_rounds::fedavg_oracle;

/// The lines of a kind in a metrics file. One that is being written is not there yet.
pub(crate) fn lines_of(file: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["event"] == kind).collect()
}

/// The peers of whose updates nothing is in a round's model.
pub(crate) fn missing(end: &Value) -> Vec<u32> {
    let missing = end["missing"].as_array().unwrap();
    missing.iter().map(|peer| peer.as_u64().unwrap() as u32).collect()
}

/// All peers ended each round alike, and have the model that sequential FedAvg makes without the missing updates. Gives how many rounds
/// there were, and how many of them lack an update.
pub(crate) fn compare_with_the_oracle(mut plan: Plan, files: &[PathBuf]) -> (u32, usize) {
    let (mut ends, mut models) = (BTreeMap::new(), BTreeMap::new());
    for file in files {
        for end in lines_of(file, "roundEnd") {
            let round = end["round"].as_u64().unwrap() as u32;
            let without = missing(&end);
            let before = ends.insert(round, without.clone());
            assert!(
                before.is_none_or(|before| before == without),
                "{}: {end}",
                file.display()
            );
        }
        for line in lines_of(file, "round") {
            let round = line["round"].as_u64().unwrap() as u32;
            let model = line["modelHash"].as_str().unwrap().to_owned();
            let before = models.insert(round, model.clone());
            assert!(
                before.is_none_or(|before| before == model),
                "{}: {line}",
                file.display()
            );
        }
    }
    let rounds = models.last_key_value().unwrap().0 + 1;
    plan.training.rounds = rounds;
    let is_missing = |round, peer| {
        ends.get(&round)
            .is_some_and(|missing: &Vec<u32>| missing.contains(&peer))
    };
    for (round, expected) in (0..).zip(fedavg_oracle(&plan, is_missing)) {
        let hash: String = expected.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(models.get(&round), Some(&hash), "round {round}");
    }
    let degraded = ends.values().filter(|missing| !missing.is_empty()).count();
    (rounds, degraded)
}
