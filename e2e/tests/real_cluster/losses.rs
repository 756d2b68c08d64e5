//! Single peers that are lost, on a real API server and kubelet: who is replaced, who stays, and what a drain may take. The probe's image
//! stands in for peers: it is ready at once, and ends when it is told to.

use e2e::Cluster;
use libtest_mimic::Failed;
use serde_json::json;

use crate::{
    kubectl::{condition, create, experiment, kubectl, namespace, pods, run_with_input, until},
    operator::Operator,
};

/// A pod that is deleted, one that is evicted, and one that fails more often than it may.
pub fn replaced(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "losses", 18643)?;
    namespace(cluster, "losses")?;
    let env = json!([{"name": "PROBE_SERVE", "value": "9400"}]);
    let serves = json!({"restarts": 1, "kubernetes": {"env": env}});
    create(cluster, &experiment("losses", "x", &serves))?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;
    let first = uid(cluster, "x-0-0")?;

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
    let used = "-n losses get flt/x --output=jsonpath={.status.attempt}|{.status.restarts}|{.status.replaced[*].used}";
    is(cluster, used, "0|0|")?;

    // It has one restart of its own.
    end(cluster, "x-1-0-r1", 1);
    pods(cluster, "losses", "x-0-0 x-1-0-r2 x-2-0-r1")?;
    condition(cluster, "losses", "x", "PeersReady", "AllReady")?;
    end(cluster, "x-1-0-r2", 1);
    let said = condition(cluster, "losses", "x", "Stalled", "PeerLost")?;
    if !said.contains("peer 1 is lost since ") {
        return Err(format!("it is not told who is lost: {said}").into());
    }
    is(cluster, used, "0|0|1")?;
    if uid(cluster, "x-0-0")? != first {
        return Err("a peer was made anew that had no part in it".into());
    }

    for pod in ["x-0-0", "x-2-0-r1"] {
        end(cluster, pod, 0);
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

fn uid(cluster: &Cluster, pod: &str) -> Result<String, Failed> {
    kubectl(
        cluster,
        &format!("-n losses get pod {pod} --output=jsonpath={{.metadata.uid}}"),
    )
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
fn end(cluster: &Cluster, pod: &str, code: u8) {
    let _ = kubectl(
        cluster,
        &format!("-n losses exec {pod} -- /probe get http://127.0.0.1:9400/end/{code}"),
    );
}
