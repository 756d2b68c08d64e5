//! The chart with the real helm, and what it renders on the real API server.

use e2e::Cluster;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{
    kubectl::{create, kubectl, run, run_with_input},
    operator::program,
    values::{all, documented, folder},
};

/// The namespace of the release, which is called `fltorrent`.
const HOME: &str = "chart";
/// The one whose experiments are looked after, where all values are set.
const WATCHED: &str = "chart-watched";

/// The objects that helm renders, as text.
fn render(cluster: &Cluster, more: &[&str]) -> Result<String, Failed> {
    let mut helm = cluster.helm();
    helm.args(["template", "fltorrent"]).arg(folder());
    run(helm.args(["--namespace", HOME]).args(more))
}

/// The same with all values set.
fn render_all(cluster: &Cluster, more: &[&str]) -> Result<String, Failed> {
    let all = all();
    let mut words = vec!["--values", all.to_str().ok_or("no path")?];
    words.extend(more);
    render(cluster, &words)
}

fn objects(text: &str) -> Result<Vec<Value>, Failed> {
    let mut objects: Vec<Value> = serde_saphyr::from_multiple(text)?;
    objects.retain(|object| !object.is_null());
    Ok(objects)
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value, Failed> {
    let mut found = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    match (found.next(), found.next()) {
        (Some(object), None) => Ok(object),
        _ => Err(format!("there is not one {kind} {name}").into()),
    }
}

fn equal(what: &str, found: &Value, expected: &Value) -> Result<(), Failed> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found}, expected {expected}").into())
}

pub fn lint(cluster: &Cluster) -> Result<(), Failed> {
    for values in [folder().join("values.yaml"), all()] {
        let mut helm = cluster.helm();
        helm.args(["lint", "--strict"]).arg(folder());
        run(helm.arg("--values").arg(values))?;
    }
    Ok(())
}

/// The effects of the values that people set first.
pub fn renders(cluster: &Cluster) -> Result<(), Failed> {
    let version = env!("CARGO_PKG_VERSION");
    let deployment = |objects: &[Value], name: &str| -> Result<Value, Failed> {
        Ok(named(objects, "Deployment", name)?["spec"]["template"]["spec"].clone())
    };
    let variable = |pod: &Value, name: &str| {
        let variables = pod["containers"][0]["env"].as_array();
        let mut found = variables
            .into_iter()
            .flatten()
            .filter(|variable| variable["name"] == name);
        found.next().map_or(Value::Null, |found| found["value"].clone())
    };

    let plain = objects(&render(cluster, &[])?)?;
    let pod = deployment(&plain, "fltorrent-operator")?;
    named(&plain, "Service", "fltorrent-operator")?;
    let image = format!("fltorrent-operator:{version}");
    equal("image", &pod["containers"][0]["image"], &json!(image))?;
    for (name, expected) in [
        ("FLTORRENT_SERVICE", json!("fltorrent-operator")),
        ("FLTORRENT_PEER_IMAGE", json!(format!("fltorrent-peer:{version}"))),
        (
            "FLTORRENT_PEER_CUDA_IMAGE",
            json!(format!("fltorrent-peer-cuda:{version}")),
        ),
        ("FLTORRENT_PEER_USER", json!("65532")),
        ("FLTORRENT_WATCH_NAMESPACE", Value::Null),
    ] {
        equal(name, &variable(&pod, name), &expected)?;
    }
    // Nobody has to ask for it.
    named(&plain, "NetworkPolicy", "fltorrent-operator")?;
    let definition = named(&plain, "CustomResourceDefinition", "fltorrentexperiments.fltorrent.io")?;
    let annotations = &definition["metadata"]["annotations"];
    equal("keep", annotations, &json!({"helm.sh/resource-policy": "keep"}))?;

    let full = objects(&render_all(cluster, &[])?)?;
    let pod = deployment(&full, "learner")?;
    equal("user", &pod["securityContext"]["runAsUser"], &json!(1_000_650_000))?;
    let image = pod["containers"][0]["image"].as_str().unwrap_or_default();
    if !image.contains("/fltorrent-operator@sha256:") {
        return Err(format!("a digest is no tag: {image}").into());
    }
    for name in ["PodDisruptionBudget", "NetworkPolicy", "PodMonitor"] {
        named(&full, name, "learner")?;
    }

    let test = named(&full, "Pod", "learner-test")?;
    let asked = "http://learner.chart.svc.cluster.example:8080/readyz";
    equal("asked", &test["spec"]["containers"][0]["args"][2], &json!(asked))?;
    equal(
        "label",
        &test["metadata"]["labels"]["example.com/cost-centre"],
        &json!("17"),
    )?;
    equal(
        "annotation",
        &test["metadata"]["annotations"]["example.com/team"],
        &json!("lab"),
    )
}

/// Where a platform chooses users, such as OpenShift, nothing that is rendered names one; and what else it does not take is taken away.
pub fn platforms(cluster: &Cluster) -> Result<(), Failed> {
    // The definition has fields of these names.
    let users = ["--set", "runAsUser=null,peerRunAsUser=null,crds.install=false"];
    let text = render(cluster, &users)?;
    if ["runAsUser", "runAsGroup", "fsGroup"]
        .iter()
        .any(|field| text.contains(field))
    {
        return Err("a platform cannot choose the user".into());
    }
    let found = objects(&text)?;
    let pod = &named(&found, "Deployment", "fltorrent-operator")?["spec"]["template"]["spec"];
    equal("non-root", &pod["securityContext"]["runAsNonRoot"], &json!(true))?;
    let variables = pod["containers"][0]["env"].as_array();
    let platform = json!({"name": "FLTORRENT_PEER_USER", "value": "platform"});
    if !variables.is_some_and(|variables| variables.contains(&platform)) {
        return Err(format!("peers have a user: {variables:?}").into());
    }
    let taken_away = "podSecurityContext.seccompProfile=null,securityContext.capabilities=null";
    let text = render(cluster, &["--set", taken_away])?;
    if text.contains("seccompProfile") || text.contains("drop:") {
        return Err("a field cannot be taken away".into());
    }
    let own = "podSecurityContext.runAsUser=7,podSecurityContext.fsGroup=1000650000";
    let found = objects(&render(cluster, &["--set", own])?)?;
    for (kind, name, at) in [
        (
            "Deployment",
            "fltorrent-operator",
            "/spec/template/spec/securityContext",
        ),
        ("Pod", "fltorrent-operator-test", "/spec/securityContext"),
    ] {
        let context = named(&found, kind, name)?.pointer(at).ok_or("no context")?;
        let expected = json!({"runAsNonRoot": true, "runAsUser": 7, "runAsGroup": 65532, "fsGroup": 1_000_650_000,
            "seccompProfile": {"type": "RuntimeDefault"}});
        equal(name, context, &expected)?;
    }
    Ok(())
}

/// Set back one by one, each value changes what is rendered; a switch is turned off.
pub fn every_value(cluster: &Cluster) -> Result<(), Failed> {
    let full = render_all(cluster, &[])?;
    let mut idle = Vec::new();
    for value in documented() {
        let other = match value.default {
            Value::Bool(true) => json!(false),
            default => default,
        };
        let setting = format!("{}={other}", value.path);
        if render_all(cluster, &["--set-json", &setting])? == full {
            idle.push(setting);
        }
    }
    if idle.is_empty() {
        return Ok(());
    }
    Err(format!("nothing changes with {}", idle.join(" ")).into())
}

/// Values that helm has to refuse, and what its message has to name.
const WRONG: [(&str, &str); 45] = [
    ("imgae.tag=x", "imgae"),
    ("image.tags=x", "tags"),
    ("image.tag=a b", "/image/tag"),
    ("image.tag=7", "/image/tag"),
    ("image.repository=", "/image/repository"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ("image=x", "/image"),
    ("image=null", "image"),
    ("peerImage.pullPolicy=Always", "pullPolicy"),
    ("peerCudaImage.tag=:x", "/peerCudaImage/tag"),
    ("replicaCount=0", "/replicaCount"),
    ("replicaCount=two", "/replicaCount"),
    ("imagePullSecrets[0]=registry", "/imagePullSecrets/0"),
    ("watchNamespace=Team_A", "/watchNamespace"),
    ("watchNamespace={a,b}", "/watchNamespace"),
    ("clusterDomain=", "/clusterDomain"),
    ("logFormat=xml", "/logFormat"),
    ("logLevel=", "/logLevel"),
    // A word that is no level would be the name of a part of the program, with everything of it logged and nothing else.
    ("logLevel=verbose", "/logLevel"),
    ("logLevel=info\\,kube", "/logLevel"),
    (
        "extraEnv[0].name=POD_NAME",
        "extraEnv[0].name: POD_NAME is a variable that the chart sets; remove it",
    ),
    (
        "extraEnv[0].name=RUST_LOG",
        "remove it here, and set the value logLevel",
    ),
    (
        "extraEnv[0].name=FLTORRENT_LISTEN,extraEnv[0].value=[::]:9443",
        "extraEnv[0].value: [::]:9443 is another port",
    ),
    (
        "extraEnv[0].name=FLTORRENT_PROBES_LISTEN,extraEnv[0].value=[::]:9999",
        "extraEnv[0].value: [::]:9999 is another port",
    ),
    ("extraEnv[0].value=x", "/extraEnv/0"),
    ("extraEnv.A=x", "/extraEnv"),
    ("crds.install=yes", "/crds/install"),
    ("crds.enabled=true", "enabled"),
    ("rbac.create=maybe", "/rbac/create"),
    ("serviceAccount.name=A", "/serviceAccount/name"),
    ("fullnameOverride=1st", "/fullnameOverride"),
    (
        "podLabels.app\\.kubernetes\\.io/name=x",
        "podLabels: app.kubernetes.io/name is a label that the chart sets and by which pods are found; remove it",
    ),
    ("podAnnotations.a=1", "/podAnnotations/a"),
    ("runAsUser=0", "/runAsUser"),
    ("peerRunAsUser=root", "/peerRunAsUser"),
    ("podSecurityContext=x", "/podSecurityContext"),
    ("securityContext=null", "securityContext"),
    ("networkPolicy=false", "/networkPolicy"),
    ("resources.limit.memory=1Gi", "limit"),
    ("resources.limits.memory=much", "/resources/limits/memory"),
    ("nodeSelector.a=1", "/nodeSelector/a"),
    ("tolerations[0].effect=Never", "/tolerations/0/effect"),
    ("affinity.antiAffinity.a=b", "antiAffinity"),
    ("podMonitor.interval=often", "/podMonitor/interval"),
    ("serviceMonitor.enabled=true", "serviceMonitor"),
];

pub fn wrong_values(cluster: &Cluster) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    for (setting, name) in WRONG {
        match render(cluster, &["--set", setting]) {
            Ok(_) => wrong.push(format!("{setting} passes")),
            Err(error) => {
                let said = error.message().unwrap_or_default().to_owned();
                // The command, which has the setting as well, is quoted before the message.
                let said = said.split_once(" failed: ").map_or("", |(_, said)| said);
                if !said.contains(name) {
                    wrong.push(format!("{setting} is refused, but not by name: {said}"));
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}

/// The operator may do what its own table says, where the table says it.
pub fn rights(cluster: &Cluster) -> Result<(), Failed> {
    let table = |place: &str| -> Result<Vec<Value>, Failed> {
        let printed = run(std::process::Command::new(program()?).args(["rbac", place]))?;
        Ok(serde_saphyr::from_str(&printed)?)
    };
    let (experiments, everywhere, own) = (table("experiments")?, table("cluster")?, table("own")?);
    let both = [experiments.clone(), everywhere.clone()].concat();

    let plain = objects(&render(cluster, &[])?)?;
    let full = objects(&render_all(cluster, &[])?)?;
    for (objects, kind, name, namespace, rules) in [
        (&plain, "ClusterRole", "fltorrent-operator.chart", None, both),
        (&plain, "Role", "fltorrent-operator", Some(HOME), own.clone()),
        (&full, "ClusterRole", "learner.chart", None, everywhere),
        (&full, "Role", "learner", Some(HOME), own),
        (&full, "Role", "learner-experiments", Some(WATCHED), experiments),
    ] {
        let role = named(objects, kind, name)?;
        equal(name, &role["rules"], &json!(rules))?;
        equal(name, &role["metadata"]["namespace"], &json!(namespace))?;
        let binding = named(objects, &format!("{kind}Binding"), name)?;
        equal(name, &binding["roleRef"]["kind"], &json!(kind))?;
        equal(name, &binding["roleRef"]["name"], &json!(name))?;
        equal(name, &binding["metadata"]["namespace"], &json!(namespace))?;
    }
    let count = |objects: &[Value]| {
        let bindings = objects.iter().filter(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            kind.ends_with("Binding")
        });
        bindings.count()
    };
    equal("bindings", &json!([count(&plain), count(&full)]), &json!([2, 3]))
}

/// Strictly, with warnings as errors, in namespaces of the level `restricted`.
pub fn accepted(cluster: &Cluster) -> Result<(), Failed> {
    for name in [HOME, WATCHED] {
        let labels = json!({
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        });
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        create(cluster, &namespace)?;
    }
    // The pod of `helm test` has it.
    let account = format!("-n {HOME} wait serviceaccount/default --for=create --timeout=60s");
    kubectl(cluster, &account)?;
    // Prometheus' operator is not there.
    let full = render_all(cluster, &["--set", "podMonitor.enabled=false"])?;
    for text in [render(cluster, &[])?, full] {
        let mut apply = cluster.kubectl();
        apply.args(["apply", "--server-side", "--dry-run=server"]);
        apply.args(["--validate=strict", "--warnings-as-errors", "--filename=-"]);
        let answer = run_with_input(&mut apply, &text)?;
        let passed = answer.lines().filter(|line| line.ends_with("(server dry run)"));
        let expected = objects(&text)?.len();
        if passed.count() != expected {
            return Err(format!("{expected} objects were expected: {answer}").into());
        }
    }
    let remove = format!("delete namespace {HOME} {WATCHED} --timeout=120s");
    kubectl(cluster, &remove).map(drop)
}
