//! The operator on a real API server, with the rights of its own table and no others: what it makes, tells and takes away. Images of peers are
//! not needed for that; the probe's image stands in where a pod has to end.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use e2e::{
    Cluster,
    components::apiserver,
    images::PROBE,
    layout::Layout,
    process::{Daemon, end_of},
    task::{Interrupt, Task},
};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    kubectl::{LOOK, PATIENCE, condition, create, experiment, kubectl, namespace, pods, run, run_with_input, until},
    programs,
};

/// The namespace of the operator and of its rights.
const HOME: &str = "fltorrent-system";

/// The operator that was built with these tests.
pub fn program() -> Result<PathBuf, Failed> {
    Ok(programs::folder()?.join("fltorrent-operator"))
}

/// A running operator, ended with the test.
pub struct Operator {
    process: Child,
    log: PathBuf,
    port: u16,
}

impl Operator {
    /// Runs outside the cluster, as a service account with the operator's own rules.
    pub fn start(cluster: &Cluster, name: &str, port: u16) -> Result<Self, Failed> {
        Self::with(&account(cluster)?, name, port)
    }

    fn with(account: &Path, name: &str, port: u16) -> Result<Self, Failed> {
        let logs = Layout::from_environment()?.logs();
        let log = logs.join(format!("operator-{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log)?;
        let process = Command::new(program()?)
            .args(["run", "--namespace", HOME, "--replica", name, "--peer-image", PROBE])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--health-listen", &format!("127.0.0.1:{}", port + 1)])
            .args(["--probes-listen", "127.0.0.1:0"])
            .env("KUBECONFIG", account)
            .stdout(file.try_clone()?)
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { process, log, port })
    }

    /// Waits until a probe of it answers well.
    fn probe(&self, path: &str) -> Result<(), Failed> {
        let url = format!("http://127.0.0.1:{}/{path}", self.port + 1);
        let ask = ["ready", "--timeout", "120", "--url", &url];
        run(Command::new(program()?).args(ask)).map(drop)
    }

    /// Fails unless it is the process that was started.
    fn lives(&mut self) -> Result<(), Failed> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("it ended: {status}: {}", end_of(&self.log)).into()),
        }
    }

    /// Waits until its log has a text so many times.
    pub fn says(&mut self, text: &str, times: usize) -> Result<(), Failed> {
        let start = Instant::now();
        while std::fs::read_to_string(&self.log)?.matches(text).count() < times {
            self.lives()?;
            if start.elapsed() > PATIENCE {
                let end = end_of(&self.log);
                return Err(format!("it does not say {text:?} {times} times: {end}").into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn kill(mut self) -> Result<(), Failed> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", end_of(&self.log));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A kubeconfig of the operator's service account, with exactly the rights of the operator's table.
fn account(cluster: &Cluster) -> Result<PathBuf, Failed> {
    let rules = |place: &str| run(Command::new(program()?).args(["rbac", place]));
    let metadata = format!("{{name: fltorrent-operator, namespace: {HOME}}}");
    let group = "rbac.authorization.k8s.io";
    let placed = |kind: &str| match kind {
        "Role" => metadata.as_str(),
        _ => "{name: fltorrent-operator}",
    };
    let role = |kind: &str, rules: &str| {
        let metadata = placed(kind);
        format!("apiVersion: {group}/v1\nkind: {kind}\nmetadata: {metadata}\nrules:\n{rules}\n")
    };
    let binding = |kind: &str| {
        let metadata = placed(kind);
        format!(
            "apiVersion: {group}/v1\nkind: {kind}Binding\nmetadata: {metadata}\n\
             roleRef: {{apiGroup: {group}, kind: {kind}, name: fltorrent-operator}}\n\
             subjects: [{{kind: ServiceAccount, name: fltorrent-operator, namespace: {HOME}}}]\n"
        )
    };
    let everywhere = format!("{}\n{}", rules("experiments")?, rules("cluster")?);
    for object in [
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {HOME}}}\n"),
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {metadata}\n"),
        role("ClusterRole", &everywhere),
        binding("ClusterRole"),
        role("Role", &rules("own")?),
        binding("Role"),
    ] {
        apply(cluster, &object)?;
    }
    let token = kubectl(
        cluster,
        &format!("-n {HOME} create token fltorrent-operator --duration=1h"),
    )?;
    let admin: Value = serde_json::from_str(&kubectl(cluster, "config view --raw --minify --output=json")?)?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "operator",
        "clusters": [{"name": "e2e", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "e2e", "user": "operator"}}],
    });
    let path = Layout::from_environment()?.pki().join("operator.kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// From nothing to pods, suspended, gone on, and away without a trace; with the operator killed in between and another taking over.
pub fn life(cluster: &Cluster) -> Result<(), Failed> {
    let first = Operator::start(cluster, "first", 18443)?;
    let second = Operator::start(cluster, "second", 18543)?;
    namespace(cluster, "life")?;
    // The probe does not know what a peer is told, and fails: so does the experiment once its restarts are used.
    let waits = json!({"kubernetes": {"nodeSelector": {"no": "node"}, "labels": {"team": "lab"}, "annotations": {"note": "kept"},
        "securityContext": {}}});
    create(cluster, &experiment("life", "x", &waits))?;
    pods(cluster, "life", "x-0-0 x-1-0 x-2-0")?;
    let as_asked = "-n life get pod/x-0-0 --output=jsonpath={.metadata.labels.team},{.metadata.annotations.note},{.spec.securityContext.runAsUser}";
    let found = kubectl(cluster, as_asked)?;
    if found != "lab,kept," {
        return Err(format!("label, annotation and user are {found}").into());
    }
    let said = condition(cluster, "life", "x", "PeersReady", "Unschedulable")?;
    if !said.contains("spec.kubernetes.resources") {
        return Err(format!("nothing is said to do: {said}").into());
    }
    kubectl(cluster, "-n life delete service x")?;
    until(cluster, "-n life get service x --output=name", |found| {
        found == "service/x"
    })?;

    // Whichever leads is killed; the other goes on.
    let holder = format!("-n {HOME} get lease fltorrent-operator --output=jsonpath={{.spec.holderIdentity}}");
    let leads = kubectl(cluster, &holder)?;
    let (killed, left) = if leads == "first" {
        (first, second)
    } else {
        (second, first)
    };
    killed.kill()?;
    kubectl(
        cluster,
        "-n life patch flt/x --type=merge --patch={\"spec\":{\"suspend\":true}}",
    )?;
    pods(cluster, "life", "")?;
    condition(cluster, "life", "x", "Suspended", "Suspended")?;
    kubectl(
        cluster,
        "-n life patch flt/x --type=merge --patch={\"spec\":{\"suspend\":false}}",
    )?;
    pods(cluster, "life", "x-0-1 x-1-1 x-2-1")?;

    kubectl(cluster, "-n life delete flt/x")?;
    let all = "-n life get pods,services,networkpolicies --output=name";
    until(cluster, all, str::is_empty)?;
    until(cluster, "-n life get configmaps --output=name", |found| {
        found == "configmap/kube-root-ca.crt"
    })?;
    drop(left);
    kubectl(cluster, "delete namespace life --timeout=120s").map(drop)
}

/// Manifests of nearly complete graphs, each of which once took a core for minutes, and the lease with it; one that is deleted is forgotten.
pub fn dear(cluster: &Cluster) -> Result<(), Failed> {
    let mut operator = Operator::start(cluster, "dear", 18643)?;
    namespace(cluster, "dear")?;
    let dense = json!({
        "groups": [{"name": "peers", "count": 1414}],
        "topology": {"type": "smallWorld", "smallWorld": {"degree": 1412, "rewire": 1}},
        "training": {"rounds": 2, "batchSize": 1},
        "suspend": true,
    });
    for name in ["a", "b", "c"] {
        create(cluster, &experiment("dear", name, &dense))?;
    }
    kubectl(cluster, "-n dear delete flt/a")?;
    let waits = json!({"kubernetes": {"nodeSelector": {"no": "node"}}});
    create(cluster, &experiment("dear", "other", &waits))?;
    pods(cluster, "dear", "other-0-0 other-1-0 other-2-0")?;
    condition(cluster, "dear", "b", "Accepted", "PlanMade")?;
    kubectl(cluster, "-n dear delete flt --all")?;
    operator.probe("readyz")?;
    operator.lives()?;
    let holder = format!("-n {HOME} get lease fltorrent-operator --output=jsonpath={{.spec.holderIdentity}}");
    if kubectl(cluster, &holder)? != "dear" {
        return Err("the lease was lost".into());
    }
    drop(operator);
    kubectl(cluster, "delete namespace dear --timeout=120s").map(drop)
}

/// An operator that begins while there is no API server waits for it, alive and not ready.
pub fn away(cluster: &Cluster) -> Result<(), Failed> {
    let account = account(cluster)?;
    let layout = Layout::from_environment()?;
    let mut task = Task::begin("ending the API server", &Interrupt::never());
    Daemon::known(&layout, apiserver::NAME).kill(&mut task)?;
    let mut operator = Operator::with(&account, "away", 18743)?;
    let waited = operator
        .says("the API server does not answer", 3)
        .and_then(|()| operator.probe("healthz"));
    Cluster::up(layout, Interrupt::never())?;
    waited?;
    operator.probe("readyz")?;
    operator.lives()
}

fn apply(cluster: &Cluster, object: &str) -> Result<(), Failed> {
    let mut apply = cluster.kubectl();
    apply.args(["apply", "--server-side", "--filename=-"]);
    run_with_input(&mut apply, object).map(drop)
}
