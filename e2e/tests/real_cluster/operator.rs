//! The operator on a real API server, with the rights of its own table and no others: what it makes, tells and takes away. Images of peers are
//! not needed for that; the probe's image stands in where a pod has to end.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use e2e::Cluster;
use e2e::images::PROBE;
use e2e::layout::Layout;
use e2e::process::end_of;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::api::{create, kubectl, run};

/// The namespace of the operator and of its rights.
const HOME: &str = "fltorrent-system";
/// How long something may take to become so; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

/// The operator that was built with these tests.
fn program() -> Result<PathBuf, Failed> {
    let tests = std::env::current_exe()?;
    let folder = tests.ancestors().nth(2).ok_or("no folder of programs")?;
    let program = folder.join("fltorrent-operator");
    if program.is_file() {
        return Ok(program);
    }
    let said = format!(
        "{} is missing: cargo build --workspace --bin fltorrent-operator",
        program.display()
    );
    Err(said.into())
}

/// A running operator, ended with the test.
struct Operator {
    process: Child,
    log: PathBuf,
}

impl Operator {
    /// Runs outside the cluster, as a service account with the operator's own rules.
    fn start(cluster: &Cluster, name: &str, port: u16) -> Result<Self, Failed> {
        let logs = Layout::from_environment()?.logs();
        let log = logs.join(format!("operator-{name}.log"));
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)?;
        let process = Command::new(program()?)
            .args([
                "run",
                "--namespace",
                HOME,
                "--replica",
                name,
                "--peer-image",
                PROBE,
            ])
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args(["--health-listen", &format!("127.0.0.1:{}", port + 1)])
            .env("KUBECONFIG", account(cluster)?)
            .stdout(file.try_clone()?)
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self { process, log })
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
    let admin: Value = serde_json::from_str(&kubectl(
        cluster,
        "config view --raw --minify --output=json",
    )?)?;
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "operator",
        "clusters": [{"name": "e2e", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "operator", "context": {"cluster": "e2e", "user": "operator"}}],
    });
    let path = Layout::from_environment()?
        .pki()
        .join("operator.kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

fn apply(cluster: &Cluster, object: &str) -> Result<(), Failed> {
    use std::io::Write;
    let mut child = cluster
        .kubectl()
        .args(["apply", "--server-side", "--filename=-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    input.write_all(object.as_bytes())?;
    drop(input);
    if child.wait()?.success() {
        return Ok(());
    }
    Err(format!("kubectl apply failed for {object}").into())
}

fn experiment(namespace: &str, name: &str, extra: &Value) -> Value {
    let mut spec = json!({
        "groups": [{"name": "peers", "count": 3}],
        "topology": {"type": "ring"},
        "model": {"type": "mlp", "mlp": {"hidden": [8]}},
        "data": {"type": "digits"},
        "training": {"rounds": 2},
    });
    if let (Some(spec), Some(extra)) = (spec.as_object_mut(), extra.as_object()) {
        spec.extend(extra.clone());
    }
    json!({
        "apiVersion": "fltorrent.io/v1alpha1",
        "kind": "FLTorrentExperiment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    })
}

/// Waits until what kubectl prints for `line` fits, and returns it.
fn until(cluster: &Cluster, line: &str, fits: impl Fn(&str) -> bool) -> Result<String, Failed> {
    let start = Instant::now();
    loop {
        let found = kubectl(cluster, line).unwrap_or_else(|error| format!("{error:?}"));
        if fits(&found) {
            return Ok(found);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("kubectl {line}: found {found}").into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn condition(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    kind: &str,
    wanted: &str,
) -> Result<String, Failed> {
    let path = format!(
        "-n {namespace} get flt/{name} --output=jsonpath={{.status.conditions[?(@.type==\"{kind}\")].reason}}|{{.status.conditions[?(@.type==\"{kind}\")].message}}"
    );
    until(cluster, &path, |found| {
        found.starts_with(&format!("{wanted}|"))
    })
}

fn pods(cluster: &Cluster, namespace: &str, wanted: &str) -> Result<(), Failed> {
    let line = format!("-n {namespace} get pods --output=jsonpath={{.items[*].metadata.name}}");
    until(cluster, &line, |found| found == wanted).map(drop)
}

fn namespace(cluster: &Cluster, name: &str) -> Result<(), Failed> {
    let metadata =
        json!({"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}});
    create(
        cluster,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
    )
    .map(drop)
}

/// From nothing to pods, suspended, gone on, and away without a trace; with the operator killed in between and another taking over.
pub fn life(cluster: &Cluster) -> Result<(), Failed> {
    let first = Operator::start(cluster, "first", 18443)?;
    let second = Operator::start(cluster, "second", 18543)?;
    namespace(cluster, "life")?;
    // The probe does not know what a peer is told, and fails: so does the experiment once its restarts are used.
    let waits = json!({"kubernetes": {"nodeSelector": {"no": "node"}}});
    create(cluster, &experiment("life", "x", &waits))?;
    pods(cluster, "life", "x-0-0 x-1-0 x-2-0")?;
    let said = condition(cluster, "life", "x", "PeersReady", "Unschedulable")?;
    if !said.contains("spec.kubernetes.resources") {
        return Err(format!("nothing is said to do: {said}").into());
    }
    kubectl(cluster, "-n life delete service x")?;
    until(cluster, "-n life get service x --output=name", |found| {
        found == "service/x"
    })?;

    // Whichever leads is killed; the other goes on.
    let holder = format!(
        "-n {HOME} get lease fltorrent-operator --output=jsonpath={{.spec.holderIdentity}}"
    );
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

/// What goes wrong is said where a user looks, with what to do, and stops nobody else.
pub fn trouble(cluster: &Cluster) -> Result<(), Failed> {
    let operator = Operator::start(cluster, "trouble", 18643)?;
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

    // The probe is no peer: it fails, its last words are told, and it is started again as often as allowed.
    create(
        cluster,
        &experiment("trouble", "fails", &json!({"restarts": 1})),
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
    kubectl(cluster, "-n trouble delete resourcequota few")?;
    pods(cluster, "trouble", "many-0-0 many-1-0 many-2-0")?;
    kubectl(cluster, "delete namespace trouble --timeout=120s")?;
    drop(operator);
    Ok(())
}
