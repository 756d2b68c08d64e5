//! The operator as a process: watches, the port for peers, the election, and the queue of what is to be looked at.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use fltorrent_coordinator::{
    hub::{Hub, RunReported, Settings},
    identity::RunId,
    listen,
};
use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Client,
    runtime::{
        controller::{Config as Queueing, applier},
        reflector::{ObjectRef, Store, store},
    },
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    Watched,
    build::Site,
    config::Config,
    endings::EndingStore,
    events::EventPublisher,
    health::{self, Health},
    identity::Cluster,
    lease::keeper::{Candidate, Keeper},
    metrics::Metrics,
    planner::Planner,
    reconcile::{Context, Tools, after_error, reconcile},
    root,
    watch::{Scope, Triggers, start},
};

/// Experiments that are looked at at a time.
const CONCURRENCY: u16 = 16;
/// Reports that wait for being counted; more are told to come again.
const REPORTS: usize = 1024;
/// Longest time that requests that are under way may last when the process ends.
const GRACE: Duration = Duration::from_secs(5);
/// Interval at which experiments are counted for the metrics.
const COUNTING: Duration = Duration::from_secs(5);

/// The end of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A signal.
    Signal,
    /// It lost the lease, and takes part in the election again after its restart.
    LostLease,
}

/// Runs until a signal, or until the lease is lost.
///
/// # Errors
/// When there is no cluster to talk to, the root secret cannot be had, or a port cannot be opened.
pub async fn run(config: Config) -> anyhow::Result<End> {
    let mut signals = Signals::new()?;
    let client = connect().await?;
    let replica = match &config.replica {
        Some(name) => name.clone(),
        None => format!("fltorrent-operator-{}", RunId::random()?),
    };
    let metrics = Arc::new(Metrics::new());
    let mut tasks = JoinSet::new();
    // Alive from here on, however long the API server is away; ready only when what is there is known.
    let health = Arc::new(Health::default());
    let probes = listen(config.probes_listen, "probes")?;
    let counts = listen(config.health_listen, "metrics")?;
    tasks.spawn(health::serve_probes(probes, Arc::clone(&health)));
    tasks.spawn(health::serve(counts, Arc::clone(&health), Arc::clone(&metrics)));
    let root = tokio::select! {
        () = signals.received() => return Ok(End::Signal),
        root = root::ensure(client.clone(), &config.namespace) => root?,
    };
    let tools = Tools {
        site: Site::of(&config),
        root: root.clone(),
        metrics,
        runs: Arc::default(),
        endings: Arc::new(EndingStore::new(root)),
        rooms: Arc::default(),
    };
    let (leads, led) = watch::channel(false);
    let mut keeper = keeper(&config, &replica, leads)?;
    let Operating {
        hub,
        experiments,
        context,
        queued,
        known,
    } = operate(&config, client, &replica, tools, &led, health, &mut tasks).await?;

    let end = tokio::select! {
        () = signals.received() => Ok(End::Signal),
        lost = lost(&mut keeper) => lost.map(|()| End::LostLease),
        () = work(experiments, context, queued, led, known) => Ok(End::Signal),
    };
    tasks.shutdown().await;
    if let Ok(hub) = Arc::try_unwrap(hub) {
        hub.stop(GRACE).await;
    }
    if let (Some(keeper), Ok(End::Signal)) = (keeper, &end) {
        keeper.stop().await;
    }
    end
}

/// Tasks that start once the root secret is known.
struct Operating {
    hub: Arc<Hub>,
    experiments: Store<Watched>,
    context: Arc<Context>,
    queued: mpsc::UnboundedReceiver<ObjectRef<Watched>>,
    known: watch::Receiver<bool>,
}

/// Opens the port for peers and follows what there is.
async fn operate(
    config: &Config,
    client: Client,
    replica: &str,
    tools: Tools,
    led: &watch::Receiver<bool>,
    health: Arc<Health>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<Operating> {
    let metrics = Arc::clone(&tools.metrics);
    let directory = Cluster::new(
        client.clone(),
        tools.root.clone(),
        Arc::clone(&tools.runs),
        Arc::clone(&tools.endings),
        led.clone(),
        Arc::clone(&metrics),
    );
    let (reported, reports) = mpsc::channel(REPORTS);
    let port = listen(config.listen, "peers")?;
    let hub = Hub::start(
        port,
        tools.root.clone(),
        Arc::new(directory),
        Settings::default(),
        reported,
    )
    .context("the port for peers cannot be served")?;
    let hub = Arc::new(hub);

    let (queue, queued) = mpsc::unbounded_channel();
    let triggers = Triggers::new(queue, led.clone());
    let publisher = EventPublisher::new(client.clone(), replica.to_owned(), Arc::clone(&metrics));
    let (experiments, experiments_writer) = store();
    let (pods, pods_writer) = store();
    let planner = Planner::start().context("the planner thread cannot start")?;
    let context = Arc::new(Context::new(
        client.clone(),
        tools.clone(),
        publisher,
        planner,
        pods.clone(),
        Arc::clone(&hub),
    ));
    let scope = Scope {
        client,
        namespace: config.watch_namespace.clone(),
    };
    start(
        tasks,
        &scope,
        &context,
        &metrics,
        &triggers,
        experiments_writer,
        pods_writer,
    );
    tasks.spawn(count(reports, tools, triggers));
    let (caught_up, known) = watch::channel(false);
    tasks.spawn(become_ready(experiments.clone(), pods, health, caught_up));
    let (counted, all) = (Arc::clone(&context), experiments.clone());
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(COUNTING).await;
            counted.count_phases(&all);
            counted.forget_others(&all);
        }
    });
    Ok(Operating {
        hub,
        experiments,
        context,
        queued,
        known,
    })
}

async fn connect() -> anyhow::Result<Client> {
    Client::try_default()
        .await
        .context("no cluster is configured; run in a pod, or set KUBECONFIG")
}

fn listen(address: SocketAddr, whom: &str) -> anyhow::Result<TcpListener> {
    listen::tcp(address).map_err(|error| {
        let advice = listen::advice(&error);
        let said = format!("the port for {whom}, TCP {address}, cannot be opened: {advice}");
        anyhow::Error::new(error).context(said)
    })
}

/// The signals that tell the process to end, heard from the start: PID 1 of a container has no other way to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("shutting down");
    }
}

/// Takes part in the election, or leads without one.
fn keeper(config: &Config, replica: &str, leads: watch::Sender<bool>) -> anyhow::Result<Option<Keeper>> {
    if config.no_election {
        leads.send_replace(true);
        return Ok(None);
    }
    let candidate = Candidate {
        namespace: config.namespace.clone(),
        replica: replica.to_owned(),
        leads,
    };
    Keeper::start(Client::try_default, candidate)
        .context("the election thread cannot start")
        .map(Some)
}

/// Ends when this replica led and does not any more.
async fn lost(keeper: &mut Option<Keeper>) -> anyhow::Result<()> {
    let Some(keeper) = keeper else {
        return std::future::pending().await;
    };
    keeper.lost().await.context("the election failed")?;
    tracing::error!("lost the lease; another replica may lead by now");
    Ok(())
}

/// Ready: what is there is known, so that certificates can be signed.
///
/// A store wakes only the one that waited for it last, so nobody else waits for the stores themselves.
async fn become_ready(
    experiments: Store<Watched>,
    pods: Store<Pod>,
    health: Arc<Health>,
    caught_up: watch::Sender<bool>,
) {
    let known = experiments.wait_until_ready().await.is_ok() && pods.wait_until_ready().await.is_ok();
    health.set_ready(known);
    caught_up.send_replace(known);
}

/// Counts reports, and has experiments looked at whose figures changed.
async fn count(mut reports: mpsc::Receiver<RunReported>, tools: Tools, triggers: Triggers) {
    while let Some(RunReported { run, reported }) = reports.recv().await {
        tools.metrics.reports.inc();
        if reported.summary.is_none() {
            continue;
        }
        if let Some(known) = tools.runs.get(run) {
            triggers.pull(ObjectRef::new(&known.name).within(&known.namespace));
        }
    }
}

/// Looks at experiments while this replica leads.
async fn work(
    experiments: Store<Watched>,
    context: Arc<Context>,
    queued: mpsc::UnboundedReceiver<ObjectRef<Watched>>,
    mut led: watch::Receiver<bool>,
    mut known: watch::Receiver<bool>,
) {
    if led.wait_for(|leads| *leads).await.is_err() {
        return;
    }
    context.leads();
    tracing::info!("this replica leads");
    if known.wait_for(|known| *known).await.is_err() {
        return;
    }
    // All of them once; from now on whatever changes comes by the queue.
    let all: Vec<_> = experiments
        .state()
        .iter()
        .map(|experiment| ObjectRef::from_obj(&**experiment))
        .collect();
    let news = stream::unfold(queued, async |mut queued| {
        queued.recv().await.map(|experiment| (experiment, queued))
    });
    let queue = stream::iter(all).chain(news).map(Ok::<_, std::convert::Infallible>);
    applier(
        |watched, context| Box::pin(reconcile(watched, context)),
        after_error,
        context,
        experiments,
        queue,
        Queueing::default().concurrency(CONCURRENCY),
    )
    .for_each(|_| std::future::ready(()))
    .await;
}
