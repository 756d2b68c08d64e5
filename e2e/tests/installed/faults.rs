//! The operator and peers that die while an experiment trains.

use std::process::Child;

use e2e::Cluster;
use libtest_mimic::Failed;
use tempfile::NamedTempFile;

use crate::{
    kubectl::{kubectl, namespace, pods, until},
    life::{ROUNDS, long, told},
    world::{HOME, World},
};

const OPERATORS: &str =
    "get pods --selector=app.kubernetes.io/component=operator --output=jsonpath={.items[*].metadata.name}";

/// Killed in mid-run; the one that comes after it goes on.
pub fn operator_killed(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "killed")?;
    world.apply("killed", "x", &long("x", ""))?;
    let before = world.rounds("killed", "x", 2)?;
    let pods = "-n killed get pods --output=jsonpath={.items[*].metadata.uid}";
    let peers = kubectl(cluster, pods)?;
    let old = kubectl(cluster, &format!("-n {HOME} {OPERATORS}"))?;
    kubectl(cluster, &format!("-n {HOME} delete pod {old} --grace-period=0 --force"))?;
    kubectl(
        cluster,
        &format!("-n {HOME} rollout status deployment/fltorrent-operator --timeout=120s"),
    )?;
    let new = kubectl(cluster, &format!("-n {HOME} {OPERATORS}"))?;
    if new == old {
        return Err("the operator was not killed".into());
    }
    world.rounds("killed", "x", before + 1)?;
    let model = world.completed("killed", "x")?;
    if kubectl(cluster, pods)? != peers {
        return Err("peers were made anew".into());
    }
    world.is_trained_long(&model)?;
    told(world, "killed", &["Started", "Complete"])?;
    world.remove("killed")
}

/// Away while the peers come to their end; the status is as if it had been there.
pub fn operator_away(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    let scale = |replicas: u32| {
        let line = format!("-n {HOME} scale deployment/fltorrent-operator --replicas={replicas} --timeout=60s");
        kubectl(cluster, &line)
    };
    namespace(cluster, "away")?;
    world.apply("away", "x", &long("x", ""))?;
    world.rounds("away", "x", 1)?;
    scale(0)?;
    until(cluster, &format!("-n {HOME} {OPERATORS}"), str::is_empty)?;
    let phases = "-n away get pods --output=jsonpath={.items[*].status.phase}";
    let still = kubectl(cluster, phases)?;
    if !still.contains("Running") {
        return Err(format!("the peers ended before the operator was away: {still}").into());
    }
    until(cluster, phases, |found| found == "Succeeded Succeeded Succeeded")?;
    let phase = world.status("away", "x", "phase")?;
    if phase == "Complete" {
        return Err("somebody wrote the status while the operator was away".into());
    }
    scale(1)?;
    let model = world.completed("away", "x")?;
    world.is_trained_long(&model)?;
    let round = world.status("away", "x", "round.text")?;
    if round != format!("{ROUNDS}/{ROUNDS}") {
        return Err(format!("the rounds are {round}").into());
    }
    world.remove("away")
}

/// The statuses of an experiment, in order.
struct Seen {
    kubectl: Child,
    lines: NamedTempFile,
}

impl Seen {
    fn follow(cluster: &Cluster, namespace: &str, name: &str) -> Result<Self, Failed> {
        const FIELDS: [&str; 5] = ["attempt", "phase", "peers.ready", "peers.complete", "round.done"];
        let fields = FIELDS.map(|field| format!("{{.status.{field}}}"));
        let lines = NamedTempFile::new()?;
        let kubectl = cluster
            .kubectl()
            .args(["-n", namespace, "get", "flt", name, "--watch"])
            .arg(format!("--output=jsonpath={}{{\"\\n\"}}", fields.join("|")))
            .stdout(lines.reopen()?)
            .spawn()?;
        Ok(Self { kubectl, lines })
    }

    /// Whether the second attempt began to train with no round of the first one, and nobody trained where nobody was.
    fn of_a_restart(&self) -> Result<(), Failed> {
        let all = std::fs::read_to_string(self.lines.path())?;
        let mut second_began = false;
        for line in all.lines() {
            let fields: Vec<&str> = line.split('|').collect();
            let &[attempt, phase, ready, complete, done] = fields.as_slice() else {
                return Err(format!("not a status: {line}").into());
            };
            // While the pods of the first one end, what they came to is still told.
            second_began |= attempt == "1" && matches!(done, "" | "0");
            if phase != "Training" {
                continue;
            }
            if ready == "0" && complete == "0" {
                return Err(format!("nobody trains in {line}:\n{all}").into());
            }
            if attempt == "1" && !second_began {
                return Err(format!("rounds of the first attempt in {line}:\n{all}").into());
            }
        }
        if second_began {
            return Ok(());
        }
        Err(format!("no second attempt was seen:\n{all}").into())
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// A pod that is killed is replaced: the others never notice but by its absence, and all end with one model.
pub fn peer_replaced(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "replaced")?;
    let soon = "  restarts: 0\n  liveness: {heartbeatInterval: 1s, heartbeatTimeout: 5s}\n";
    world.apply("replaced", "x", &long("x", soon))?;
    world.rounds("replaced", "x", 2)?;
    let others = "-n replaced get pods x-0-0 x-2-0 --output=jsonpath={.items[*].metadata.uid}";
    let before = kubectl(cluster, others)?;
    kubectl(cluster, "-n replaced delete pod x-1-0 --grace-period=0 --force")?;
    pods(cluster, "replaced", "x-0-0 x-1-0-r1 x-2-0")?;
    // It catches up: the operator hears of a round that it has finished.
    told(world, "replaced", &["Replacing", "PeerBack"])?;
    world.completed("replaced", "x")?;
    if kubectl(cluster, others)? != before {
        return Err("peers were made anew that had no part in it".into());
    }
    let complete = world.status("replaced", "x", "peers.complete")?;
    let attempt = world.status("replaced", "x", "attempt")?;
    if (complete.as_str(), attempt.as_str()) != ("3", "0") {
        return Err(format!("{complete} peers completed attempt {attempt}").into());
    }
    told(world, "replaced", &["Started", "Complete"])?;
    world.remove("replaced")
}

/// Where all peers are needed a pod that is killed costs a restart of all, and without one left the experiment.
pub fn peer_killed(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "peer")?;
    world.apply(
        "peer",
        "x",
        &long("x", "  restarts: 1\n  failurePolicy: {onPeerLoss: fail}\n"),
    )?;
    let seen = Seen::follow(cluster, "peer", "x")?;
    world.rounds("peer", "x", 2)?;
    kubectl(cluster, "-n peer delete pod x-1-0 --grace-period=0 --force")?;
    let model = world.completed("peer", "x")?;
    world.is_trained_long(&model)?;
    seen.of_a_restart()?;
    let error = world.status("peer", "x", "lastError")?;
    if !error.is_empty() {
        return Err(format!("a complete experiment has an error: {error}").into());
    }
    if world.status("peer", "x", "restarts")? != "1" {
        return Err("the restart is not counted".into());
    }
    told(
        world,
        "peer",
        &["PeerFailed", "Restarting", "RestartedFromScratch", "Complete"],
    )?;

    world.apply(
        "peer",
        "z",
        &long("z", "  restarts: 0\n  failurePolicy: {onPeerLoss: fail}\n"),
    )?;
    world.rounds("peer", "z", 2)?;
    kubectl(cluster, "-n peer delete pod z-1-0 --grace-period=0 --force")?;
    world.until("peer", "z", "phase", |phase| phase == "Failed")?;
    let error = world.status("peer", "z", "lastError")?;
    println!("{error}");
    if !error.contains("peer 1") {
        return Err(format!("the peer is not named: {error}").into());
    }
    world.remove("peer")
}
