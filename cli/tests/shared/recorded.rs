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

/// Ends of rounds that somebody has for itself, at most: whoever closes a round and is lost before the others hear of it.
const MOST_ALONE: usize = 3;

/// The ends of a round, by who is missing: the peers that ended it so, and their models.
type Ends = BTreeMap<Vec<u32>, Vec<(u32, String)>>;

/// Compares each round with what sequential FedAvg makes without the updates that are missing at most peers: the same model at all that
/// have ended it so. Where one that has ended a round for itself gives an update of the next, the models that come after are compared with each
/// other only. Gives how many rounds lack an update.
pub(crate) fn compare_with_the_oracle(mut plan: Plan, files: &[PathBuf]) -> usize {
    let mut ends: BTreeMap<u32, Ends> = BTreeMap::new();
    for file in files {
        let numbered = |line: &Value| line["round"].as_u64().unwrap() as u32;
        let of = |line: &Value| {
            let model = line["modelHash"].as_str().unwrap().to_owned();
            (line["peer"].as_u64().unwrap() as u32, model)
        };
        let rounds = lines_of(file, "round");
        let models: BTreeMap<u32, (u32, String)> = rounds.iter().map(|line| (numbered(line), of(line))).collect();
        for end in lines_of(file, "roundEnd") {
            let models = models.get(&numbered(&end)).cloned();
            let of_round = ends.entry(numbered(&end)).or_default();
            of_round.entry(missing(&end)).or_default().extend(models);
        }
    }
    let rounds = ends.last_key_value().unwrap().0 + 1;
    let (mut agreed, mut alone, mut strays) = (BTreeMap::new(), 0, BTreeMap::new());
    for (round, mut sets) in ends {
        let most = sets.iter().max_by_key(|(_, models)| models.len()).unwrap().0.clone();
        let models = sets.remove(&most).unwrap();
        alone += sets.len();
        strays.insert(
            round,
            sets.into_values().flatten().map(|(peer, _)| peer).collect::<Vec<u32>>(),
        );
        agreed.insert(round, (most, models));
    }
    // Who has ended a round for itself trains for the next one from another model, which the oracle has not.
    let gives_next = |round: u32, peer: &u32| {
        agreed
            .get(&(round + 1))
            .is_some_and(|(missing, _)| !missing.contains(peer))
    };
    let mut strayed = strays
        .iter()
        .filter(|(round, peers)| peers.iter().any(|peer| gives_next(**round, peer)));
    let known = strayed.next().map_or(rounds, |(round, _)| round + 1);
    plan.training.rounds = rounds;
    let is_missing = |round, peer| agreed.get(&round).is_some_and(|(missing, _)| missing.contains(&peer));
    for (round, expected) in (0..).zip(fedavg_oracle(&plan, is_missing)) {
        let hash: String = expected.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let (missing, models) = &agreed[&round];
        let hash = match models.first() {
            Some((_, first)) if round >= known => first.clone(),
            _ => hash,
        };
        assert!(
            models.iter().all(|(_, model)| *model == hash),
            "round {round} without {missing:?}"
        );
    }
    let degraded = agreed.values().filter(|(missing, _)| !missing.is_empty()).count();
    println!(
        "{rounds} rounds, {degraded} of them without an update, {alone} ends that only one peer knows, {known} known to the oracle"
    );
    assert!(alone <= MOST_ALONE, "{alone}");
    degraded
}
