//! Seeded schedules of churn: peers go away and come back, links break, peers die, at any time.
//!
//! `FLTORRENT_CHURN=100000 cargo test --release -p fltorrent-swarm --test churn` tries as many of them, and `FLTORRENT_CHURN_FROM` says
//! with which one it begins.

mod support;

use std::{collections::BTreeMap, time::Duration};

use fltorrent_swarm::{
    Deadline, EarlierUpdates, Failure, Notice, Repair, RoundRules,
    simulation::{Network, VoteLie},
    test_utils::Outcome,
};
use support::{LONG, Setup, edges};

/// Schedules where nobody says how many.
const SCHEDULES: u64 = 1000;

/// xorshift64: a schedule follows from its seed.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Says which schedule it was when something panics in it.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0);
        }
    }
}

/// Nodes that were restarted without their file of signed rounds, with the last round that they had signed, until they sign again.
///
/// Such a one signs nothing twice as long as those who know the newest round are asked: too many have to be left for the others to go on
/// among themselves.
#[derive(Default)]
struct Forgetful(BTreeMap<u32, u32>);

impl Forgetful {
    /// Whether enough nodes but one know the newest round.
    fn may_be(network: &Network, setup: &Setup, without: Option<u32>) -> bool {
        let last = |node: u32| network.signed(node).last().copied();
        let newest = (0..setup.peers).filter_map(last).max();
        let has_its_model = |node: u32| network.incarnation(node) == 0 || !network.ends(node).is_empty();
        let knows = |&node: &u32| has_its_model(node) && last(node).map(|round| round + 1) >= newest;
        let there = (0..setup.peers).filter(|&node| network.is_running(node) && Some(node) != without);
        // More than half make a round.
        2 * there.filter(knows).count() as u32 >= setup.peers
    }

    /// Whether a node may be killed.
    fn allow(&mut self, network: &Network, setup: &Setup, killed: u32) -> bool {
        self.0.retain(|&node, last| network.signed(node).last() == Some(last));
        self.0.is_empty() || Self::may_be(network, setup, Some(killed))
    }
}

/// What became of one schedule.
#[derive(Debug, Default)]
struct Tally {
    certified: u64,
    uncertified: u64,
    left: u64,
    excused: u64,
    degraded: u64,
    adopted: u64,
    joined: u64,
    rewired: u64,
    suspected: u64,
    needed: u64,
}

fn setup(peers: u32, seed: u64, repair: Repair, late: &BTreeMap<u32, u64>) -> Setup {
    Setup {
        peers,
        seed,
        late: late.keys().copied().collect(),
        chunks: 3,
        elements: 12,
        rounds: 16,
        train: Duration::from_millis(80),
        goes_on: true,
        repair,
        rules: Some(RoundRules {
            quorum: peers,
            patience: Duration::from_millis(100),
            deadline: Deadline::Auto,
        }),
        ..Setup::default()
    }
}

/// A deadline that there is from the first round on: before, nobody is late.
fn with_deadline(setup: Setup) -> Setup {
    let rules = setup.rules.map(|rules| RoundRules {
        deadline: Deadline::After(Duration::from_secs(30)),
        ..rules
    });
    Setup { rules, ..setup }
}

/// Starts those that join at a step of the schedule.
fn join(network: &mut Network, late: &BTreeMap<u32, u64>, is_due: impl Fn(u64) -> bool, tally: &mut Tally) {
    for (&node, _) in late.iter().filter(|(_, step)| is_due(**step)) {
        network.join(node);
        tally.joined += 1;
    }
}

/// Runs the schedule of a seed, where the last node may lie about what it holds. Of a star and a tree it is a leaf: whoever alone connects
/// others can keep everything from them.
fn run(seed: u64, lie: Option<VoteLie>, tally: &mut Tally) {
    let mut draws = Draws(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let peers = 4 + draws.below(7) as u32;
    let topology = ["mesh", "ring", "chords", "tree", "star"][draws.below(5) as usize];
    let repair = match seed % 4 {
        1 => Repair::Ring,
        3 => Repair::Reconnect,
        _ => Repair::None,
    };
    let late = late(peers, seed);
    let setup = setup(peers, seed, repair, &late);
    let liar = lie.map(|_| peers - 1);
    let setup = match lie {
        Some(_) => with_deadline(setup),
        None => setup,
    };
    let links = edges(topology, peers);
    let mut network = setup.network(topology);
    if let Some(lie) = lie {
        network.lie(peers - 1, lie);
    }
    if seed.is_multiple_of(16) {
        network.check_always();
    }
    let mut dead = Vec::new();
    let mut away: Vec<u32> = Vec::new();
    let mut restarts: Vec<u32> = Vec::new();
    let mut forgetful = Forgetful::default();
    let what = format!(
        "seed {seed}, {topology} of {peers}, repair {}, late {late:?}",
        repair.name()
    );
    let named = Named(what.clone());
    let steps = 3 + draws.below(12);
    for step in 0..steps {
        let next = network.now() + Duration::from_millis(draws.below(700));
        network.run_until(next);
        join(&mut network, &late, |joins| joins == step, tally);
        let (a, b) = links[draws.below(links.len() as u64) as usize];
        let node = draws.below(u64::from(peers)) as u32;
        let of = |node: u32| links.iter().copied().filter(move |&(a, b)| a == node || b == node);
        match draws.below(11) {
            0 if 2 * (dead.len() as u32 + 1) < peers
                && network.is_running(node)
                && forgetful.allow(&network, &setup, node) =>
            {
                network.kill(node);
                dead.push(node);
            }
            0..=2 => network.disconnect(a, b),
            8 if network.is_running(node) && forgetful.allow(&network, &setup, node) => {
                network.kill(node);
                restarts.push(node);
            }
            8..=10 => {
                for node in restarts.drain(..) {
                    restart(&mut network, &setup, node, &mut draws, &mut forgetful);
                    let there = of(node).filter(|(a, b)| !dead.contains(a) && !dead.contains(b));
                    there.for_each(|(a, b)| network.mend(a, b));
                }
            }
            3..=5 => {
                of(node).for_each(|(a, b)| network.sever(a, b));
                away.push(node);
            }
            _ => away.drain(..).flat_map(of).for_each(|(a, b)| network.mend(a, b)),
        }
    }
    for node in restarts {
        restart(&mut network, &setup, node, &mut draws, &mut forgetful);
    }
    join(&mut network, &late, |joins| joins >= steps, tally);
    for (a, b) in links {
        network.mend(a, b);
    }
    // Whoever owes something, and is needed, is waited for twice as long as a pause may last, and once more.
    let is_over = network.run(if liar.is_some() { 4 * LONG } else { LONG });
    check(&setup, &network, (&dead, liar), &what, is_over, tally);
    drop(named);
}

/// In every third schedule some peers join later, at these steps of it.
fn late(peers: u32, seed: u64) -> BTreeMap<u32, u64> {
    let mut draws = Draws(seed.wrapping_mul(0xd134_2543_de82_ef95) | 1);
    let count = match seed % 3 {
        2 => 1 + draws.below(u64::from(peers) / 2),
        _ => 0,
    };
    (0..count)
        .map(|_| (draws.below(u64::from(peers)) as u32, draws.below(16)))
        .collect()
}

/// Starts a killed node anew; what it has signed is known from its disk, or not.
fn restart(network: &mut Network, setup: &Setup, node: u32, draws: &mut Draws, forgetful: &mut Forgetful) {
    let last = network.signed(node).last().copied();
    let earlier = match (draws.below(3), last) {
        (0, Some(last)) if Forgetful::may_be(network, setup, None) => {
            forgetful.0.insert(node, last);
            EarlierUpdates::Unknown
        }
        (_, Some(last)) => EarlierUpdates::UpTo(last),
        (_, None) => EarlierUpdates::Nothing,
    };
    network.restart(node, earlier);
}

fn check(
    setup: &Setup,
    network: &Network,
    (dead, liar): (&[u32], Option<u32>),
    what: &str,
    is_over: bool,
    tally: &mut Tally,
) {
    if !is_over {
        for node in 0..setup.peers {
            let notices: Vec<String> = network
                .notices(node)
                .iter()
                .rev()
                .take(8)
                .map(ToString::to_string)
                .collect();
            println!(
                "{node}: {:?} at {:?}: {notices:#?}",
                network.outcome(node),
                network.progress(node)
            );
        }
    }
    // A liar that is needed is waited for.
    let there = (0..setup.peers).filter(|&node| network.is_running(node)).count() as u32;
    if liar.is_some() && !is_over && there <= setup.peers / 2 + 1 {
        tally.needed += 1;
        return;
    }
    assert!(is_over, "{what}: wedged");
    let mut certified: BTreeMap<u32, [u8; 32]> = BTreeMap::new();
    for node in (0..setup.peers).filter(|&node| Some(node) != liar) {
        let ends = network.ends(node);
        for two in network
            .all_ends(node)
            .flat_map(|ends| ends.windows(2))
            .filter(|two| two[1].round == two[0].round + 1)
        {
            match two[1].certified_before {
                Some(true) => {
                    tally.certified += 1;
                    let (round, digest) = (two[0].round, two[0].digest);
                    let first = *certified.entry(round).or_insert(digest);
                    assert_eq!(first, digest, "{what}: two certified ends of round {round}");
                }
                Some(false) => tally.uncertified += 1,
                None => {}
            }
        }
        // One update of an origin a round, or none.
        assert!(
            ends.windows(2).all(|two| two[0].round < two[1].round),
            "{what}: peer {node}"
        );
        let is_excused = matches!(
            network.outcome(node),
            Outcome::Failed(Failure::TooFew { .. } | Failure::LeftBehind { .. })
        );
        tally.excused += u64::from(is_excused);
        tally.left += u64::from(network.outcome(node) == &Outcome::Left);
        tally.degraded += ends.iter().filter(|end| !end.missing.is_empty()).count() as u64;
        let is_repair = |notice: &&Notice| matches!(notice, Notice::Rewired { .. });
        tally.rewired += network.notices(node).iter().filter(is_repair).count() as u64;
        let is_suspicion = |notice: &&Notice| matches!(notice, Notice::Suspected { .. });
        tally.suspected += network.notices(node).iter().filter(is_suspicion).count() as u64;
        tally.adopted += network.adopted(node).len() as u64;
        let is_fine = network.outcome(node) == &Outcome::Left || is_excused || dead.contains(&node);
        assert!(is_fine, "{what}: peer {node}: {:?}", network.outcome(node));
    }
}

fn lie_of(seed: u64) -> VoteLie {
    [VoteLie::Silence, VoteLie::HoldsAll][seed as usize % 2]
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|count| count.parse().ok())
}

#[test]
fn whatever_comes_and_goes_nobody_wedges_and_no_round_has_two_certified_ends() {
    let mut tally = Tally::default();
    for seed in number("FLTORRENT_CHURN_FROM").unwrap_or(0)..number("FLTORRENT_CHURN").unwrap_or(SCHEDULES) {
        run(seed, None, &mut tally);
    }
    let all = tally.certified + tally.uncertified;
    println!("{tally:?}");
    // Honest peers suspect each other where nothing else is left, once in tens of thousands of schedules.
    assert!(tally.suspected * 10_000 <= tally.left, "{} suspicions", tally.suspected);
    assert!(
        tally.uncertified * 100 <= all,
        "{} of {all} are uncertified",
        tally.uncertified
    );
}

/// Which were found by hand: a peer that is two rounds further votes no more; what an earlier process of a peer has signed says nothing of
/// what this one has folded; nobody can have what one peer alone holds, or has released; who may not vote waits for nobody's votes; who was two rounds behind
/// has to hear once more what it could not take; whoever took over an older model than others have goes after those.
#[test]
fn schedules_that_went_wrong_once() {
    for seed in [4872, 31_935, 51_340, 53_352, 64_768] {
        run(seed, None, &mut Tally::default());
    }
    for seed in [98, 242, 3376, 12_788] {
        run(seed, Some(lie_of(seed)), &mut Tally::default());
    }
}

/// One in four schedules has a liar, since every suspicion takes a minute of virtual time.
#[test]
fn one_that_does_not_vote_or_claims_what_it_does_not_hold_keeps_nobody_from_the_end() {
    let schedules = number("FLTORRENT_CHURN").unwrap_or(SCHEDULES) / 4;
    let mut tally = Tally::default();
    for seed in number("FLTORRENT_CHURN_FROM").unwrap_or(0) / 4..schedules {
        run(seed, Some(lie_of(seed)), &mut tally);
    }
    println!("{tally:?}");
    assert!(tally.suspected > 0);
}
