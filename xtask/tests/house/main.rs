//! The invariants of ARCHITECTURE.md that a compiler does not check.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod circles;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The folders of all crates.
fn members() -> Vec<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest
        .lines()
        .find_map(|line| line.strip_prefix("members = ["))
        .unwrap();
    let names = members.trim_end_matches(']').split(", ");
    names.map(|name| name.trim_matches('"').to_owned()).collect()
}

/// The lines before a module's own tests.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut marks = text.match_indices("#[cfg(test)]\n");
    let starts_tests = |rest: &str| rest.lines().next().is_some_and(|line| line.ends_with("mod tests {"));
    let end = marks.find(|(at, mark)| starts_tests(&text[at + mark.len()..]));
    text[..end.map_or(text.len(), |(at, _)| at)].lines()
}

/// Sources under `folder` that mention `word` in code.
fn mentions(folder: &str, word: &str) -> Vec<String> {
    let mut files = Vec::new();
    sources(&root().join(folder), &mut files);
    let code = |text: &str| text.lines().any(|line| line.split("//").next().unwrap().contains(word));
    let hits = files.iter().filter(|path| code(&fs::read_to_string(path).unwrap()));
    let mut names: Vec<String> = hits
        .map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn dependencies_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = [
        // Its own tests use what it has for them.
        ("swarm", &["swarm"][..]),
        ("crds", &["swarm"]),
        ("records", &["crds"]),
        ("coordinator", &["records"]),
        ("operator", &["coordinator", "crds", "records"]),
        ("peer", &["coordinator", "crds", "records", "swarm"]),
        ("optimum", &["crds", "swarm"]),
        ("report", &["crds", "records"]),
        (
            "cli",
            &["coordinator", "crds", "optimum", "peer", "records", "report", "swarm"],
        ),
        ("bench", &["cli", "coordinator", "crds", "optimum", "peer", "records"]),
        ("e2e", &["crds"]),
    ]
    .into();
    for (name, allowed) in allowed {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let used = manifest
            .lines()
            .filter_map(|line| line.strip_prefix("fltorrent-")?.split(['.', ' ']).next());
        for used in used {
            assert!(allowed.contains(&used), "{name} may not depend on {used}");
        }
    }
}

#[test]
fn only_train_knows_burn_and_only_transport_knows_quinn() {
    let homes = [
        // A program that brings its own network computes with burn, by way of the peer.
        ("burn::", &["peer/src/train/", "examples/own-model/src/"][..]),
        // It measures quinn alone.
        ("quinn::", &["peer/src/transport/", "bench/src/bare.rs"]),
        ("kube::", &["operator/src/"]),
    ];
    for (word, homes) in homes {
        for member in members() {
            for file in mentions(&format!("{member}/src"), word) {
                assert!(homes.iter().any(|home| file.starts_with(home)), "{file} knows {word}");
            }
        }
    }
}

#[test]
fn no_imports_go_in_circles() {
    let circles: Vec<String> = members().iter().flat_map(|member| circles::circles(member)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn no_module_is_over_500_lines_without_its_tests() {
    for member in members() {
        let mut files = Vec::new();
        sources(&root().join(&member).join("src"), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let lines = without_tests(&fs::read_to_string(file).unwrap()).count();
            assert!(lines <= 500, "{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn what_the_operator_decides_and_builds_needs_no_cluster() {
    for part in ["build", "life", "pod_facts", "status"] {
        for word in ["Client", "Api<", "Timestamp::now", "Instant::now", ".await"] {
            let found = mentions("operator/src", word);
            let inside = found.iter().find(|file| {
                file.starts_with(&format!("operator/src/{part}/")) || **file == format!("operator/src/{part}.rs")
            });
            assert_eq!(inside, None, "{part} uses {word}");
        }
    }
}

#[test]
fn what_decides_reads_no_clock_and_opens_nothing() {
    for folder in ["crds/src", "optimum/src", "records/src", "report/src", "swarm/src"] {
        for word in [
            "Instant::now",
            "SystemTime::now",
            "tokio",
            "std::net::Udp",
            "std::net::Tcp",
            "thread::",
        ] {
            assert_eq!(mentions(folder, word), Vec::<String>::new(), "{folder} uses {word}");
        }
    }
    // Drivers, and the tests of what is told the time.
    assert_eq!(
        mentions("coordinator/src", "Instant::now"),
        [
            "coordinator/src/client.rs",
            "coordinator/src/client/pausing.rs",
            "coordinator/src/hub.rs",
            "coordinator/src/hub/pauses.rs",
            "coordinator/src/hub/runs.rs",
            "coordinator/src/hub/service.rs",
            "coordinator/src/rate.rs",
            "coordinator/src/server.rs"
        ]
    );
}

/// It may jump. Certificates are compared with it, people are told it, a server may name a time to come back at, and what `churn` plans
/// after a time goes on by it in the next process.
#[test]
fn peers_read_the_wall_clock_for_these_only() {
    assert_eq!(
        mentions("peer/src", "SystemTime::now"),
        [
            "peer/src/data/fetch/request.rs",
            "peer/src/driver.rs",
            "peer/src/metrics_file.rs",
            "peer/src/process/assembly.rs"
        ]
    );
}
