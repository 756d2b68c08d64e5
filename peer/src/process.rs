//! A peer as a process of its own: it announces itself to its launcher, waits for its bindings, and runs.
//!
//! The launcher holds the other end of standard input. When that ends, so does this process, at once: nobody is left to
//! look after it. The status endpoint is something else and may come and go.

pub mod by_hand;
pub mod config;
mod filter;
mod lifeline;
mod places;
mod prepare;

use std::{
    fs::File,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use fltorrent_coordinator::{
    client::Reporter,
    identity::{Role, RunId},
    key::PeerKey,
    signature::SignatureVerifier,
    tls::{Credentials, HTTP_ALPN},
};
use fltorrent_crds::{Announcement, Bindings, PeerAddress, Plan, visible};
use fltorrent_swarm::Swarm;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    CurrentCredentials, aggregate,
    buffers::Buffers,
    checkpoint::{self, Resume},
    driver::{CertificateVerifier, Driver, Parts},
    extend,
    journal::Journal,
    memory,
    metrics::{self, Metrics},
    store::ChunkStore,
    train::{backend, safetensors},
    transport::{self, Transport, socket},
    worker,
};
use prepare::Prepared;

pub use filter::{FilterError, log_filter};
pub use places::Places;

/// What the command line says.
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
    /// Where the final model goes, when this peer is to write it.
    pub model_out: Option<PathBuf>,
}

/// Exit code when the run failed here.
const FAILED: u8 = 1;
/// Exit code when the launcher has gone.
pub const LAUNCHER_GONE: u8 = 3;
/// Events that wait for the driver.
const EVENTS: usize = 1024;

/// Runs a peer; the reason of a failure is the last line on standard error.
pub fn main(options: Options) -> ExitCode {
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = format!("{error:#}");
            tracing::error!(reason, "the peer failed");
            tell(&reason);
            ExitCode::from(FAILED)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let bindings = lifeline::watch();
    let text = std::fs::read_to_string(&options.manifest)
        .with_context(|| format!("{} cannot be read", options.manifest.display()))?;
    let plan =
        Plan::load_with(&text, &[], extend::installed()).map_err(|errors| anyhow!("{errors}"))?;
    if options.index as usize >= plan.peers.len() {
        bail!(
            "there is no peer {}: the plan has peers 0–{}",
            options.index,
            plan.peers.len() - 1
        );
    }
    let folder = options.results.join("peers");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let log = folder.join(format!("peer-{}.log", options.index));
    log_to(&log, options.resume.is_some())?;
    memory::keep();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(
        Peer {
            index: options.index,
            plan,
            places: Places::all_in(folder),
            resume: options.resume,
            model_out: options.model_out.clone(),
            watched: None,
        }
        .run(bindings),
    )
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

/// The others, and what this peer shows of itself.
pub struct Membership {
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// The certificate of the run's authority, PEM.
    pub authority: String,
    /// Where each peer of the plan listens (QUIC), in index order.
    pub addresses: Vec<PeerAddress>,
    /// Where `bt_complete` goes; none: nowhere.
    pub coordinator: Option<PeerAddress>,
    /// The own certificate and key.
    pub credentials: CurrentCredentials,
}

impl Membership {
    /// For a whole run: nobody renews the certificate.
    ///
    /// # Errors
    /// When the run, a certificate or the key cannot be read.
    pub fn of(bindings: Bindings, key: PeerKey) -> Result<Self> {
        let credentials = Credentials::new(&bindings.authority, &bindings.certificate, key)?;
        Ok(Self {
            run: bindings.run.parse()?,
            attempt: bindings.attempt,
            authority: bindings.authority,
            addresses: bindings.addresses,
            coordinator: bindings.coordinator,
            credentials: watch::channel(Arc::new(credentials)).1,
        })
    }
}

struct Peer {
    index: u32,
    plan: Plan,
    places: Places,
    resume: Option<Resume>,
    model_out: Option<PathBuf>,
    watched: Option<by_hand::Watched>,
}

impl Peer {
    async fn run(self, bindings: lifeline::Waiting) -> Result<()> {
        let index = self.index;
        let _span = tracing::info_span!("peer", peer = index).entered();
        backend::probe(self.plan.training.backend)?;
        // Keys and sockets first: the launcher signs while data and model are being made.
        let key = PeerKey::generate()?;
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = socket::bind(any_port)?;
        let metrics = Arc::new(Metrics::new(
            &self.plan.name,
            index,
            self.plan.training.rounds,
        ));
        let (metrics_address, _server) = metrics::serve(any_port, Arc::clone(&metrics))?;
        announce(&Announcement {
            index,
            certificate_request: key.request_pem()?,
            address: socket.local_addr()?,
            metrics: metrics_address,
        })?;
        let plan = self.plan.clone();
        let (folder, resume) = (self.places.checkpoints.clone(), self.resume);
        let preparing = tokio::task::spawn_blocking(move || {
            prepare::prepare(&plan, index, &folder, resume, false)
        });
        let membership = Membership::of(bindings.bindings().await?, key)?;
        let prepared = preparing.await??;
        self.train(membership, socket, metrics, prepared).await
    }

    async fn train(
        mut self,
        membership: Membership,
        socket: socket::Socket,
        metrics: Arc<Metrics>,
        prepared: Prepared,
    ) -> Result<()> {
        if prepared.start.is_over {
            return self.keep_result(&prepared);
        }
        let index = self.index;
        let attempt = membership.attempt;
        // Nobody stops a peer but its launcher, unless it was started by hand.
        let (news, stop) = match self.watched.take() {
            Some(watched) => (Some((watched.news, watched.wait)), watched.stop),
            None => (None, oneshot::channel().1),
        };
        let (news, wait) = news.unzip();
        let plan = &self.plan;
        if membership.addresses.len() != plan.peers.len() {
            bail!(
                "the bindings have {} addresses, the plan has {} peers",
                membership.addresses.len(),
                plan.peers.len()
            );
        }
        let credentials = Arc::clone(&membership.credentials.borrow());
        let identity = credentials.identity();
        if identity.role != (Role::Peer { index, attempt }) || identity.run != membership.run {
            bail!(
                "the certificate is for {identity}, not for peer {index} of run {}",
                membership.run
            );
        }
        let layout = prepared.layout;
        let buffers = Buffers::new(layout.longest());
        let budget = plan.exchange.memory_budget;
        let store = ChunkStore::new(self.places.scratch.clone(), budget, &buffers, index);
        let occasion = config::Occasion {
            run: identity.run,
            attempt,
            plan: plan.hash(),
            data: prepared.label_hash,
        };
        let mut config = config::swarm(plan, index, &occasion, layout, &prepared.start);
        config.join_within = wait.unwrap_or(config.join_within);
        config.counts = Some(prepared.counts);
        let limits = config.limits();
        let (events_in, events) = mpsc::channel(EVENTS);
        let own = &plan.peers[index as usize];
        let socket = match &own.link {
            Some(link) => transport::shape(socket, link, plan.seed, index),
            None => socket,
        };
        let transport = Transport::start(
            socket,
            &credentials,
            &plan.transport,
            &own.link.unwrap_or_default(),
            &buffers,
            &own.neighbours,
            &membership.addresses,
            limits,
            events_in,
        )?;
        let reporter = match &membership.coordinator {
            Some(address) => {
                let tls = credentials.client_config(&[HTTP_ALPN])?;
                Some(Reporter::start(
                    &address.to_string(),
                    identity.run,
                    tls,
                    index.into(),
                )?)
            }
            None => None,
        };
        let verifier =
            SignatureVerifier::new(&membership.authority, identity.run, plan.peers.len())?;
        let verifier = CertificateVerifier::new(verifier, attempt);
        let epoch = Instant::now();
        let (progress_in, progress) = mpsc::channel(4);
        let (completed, completed_out) = std::sync::mpsc::sync_channel(1);
        let journal_path = self.places.records.join(format!("peer-{index}.jsonl"));
        let journal = match self.resume {
            Some(_) => Journal::resume(&journal_path, prepared.start.round)?,
            None => Journal::create(&journal_path)?,
        };
        let checkpoints = plan.checkpoint_every.map(|every| {
            let folder = self.places.checkpoints.clone();
            checkpoint::Writer::new(folder, every, plan.resume_hash())
        });
        let work = worker::Work {
            trainer: prepared.trainer,
            shard: prepared.shard,
            test_part: prepared.test_part,
            layout,
            aggregation: aggregate::rule(plan.aggregation),
            start: prepared.start,
            checkpoints: checkpoints.map(|writer| (writer, journal_path)),
            buffers,
            store: store.clone(),
            credentials: membership.credentials.clone(),
            peer: (index, attempt),
            is_model_wanted: self.model_files().next().is_some(),
            slowdown: own.compute_slowdown,
        };
        let parts = Parts {
            positions: u64::from(limits.positions()),
            swarm: Swarm::new(config, Box::new(verifier), Duration::ZERO),
            epoch,
            transport,
            events,
            store,
            progress,
            completed,
            reporter,
            journal,
            metrics,
            news,
            credentials: membership.credentials,
            stop,
            peer: (index, attempt),
        };
        let span = tracing::Span::current();
        let thread = std::thread::Builder::new()
            .name("train".to_owned())
            .spawn(move || {
                let _span = span.entered();
                worker::run(work, &completed_out, &progress_in);
            })?;
        let parameters = Driver::new(parts).run().await?;
        // It has sent its last word already.
        thread.join().ok();
        self.save(&parameters)
    }

    /// Ends a run whose rounds were all finished before: only its result may be missing.
    fn keep_result(&self, prepared: &Prepared) -> Result<()> {
        let rounds = prepared.start.round;
        tracing::info!(
            rounds,
            "all rounds were finished before; the model is written"
        );
        match self.model_files().next() {
            Some(_) => self.save(&worker::flat(prepared.trainer.as_ref())?),
            None => Ok(()),
        }
    }

    /// Where the final model goes.
    fn model_files(&self) -> impl Iterator<Item = PathBuf> {
        let own = self
            .places
            .records
            .join(format!("peer-{}.safetensors", self.index));
        let own = self.plan.output.peer_models.then_some(own);
        own.into_iter().chain(self.model_out.clone())
    }

    fn save(&self, parameters: &[f32]) -> Result<()> {
        for path in self.model_files() {
            safetensors::save_model(&path, &self.plan.model, parameters)?;
        }
        Ok(())
    }
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
