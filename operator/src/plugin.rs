//! The commands of `kubectl fltorrent`.

mod logs;
mod plan;
mod watch;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use fltorrent_coordinator::secret::{RootSecret, SECRET_BYTES};
use fltorrent_crds::{Experiment, manifest, utf8, visible};
use kube::{Api, Client, Config};

use crate::{build::Site, config::PeerUser, render::render};

/// Look at experiments on a cluster, and at what they would be there.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-fltorrent",
    bin_name = "kubectl fltorrent",
    version,
    disable_help_subcommand = true
)]
pub struct Arguments {
    /// The namespace; without it that of the current context.
    #[arg(short, long, global = true)]
    namespace: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Follow an experiment to its end; fails when it fails.
    Watch {
        /// The experiment.
        name: String,
    },
    /// Show the logs of an experiment's peers, each line with its peer.
    Logs {
        /// The experiment.
        name: String,
        /// Only of this peer.
        #[arg(long)]
        peer: Option<u32>,
        /// Go on with what is written from now on.
        #[arg(short, long)]
        follow: bool,
        /// Begin so many lines before the end.
        #[arg(long)]
        tail: Option<i64>,
    },
    /// Show what follows from a manifest: peers, rounds, memory, what pods ask for. Needs no cluster with --file.
    Plan {
        /// The experiment on the cluster.
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        name: Option<String>,
        /// A manifest; `-` is standard input.
        #[arg(short, long)]
        file: Option<PathBuf>,
    },
    /// Print everything that the operator would apply for a manifest. Needs no cluster. The authority's certificate and the seals
    /// are those of no operator.
    Render {
        /// A manifest; `-` is standard input.
        #[arg(short, long)]
        file: PathBuf,
        /// The operator's namespace.
        #[arg(long, default_value = "fltorrent-system")]
        operator_namespace: String,
        /// The image of peers that compute on the CPU.
        #[arg(long, default_value = concat!("fltorrent-peer:", env!("CARGO_PKG_VERSION")))]
        peer_image: String,
        /// The image of peers that compute with CUDA.
        #[arg(long, default_value = concat!("fltorrent-peer-cuda:", env!("CARGO_PKG_VERSION")))]
        peer_cuda_image: String,
        /// User and group of peers where the manifest has no securityContext: a number, or `platform`.
        #[arg(long, default_value_t)]
        peer_user: PeerUser,
        /// The DNS domain of the cluster.
        #[arg(long, default_value = "cluster.local")]
        cluster_domain: String,
    },
}

/// Runs a command.
///
/// # Errors
/// When a manifest is wrong, the cluster cannot be reached, or the experiment is not there.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { namespace, command } = arguments;
    match command {
        Command::Watch { name } => watch::run(&experiments(namespace).await?, &name).await,
        Command::Logs {
            name,
            peer,
            follow,
            tail,
        } => {
            let (client, namespace) = cluster(namespace).await?;
            let wanted = logs::LogOptions { peer, follow, tail };
            logs::run(client, &namespace, &name, &wanted).await
        }
        Command::Plan { name, file } => {
            let experiment = match (name, file) {
                (_, Some(file)) => read(&file)?,
                (Some(name), None) => experiments(namespace)
                    .await?
                    .get(&name)
                    .await
                    .with_context(|| format!("the experiment {name} cannot be read"))?,
                (None, None) => anyhow::bail!("name an experiment, or a manifest with --file"),
            };
            print(&plan::text(&experiment)?)
        }
        Command::Render {
            file,
            operator_namespace,
            peer_image,
            peer_cuda_image,
            peer_user,
            cluster_domain,
        } => {
            let mut experiment = read(&file)?;
            experiment.metadata.namespace = namespace.or(experiment.metadata.namespace);
            let site = Site {
                namespace: operator_namespace,
                service: "fltorrent-operator".to_owned(),
                port: 8443,
                cluster_domain,
                peer_image,
                peer_cuda_image,
                peer_user,
            };
            let nobody = RootSecret::from_bytes(&[0; SECRET_BYTES])?;
            print(&render(experiment, &site, &nobody)?)
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Experiment> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        io::stdin()
            .take(2 << 20)
            .read_to_end(&mut bytes)
            .context("standard input cannot be read")?;
    } else {
        bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    let name = file.display().to_string();
    utf8(bytes)
        .map_err(anyhow::Error::new)
        .and_then(|text| Ok(manifest::parse(&text).map_err(|errors| errors.in_file(&name))?))
        .with_context(|| format!("{name} is not a manifest"))
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    // What comes from pods and from the cluster may be read on a terminal. A reader that has seen enough, such as `head`, is no error.
    match io::stdout().write_all(visible(text).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn cluster(namespace: Option<String>) -> anyhow::Result<(Client, String)> {
    let config = Config::infer()
        .await
        .context("no cluster is configured; set KUBECONFIG")?;
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    Ok((Client::try_from(config)?, namespace))
}

async fn experiments(namespace: Option<String>) -> anyhow::Result<Api<Experiment>> {
    let (client, namespace) = cluster(namespace).await?;
    Ok(Api::namespaced(client, &namespace))
}
