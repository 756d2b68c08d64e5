//! Runs a peer, tells what happens to it, and writes down how it ended.

use std::{
    fmt::Display,
    time::{Duration, SystemTime},
};

use fltorrent_peer::{
    driver::RunError,
    news::News,
    process::{self, Membership, ModelOut, Peer, Places, Watch},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{PeerError, lines::Lines, setup::Setup};
use crate::{
    commands::run::{Signals, of_metrics},
    launcher::{Measured, timestamp},
    output::{Outcome, PeerSummary, Printer, Summary},
};

/// Time between two words on neighbours that are not there.
const NEWS: Duration = Duration::from_secs(5);
/// News that wait to be told.
const QUEUE: usize = 1024;

pub(super) fn run(setup: Setup, started: SystemTime, printer: &mut Printer) -> Result<(), PeerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut resumed_after, mut began) = (None, false);
    let result = runtime.block_on(drive(&setup, printer, &mut resumed_after, &mut began));
    if result.is_err() && !began && setup.arguments.resume.is_none() {
        // The corrected command finds its folder free.
        setup.results.abandon(setup.index..setup.index + 1);
        return result;
    }
    let summary = summary(&setup, started, resumed_after, &result);
    let written = setup.results.write_json("summary.json", &summary);
    result?;
    written?;
    printer.line(&super::lines::finished(&summary));
    Ok(())
}

async fn drive(
    setup: &Setup,
    printer: &mut Printer,
    resumed_after: &mut Option<u32>,
    began: &mut bool,
) -> Result<(), PeerError> {
    let mut signals = Signals::new()?;
    let (news_in, mut news) = mpsc::channel(QUEUE);
    let (stop_in, stop) = oneshot::channel();
    let mut stop_in = Some(stop_in);
    let key = setup.keys.key.duplicate();
    let key = key.map_err(|error| PeerError::Failed(crate::chain(&error)))?;
    let membership = Membership::of(setup.bindings.clone(), key).map_err(failed)?;
    let checked = membership.credentials.borrow().check_own(SystemTime::now());
    checked.map_err(|error| {
        let why = crate::chain(&error);
        PeerError::Failed(format!("the keys of this peer cannot be used: {why}"))
    })?;
    let log = setup.results.of_peer(setup.index, "log");
    process::log_to(&log, setup.arguments.resume.is_some()).map_err(failed)?;
    let wait = setup.arguments.standalone.wait.get();
    let watch = Watch {
        wait,
        news: news_in,
        stop,
        last_word: None,
    };
    let ready = peer(setup, watch).bind().map_err(failed)?.load();
    let ready = tokio::select! {
        ready = ready => ready.map_err(failed)?,
        signal = signals.next() => return Err(PeerError::Interrupted(signal)),
    };
    *began = true;
    *resumed_after = setup.arguments.resume.map(|_| ready.first_round);
    let mut lines = Lines::new(setup, ready.address, ready.metrics_address);
    printer.line(&lines.header());
    if let Some(rounds) = resumed_after {
        printer.line(&format!("  resumed  after {rounds} finished rounds"));
    }
    let mut ticks = interval_at(Instant::now() + NEWS, NEWS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopped = None;
    let mut running = std::pin::pin!(ready.run(membership));
    let result = loop {
        tokio::select! {
            // Rounds that are told come before the end.
            biased;
            Some(news) = news.recv() => {
                if matches!(news, News::Met { .. }) && !lines.has_met_anyone() {
                    setup.keys.mark_used(setup.attempt)?;
                }
                if let Some(line) = lines.news(&news) {
                    printer.line(&line);
                }
            }
            signal = signals.next() => match stop_in.take() {
                Some(stop) => {
                    stopped = Some(signal);
                    let by = match signal {
                        "SIGTERM" => "its user (SIGTERM)",
                        "SIGHUP" => "the end of its terminal (SIGHUP)",
                        _ => "its user (SIGINT)",
                    };
                    stop.send(by).ok();
                }
                // Whoever asks twice does not want to wait.
                None => return Err(PeerError::Interrupted(signal)),
            },
            _ = ticks.tick() => {
                if let Some(line) = lines.waiting() {
                    printer.line(&line);
                }
            }
            result = &mut running => break result,
        }
    };
    match (result, stopped) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(signal)) => Err(PeerError::Interrupted(signal)),
        (Err(error), None) => Err(match error.downcast_ref() {
            Some(left @ RunError::Left { .. }) => PeerError::Left(left.to_string()),
            _ => failed(error),
        }),
    }
}

fn peer(setup: &Setup, watch: Watch) -> Peer {
    Peer {
        index: setup.index,
        incarnation: 0,
        plan: setup.resolved.plan.clone(),
        places: Places::all_in(setup.results.peers()),
        model_out: Some(ModelOut::Own(setup.results.model())),
        resume: setup.arguments.resume,
        warns: false,
        listen: setup.listen(),
        metrics: setup.arguments.standalone.metrics,
        watch: Some(watch),
    }
}

/// The peer's error with its causes.
fn failed(error: impl Display) -> PeerError {
    PeerError::Failed(format!("{error:#}"))
}

fn summary(setup: &Setup, started: SystemTime, resumed_after: Option<u32>, result: &Result<(), PeerError>) -> Summary {
    let index = setup.index;
    let plan = &setup.resolved.plan;
    let measured = Measured::of(&setup.results, index, plan.training.rounds);
    let wall_seconds = started.elapsed().unwrap_or_default().as_secs_f64();
    let whole = of_metrics(
        plan,
        &setup.results,
        &measured,
        timestamp(started).to_string(),
        wall_seconds,
    );
    let (outcome, exit) = match result {
        Ok(()) => (whole.outcome, "exit status: 0"),
        Err(PeerError::Interrupted(_)) => (Outcome::Stopped, "exit status: 130"),
        Err(PeerError::Left(_)) => (Outcome::Stopped, "exit status: 4"),
        Err(_) => (Outcome::Failed, "exit status: 1"),
    };
    Summary {
        outcome,
        error: result.as_ref().err().map(|error| crate::chain(error)),
        resumed_after,
        run: Some(setup.run.to_string()),
        accuracy_of_peer: Some(index),
        // That of an earlier round would pass for the result.
        model_hash: whole.model_hash.filter(|_| outcome != Outcome::Failed),
        peers: vec![PeerSummary {
            index,
            rounds: u32::try_from(measured.rounds.len()).unwrap_or(u32::MAX),
            exit: exit.to_owned(),
            restarts: 0,
        }],
        ..whole
    }
}
