//! Faults of the network between machines that train: whoever is cut off is missed, and comes back by itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fltorrent_cli::manifest::Resolved;
use rustix::process::{Signal, kill_process};

use crate::{
    clock::Clock,
    network::{Network, Peer, quickstart},
    phase::{Phase, stop_in},
    recorded::{compare_with_the_oracle, lines_of, missing},
};

const MACHINES: u32 = 5;
const SETTINGS: [&str; 7] = [
    "training.rounds=1000000",
    // So that a round lasts for a while.
    "groups[0].computeSlowdown=5",
    "liveness.heartbeatInterval=100ms",
    "liveness.heartbeatTimeout=1s",
    "liveness.pauseLimit=10m",
    "exchange.round.patience=200ms",
    "exchange.round.deadline=5s",
];

/// Machines that train until they are told to end.
struct Training {
    network: Network,
    /// Those that are there.
    peers: BTreeMap<u32, Peer>,
}

impl Training {
    fn start(more: &[&str], before: impl FnOnce(&mut Network)) -> Self {
        let mut network = Network::new(MACHINES, &[&SETTINGS[..], more].concat());
        before(&mut network);
        let peers = (0..MACHINES).map(|index| (index, network.start(index, &[]))).collect();
        let training = Self { network, peers };
        for peer in 0..MACHINES {
            training.wait_for_rounds(peer, 1);
        }
        training
    }

    fn file(&self, peer: u32) -> PathBuf {
        self.network.results(peer).join(format!("peers/peer-{peer}.jsonl"))
    }

    /// Waits until a peer has closed so many rounds more.
    fn wait_for_rounds(&self, peer: u32, more: usize) {
        let file = self.file(peer);
        self.wait_for_more(more, || lines_of(&file, "round").len());
    }

    /// Waits until an observer has closed rounds without these peers.
    fn wait_for_rounds_without(&self, observer: u32, absent: &[u32]) {
        let file = self.file(observer);
        let is_without = |missing: Vec<u32>| absent.iter().all(|peer| missing.contains(peer));
        self.wait_for_more(3, || {
            let ends = lines_of(&file, "roundEnd");
            ends.iter().filter(|end| is_without(missing(end))).count()
        });
    }

    fn wait_for_more(&self, more: usize, count: impl Fn() -> usize) {
        let before = count();
        while count() < before + more {
            self.assert_all_there();
            thread::yield_now();
        }
    }

    fn assert_all_there(&self) {
        assert!(self.peers.values().all(Peer::is_there), "a peer has ended");
    }

    /// Ends all of them, and compares their rounds with the oracle; gives how many rounds lack an update.
    fn end(self) -> usize {
        let files: Vec<PathBuf> = (0..MACHINES).map(|peer| self.file(peer)).collect();
        let Self { network, peers } = self;
        peers.values().for_each(Peer::interrupt);
        for peer in peers.into_values() {
            let ended = peer.end();
            assert_eq!(ended.code, Some(130), "{ended:?}");
        }
        let sets: Vec<(String, String)> = network
            .sets()
            .filter_map(|set| set.split_once('='))
            .map(|(field, value)| (field.to_owned(), value.to_owned()))
            .collect();
        let plan = Resolved::read(Path::new(&quickstart()), &sets).unwrap().plan;
        compare_with_the_oracle(plan, &files)
    }
}

/// The same machine is cut off in all these ways, one after the other.
#[test]
fn a_machine_that_is_cut_off_comes_back_by_itself() {
    let training = Training::start(&[], |_| {});
    let network = &training.network;
    let machine = network.machine(4);
    network.set_link(4, "down");
    training.wait_for_rounds_without(0, &[4]);
    network.set_link(4, "up");
    training.wait_for_rounds(4, 2);
    // Only what it sends is lost, or only what it receives.
    for hook in ["output", "input"] {
        network.filter(&machine, hook, "drop");
        training.wait_for_rounds_without(0, &[4]);
        network.unfilter(&machine);
        training.wait_for_rounds(4, 2);
    }
    assert!(training.end() >= 9);
}

#[test]
fn a_link_that_goes_every_second_keeps_nobody() {
    let training = Training::start(&[], |_| {});
    let half = Duration::from_millis(500);
    let ends = Instant::now() + Duration::from_secs(10);
    while Instant::now() < ends {
        for what in ["down", "up"] {
            training.network.set_link(4, what);
            // What is tested is this rhythm: nothing is waited for.
            thread::sleep(half);
        }
    }
    training.wait_for_rounds(0, 2);
    training.wait_for_rounds(4, 2);
    training.end();
}

#[test]
fn of_two_halves_the_larger_one_goes_on() {
    let training = Training::start(&[], |_| {});
    let network = &training.network;
    for index in [0, 1] {
        let others = "ip saddr { 10.77.0.12, 10.77.0.13, 10.77.0.14 } drop";
        network.filter(&network.machine(index), "input", others);
    }
    training.wait_for_rounds_without(2, &[0, 1]);
    let paused = |peer| lines_of(&training.file(peer), "paused").len();
    while paused(0) == 0 || paused(1) == 0 {
        training.assert_all_there();
        thread::yield_now();
    }
    for index in [0, 1] {
        network.unfilter(&network.machine(index));
    }
    for index in [0, 1] {
        training.wait_for_rounds(index, 2);
    }
    assert!(training.end() >= 3);
}

/// A third of the packets is lost while connections are made, and one in twenty later, on links of 750 ms there and back.
#[test]
fn lost_packets_and_long_ways_lose_nobody() {
    let lose = |network: &Network, percent: u32| {
        for index in 0..MACHINES {
            let rule = format!("numgen random mod 100 < {percent} drop");
            network.filter(&network.machine(index), "input", &rule);
        }
    };
    // In one chunk, so that a model has all of an update or nothing, however long it takes.
    let slow = [
        "exchange.numChunks=1",
        "exchange.round.deadline=none",
        "network={default: {delay: 375ms}}",
        "liveness.heartbeatInterval=1s",
        "liveness.heartbeatTimeout=10s",
    ];
    let training = Training::start(&slow, |network| lose(network, 30));
    lose(&training.network, 5);
    for peer in 0..MACHINES {
        training.wait_for_rounds(peer, 4);
    }
    training.end();
}

/// Who is dialled is dialled by name again; who dials keeps its connections, which QUIC moves.
#[test]
fn a_machine_with_another_address_is_found_again() {
    let hosts = |network: &Network, address: &str| {
        for index in 0..MACHINES {
            network.write_hosts(index, &format!("{address} node0\n"));
        }
    };
    let training = Training::start(&[], |network| {
        network.write_nodes(&["node0", "10.77.0.11", "10.77.0.12", "10.77.0.13", "10.77.0.14"]);
        hosts(network, "10.77.0.10");
    });
    let network = &training.network;
    // The last one dials all others.
    network.move_to(4, "10.77.0.14", "10.77.0.24");
    training.wait_for_rounds(4, 5);
    // All others dial the first one.
    network.move_to(0, "10.77.0.10", "10.77.0.20");
    training.wait_for_rounds_without(1, &[0]);
    hosts(network, "10.77.0.20");
    training.wait_for_rounds(0, 2);
    // Two do not find this one at its address any more: it dials the two others, which is enough.
    network.move_to(2, "10.77.0.12", "10.77.0.22");
    training.wait_for_rounds(2, 5);
    assert!(training.end() >= 3);
}

#[test]
fn a_machine_that_cannot_write_ends_with_the_reason_and_the_others_go_on() {
    let mut training = Training::start(&["checkpoint={type: periodic}", "liveness.minPeers=2"], |_| {});
    for (victim, script, said) in [
        (
            4,
            "mount -o bind,ro $FOLDER $FOLDER",
            "peer-4.signed cannot be written: Read-only file system",
        ),
        // Not even an empty file.
        (
            3,
            "mount -t tmpfs -o nr_inodes=2 none $FOLDER; touch $FILE",
            "peer-3.signed cannot be written: No space left on device",
        ),
        // Enough for the file of signed rounds, and too little for a checkpoint.
        (
            2,
            "mount -t tmpfs -o size=8k none $FOLDER; touch $FILE",
            "the checkpoint cannot be written: make room there",
        ),
    ] {
        let file = training.file(victim);
        let folder = file.parent().unwrap();
        let places = format!("FOLDER={} FILE={}; ", folder.display(), file.display());
        let peer = training.peers.remove(&victim).unwrap();
        // Between writing a file and giving it its name nothing changes.
        stop_in(peer.pid(), &file, Phase::Training);
        peer.change_mounts(&(places + script));
        kill_process(peer.pid(), Signal::CONT).unwrap();
        peer.fail(1, said);
        training.wait_for_rounds_without(0, &[victim]);
    }
    assert!(training.end() >= 3);
}

#[test]
fn a_clock_that_jumps_costs_nothing_while_certificates_hold_and_ends_nobody() {
    const HOUR: i64 = 60 * 60;
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::make(folder.path());
    let training = Training::start(&[], |network| clock.give(network, 4));
    clock.jump(24 * HOUR);
    training.wait_for_rounds(4, 5);
    assert!(lines_of(&training.file(0), "absence").is_empty());
    // Before the keys were made: this machine believes nobody.
    clock.jump(-HOUR);
    training.wait_for_rounds_without(0, &[4]);
    clock.jump(0);
    training.wait_for_rounds(4, 2);
    assert!(training.end() >= 3);
}
