//! `fltorrent-bench exchange`: n updates to n peers over given edges and real, shaped links, beside what else there is, and
//! the least time that is possible.

mod case;
mod lab;
mod libtorrent;
mod meter;
mod namespaces;
mod outcome;
mod plain;
mod swarm;

use std::{fmt::Write, io, process::ExitCode};

use fltorrent_cli::{
    commands::{FAILED, INTERRUPTED, run::Signals},
    keys::KeysError,
    manifest::{ManifestError, Resolved},
    output::{self, Printer},
};
use fltorrent_crds::Plan;
use fltorrent_optimum::LeastTime;
use thiserror::Error;

use self::{
    case::{CASES, Case},
    lab::{Lab, LabError},
    outcome::Outcome,
};
use super::folder::Folder;
use crate::arguments::{Contender, ExchangeArguments};

/// Why a contender has no figures.
#[derive(Debug, Error)]
enum Failed {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("a file or process could not be made or read")]
    Files(#[source] io::Error),
    #[error("peer {index} failed: {errors}")]
    Peer { index: u32, errors: String },
    #[error("libtorrent could not make its torrents: {errors}")]
    Libtorrent { errors: String },
    #[error("the libtorrent of peer {index} ended early; what it said is above")]
    Gone { index: u32 },
    #[error("a TCP connection failed")]
    Plain(#[source] io::Error),
}

/// One case, ready to be run by every contender.
struct Contest<'a> {
    case: &'a Case,
    resolved: &'a Resolved,
    lab: &'a Lab,
}

impl Contest<'_> {
    fn plan(&self) -> &Plan {
        &self.resolved.plan
    }
}

/// Measures what the command line asks for; Ctrl-C leaves nothing behind.
pub(super) fn exchange(arguments: &ExchangeArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    let failed = |error: &Failed| {
        output::error(&fltorrent_peer::chain(error));
        ExitCode::from(FAILED)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&Failed::Files(error)))?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| failed(&Failed::Files(error)))?;
        tokio::select! {
            done = measure(arguments, printer) => done.map_err(|error| failed(&error)),
            signal = signals.next() => {
                output::error(&format!("interrupted by {signal}; the namespaces were removed"));
                Err(ExitCode::from(INTERRUPTED))
            }
        }
    })
}

async fn measure(arguments: &ExchangeArguments, printer: &mut Printer) -> Result<(), Failed> {
    let contenders = contenders(arguments, printer).await;
    printer.line("");
    printer.line(HEAD);
    let mut bounds = vec!["\nThe least time of a round:".to_owned()];
    for case in CASES {
        if !arguments.case.is_empty() && !arguments.case.iter().any(|name| name == case.name) {
            continue;
        }
        let sized = |machines: Option<u32>| {
            let case = machines.map_or(*case, |machines| case.with_machines(machines));
            arguments.update.map_or(case, |update| case.with_update(update.get()))
        };
        let cases: Vec<Case> = match arguments.peers.as_slice() {
            [] => vec![sized(None)],
            peers => peers.iter().map(|&peers| sized(Some(peers))).collect(),
        };
        for case in &cases {
            let bound = contests(case, &contenders, arguments, printer).await?;
            bounds.push(format!(
                "- {}: {:.3} s, {} ({})",
                case.describe(),
                bound.seconds,
                bound.limit,
                bound.kind()
            ));
        }
    }
    printer.line(&bounds.join("\n"));
    Ok(())
}

/// One case, a row for each contender; gives the least time of a round.
async fn contests(
    case: &Case,
    contenders: &[Contender],
    arguments: &ExchangeArguments,
    printer: &mut Printer,
) -> Result<LeastTime, Failed> {
    let resolved = case.resolve(arguments.rounds, &arguments.set)?;
    let bound = case.bound(&resolved.plan);
    let mut text = String::new();
    for &contender in contenders {
        if case.is_emulated() && contender != Contender::Fltorrent {
            output::progress(&format!(
                "{}: {contender} is skipped: the peers' processes emulate these links, and others cannot use them",
                case.name
            ));
            continue;
        }
        output::progress(&format!("{}: {contender}", case.name));
        let outcome = contest(arguments, case, &resolved, contender).await?;
        let target = case.target.filter(|_| contender == Contender::Fltorrent);
        // Writing into a string cannot fail.
        write!(
            text,
            "{}",
            row(&case.describe(), contender, &outcome, bound.seconds, target)
        )
        .ok();
    }
    printer.line(text.trim_end());
    Ok(bound)
}

/// Those that are wanted and there.
async fn contenders(arguments: &ExchangeArguments, printer: &mut Printer) -> Vec<Contender> {
    let wanted = if arguments.contender.is_empty() {
        Contender::ALL.to_vec()
    } else {
        arguments.contender.clone()
    };
    let libtorrent = if wanted.contains(&Contender::Libtorrent) {
        libtorrent::version(&arguments.python).await
    } else {
        None
    };
    match &libtorrent {
        Some(version) => printer.line(&format!("libtorrent {version}")),
        None if wanted.contains(&Contender::Libtorrent) => output::warning(&format!(
            "{} has no module libtorrent, so it is skipped; install it with pip, and name the interpreter with --python",
            arguments.python.display()
        )),
        None => {}
    }
    let is_there = |contender: &Contender| *contender != Contender::Libtorrent || libtorrent.is_some();
    wanted.into_iter().filter(is_there).collect()
}

async fn contest(
    arguments: &ExchangeArguments,
    case: &Case,
    resolved: &Resolved,
    contender: Contender,
) -> Result<Outcome, Failed> {
    let mut links = case.kernel_links();
    if contender == Contender::Server {
        // The server is one more machine with a link like the first one's.
        links.extend(links.first().copied());
    }
    let lab = Lab::new(&links)?;
    let name = format!("{}-{}-{contender}", case.name, case.machines);
    let keep = arguments.keep.as_ref();
    let folder = Folder::new(keep.map(|keep| keep.join(name))).map_err(Failed::Files)?;
    std::fs::create_dir_all(folder.path()).map_err(Failed::Files)?;
    let contest = Contest {
        case,
        resolved,
        lab: &lab,
    };
    match contender {
        Contender::Fltorrent => swarm::run(&contest, folder.path()).await,
        Contender::Libtorrent => libtorrent::run(&contest, folder.path(), &arguments.python).await,
        Contender::Direct => plain::direct(&contest).await,
        Contender::Server => plain::server(&contest).await,
    }
}

const HEAD: &str = "| case | contender | s | ÷ bound | target | wire ÷ payload | control ÷ payload | duplicates | CPU s/GB | memory of a peer, MB | last |
|---|---|---:|---:|---|---:|---:|---:|---:|---:|---|";

fn row(case: &str, contender: Contender, outcome: &Outcome, bound: f64, target: Option<f64>) -> String {
    let figure =
        |value: Option<f64>, digits: usize| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"));
    let percent = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{:.2} %", 100.0 * value));
    let seconds = outcome.seconds;
    let ratio = seconds.map(|seconds| seconds / bound);
    let target = match (ratio, target) {
        (Some(ratio), Some(target)) if ratio <= target => format!("≤ {target}: met"),
        (Some(_), Some(target)) => format!("≤ {target}: **missed**"),
        _ => String::new(),
    };
    format!(
        "| {case} | {contender} | {} | {} | {target} | {} | {} | {} | {} | {} | {} |\n",
        figure(seconds, 2),
        figure(ratio, 3),
        figure(outcome.wire, 3),
        percent(outcome.control),
        percent(outcome.duplicates),
        figure(outcome.cpu, 2),
        figure(outcome.memory.map(|bytes| bytes as f64 / 1e6), 0),
        outcome.slowest.as_deref().unwrap_or("–"),
    )
}
