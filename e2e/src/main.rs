//! `cargo xtask cluster up`: a real Kubernetes on this machine; `down` takes it away again.

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use e2e::{
    binaries::Binaries,
    cluster::{self, Cluster},
    components::NAMES,
    dockerfile::{self, Programs},
    layout::Layout,
    process,
    task::Interrupt,
};

/// A real Kubernetes on this machine, for tests and for trying things out. It needs root.
#[derive(Debug, Parser)]
#[command(name = "e2e", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install, build and start what is missing, and print the environment for kubectl and helm.
    Up,
    /// Build Kubernetes, etcd, CoreDNS and Helm, as `up` does where they are missing. It needs no root.
    Programs,
    /// Build the images of the Dockerfile, and give them to the cluster if there is one.
    Images,
    /// Stop everything, and leave the machine as it was.
    Down,
    /// Show which processes run; fails unless all do.
    Status,
    /// Show the end of the logs.
    Logs {
        /// Of this process only.
        #[arg(value_parser = NAMES)]
        process: Option<String>,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let layout = Layout::from_environment()?;
    match &arguments.command {
        Action::Up => up(layout),
        Action::Programs => programs(&layout),
        Action::Images => images(layout),
        Action::Down => Ok(Cluster::down(&layout)?),
        Action::Status => status(&layout),
        Action::Logs { process } => {
            logs(&layout, process.as_deref());
            Ok(())
        }
    }
}

fn up(layout: Layout) -> anyhow::Result<()> {
    let interrupt = Interrupt::by_signals().context("signals cannot be watched")?;
    let cluster = Cluster::up(layout, interrupt)?;
    // For `eval`, so nothing else goes to standard output.
    println!("export KUBECONFIG={}", cluster.kubeconfig().display());
    println!("export PATH={}:$PATH", cluster.programs().display());
    Ok(())
}

fn programs(layout: &Layout) -> anyhow::Result<()> {
    let interrupt = Interrupt::by_signals().context("signals cannot be watched")?;
    Binaries::ensure(layout, &interrupt)?;
    Ok(())
}

fn images(layout: Layout) -> anyhow::Result<()> {
    let interrupt = Interrupt::by_signals().context("signals cannot be watched")?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let images = dockerfile::build(&repository, &layout, Programs::Compiled, &interrupt)?;
    let (there, _) = cluster::status(&layout);
    let cluster = match there {
        true => Some(Cluster::up(layout, interrupt)?),
        false => None,
    };
    for image in images {
        if let Some(cluster) = &cluster {
            cluster.import(&image.archive)?;
        }
        let megabytes = image.bytes as f64 / 1e6;
        println!("{}  {megabytes:.1} MB  {}", image.name, image.archive.display());
    }
    Ok(())
}

fn status(layout: &Layout) -> anyhow::Result<()> {
    let (there, processes) = cluster::status(layout);
    for (name, pid) in &processes {
        match pid {
            Some(pid) => println!("{name:24} runs as process {pid}"),
            None => println!("{name:24} does not run"),
        }
    }
    if !there {
        bail!("there is no cluster; `cargo xtask cluster up` makes one");
    }
    if processes.iter().any(|(_, pid)| pid.is_none()) {
        bail!("not all runs; `cargo xtask cluster up` mends it, `… logs` says what happened");
    }
    Ok(())
}

fn logs(layout: &Layout, process: Option<&str>) {
    for name in NAMES {
        if process.is_none_or(|process| process == name) {
            let path = layout.logs().join(format!("{name}.log"));
            println!("== {}\n{}", path.display(), process::end_of(&path));
        }
    }
}
