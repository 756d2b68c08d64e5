//! Pods on the real kubelet.

use std::os::unix::fs::MetadataExt;

use e2e::{Cluster, images::PROBE, layout::Layout, task::Interrupt, volumes};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::kubectl::{create, kubectl, run, until};

/// A pod that runs `probe` with `words` once, or for ever.
fn pod(name: &str, words: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": PROBE,
                "imagePullPolicy": "Never",
                "args": words,
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// Waits until a pod reaches the end `phase`, and returns its log.
fn log(cluster: &Cluster, name: &str, phase: &str) -> Result<String, Failed> {
    let wanted = format!("wait pod/{name} --for=jsonpath={{.status.phase}}={phase} --timeout=120s");
    kubectl(cluster, &wanted).or_else(|error| {
        let found = kubectl(cluster, &format!("describe pod/{name}"))?;
        Err(Failed::from(format!("{error:?}\n{found}")))
    })?;
    kubectl(cluster, &format!("logs {name}"))
}

fn remove(cluster: &Cluster, what: &str) -> Result<(), Failed> {
    kubectl(cluster, &format!("delete {what} --timeout=120s")).map(drop)
}

fn same(found: &str, expected: &str) -> Result<(), Failed> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("found {found:?}, expected {expected:?}").into())
    }
}

pub fn ends(cluster: &Cluster) -> Result<(), Failed> {
    create(cluster, &pod("ends", &["print", "eight", "peers"]))?;
    same(&log(cluster, "ends", "Succeeded")?, "eight peers")?;
    remove(cluster, "pod/ends")
}

pub fn fails(cluster: &Cluster) -> Result<(), Failed> {
    create(cluster, &pod("fails", &["fail", "no", "data"]))?;
    same(&log(cluster, "fails", "Failed")?, "no data")?;
    let path = "get pod/fails --output=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}";
    same(&kubectl(cluster, path)?, "1")?;
    remove(cluster, "pod/fails")
}

pub fn exec(cluster: &Cluster) -> Result<(), Failed> {
    create(cluster, &pod("exec", &["serve", "8080", "x"]))?;
    kubectl(cluster, "wait pod/exec --for=condition=Ready --timeout=120s")?;
    same(&kubectl(cluster, "exec exec -- /probe print inside")?, "inside")?;
    remove(cluster, "pod/exec")
}

pub fn service(cluster: &Cluster) -> Result<(), Failed> {
    create(cluster, &pod("answer", &["serve", "8080", "answered"]))?;
    for (name, address) in [("answer", Value::Null), ("headless", json!("None"))] {
        let service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "clusterIP": address,
                "selector": {"app": "answer"},
                "ports": [{"port": 80, "targetPort": 8080}],
            },
        });
        create(cluster, &service)?;
    }
    kubectl(cluster, "wait pod/answer --for=condition=Ready --timeout=120s")?;
    let address = kubectl(cluster, "get pod/answer --output=jsonpath={.status.podIP}")?;

    // The short name by the pod's search list, the Service's own address, and the caller's own address on arrival.
    create(cluster, &pod("asks", &["get", "http://answer"]))?;
    let answer = log(cluster, "asks", "Succeeded")?;
    let caller = kubectl(cluster, "get pod/asks --output=jsonpath={.status.podIP}")?;
    same(&answer, &format!("answered {caller}"))?;

    create(
        cluster,
        &pod("resolves", &["resolve", "headless.default.svc.cluster.local"]),
    )?;
    same(&log(cluster, "resolves", "Succeeded")?, &address)?;
    remove(
        cluster,
        "pod/answer pod/asks pod/resolves service/answer service/headless",
    )
}

/// A token with an audience of its own, and what the API server tells of it: what the operator's identities rest on.
pub fn token(cluster: &Cluster) -> Result<(), Failed> {
    let mut pod = pod("token", &["read", "/var/run/secrets/fltorrent/token"]);
    pod["spec"]["volumes"] = json!([{"name": "token", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "fltorrent.io", "path": "token", "expirationSeconds": 600}},
    ]}}]);
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "token", "mountPath": "/var/run/secrets/fltorrent", "readOnly": true}]);
    let made = create(cluster, &pod)?;
    let token = log(cluster, "token", "Succeeded")?;
    let review = |audience: &str| {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        });
        create(cluster, &review).map(|review| review["status"].clone())
    };
    let status = review("fltorrent.io")?;
    let uid = &status["user"]["extra"]["authentication.kubernetes.io/pod-uid"][0];
    same(&uid.to_string(), &made["metadata"]["uid"].to_string())?;
    let other = review("https://kubernetes.default.svc.cluster.local")?;
    if other["authenticated"] == json!(true) {
        return Err(format!("the token is good for another audience: {other}").into());
    }
    remove(cluster, "pod/token")
}

/// A claim that names no class gets a volume that several pods write and read, and the volume is there again for the next one.
pub fn claim(cluster: &Cluster) -> Result<(), Failed> {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "64Mi"}}}});
    create(cluster, &claim)?;
    let bound = "wait pvc/kept --for=jsonpath={.status.phase}=Bound --timeout=60s";
    kubectl(cluster, bound)?;
    let volume = kubectl(cluster, "get pvc/kept --output=jsonpath={.spec.volumeName}")?;
    let folder = volumes::folder(&Layout::from_environment()?, &volume);
    let with_claim = |name: &str, words: &[&str], group: Value| {
        let mut pod = pod(name, words);
        pod["spec"]["securityContext"]["fsGroup"] = group;
        pod["spec"]["volumes"] = json!([{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}]);
        pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "kept", "mountPath": "/kept"}]);
        pod
    };
    // As a user without a group of its own, and handed to a group as most drivers do it.
    for (name, group) in [("writes", Value::Null), ("handed", json!(65532))] {
        let file = format!("/kept/{name}");
        create(cluster, &with_claim(name, &["write", &file, "here", name], group))?;
        log(cluster, name, "Succeeded")?;
    }
    create(cluster, &with_claim("reads", &["read", "/kept/handed"], Value::Null))?;
    same(&log(cluster, "reads", "Succeeded")?, "here handed")?;
    same(&std::fs::read_to_string(folder.join("writes"))?, "here writes\n")?;
    same(&std::fs::metadata(&folder)?.gid().to_string(), "65532")?;
    remove(cluster, "pod/writes pod/handed pod/reads pvc/kept")?;

    let phase = format!("get pv/{volume} --output=jsonpath={{.status.phase}}");
    until(cluster, &phase, |phase| phase == "Released")?;
    Cluster::up(Layout::from_environment()?, Interrupt::never())?;
    until(cluster, &phase, |phase| phase == "Available")?;
    same(&std::fs::read_dir(&folder)?.count().to_string(), "0")
}

pub fn helm(cluster: &Cluster) -> Result<(), Failed> {
    let list = run(cluster.helm().args(["list", "--all-namespaces", "--output=json"]))?;
    same(&list, "[]")
}
