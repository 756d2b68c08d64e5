//! The entries of docs/troubleshooting.md, each produced and each with the words that stand there.

use std::fs;

use crate::network::{Network, Peer};

/// The page that users read.
const PAGE: &str = include_str!("../../../docs/troubleshooting.md");

/// The words, which must be on the page too, whatever the line breaks there.
pub(crate) fn documented(words: &str) -> &str {
    let page: Vec<&str> = PAGE.split_whitespace().collect();
    assert!(
        page.join(" ").contains(words),
        "docs/troubleshooting.md lacks “{words}”"
    );
    words
}

fn two(sets: &[&str]) -> Network {
    let sets: Vec<&str> = ["training.rounds=2"].iter().chain(sets).copied().collect();
    Network::new(2, &sets)
}

/// One peer's end is everybody's.
const ALL_OR_NONE: &str = "failurePolicy.onPeerLoss=fail";
/// The one of two that dials.
const DIALLER: u32 = 1;
const DIALLED: u32 = 0;

fn both_succeed(network: &Network, dialler: Peer) {
    let dialled = network.start(DIALLED, &[]);
    dialled.succeed();
    dialler.succeed();
}

#[test]
fn nobody_listens_and_firewalls_reject_and_drop() {
    let network = two(&[]);
    let there = network.machine(DIALLED);
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until(documented(
        "it refuses: check that it runs there, and its address and port in the nodes file",
    ));

    network.filter(&there, "input", "udp dport 8888 drop");
    let mut dialled = network.start(DIALLED, &[]);
    dialler.until(documented(
        "no answer: check that the machine is up and has this address, and that firewalls let UDP port 8888 in",
    ));
    dialled.until(documented(
        "it has not connected yet: it is the side that dials; check that it runs, and its output",
    ));

    network.filter(&there, "input", "udp dport 8888 reject with icmp type admin-prohibited");
    dialler.until(documented(
        "no route to it: check its address in the nodes file, its machine, and that routes and firewalls, here too, let UDP port 8888 through: No route to host",
    ));

    network.unfilter(&there);
    dialler.until("connected to peer 0");
    dialled.succeed();
    dialler.succeed();
}

#[test]
fn a_firewall_at_the_side_that_dials() {
    let network = two(&[]);
    let here = network.machine(DIALLER);
    network.filter(&here, "output", "udp dport 8888 drop");
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until(documented("Operation not permitted"));
    network.unfilter(&here);
    both_succeed(&network, dialler);
}

#[test]
fn a_machine_that_is_off_and_one_that_no_route_leads_to() {
    let network = two(&[]);
    network.set_link(DIALLED, "down");
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until("no answer");
    network.set_link(DIALLED, "up");
    both_succeed(&network, dialler);

    let network = two(&[]);
    network.write_nodes(&["192.0.2.1", "10.77.0.11"]);
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until(documented("Network is unreachable"));
}

#[test]
fn behind_nat_one_can_dial_and_needs_a_forward_to_be_dialled() {
    // The higher index dials, and needs nothing.
    let network = two(&[]);
    network.put_behind_router(DIALLER);
    network.write_nodes(&["10.77.0.10", "10.77.0.1"]);
    let dialler = network.start(DIALLER, &[]);
    both_succeed(&network, dialler);

    // The lower one is dialled at the router, which does not know of it.
    let network = two(&[]);
    let router = network.put_behind_router(DIALLED);
    network.write_nodes(&["10.77.0.1", "10.77.0.11"]);
    network.filter(&router, "input", "drop");
    let mut dialler = network.start(DIALLER, &[]);
    let dialled = network.start(DIALLED, &[]);
    dialler.until("waiting for peer 0 at 10.77.0.1:8888: no answer");
    network.nft(
        &router,
        documented("add rule ip nat in udp dport 8888 dnat to 10.78.0.2"),
    );
    dialler.succeed();
    dialled.succeed();

    // A router without a firewall says that nobody listens at it.
    let network = two(&[]);
    network.put_behind_router(DIALLED);
    network.write_nodes(&["10.77.0.1", "10.77.0.11"]);
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until("waiting for peer 0 at 10.77.0.1:8888: it refuses");
}

#[test]
fn a_name_that_is_not_known_yet() {
    let network = two(&[]);
    network.write_nodes(&["node0", "node1"]);
    let names = "10.77.0.11 node1\n";
    network.write_hosts(0, names);
    network.write_hosts(1, names);
    let mut dialler = network.start(DIALLER, &[]);
    dialler.until(documented(
        "the host node0 cannot be resolved; check it in the nodes file, and DNS or /etc/hosts here",
    ));
    network.write_hosts(DIALLER, &format!("{names}fd77::10 node0\n10.77.0.10 node0\n"));
    both_succeed(&network, dialler);
}

#[test]
fn a_neighbour_that_never_comes_and_one_that_goes_away() {
    let network = two(&[ALL_OR_NONE]);
    let alone = network.start(0, &["--wait", "1s"]);
    alone.fail(1, documented("peer 1 is lost: not reachable for 1s ("));

    let network = two(&["liveness.pauseLimit=1s"]);
    let mut alone = network.start(0, &["--wait", "1s"]);
    alone.until(documented(
        "paused: 1 peer takes part, 2 are needed (liveness.minPeers)",
    ));
    alone.fail(
        1,
        documented("1 peer has taken part for 1s, 2 are needed (liveness.minPeers)"),
    );

    let network = two(&[
        "training.rounds=1000000",
        "liveness.heartbeatInterval=500ms",
        "liveness.heartbeatTimeout=3s",
        ALL_OR_NONE,
    ]);
    let mut peers = [0, 1].map(|i| network.start(i, &[]));
    peers[0].until("1/1000000");
    network.set_link(1, "down");
    for (i, peer) in peers.into_iter().enumerate() {
        peer.fail(1, &format!("peer {} is lost: not reachable for 3s (", 1 - i));
    }
}

#[test]
fn another_plan() {
    let network = Network::new(3, &["training.rounds=2", ALL_OR_NONE]);
    let mut first = network.start(0, &[]);
    let second = network.start(1, &[]);
    first.until("connected to peer 1");
    let other = network.start(2, &["--set", "seed=7"]);
    let peers = [first, second, other];
    for (i, peer) in peers.into_iter().enumerate() {
        let ended = peer.end();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.errors.contains("its plan's hash is "), "{ended:?}");
        assert!(
            ended
                .errors
                .contains(documented("`fltorrent validate` prints the hash")),
            "{ended:?}"
        );
        assert!(i == 2 || ended.errors.contains("peer 2"), "{ended:?}");
    }
}

#[test]
fn one_peer_with_another_plan_is_left_out() {
    let network = Network::new(3, &["training.rounds=2"]);
    let wait = ["--wait", "5s"];
    let mut first = network.start(0, &wait);
    let second = network.start(1, &wait);
    first.until("connected to peer 1");
    let other = network.start(2, &["--set", "seed=7"]);
    other.fail(1, "its plan's hash is ");
    first.until(documented("peer 2 is absent: nobody who takes part has a link to it"));
    first.succeed();
    second.succeed();
}

#[test]
fn other_data() {
    let network = two(&[
        "data={type: csv, csv: {train: data/train.csv, test: data/test.csv, classes: 2, inputShape: [2], labelColumn: y}}",
    ]);
    let write = |folder: &str, label: u8| {
        let folder = network.path(folder);
        fs::create_dir(&folder).unwrap();
        let rows: String = (0..200).map(|i| format!("{},{i},{}\n", i % 2, i % 7)).collect();
        fs::write(folder.join("train.csv"), format!("y,a,b\n{rows}")).unwrap();
        fs::write(folder.join("test.csv"), format!("y,a,b\n{rows}{label},1,2\n")).unwrap();
        folder.display().to_string()
    };
    let (here, there) = (write("here", 0), write("there", 1));
    let peers = [(0, &here), (1, &there)].map(|(i, data)| network.start(i, &["--data", data]));
    for peer in peers {
        peer.fail(1, documented("the data files differ: compare their checksums"));
    }
    // Where the data lies need not be the same.
    let same = network.path("same");
    fs::create_dir(&same).unwrap();
    for file in ["train.csv", "test.csv"] {
        fs::copy(format!("{here}/{file}"), same.join(file)).unwrap();
    }
    let same = same.display().to_string();
    network.make_keys("more-keys");
    let keys = network.path("more-keys").display().to_string();
    let peers = [(0, &here), (1, &same)].map(|(i, data)| {
        let out = network.path(&format!("again-{i}")).display().to_string();
        network.start(i, &["--data", data, "--keys", &keys, "--out", &out])
    });
    for peer in peers {
        peer.succeed();
    }
}

#[test]
fn keys_of_another_experiment() {
    let network = two(&[]);
    network.make_keys("others");
    let mut dialler = network.start(DIALLER, &[]);
    let keys = network.path("others/peer-0").display().to_string();
    let out = network.path("wrong").display().to_string();
    let mut wrong = network.start(DIALLED, &["--keys", &keys, "--out", &out]);
    dialler.until(documented(
        "its certificate is of another experiment: give every machine its folder from the same `fltorrent keys init`",
    ));
    wrong.until(documented(
        "it refuses this peer, whose certificate is of another experiment",
    ));
    wrong.interrupt();
    wrong.fail(130, "interrupted by SIGINT");
    both_succeed(&network, dialler);
}

#[test]
fn a_peer_on_the_machine_of_another() {
    let network = Network::new(3, &["training.rounds=2"]);
    let mut dialler = network.start(2, &[]);
    // Peer 0 is where peer 1 should be.
    let wrong = network.start_at(1, 0, &[]);
    dialler.until(documented(
        "its certificate is another peer's: check which machine has which address in the nodes file and was given which folder of keys",
    ));
    wrong.interrupt();
    wrong.fail(130, "interrupted by SIGINT");
    dialler.interrupt();
    dialler.fail(130, "interrupted by SIGINT");
}

#[test]
fn another_attempt_and_one_that_was_run() {
    let network = two(&[]);
    let mut dialler = network.start(DIALLER, &[]);
    let out = network.path("wrong").display().to_string();
    let wrong = network.start(DIALLED, &["--attempt", "1", "--out", &out]);
    dialler.until(documented("it belongs to attempt 1 of the run, this peer to attempt 0"));
    wrong.interrupt();
    wrong.fail(130, "interrupted by SIGINT");
    both_succeed(&network, dialler);

    let out = |i: u32| network.path(&format!("again-{i}")).display().to_string();
    let again = network.start(0, &["--out", &out(0)]);
    again.fail(
        1,
        documented(
            "attempt 0 was already run with these keys; start every peer of the new run with --attempt 1, or create new keys with `fltorrent keys init`",
        ),
    );
    let peers = [0, 1].map(|i| network.start(i, &["--attempt", "1", "--out", &out(i + 2)]));
    for peer in peers {
        peer.succeed();
    }
}

#[test]
fn somebody_ends_the_run() {
    let network = two(&["training.rounds=1000000", ALL_OR_NONE]);
    let mut peers = [0, 1].map(|i| network.start(i, &[]));
    for peer in &mut peers {
        peer.until("1/1000000");
    }
    let [stays, leaves] = peers;
    leaves.interrupt();
    leaves.fail(130, "interrupted by SIGINT; the neighbours were notified");
    stays.fail(1, documented("peer 1 was stopped by its user (SIGINT)"));
}
