//! What every check finds: images, a cluster, and the chart installed in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use e2e::{
    Cluster,
    dockerfile::{self, Image, Programs},
    layout::Layout,
    task::Interrupt,
};
use libtest_mimic::Failed;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    kubectl::{kubectl, run, until},
    life::long,
    programs,
};

/// The namespace of the operator.
pub const HOME: &str = "fltorrent-system";
/// Compressed, in bytes.
const OPERATOR_MAX: u64 = 30_000_000;
/// Compressed, in bytes.
const PEER_MAX: u64 = 60_000_000;

/// A cluster with FLTorrent.
pub struct World {
    /// The cluster.
    pub cluster: Cluster,
    operator: Image,
    peer: Image,
    folder: TempDir,
    /// The model of [`long`], once it was trained here.
    long: OnceLock<String>,
}

impl World {
    /// Builds the images, starts a cluster and installs the chart, as the documentation says.
    pub fn make(layout: &Layout) -> Result<Self, Failed> {
        let whole = |error: anyhow::Error| format!("{error:#}");
        let built = programs::folder()?;
        let programs = Programs::Built(&built);
        let [operator, peer] = dockerfile::build(&repository(), layout, programs, &Interrupt::never())
            .map_err(|error| whole(error.into()))?;
        let cluster = Cluster::up(layout.clone(), Interrupt::never()).map_err(|error| whole(error.into()))?;
        for image in [&operator, &peer] {
            cluster.import(&image.archive)?;
        }
        let mut install = cluster.helm();
        install
            .args(["install", "fltorrent", "charts/fltorrent"])
            .args(["--namespace", HOME, "--create-namespace"])
            .args(["--wait", "--timeout", "3m"])
            .current_dir(repository());
        run(&mut install)?;
        Ok(Self {
            cluster,
            operator,
            peer,
            folder: tempfile::tempdir()?,
            long: OnceLock::new(),
        })
    }

    /// The model's hash that a run of a manifest on this machine ends with, by the program of the peers' image.
    pub fn trained_here(&self, name: &str, manifest: &str) -> Result<String, Failed> {
        let file = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, manifest)?;
        let results = self.folder.path().join(name);
        let mut trained = Command::new(&self.peer.program);
        trained
            .arg("run")
            .args([&file, Path::new("--out"), &results])
            .args(["--output", "json"]);
        let lines = run(&mut trained)?;
        let mut hashes = lines.lines().filter_map(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            Some(event["modelHash"].as_str()?.to_owned())
        });
        hashes.next_back().ok_or_else(|| "no round was finished".into())
    }

    /// Whether a model is the one that [`long`] comes to on this machine, where nothing stops it.
    pub fn is_trained_long(&self, model: &str) -> Result<(), Failed> {
        if self.long.get().is_none() {
            let here = self.trained_here("long", &long("long", ""))?;
            let _ = self.long.set(here);
        }
        match self.long.get() {
            Some(here) if here == model => Ok(()),
            here => Err(format!("the model is {model}, by `fltorrent run` {here:?}").into()),
        }
    }

    /// Applies a manifest as a user does, in a namespace.
    pub fn apply(&self, namespace: &str, name: &str, manifest: &str) -> Result<(), Failed> {
        let file = self.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, manifest)?;
        let mut apply = self.cluster.kubectl();
        apply.args(["-n", namespace, "apply", "--filename"]).arg(&file);
        run(&mut apply).map(drop)
    }

    /// A field of an experiment's status.
    pub fn status(&self, namespace: &str, name: &str, path: &str) -> Result<String, Failed> {
        let line = format!("-n {namespace} get flt/{name} --output=jsonpath={{.status.{path}}}");
        kubectl(&self.cluster, &line)
    }

    /// Waits until a field of an experiment's status fits.
    pub fn until(
        &self,
        namespace: &str,
        name: &str,
        path: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<String, Failed> {
        let line = format!("-n {namespace} get flt/{name} --output=jsonpath={{.status.{path}}}");
        until(&self.cluster, &line, fits)
    }

    /// Waits until some rounds are done, and says how many.
    pub fn rounds(&self, namespace: &str, name: &str, least: u32) -> Result<u32, Failed> {
        let done = |text: &str| text.parse().unwrap_or(0);
        let found = self.until(namespace, name, "round.done", |text| done(text) >= least)?;
        Ok(done(&found))
    }

    /// Waits for the end of an experiment that has to be a good one, and returns its model's hash.
    pub fn completed(&self, namespace: &str, name: &str) -> Result<String, Failed> {
        let ended = |phase: &str| matches!(phase, "Complete" | "Failed");
        let phase = self.until(namespace, name, "phase", ended)?;
        if phase != "Complete" {
            let all = self.status(namespace, name, "lastError")?;
            return Err(format!("{namespace}/{name} failed: {all}").into());
        }
        self.status(namespace, name, "model")
    }

    /// Takes away a namespace and all in it.
    pub fn remove(&self, namespace: &str) -> Result<(), Failed> {
        kubectl(&self.cluster, &format!("delete namespace {namespace} --timeout=120s")).map(drop)
    }

    /// Shows what there is and what was said, for whoever looks for the cause of a failure.
    pub fn tell(&self) {
        let operator = format!("-n {HOME} logs deployment/fltorrent-operator --tail=40");
        for line in [
            "get flt,pods --all-namespaces --output=wide",
            "get events --all-namespaces",
            &operator,
        ] {
            match kubectl(&self.cluster, line) {
                Ok(said) => eprintln!("== kubectl {line}\n{said}"),
                Err(error) => eprintln!("== kubectl {line}\n{error:?}"),
            }
        }
    }
}

/// An image is fetched by every node.
pub fn sizes(world: &World) -> Result<(), Failed> {
    for (image, most) in [(&world.operator, OPERATOR_MAX), (&world.peer, PEER_MAX)] {
        println!("{}: {} bytes", image.name, image.bytes);
        if image.bytes > most {
            let said = format!("{} has {} bytes, over {most}", image.name, image.bytes);
            return Err(said.into());
        }
    }
    Ok(())
}

/// `helm test`, which asks the operator by its Service.
pub fn helm_test(world: &World) -> Result<(), Failed> {
    let mut test = world.cluster.helm();
    run(test.args(["test", "fltorrent", "--namespace", HOME])).map(drop)
}

/// A file of the repository.
pub fn file(path: &str) -> Result<String, Failed> {
    Ok(std::fs::read_to_string(repository().join(path))?)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
