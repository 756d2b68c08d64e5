//! Runs an experiment on this machine: a process a peer, and nothing that a peer needs once it trains but a pipe.
//!
//! The launcher is the run's authority and takes its status; it decides nothing. A peer lives as long as its standard
//! input is open, so that whatever becomes of the launcher, no peer outlives it.

mod alone;
mod child;
mod failure;
mod joins;
pub(crate) mod journal;
mod limits;
mod lines;
mod loss;
mod respawn;
mod results;

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    authority::{Authority, AuthorityError, MAX_LIFETIME},
    identity::{IdentityError, RunId},
    intake::{Intake, Reported},
    tls::{Credentials, HTTP_ALPN, TlsError},
};
use fltorrent_crds::{Announcement, Bindings, Plan};
use fltorrent_peer::kept;
use fltorrent_records::progress::{Progress, RoundSummary};
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout},
};

pub use child::Exit;
use child::{ChildEvent, Order};
pub use failure::PeerFailure;
use joins::Joins;
pub use journal::{Measured, RoundFigures};
pub(crate) use journal::{accounted_for, rounds_of};
pub use limits::{TooFewFiles, have_least_open_files, raise_open_files};
use lines::RoundLines;
pub use loss::{PeerLoss, TooFewLeft};
pub use respawn::PeerRestart;
use respawn::Respawns;
pub(crate) use results::timestamp;
pub use results::{Lock, Results, ResultsError};

/// Longest time that the peers may take until all of them listen, and what each peer adds to it.
const START_LIMIT: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1));
/// Time between two words on a start that is not over yet.
const START_NEWS: Duration = Duration::from_secs(2);
/// Longest time that a peer whose pipe has ended may take to go; then it is killed.
const LEAVE_GRACE: Duration = Duration::from_secs(1);
/// Longest time that reports that are under way may take when the status endpoint closes.
const STATUS_GRACE: Duration = Duration::from_millis(200);
/// How far apart peers' reports may come before rounds are missing in what is shown; the files of the peers have them all.
const ROUNDS_IN_FLIGHT: usize = 1024;
/// Reports that wait to be counted.
const REPORTS: usize = 1024;

/// Why a run ended before its end.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum LaunchError {
    #[error(
        "{peers} peers need {needed} open files at once, and this process may have {limit}: raise the hard limit (`ulimit -Hn`, LimitNOFILE of a service), or run fewer peers on this machine"
    )]
    OpenFiles { peers: usize, needed: u64, limit: u64 },
    #[error(
        "the process of peer {index} could not be started; see the limits of processes and open files (ulimit -u, ulimit -n)"
    )]
    Spawn { index: u32, source: io::Error },
    #[error("no run id could be generated")]
    Run(#[from] IdentityError),
    #[error("the run's authority could not sign")]
    Authority(#[from] AuthorityError),
    #[error("the status endpoint could not be secured")]
    Tls(#[from] TlsError),
    #[error("the status endpoint could not listen on the loopback address")]
    Status(#[source] io::Error),
    #[error("peer {index} did not announce itself: {reason}; is {} of the same build as this launcher?", program.display())]
    Announcement {
        index: u32,
        reason: String,
        program: PathBuf,
    },
    #[error("only {announced} of {peers} peers were ready after {seconds} s; run fewer peers on this machine")]
    StartTimeout {
        announced: usize,
        peers: usize,
        seconds: u64,
    },
    #[error("the bindings could not be written as JSON")]
    Bindings(#[from] serde_json::Error),
    #[error("{0}")]
    Peer(PeerFailure),
    #[error("{0}")]
    TooFewLeft(Box<TooFewLeft>),
}

/// Everything that a run is started with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// This program, or another build of it, which has the command `peer`.
    pub program: PathBuf,
    /// The plan; its resolved manifest lies in the results folder.
    pub plan: Plan,
    /// The results folder.
    pub results: Results,
    /// Finished rounds of the checkpoint that all peers resume from.
    pub resume: Option<u32>,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The start takes a while; so many peers listen.
    Starting {
        /// Peers that listen.
        ready: usize,
    },
    /// All peers have their bindings.
    Started,
    /// Everybody who is there has reported a round and those before it. Each comes once, in order.
    Round(Box<RoundSummary>),
    /// A peer's process has died, and another one takes its place.
    Restarted(Box<PeerRestart>),
    /// A peer has ended before the run; the others go on.
    Lost(Box<PeerLoss>),
}

/// A run under way. Dropping it kills its processes.
#[derive(Debug)]
pub struct Launcher {
    setup: Setup,
    authority: Authority,
    bindings: Vec<oneshot::Sender<Vec<u8>>>,
    announcements: Vec<Option<Announcement>>,
    exits: Vec<Option<Exit>>,
    respawns: Respawns,
    joins: Joins,
    /// Peers that ended before the run, in order.
    failures: Vec<(PeerFailure, PeerLoss)>,
    /// Rounds that have yet to be told.
    lines: RoundLines,
    /// Events that came with others.
    waiting: VecDeque<Event>,
    /// When the run goes without peers that were away as the others finished.
    left_alone_at: Option<Instant>,
    /// Nobody else is waited for.
    is_over: bool,
    events: mpsc::UnboundedReceiver<ChildEvent>,
    /// For those that are started later.
    events_in: mpsc::UnboundedSender<ChildEvent>,
    order: watch::Sender<Order>,
    children: JoinSet<()>,
    status: Option<Intake>,
    reports: Option<mpsc::Receiver<Reported>>,
    deadline: Instant,
    news: Interval,
}

/// The remains of a run that has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// How each peer's process ended, in index order; none for one that was never started.
    pub exits: Vec<Option<Exit>>,
    /// How many processes of each peer took the place of one that died, in index order.
    pub restarts: Vec<u32>,
    /// Peers that ended before the run while the others went on, in order.
    pub lost: Vec<PeerLoss>,
    /// Metrics of the peers.
    pub measured: Measured,
}

impl Launcher {
    /// Starts the processes, for which [`raise_open_files`] has made room. Must be called within a tokio runtime that drives input,
    /// output and time.
    ///
    /// # Errors
    /// When a process cannot be started or there is no randomness; those that were started are killed then.
    pub fn start(setup: Setup) -> Result<Self, LaunchError> {
        let peers = setup.plan.peers.len();
        let authority = Authority::generate(RunId::random()?, MAX_LIFETIME, SystemTime::now())?;
        let (events_in, events) = mpsc::unbounded_channel();
        let now = Instant::now();
        let mut news = interval_at(now + START_NEWS, START_NEWS);
        news.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut launcher = Self {
            authority,
            bindings: Vec::with_capacity(peers),
            announcements: vec![None; peers],
            exits: vec![None; peers],
            respawns: Respawns::new(peers),
            joins: Joins::of(&setup.plan, setup.resume.unwrap_or(0)),
            failures: Vec::new(),
            lines: RoundLines::new(peers, setup.plan.liveness.min_peers, setup.resume.unwrap_or(0)),
            waiting: VecDeque::new(),
            left_alone_at: None,
            is_over: false,
            events,
            events_in,
            order: watch::channel(Order::Run).0,
            children: JoinSet::new(),
            status: None,
            reports: None,
            deadline: now + START_LIMIT.0 + START_LIMIT.1 * u32::try_from(peers).unwrap_or(u32::MAX),
            news,
            setup,
        };
        for index in (0..).take(peers) {
            let arguments = peer_arguments(&launcher.setup, index);
            let line = launcher.spawn(index, &arguments);
            let line = line.map_err(|source| LaunchError::Spawn { index, source })?;
            launcher.bindings.push(line);
        }
        Ok(launcher)
    }

    /// Starts a process of a peer; what is given back takes the line that answers its announcement.
    fn spawn(&mut self, index: u32, arguments: &[OsString]) -> io::Result<oneshot::Sender<Vec<u8>>> {
        let process = child::spawn(&self.setup.program, arguments)?;
        let (line_in, line) = oneshot::channel();
        self.children.spawn(child::tend(
            index,
            process,
            self.setup.results.of_peer(index, "stderr"),
            line,
            self.order.subscribe(),
            self.events_in.clone(),
        ));
        Ok(line_in)
    }

    /// The run's id.
    pub const fn run(&self) -> RunId {
        self.authority.run()
    }

    /// The next event; none when all peers have ended, and as many of them well as the run needs. Cancel-safe: nothing is lost when this future is dropped.
    ///
    /// # Errors
    /// When the run cannot go on. The processes are there until [`Launcher::end`].
    pub async fn next(&mut self) -> Result<Option<Event>, LaunchError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let starts_again_at = self.respawns.next();
            if self.is_over || starts_again_at.is_none() && self.exits.iter().all(Option::is_some) {
                return self.enough_came_to_the_end().map(|()| None);
            }
            let joins_at = self.joins.next();
            let starting = !self.bindings.is_empty();
            let left_alone_at = self.left_alone_at.unwrap_or(self.deadline);
            let event = tokio::select! {
                Some(event) = self.events.recv() => self.child_event(event)?,
                Some(reported) = next_report(&mut self.reports) => {
                    self.reported(reported.report);
                    None
                }
                _ = self.news.tick(), if starting => Some(Event::Starting { ready: self.ready() }),
                () = sleep_until(self.deadline), if starting => return Err(self.too_slow()),
                () = sleep_until(left_alone_at), if self.left_alone_at.is_some() => {
                    self.give_up_who_was_away();
                    None
                }
                () = sleep_until(joins_at.unwrap_or(self.deadline)), if joins_at.is_some() => {
                    self.join();
                    None
                }
                () = sleep_until(starts_again_at.unwrap_or(self.deadline)), if starts_again_at.is_some() => {
                    self.start_again();
                    None
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Closes the status endpoint. The peers train on; their figures are read from their files at the end.
    pub async fn close_status(&mut self) {
        if let Some(status) = self.status.take() {
            status.stop(STATUS_GRACE).await;
        }
    }

    /// Ends what still runs: the pipes end, and what is there after a second is killed. Then reads what was measured.
    pub async fn end(mut self) -> Ended {
        // Peers that are there learn it from their pipes' end; without any there is nobody to tell.
        self.order.send(Order::Leave).ok();
        if timeout(LEAVE_GRACE, self.all_gone()).await.is_err() {
            self.order.send(Order::Kill).ok();
            self.all_gone().await;
        }
        kept::remove_all(&self.setup.results.peers());
        self.close_status().await;
        let plan = &self.setup.plan;
        let lost: Vec<PeerLoss> = self.failures.into_iter().map(|(_, loss)| loss).collect();
        let gone = lost.iter().map(|loss| loss.peer);
        Ended {
            measured: Measured::read(&self.setup.results, plan, gone),
            exits: self.exits,
            restarts: self.respawns.counts(),
            lost,
        }
    }

    async fn all_gone(&mut self) {
        while self.children.join_next().await.is_some() {}
        while let Ok(event) = self.events.try_recv() {
            if let ChildEvent::Exited(exit) = event {
                self.note_exit(exit);
            }
        }
    }

    fn note_exit(&mut self, exit: Exit) {
        if let Some(place) = self.exits.get_mut(exit.index as usize) {
            *place = Some(exit);
        }
    }

    fn child_event(&mut self, event: ChildEvent) -> Result<Option<Event>, LaunchError> {
        match event {
            ChildEvent::Exited(exit) => self.exited(exit),
            ChildEvent::Announced(index, announcement) if self.bindings.is_empty() => {
                self.announced_again(index, announcement);
                Ok(None)
            }
            ChildEvent::Announced(index, announcement) => {
                let refused = |reason| LaunchError::Announcement {
                    index,
                    reason,
                    program: self.setup.program.clone(),
                };
                let announcement = announcement.map_err(refused)?;
                if announcement.index != index {
                    return Err(refused(format!("it says that it is peer {}", announcement.index)));
                }
                self.announcements[index as usize] = Some(announcement);
                if self.ready() < self.announcements.len() {
                    return Ok(None);
                }
                self.bind()?;
                Ok(Some(Event::Started))
            }
        }
    }

    /// A peer has ended before the run, which goes on as long as the others do.
    fn lose(&mut self, failure: PeerFailure) -> Event {
        let Setup { plan, results, .. } = &self.setup;
        let left = plan.peers.len() - self.failures.len() - 1;
        let loss = PeerLoss::of(&failure, results, plan.training.rounds, left, self.needed());
        kept::remove(&results.peers(), failure.index);
        self.wait_no_more_for(failure.index);
        self.failures.push((failure, loss.clone()));
        Event::Lost(Box::new(loss))
    }

    fn needed(&self) -> usize {
        self.setup.plan.liveness.min_peers as usize
    }

    fn enough_came_to_the_end(&self) -> Result<(), LaunchError> {
        let ended = self.finished();
        let needed = self.needed();
        let Some(((first, _), others)) = self.failures.split_first().filter(|_| ended < needed) else {
            return Ok(());
        };
        Err(LaunchError::TooFewLeft(Box::new(TooFewLeft {
            first: first.clone(),
            others: others.iter().map(|(failure, _)| failure.reason.clone()).collect(),
            ended,
            peers: self.exits.len(),
            needed,
        })))
    }

    /// Opens the status endpoint, signs the peers' keys and tells everybody where the others are.
    fn bind(&mut self) -> Result<(), LaunchError> {
        let coordinator = self.open_status()?;
        let announced: Vec<&Announcement> = self.announcements.iter().flatten().collect();
        let addresses = announced.iter().map(|peer| peer.address.into()).collect();
        let bindings = Bindings {
            run: self.run().to_string(),
            attempt: 0,
            incarnation: 0,
            authority: self.authority.certificate_pem().to_owned(),
            certificate: String::new(),
            addresses,
            coordinator: Some(coordinator.into()),
        };
        let lines = announced.into_iter().map(|peer| self.line(&bindings, peer));
        let lines: Vec<Vec<u8>> = lines.collect::<Result<_, _>>()?;
        self.respawns.bindings = Some(bindings);
        self.tell_who_begins(lines);
        Ok(())
    }

    /// The answer to an announcement: these bindings, with a certificate of its own.
    fn line(&self, bindings: &Bindings, announced: &Announcement) -> Result<Vec<u8>, LaunchError> {
        let certificate = self.authority.sign_peer(
            &announced.certificate_request,
            announced.index,
            bindings.attempt,
            bindings.incarnation,
            SystemTime::now(),
        )?;
        let mut line = serde_json::to_vec(&Bindings {
            certificate,
            ..bindings.clone()
        })?;
        line.push(b'\n');
        Ok(line)
    }

    fn open_status(&mut self) -> Result<SocketAddr, LaunchError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(LaunchError::Status)?;
        listener.set_nonblocking(true).map_err(LaunchError::Status)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(LaunchError::Status)?;
        let (key, certificate) = self.authority.issue_coordinator(SystemTime::now())?;
        let tls = Credentials::new(self.authority.certificate_pem(), &certificate, key)?.server_config(&[HTTP_ALPN])?;
        let plan = &self.setup.plan;
        let peers = u32::try_from(plan.peers.len()).unwrap_or(u32::MAX);
        let progress = Progress::recent(peers, plan.training.rounds, ROUNDS_IN_FLIGHT);
        let (reports_in, reports) = mpsc::channel(REPORTS);
        let status = Intake::start(listener, tls, self.run(), progress, reports_in).map_err(LaunchError::Status)?;
        let address = status.address();
        self.reports = Some(reports);
        self.status = Some(status);
        Ok(address)
    }

    fn ready(&self) -> usize {
        self.announcements.iter().flatten().count()
    }

    fn too_slow(&self) -> LaunchError {
        let peers = self.announcements.len();
        let limit = START_LIMIT.0 + START_LIMIT.1 * u32::try_from(peers).unwrap_or(u32::MAX);
        LaunchError::StartTimeout {
            announced: self.ready(),
            peers,
            seconds: limit.as_secs(),
        }
    }
}

/// Waits for ever when there is no status endpoint.
async fn next_report(reports: &mut Option<mpsc::Receiver<Reported>>) -> Option<Reported> {
    let received = match reports {
        Some(reports) => reports.recv().await,
        None => std::future::pending().await,
    };
    if received.is_none() {
        *reports = None;
    }
    received
}

fn peer_arguments(setup: &Setup, index: u32) -> Vec<OsString> {
    let results = &setup.results;
    // One argument an option, so that no path is taken for an option by how it begins.
    let option = |name: &str, value: &Path| {
        let mut argument = OsString::from(name);
        argument.push(value);
        argument
    };
    let mut arguments: Vec<OsString> = vec![
        "peer".into(),
        format!("--index={index}").into(),
        "--launched".into(),
        option("--results=", results.path()),
    ];
    if let Some(rounds) = setup.resume {
        arguments.push(format!("--resume={rounds}").into());
    }
    // All peers end with the same model, and the first that ends writes it; it becomes the result once all have been compared.
    arguments.push(option("--model-out=", &results.unconfirmed_model()));
    arguments.extend(["--".into(), results.manifest().into()]);
    arguments
}
