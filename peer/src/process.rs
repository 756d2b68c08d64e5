//! A peer as a process of its own. [`Peer`] is what all are made of, whoever starts them; [`main`] is the one that a launcher starts: it
//! announces itself, waits for its bindings, and runs.
//!
//! The launcher holds the other end of standard input. When that ends, so does this process, at once: nobody is left to
//! look after it. The status endpoint is something else and may come and go.

mod assembly;
pub mod config;
mod filter;
mod lifeline;
mod membership;
mod model_out;
mod peer;
mod places;
mod prepare;
mod stages;

use std::{
    fs::File,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
};

use anyhow::{Context, Result, anyhow, bail};
use fltorrent_coordinator::key::PeerKey;
use fltorrent_crds::{Announcement, Plan, visible};
use thiserror::Error;

use crate::{checkpoint::Resume, churn, driver::RunError, extend, memory};

pub use crate::churn::RESTARTS;
pub use filter::{FilterError, log_filter};
pub use membership::Membership;
pub use model_out::ModelOut;
pub use peer::{Listen, Peer, Watch};
pub use places::Places;
pub use stages::{Bound, Ready};

/// The options of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The peer's index in the plan.
    pub index: u32,
    /// The manifest.
    pub manifest: PathBuf,
    /// The run's results folder; the peer writes into its `peers` folder.
    pub results: PathBuf,
    /// The checkpoint that it goes on from; none: it begins anew.
    pub resume: Option<Resume>,
    /// The file of all peers for the final model, if there is to be one.
    pub model_out: Option<PathBuf>,
    /// How many processes of this peer were there before, which died.
    pub incarnation: u32,
    /// Where to listen for neighbours; none: at any port.
    pub listen: Option<SocketAddr>,
}

/// Exit code when the run failed here.
const FAILED: u8 = 1;
/// Exit code when the launcher has gone.
pub const LAUNCHER_GONE: u8 = 3;
/// Exit code of a peer that has left the run, as the manifest says.
pub const LEFT: u8 = 4;
/// Exit code when the run is over or cannot go on, so that another process in this one's place would be of no use.
pub const NO_USE: u8 = 5;
/// Where a launched peer listens: the launcher tells the others the port.
const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What one process cannot load its next one cannot either.
#[derive(Debug, Error)]
#[error(transparent)]
struct Unprepared(anyhow::Error);

/// Runs a peer; the reason of a failure is the last line on standard error.
pub fn main(options: Options) -> ExitCode {
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if let Some(&RunError::Left { round }) = error.downcast_ref() => {
            tell(&churn::reason(round));
            ExitCode::from(LEFT)
        }
        Err(error) => {
            let reason = format!("{error:#}");
            tracing::error!(reason, "the peer failed");
            tell(&reason);
            let is_final = error.is::<Unprepared>() || error.downcast_ref().is_some_and(RunError::is_final);
            ExitCode::from(if is_final { NO_USE } else { FAILED })
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let folder = options.results.join("peers");
    let bindings = lifeline::watch(folder.clone());
    let text = std::fs::read_to_string(&options.manifest)
        .with_context(|| format!("{} cannot be read", options.manifest.display()))?;
    let (_, plan) = Plan::load_with(&text, &[], extend::installed()).map_err(|errors| anyhow!("{errors}"))?;
    if options.index as usize >= plan.peers.len() {
        bail!(
            "there is no peer {}: the plan has peers 0–{}",
            options.index,
            plan.peers.len() - 1
        );
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let log = folder.join(format!("peer-{}.log", options.index));
    log_to(&log, options.resume.is_some() || options.incarnation > 0)?;
    memory::keep();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(launched(
        Peer {
            index: options.index,
            incarnation: options.incarnation,
            plan,
            places: Places::all_in(folder),
            model_out: options.model_out.clone().map(ModelOut::Shared),
            resume: options.resume,
            warns: false,
            listen: Listen::At(options.listen.unwrap_or(ANY_PORT)),
            metrics: Some(ANY_PORT),
            watch: None,
        },
        bindings,
    ))
}

/// Keys and sockets first: the launcher signs while data and model are being made.
async fn launched(peer: Peer, bindings: lifeline::Waiting) -> Result<()> {
    let index = peer.index;
    let key = PeerKey::generate()?;
    let bound = peer.bind()?;
    announce(&Announcement {
        index,
        certificate_request: key.request_pem()?,
        address: bound.address,
        metrics: bound.metrics_address.context("no metrics are served")?,
    })?;
    let ready = bound.load();
    let membership = Membership::of(bindings.bindings().await?, key)?;
    ready.await.map_err(Unprepared)?.run(membership).await
}

/// Sets the process's log up: JSON lines in a file; a run that goes on appends to what is there.
///
/// # Errors
/// When the file cannot be made, or `FLTORRENT_LOG` is no filter.
pub fn log_to(path: &Path, goes_on: bool) -> Result<()> {
    let file = match goes_on {
        true => File::options().create(true).append(true).open(path),
        false => File::create_new(path),
    };
    let file = file.with_context(|| format!("{} cannot be made", path.display()))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(log_filter()?)
        .with_writer(Mutex::new(file))
        .init();
    tell_panics();
    Ok(())
}

/// Sets the process's log up: lines of text on standard output, as `kubectl logs` shows them.
///
/// # Errors
/// When `FLTORRENT_LOG` is no filter.
pub fn log_to_stdout() -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(log_filter()?)
        .with_writer(io::stdout)
        .init();
    tell_panics();
    Ok(())
}

fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(%panic, "panic");
        tell(&format!("this is a bug in {}: {panic}", extend::blame()));
    }));
}

/// Says an error on standard error, which may be a terminal.
fn tell(error: &str) {
    eprintln!("error: {}", visible(error));
}

fn announce(announcement: &Announcement) -> Result<()> {
    let mut line = serde_json::to_vec(announcement)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(&line)
        .and_then(|()| stdout.flush())
        .context("the launcher does not listen")
}
