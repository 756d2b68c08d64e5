//! What a user may meet, and what is said then.

use e2e::images::PROBE;
use libtest_mimic::Failed;
use serde_json::json;

use crate::{
    kubectl::{condition, create, experiment, kubectl, namespace, pods, until},
    world::World,
};

/// An image that no node can get is told, and once it is named rightly the experiment goes on.
pub fn missing_image(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "image")?;
    let wrong = json!({"kubernetes": {"image": "fltorrent-peer:none", "imagePullPolicy": "Never"}});
    create(cluster, &experiment("image", "x", &wrong))?;
    let said = condition(cluster, "image", "x", "PeersReady", "ImageUnavailable")?;
    println!("{said}");
    if !said.contains("fltorrent-peer:none") {
        return Err(format!("the image is not named: {said}").into());
    }
    world.remove("image")
}

/// Problems are shown where a user looks, with a remedy, and stop no other experiment.
pub fn all(world: &World) -> Result<(), Failed> {
    let cluster = &world.cluster;
    namespace(cluster, "trouble")?;

    // A plan that is none: all its errors, and no pod.
    let wrong = json!({"topology": {"type": "randomRegular", "randomRegular": {"degree": 5}}});
    create(cluster, &experiment("trouble", "wrong", &wrong))?;
    let said = condition(cluster, "trouble", "wrong", "Accepted", "InvalidManifest")?;
    if !said.contains("topology.randomRegular.degree") {
        return Err(format!("the field is not named: {said}").into());
    }

    // Somebody else's Service has the name.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "taken", "namespace": "trouble"},
        "spec": {"ports": [{"port": 80}]}});
    let theirs = create(cluster, &service)?;
    create(cluster, &experiment("trouble", "taken", &json!({})))?;
    condition(cluster, "trouble", "taken", "PeersReady", "NameTaken")?;
    let now = kubectl(
        cluster,
        "-n trouble get service taken --output=jsonpath={.metadata.uid}{.metadata.ownerReferences}",
    )?;
    if theirs["metadata"]["uid"] != json!(now) {
        return Err(format!("the Service was taken over: {now}").into());
    }
    pods(cluster, "trouble", "")?;
    kubectl(cluster, "-n trouble delete flt/taken flt/wrong")?;

    // The probe's image has no peer: it fails, its last words are told, and all are started again as often as allowed.
    create(
        cluster,
        &experiment(
            "trouble",
            "fails",
            &json!({"restarts": 1, "failurePolicy": {"onPeerLoss": "fail"}, "kubernetes": {"image": PROBE}}),
        ),
    )?;
    let said = condition(cluster, "trouble", "fails", "Failed", "PeerFailed")?;
    if !said.contains("1 restarts were used") {
        return Err(format!("restarts are not counted: {said}").into());
    }
    let reasons = "-n trouble get events.events.k8s.io --field-selector=regarding.kind=FLTorrentExperiment --output=jsonpath={.items[*].reason}";
    let told = kubectl(cluster, reasons)?;
    let count = |reason| told.split(' ').filter(|found| *found == reason).count();
    if (
        count("PeerFailed"),
        count("Restarting"),
        count("Failed"),
        count("NameTaken"),
    ) != (2, 1, 1, 1)
    {
        return Err(format!("the story is told otherwise: {told}").into());
    }
    // Whoever waits for the end learns of this one, too.
    let end = "-n trouble wait flt/fails --for=jsonpath={.status.endTime} --timeout=10s";
    kubectl(cluster, end)?;
    kubectl(cluster, "-n trouble delete flt/fails")?;

    // A quota that is too small: told with what to do, and once it is gone the pods come.
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": "trouble"},
        "spec": {"hard": {"pods": "1"}}});
    create(cluster, &quota)?;
    until(
        cluster,
        "-n trouble get resourcequota few --output=jsonpath={.status.hard.pods}",
        |found| found == "1",
    )?;
    let waits = json!({"kubernetes": {"nodeSelector": {"no": "node"}}});
    create(cluster, &experiment("trouble", "many", &waits))?;
    let said = condition(cluster, "trouble", "many", "PeersReady", "QuotaExceeded")?;
    if !said.contains("raise the namespace's ResourceQuota") {
        return Err(format!("nothing is said to do: {said}").into());
    }
    // Those that had room were given back.
    pods(cluster, "trouble", "")?;
    kubectl(cluster, "-n trouble delete resourcequota few")?;
    let names = "-n trouble get pods --output=jsonpath={.items[*].metadata.labels.fltorrent\\.io/experiment}";
    until(cluster, names, |found| found == "many many many")?;
    world.remove("trouble")
}
