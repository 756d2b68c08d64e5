//! `docs/topologies.md` says what is true: its figures are computed again, its drawings show these connections.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use std::{collections::BTreeSet, fs, path::Path};

use fltorrent_crds::{
    Plan,
    analysis::{Rates, exchange_bound, wiring},
    family::Family,
    topology::Topology,
};
use serde_json::json;

use support::{manifest, put};

const PAGE: &str = include_str!("../../docs/topologies.md");
const PEERS: u32 = 16;

/// The plan of the manifest that a topology's section shows.
fn plan(name: &str) -> Plan {
    let section = PAGE.split(&format!("\n## {name}\n")).nth(1);
    let section = section.unwrap_or_else(|| panic!("{name} has no section"));
    let yaml = section.split("```yaml\n").nth(1).unwrap();
    let yaml = yaml.split("```").next().unwrap();
    let mut document = manifest();
    put(&mut document, "seed", json!(42));
    put(&mut document, "groups", json!([{"name": "a", "count": PEERS}]));
    let set = ("topology".to_owned(), yaml.to_owned());
    let plan = Plan::load(&document.to_string(), &[set]).unwrap();
    assert!(yaml.starts_with(&format!("type: {name}\n")), "{yaml}");
    plan
}

fn row(name: &str) -> String {
    let plan = plan(name);
    let wiring = wiring(&plan);
    let rates = Rates { up: 1.0, down: 1.0 };
    let bound = exchange_bound(&plan, &wiring, |_| rates).seconds;
    let unit = f64::from(PEERS - 1) * plan.model.bytes as f64;
    format!(
        "| {name} | {} | {}–{} | {} | {:.2} | {} | {} | {:.3} | {:.2} |",
        wiring.connections,
        wiring.least_neighbours,
        wiring.most_neighbours,
        wiring.diameter,
        wiring.mean_distance,
        wiring.cuts.cut_vertices.len(),
        wiring.cuts.bridges.len(),
        wiring.spectral_gap.unwrap(),
        bound / unit,
    )
}

#[test]
fn figures_are_true() {
    let found: Vec<&str> = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let expected: Vec<String> = Topology::VARIANTS.iter().map(|topology| row(topology.name)).collect();
    assert_eq!(found, expected, "the rows are\n{}", expected.join("\n"));
}

#[test]
fn drawings_show_the_connections() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for topology in Topology::VARIANTS {
        let name = topology.name;
        let link = format!("img/topologies/{name}.svg");
        assert!(PAGE.contains(&format!("![{name}]({link})")), "{name}");
        let svg = fs::read_to_string(folder.join(&link)).unwrap_or_else(|error| panic!("docs/{link}: {error}"));
        let drawn: BTreeSet<(u32, u32)> = svg
            .split("<title>")
            .filter_map(|part| part.split("</title>").next()?.split_once("&#45;&#45;"))
            .map(|(a, b)| (a.parse().unwrap(), b.parse().unwrap()))
            .collect();
        let planned: BTreeSet<(u32, u32)> = plan(name)
            .peers
            .iter()
            .flat_map(|peer| {
                let later = peer.neighbours.iter().filter(|other| **other > peer.index);
                later.map(|other| (peer.index, *other))
            })
            .collect();
        assert_eq!(drawn, planned, "{name}");
    }
}
