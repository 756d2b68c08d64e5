//! Single peers that are lost, on a real API server and kubelet: who is replaced, who stays, and what a drain may take. The probe's image
//! stands in for peers: it is ready at once, and ends when it is told to.

use e2e::{
    Cluster,
    layout::{Layout, NODE, SECOND},
    process::Daemon,
    task::{Interrupt, Task},
};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    kubectl::{condition, create, experiment, kubectl, namespace, pods, run_with_input, until},
    operator::Operator,
};

/// Label of the nodes that the peer of [`kubelet_stopped`] may be on which is lost.
const AWAY: &str = "example.org/away";
/// What an experiment has cost until now: attempt, restarts of all, and those that were taken from peers' budgets.
const COST: &str = "get flt/x --output=jsonpath={.status.attempt}|{.status.restarts}|{.status.replaced[*].used}";

/// A pod that is deleted, one that is evicted, and one that fails more often than it may.
pub fn replaced(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "losses", 18643)?;
    namespace(cluster, "losses")?;
    let serves = json!({"restarts": 1, "kubernetes": {"env": serves()}});
    create(cluster, &experiment("losses", "x", &serves))?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;
    let first = uids(cluster, "losses", "pods", "x-0-0")?;

    kubectl(cluster, "-n losses delete pod x-1-0 --wait=false")?;
    pods(cluster, "losses", "x-0-0 x-1-0-r1 x-2-0")?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;

    // A drain takes one after the other: three are ready, and two are needed. The budget's controller counts them a little later.
    let allowed = "-n losses get pdb/x --output=jsonpath={.status.disruptionsAllowed}";
    is(cluster, allowed, "1")?;
    evict(cluster, "x-2-0")?;
    match evict(cluster, "x-1-0-r1") {
        Err(error) if format!("{error:?}").contains("disruption budget") => {}
        found => return Err(format!("a second pod is evicted at once: {found:?}").into()),
    }
    pods(cluster, "losses", "x-0-0 x-1-0-r1 x-2-0-r1")?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;
    let used = format!("-n losses {COST}");
    is(cluster, &used, "0|0|")?;

    // It has one restart of its own.
    end(cluster, "losses", "x-1-0-r1", 1);
    pods(cluster, "losses", "x-0-0 x-1-0-r2 x-2-0-r1")?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;
    end(cluster, "losses", "x-1-0-r2", 1);
    let said = condition(cluster, "losses", "x", "Stalled", "PeerLost")?;
    if !said.contains("peer 1 is lost since ") {
        return Err(format!("it is not told who is lost: {said}").into());
    }
    is(cluster, &used, "0|0|1")?;
    stayed(cluster, "losses", "pods", "x-0-0", &first)?;

    for pod in ["x-0-0", "x-2-0-r1"] {
        end(cluster, "losses", pod, 0);
    }
    condition(cluster, "losses", "x", "Complete", "PeersComplete")?;
    until(
        cluster,
        "-n losses get poddisruptionbudgets --output=name",
        str::is_empty,
    )?;
    // The last pod of the lost one is there, for its log.
    pods(cluster, "losses", "x-0-0 x-1-0-r2 x-2-0-r1")?;
    drop(operator);
    kubectl(cluster, "delete namespace losses --timeout=120s").map(drop)
}

/// A claim is deleted, as is done with the volume of a node that is gone for good, and goes with the pod that used it: the peer's next pod gets a
/// new one.
pub fn claim_lost(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "lost-claims", 18743)?;
    namespace(cluster, "lost-claims")?;
    let storage = json!({"checkpoints": {"type": "newClaim", "newClaim": {"size": "1Mi"}}});
    let spec = json!({"restarts": 0, "kubernetes": {"env": serves(), "storage": storage}});
    create(cluster, &experiment("lost-claims", "x", &spec))?;
    condition(cluster, "lost-claims", "x", "PeersReady", "AllReady")?;
    let kept = "x-checkpoints-0 x-checkpoints-2";
    let claims = uids(cluster, "lost-claims", "pvc", kept)?;
    let others = uids(cluster, "lost-claims", "pods", "x-0-0 x-2-0")?;
    let volume = "-n lost-claims get pvc/x-checkpoints-1 --output=jsonpath={.status.phase}|{.spec.volumeName}";
    let before = kubectl(cluster, volume)?;

    kubectl(cluster, "-n lost-claims delete pvc/x-checkpoints-1 --wait=false")?;
    kubectl(cluster, "-n lost-claims delete pod/x-1-0 --wait=false")?;
    until(cluster, volume, |found| found.starts_with("Bound|") && found != before)?;
    pods(cluster, "lost-claims", "x-0-0 x-1-0-r1 x-2-0")?;
    condition(cluster, "lost-claims", "x", "PeersReady", "AllReady")?;
    is(cluster, &format!("-n lost-claims {COST}"), "0|0|")?;
    stayed(cluster, "lost-claims", "pvc", kept, &claims)?;
    stayed(cluster, "lost-claims", "pods", "x-0-0 x-2-0", &others)?;

    for pod in ["x-0-0", "x-1-0-r1", "x-2-0"] {
        end(cluster, "lost-claims", pod, 0);
    }
    condition(cluster, "lost-claims", "x", "Complete", "AllPeersComplete")?;
    drop(operator);
    kubectl(cluster, "delete namespace lost-claims --timeout=120s").map(drop)
}

/// The kubelet of a node is stopped, while the containers of the node run on. The node controller gives the node up, and the peer on it alone is
/// replaced, on another node. When the kubelet is back it ends the pod that nobody needs.
pub fn kubelet_stopped(cluster: &Cluster) -> Result<(), Failed> {
    cluster.second()?;
    let operator = Operator::start(cluster, "nodes", 18843)?;
    namespace(cluster, "nodes")?;
    let second = SECOND.name;
    kubectl(cluster, &format!("label node/{second} {AWAY}=true"))?;
    let spec = json!({
        "restarts": 0,
        "groups": [
            {"name": "here", "count": 2, "kubernetes": {"nodeSelector": {"kubernetes.io/hostname": NODE}}},
            {"name": "away", "count": 1, "kubernetes": {"nodeSelector": {AWAY: "true"}}},
        ],
        "liveness": {"heartbeatInterval": "1s", "heartbeatTimeout": "5s"},
        "kubernetes": {"env": serves()},
    });
    create(cluster, &experiment("nodes", "x", &spec))?;
    condition(cluster, "nodes", "x", "PeersReady", "AllReady")?;
    let node = |pod: &str| format!("-n nodes get pod/{pod} --output=jsonpath={{.spec.nodeName}}");
    is(cluster, &node("x-2-0"), second)?;
    let others = uids(cluster, "nodes", "pods", "x-0-0 x-1-0")?;

    // From now on there is a place for it elsewhere.
    kubectl(cluster, &format!("label node/{NODE} {AWAY}=true"))?;
    let mut task = Task::begin("stopping a kubelet", &Interrupt::never());
    Daemon::known(&Layout::from_environment()?, SECOND.kubelet).kill(&mut task)?;
    task.end();
    pods(cluster, "nodes", "x-0-0 x-1-0 x-2-0 x-2-0-r1")?;
    let why = "-n nodes get pod/x-2-0 --output=jsonpath={.status.conditions[?(@.type==\"DisruptionTarget\")].reason}";
    is(cluster, why, "DeletionByTaintManager")?;
    condition(cluster, "nodes", "x", "PeersReady", "AllReady")?;
    is(cluster, &node("x-2-0-r1"), NODE)?;
    is(cluster, &format!("-n nodes {COST}"), "0|0|")?;
    for pod in ["x-0-0", "x-1-0", "x-2-0-r1"] {
        end(cluster, "nodes", pod, 0);
    }
    condition(cluster, "nodes", "x", "Complete", "AllPeersComplete")?;

    cluster.second()?;
    pods(cluster, "nodes", "x-0-0 x-1-0 x-2-0-r1")?;
    condition(cluster, "nodes", "x", "Complete", "AllPeersComplete")?;
    stayed(cluster, "nodes", "pods", "x-0-0 x-1-0", &others)?;
    drop(operator);
    kubectl(cluster, "delete namespace nodes --timeout=120s").map(drop)
}

/// The variables of the probe as a peer that is ready, and that ends when it is told to.
fn serves() -> Value {
    json!([{"name": "PROBE_SERVE", "value": "9400"}])
}

fn uids(cluster: &Cluster, namespace: &str, resource: &str, names: &str) -> Result<String, Failed> {
    // Of one object kubectl makes no list.
    let path = match names.contains(' ') {
        true => "{.items[*].metadata.uid}",
        false => "{.metadata.uid}",
    };
    let line = format!("-n {namespace} get {resource} {names} --output=jsonpath={path}");
    kubectl(cluster, &line)
}

/// Fails unless these objects are those that they were.
fn stayed(cluster: &Cluster, namespace: &str, resource: &str, names: &str, before: &str) -> Result<(), Failed> {
    match uids(cluster, namespace, resource, names)? == before {
        true => Ok(()),
        false => Err(format!("one of {resource} {names} was made anew that had no part in it").into()),
    }
}

fn is(cluster: &Cluster, line: &str, wanted: &str) -> Result<(), Failed> {
    until(cluster, line, |found| found == wanted).map(drop)
}

/// As `kubectl drain` does.
fn evict(cluster: &Cluster, pod: &str) -> Result<(), Failed> {
    let eviction =
        json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": "losses"}});
    let path = format!("/api/v1/namespaces/losses/pods/{pod}/eviction");
    let mut create = cluster.kubectl();
    create.args(["create", "--filename=-", "--raw", &path]);
    run_with_input(&mut create, &eviction.to_string()).map(drop)
}

/// Has a peer end with a code; nobody is left to answer.
fn end(cluster: &Cluster, namespace: &str, pod: &str, code: u8) {
    let _ = kubectl(
        cluster,
        &format!("-n {namespace} exec {pod} -- /probe get http://127.0.0.1:9400/end/{code}"),
    );
}
