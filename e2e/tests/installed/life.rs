//! Suspended, gone on with, and deleted in mid-run.

use libtest_mimic::Failed;

use crate::{
    kubectl::{kubectl, namespace, pods, until},
    world::World,
};

/// Rounds of [`long`].
pub const ROUNDS: u32 = 80;

/// Three peers that train for so long that a test can step in; `extra` are more lines of the spec.
pub fn long(name: &str, extra: &str) -> String {
    format!(
        "apiVersion: fltorrent.io/v1alpha1\nkind: FLTorrentExperiment\nmetadata:\n  name: {name}\nspec:\n  \
         groups: [{{name: peers, count: 3}}]\n  topology: {{type: ring}}\n  model: {{type: mlp, mlp: {{hidden: [64]}}}}\n  \
         data: {{type: digits}}\n  training: {{rounds: {ROUNDS}, epochs: 10, batchSize: 8}}\n{extra}"
    )
}

/// From its last common checkpoint on a claim an experiment comes to the model that it would have come to.
pub fn suspended(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "suspended")?;
    let checkpoints = "  checkpoint: {type: periodic, periodic: {everyRounds: 5}}\n  \
         kubernetes: {storage: {checkpoints: {type: newClaim, newClaim: {size: 64Mi, shared: true}}}}\n";
    world.apply("suspended", "x", &long("x", checkpoints))?;
    world.rounds("suspended", "x", 10)?;
    patch(world, "suspended", "x", r#"{"spec":{"suspend":true}}"#)?;
    world.until("suspended", "x", "phase", |phase| phase == "Suspended")?;
    pods(cluster, "suspended", "")?;
    let table = kubectl(cluster, "-n suspended get flt")?;
    println!("{table}");

    patch(world, "suspended", "x", r#"{"spec":{"suspend":false}}"#)?;
    pods(cluster, "suspended", "x-0-1 x-1-1 x-2-1")?;
    let model = world.completed("suspended", "x")?;
    let after: u32 = world
        .status("suspended", "x", "resumedAfter")?
        .parse()
        .map_err(|_| "it does not say after which round it went on")?;
    if !(5..ROUNDS).contains(&after) {
        return Err(format!("it went on after {after} of {ROUNDS} rounds").into());
    }
    world.is_trained_long(&model)?;
    told(
        world,
        "suspended",
        &["Suspended", "Resumed", "ResumedFromCheckpoint", "Complete"],
    )?;
    world.remove("suspended")
}

/// Deleted, corrected and applied again under its name, on the claims of before: it comes to the model of the corrected manifest.
pub fn corrected(world: &World) -> Result<(), Failed> {
    namespace(&world.cluster, "again")?;
    let manifest = |seed: u32| {
        format!(
            "apiVersion: fltorrent.io/v1alpha1\nkind: FLTorrentExperiment\nmetadata:\n  name: x\nspec:\n  seed: {seed}\n  \
             groups: [{{name: peers, count: 3}}]\n  topology: {{type: ring}}\n  model: {{type: mlp, mlp: {{hidden: [16]}}}}\n  \
             data: {{type: digits}}\n  training: {{rounds: 6}}\n  checkpoint: {{type: periodic, periodic: {{everyRounds: 2}}}}\n  \
             kubernetes: {{storage: {{checkpoints: {{type: newClaim, newClaim: {{size: 64Mi, shared: true}}}}}}}}\n"
        )
    };
    world.apply("again", "x", &manifest(1))?;
    let first = world.completed("again", "x")?;
    kubectl(&world.cluster, "-n again delete flt/x --timeout=60s")?;
    world.apply("again", "x", &manifest(2))?;
    let second = world.completed("again", "x")?;
    let here = world.trained_here("again", &manifest(2))?;
    if second != here || second == first {
        return Err(format!("the model is {second}, before {first}, here {here}").into());
    }
    if world.status("again", "x", "restarts")? != "0" {
        return Err("it took more than one attempt".into());
    }
    world.remove("again")
}

/// Checkpoints that went with the pods: it begins anew and says so.
pub fn begun_anew(world: &World) -> Result<(), Failed> {
    namespace(&world.cluster, "anew")?;
    world.apply("anew", "x", &long("x", ""))?;
    world.rounds("anew", "x", 1)?;
    patch(world, "anew", "x", r#"{"spec":{"suspend":true}}"#)?;
    world.until("anew", "x", "phase", |phase| phase == "Suspended")?;
    patch(world, "anew", "x", r#"{"spec":{"suspend":false}}"#)?;
    let model = world.completed("anew", "x")?;
    world.is_trained_long(&model)?;
    told(world, "anew", &["Suspended", "Resumed", "RestartedFromScratch"])?;
    world.remove("anew")
}

/// Deleted in mid-run: not a pod, not a file of configuration stays.
pub fn deleted(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "deleted")?;
    world.apply("deleted", "x", &long("x", ""))?;
    world.rounds("deleted", "x", 2)?;
    kubectl(cluster, "-n deleted delete flt/x --timeout=60s")?;
    let all = "-n deleted get pods,services,networkpolicies,persistentvolumeclaims --output=name";
    until(cluster, all, str::is_empty)?;
    until(cluster, "-n deleted get configmaps --output=name", |found| {
        found == "configmap/kube-root-ca.crt"
    })?;
    world.remove("deleted")
}

fn patch(world: &World, namespace: &str, name: &str, change: &str) -> Result<(), Failed> {
    let line = format!("-n {namespace} patch flt/{name} --type=merge --patch={change}");
    kubectl(&world.cluster, &line).map(drop)
}

/// Whether events tell all of these, each once.
pub fn told(world: &World, namespace: &str, reasons: &[&str]) -> Result<(), Failed> {
    let line = format!(
        "-n {namespace} get events.events.k8s.io --field-selector=regarding.kind=FLTorrentExperiment --output=jsonpath={{.items[*].reason}}"
    );
    let once = |found: &str| {
        reasons
            .iter()
            .all(|reason| found.split(' ').filter(|told| told == reason).count() == 1)
    };
    until(&world.cluster, &line, once).map(drop)
}
