//! Machines that share nothing but files, as network namespaces; needs root, iproute2 and nftables.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod clock;
mod faults;
#[path = "../../../bench/src/exchange/namespaces.rs"]
mod namespaces;
mod network;
#[expect(dead_code, reason = "only the models are compared here")]
#[path = "../../../peer/tests/support/oracle.rs"]
mod oracle_rounds;
#[expect(dead_code, reason = "here faults come in one phase")]
#[path = "../shared/phase.rs"]
mod phase;
#[path = "../shared/recorded.rs"]
mod recorded;
mod refused;
mod symptoms;

use std::{fs, path::Path};

use serde_json::Value;

use network::{Network, Peer, fltorrent, quickstart};

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn machines_that_share_only_files_end_with_the_model_of_one_machine() {
    let network = Network::new(4, &["training.rounds=3"]);
    // Two are named by IPv4 and two by IPv6 addresses.
    network.write_nodes(&["10.77.0.10", "fd77::11", "10.77.0.12", "fd77::13"]);
    let mut peers: Vec<Peer> = [2, 3, 0].map(|i| network.start(i, &[])).into();
    // Peer 2 dials peer 1, which comes only after it was missed.
    peers[0].until("waiting for peer 1 at [fd77::11]:8888: it refuses");
    peers.push(network.start(1, &[]));
    for peer in peers {
        peer.succeed();
    }

    let alone = network.path("alone");
    let output = fltorrent()
        .arg("run")
        .args(network.sets())
        .arg("--out")
        .arg(&alone)
        .arg(quickstart())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary = read_json(&alone.join("summary.json"));
    let model = fs::read(alone.join("model.safetensors")).unwrap();
    for i in 0..4 {
        let results = network.results(i);
        assert_eq!(
            read_json(&results.join("summary.json"))["modelHash"],
            summary["modelHash"]
        );
        assert!(fs::read(results.join("model.safetensors")).unwrap() == model);
        for file in ["plan.json", "histogram.json"] {
            assert_eq!(read_json(&results.join(file)), read_json(&alone.join(file)), "{file}");
        }
    }

    // The folders of all machines together make one report.
    let page = network.path("report.html");
    let report = fltorrent()
        .arg("report")
        .args((0..4).map(|i| network.results(i)))
        .arg("--out")
        .arg(&page)
        .output()
        .unwrap();
    assert!(report.status.success(), "{report:?}");
    let notes = String::from_utf8(report.stderr).unwrap();
    assert!(!notes.contains("missing"), "{notes}");
    let page = fs::read_to_string(page).unwrap();
    let hash = summary["modelHash"].as_str().unwrap();
    assert!(page.contains(&hash[..12]), "the page lacks the model");
}

#[test]
fn one_way_with_small_packets_is_enough() {
    // As in a tunnel: the least that IPv6 allows.
    let network = Network::new(2, &["training.rounds=2"]);
    network.write_nodes(&["fd77::10", "fd77::11"]);
    for i in 0..2 {
        network.set_link(i, "mtu 1280");
    }
    let peers = [1, 0].map(|i| network.start(i, &[]));
    for peer in peers {
        peer.succeed();
    }
}

#[test]
fn machines_go_on_from_their_checkpoints() {
    let sets = [
        "training.rounds=6",
        "checkpoint={type: periodic, periodic: {everyRounds: 1}}",
        "failurePolicy.onPeerLoss=fail",
    ];
    let whole = Network::new(2, &sets);
    for peer in [0, 1].map(|i| whole.start(i, &[])) {
        peer.succeed();
    }

    let network = Network::new(2, &sets);
    let mut peers = [0, 1].map(|i| network.start(i, &["--set", "training.rounds=1000000"]));
    for peer in &mut peers {
        peer.until("2/1000000");
    }
    let [stays, leaves] = peers;
    leaves.interrupt();
    leaves.fail(130, "interrupted by SIGINT");
    stays.fail(1, "peer 1 was stopped by its user");

    // Both have the checkpoints after one and two rounds, or later ones; another manifest would be another run.
    let differs = ["--resume", "--attempt", "1", "--set", "seed=7"];
    network.start(0, &differs).fail(2, "seed: 42 then, 7 now");
    let rounds = [0, 1].map(|i| {
        let peers = network.results(i).join("peers");
        let names = fs::read_dir(peers).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter_map(|name| {
                let rounds = name.split_once(".rounds-")?.1;
                rounds.strip_suffix(".checkpoint")?.parse::<u32>().ok()
            })
            .max()
            .unwrap()
    });
    let common = rounds[0].min(rounds[1]);
    let resume = format!("--resume={common}");
    let until = format!("training.rounds={}", common + 2);
    let go_on = [&resume, "--attempt", "1", "--set", &until];
    let afresh = network.path("afresh").display().to_string();
    let peers = [
        network.start(0, &go_on),
        network.start(1, &["--out", &afresh, "--attempt", "1", "--set", &until]),
    ];
    for peer in peers {
        peer.fail(1, symptoms::documented("resume all peers from the same round"));
    }
    for peer in [0, 1].map(|i| network.start(i, &go_on)) {
        peer.succeed();
    }
    let hashes = |network: &Network, i| {
        let summary = read_json(&network.results(i).join("summary.json"));
        let rounds = summary["rounds"].as_array().unwrap().clone();
        rounds
            .into_iter()
            .map(|round| (round["round"].clone(), round["modelHash"].clone()))
            .collect::<Vec<_>>()
    };
    for i in 0..2 {
        let found = hashes(&network, i);
        assert_eq!(found.len() as u32, common + 2);
        let both = found.len().min(6);
        assert_eq!(found[..both], hashes(&whole, i)[..both]);
        let summary = read_json(&network.results(i).join("summary.json"));
        assert_eq!(summary["resumedAfter"], common);
    }
}

/// An array in the form of MNIST's files: unsigned bytes, with these extents.
fn idx(extents: &[u32], bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    let mut file = vec![0, 0, 8, extents.len() as u8];
    file.extend(extents.iter().flat_map(|extent| extent.to_be_bytes()));
    file.extend(bytes);
    file
}

#[test]
fn a_nodes_file_alone_is_an_experiment() {
    let network = Network::new(2, &[]);
    let nodes = fs::read_to_string(network.path("nodes.yaml")).unwrap();
    let training = "training: {rounds: 2, batch_size: 16, learning_rate: 0.1}\n";
    fs::write(network.path("nodes.yaml"), format!("{training}{nodes}")).unwrap();
    let data = network.path("mnist");
    fs::create_dir(&data).unwrap();
    for (name, count) in [("train", 200), ("t10k", 50)] {
        let image = |i: u32| (0..28 * 28).map(move |pixel| ((i % 10) * 20 + pixel % 7) as u8);
        let images = idx(&[count, 28, 28], (0..count).flat_map(image));
        let labels = idx(&[count], (0..count).map(|i| (i % 10) as u8));
        fs::write(data.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        fs::write(data.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
    let data = data.display().to_string();
    let more = ["--data", &data, "--metrics", "127.0.0.1:9464"];
    let mut peers = [0, 1].map(|i| network.start_without_manifest(i, &more));
    for peer in &mut peers {
        peer.until("metrics  http://127.0.0.1:9464/metrics");
    }
    for peer in peers {
        peer.succeed();
    }
    let manifest = fs::read_to_string(network.results(0).join("manifest.yaml")).unwrap();
    for field in ["rounds: 2", "batchSize: 16", "learningRate: 0.1", "type: mesh", &data] {
        assert!(manifest.contains(field), "{field} is not in {manifest}");
    }
    let hash = |i| read_json(&network.results(i).join("summary.json"))["modelHash"].clone();
    assert!(hash(0).is_string());
    assert_eq!(hash(0), hash(1));
}
