//! What comes from the system's packages: programs, containerd and the CNI plugins.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    command::{self, CommandError},
    task::{Interrupt, Task},
};

/// Programs, and Debian's packages that have them.
const PROGRAMS: [(&str, &str); 5] = [
    ("containerd", "containerd"),
    ("ctr", "containerd"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("runc", "runc"),
];

/// Debian's package of the CNI plugins, and where they lie there and elsewhere.
const PLUGINS: &str = "containernetworking-plugins";
const PLUGIN_FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Folders that hold programs for root, though root's path may lack them.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// What is missing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum PackagesError {
    #[error("missing: {}; install what has them (Debian's packages: {})", missing.join(", "), packages.join(" "))]
    Missing {
        missing: Vec<String>,
        packages: Vec<String>,
    },
    #[error("Go is missing; install Go 1.25 or newer, and have `go` in the PATH")]
    NoGo,
    #[error("the packages {} cannot be installed; try it by hand", packages.join(" "))]
    Apt {
        packages: Vec<String>,
        source: CommandError,
    },
}

/// Installs what is missing, where there is apt-get.
///
/// # Errors
/// When something is missing afterwards.
pub fn ensure(interrupt: &Interrupt) -> Result<(), PackagesError> {
    if program("go").is_none() {
        return Err(PackagesError::NoGo);
    }
    install_missing(missing, interrupt)
}

/// As [`ensure`], for programs, each with Debian's package that has it.
///
/// # Errors
/// When one is missing afterwards.
pub fn ensure_programs(programs: &[(&str, &str)], interrupt: &Interrupt) -> Result<(), PackagesError> {
    install_missing(|| named(without(programs)), interrupt)
}

fn install_missing(
    missing: impl Fn() -> (Vec<String>, Vec<String>),
    interrupt: &Interrupt,
) -> Result<(), PackagesError> {
    let (_, packages) = missing();
    if packages.is_empty() {
        return Ok(());
    }
    if program("apt-get").is_some() {
        let mut task = Task::begin(format!("installing {}", packages.join(" ")), interrupt);
        install(&packages, &mut task).map_err(|source| PackagesError::Apt {
            packages: packages.clone(),
            source,
        })?;
        task.end();
    }
    match missing() {
        (missing, _) if missing.is_empty() => Ok(()),
        (missing, packages) => Err(PackagesError::Missing { missing, packages }),
    }
}

fn missing() -> (Vec<String>, Vec<String>) {
    let mut missing = without(&PROGRAMS);
    if plugins().is_none() {
        missing.push(("CNI plugins", PLUGINS));
    }
    named(missing)
}

fn without<'a>(programs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let there = |name: &str| program(name).is_some();
    programs.iter().copied().filter(|(name, _)| !there(name)).collect()
}

/// The missing programs, and the packages that have them.
fn named(missing: Vec<(&str, &str)>) -> (Vec<String>, Vec<String>) {
    let names = missing.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut packages: Vec<String> = missing.iter().map(|(_, package)| (*package).to_owned()).collect();
    packages.dedup();
    (names, packages)
}

fn install(packages: &[String], task: &mut Task) -> Result<(), CommandError> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    command::run(apt().args(["update", "-qq"]), task)?;
    let mut install = apt();
    install.args(["install", "-y", "-qq", "--no-install-recommends"]);
    command::run(install.args(packages), task).map(drop)
}

/// Path of a program.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The folder of the CNI plugins.
#[must_use]
pub fn plugins() -> Option<&'static Path> {
    PLUGIN_FOLDERS
        .into_iter()
        .map(Path::new)
        .find(|folder| folder.join("bridge").is_file() && folder.join("host-local").is_file())
}
