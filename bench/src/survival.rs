//! `fltorrent-bench survival`: what the loss of a peer costs the others, what its way back costs, and what it costs to watch over
//! each other while nobody is lost.

mod case;
mod figures;
mod quiet;
mod victim;

use std::{
    io,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use fltorrent_cli::{
    commands::{FAILED, refuse_manifest},
    launcher::Results,
    manifest::Resolved,
    output::{self, Printer},
};
use fltorrent_crds::Plan;
use fltorrent_records::{file::lines, line::Line};
use thiserror::Error;

use self::{
    case::{Case, VICTIM},
    figures::{Loss, Return},
    quiet::Quiet,
    victim::VictimError,
};
use super::{
    folder::Folder,
    run_in,
    table::{self, Row, spread},
};
use crate::arguments::SurvivalArguments;

const MEGABYTE: f64 = 1e6;
/// How much later in a round the peer is killed in each further measurement.
const LATER: Duration = Duration::from_millis(60);

/// Why there are no figures.
#[derive(Debug, Error)]
enum Failed {
    #[error("the folder for the results cannot be made, or what is in it cannot be read")]
    Files(#[from] io::Error),
    #[error(transparent)]
    Victim(#[from] VictimError),
    #[error("the run ended before what was to be measured: {0}; let it have more rounds (--rounds)")]
    TooShort(&'static str),
}

/// What is seen of a run from outside.
enum Seen {
    /// When the peer was killed, in seconds since 1970.
    Killed(f64),
    Quiet(Quiet),
}

/// One measurement of a case.
enum Turn {
    Loss(Loss),
    Return(Return),
    Quiet(Quiet),
}

/// Measures what the command line asks for.
pub(super) fn survival(arguments: &SurvivalArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    for case in Case::ALL {
        if !arguments.case.is_empty() && !arguments.case.iter().any(|name| name == case.name()) {
            continue;
        }
        let resolved = case
            .resolve(arguments)
            .map_err(|error| refuse_manifest(&error, printer))?;
        let mut turns = Vec::new();
        for number in 0..arguments.repetitions {
            output::progress(&format!("{}: turn {number}", case.name()));
            turns.push(turn(case, number, &resolved, arguments, printer)?);
        }
        let plan = &resolved.plan;
        printer.line(&format!(
            "\n{}: {} peers, updates of {} MB, heartbeats every {:?}, timeout {:?}, turns: {}\n",
            case.name(),
            plan.peers.len(),
            plan.model.bytes as f64 / MEGABYTE,
            plan.liveness.heartbeat_interval,
            plan.liveness.heartbeat_timeout,
            arguments.repetitions
        ));
        printer.line(&table::table(&rows(case, &turns)));
    }
    Ok(())
}

fn turn(
    case: Case,
    number: u32,
    resolved: &Resolved,
    arguments: &SurvivalArguments,
    printer: &mut Printer,
) -> Result<Turn, ExitCode> {
    let failed = |error: Failed| {
        output::error(&fltorrent_peer::chain(&error));
        ExitCode::from(FAILED)
    };
    let keep = arguments.keep.as_ref();
    let folder = Folder::new(keep.map(|keep| keep.join(format!("{}-{number}", case.name()))))
        .map_err(|error| failed(error.into()))?;
    let (plan, path, is_over) = (&resolved.plan, folder.path(), AtomicBool::new(false));
    let seen = thread::scope(|scope| {
        let watching = scope.spawn(|| match case {
            Case::Quiet => Quiet::watch(plan, path, &is_over).map(Seen::Quiet),
            Case::Kill | Case::Restart => {
                // Each time somewhere else in a round.
                let later = LATER * number;
                victim::kill(path, VICTIM, arguments.after, later, &is_over).map(Seen::Killed)
            }
        });
        let ran = run_in(path, resolved, printer);
        is_over.store(true, Ordering::Relaxed);
        let seen = watching.join();
        ran.map(|_| seen)
    })?;
    let measured = match seen {
        Ok(seen) => seen.map_err(Failed::from),
        Err(_) => Err(Failed::TooShort("the watching thread has ended")),
    };
    measured
        .and_then(|seen| read(case, plan, &Results::reopen(path), seen))
        .map_err(failed)
}

fn read(case: Case, plan: &Plan, results: &Results, seen: Seen) -> Result<Turn, Failed> {
    let killed = match seen {
        Seen::Quiet(quiet) => return Ok(Turn::Quiet(quiet)),
        Seen::Killed(at) => at,
    };
    let of_peer = |index| -> io::Result<Vec<Line>> { Ok(lines(&results.of_peer(index, "jsonl"))?.flatten().collect()) };
    let peers = (0..plan.peers.len() as u32)
        .map(of_peer)
        .collect::<io::Result<Vec<_>>>()?;
    match case {
        Case::Restart => Return::of(plan, &peers, VICTIM, killed).map(Turn::Return),
        _ => Loss::of(plan, &peers, VICTIM, killed).map(Turn::Loss),
    }
    .ok_or(Failed::TooShort("no round without the peer, or none with it again"))
}

fn rows(case: Case, turns: &[Turn]) -> Vec<Row> {
    match case {
        Case::Kill => losses(turns),
        Case::Restart => returns(turns),
        Case::Quiet => quiets(turns),
    }
}

fn losses(turns: &[Turn]) -> Vec<Row> {
    let each = |figure: fn(&Loss) -> f64| {
        spread(turns.iter().filter_map(|turn| match turn {
            Turn::Loss(loss) => Some(figure(loss)),
            _ => None,
        }))
    };
    vec![
        Row::new("a round with all peers, s", each(|loss| loss.round)),
        Row::new(
            "kill to the first round that closes without it, s",
            each(|loss| loss.seconds),
        ),
        Row::new(
            "the same ÷ (timeout + patience + a round)",
            each(|loss| loss.seconds / loss.limit),
        )
        .at_most(1.0),
        Row::new("a round without it, s", each(|loss| loss.after)),
    ]
}

fn returns(turns: &[Turn]) -> Vec<Row> {
    let each = |figure: fn(&Return) -> f64| {
        spread(turns.iter().filter_map(|turn| match turn {
            Turn::Return(back) => Some(figure(back)),
            _ => None,
        }))
    };
    vec![
        Row::new("a round with all peers, s", each(|back| back.round)),
        Row::new("kill to its next process, s", each(|back| back.restarted)),
        Row::new(
            "its start to the end of the first round that has its update, s",
            each(|back| back.seconds),
        ),
        Row::new(
            "rounds that lack its update after its start",
            each(|back| back.rounds_without),
        )
        .at_most(2.0),
        Row::new("bytes fetched to catch up ÷ a model", each(|back| back.models)).at_most(1.1),
    ]
}

fn quiets(turns: &[Turn]) -> Vec<Row> {
    let each = |figure: fn(&Quiet) -> f64| {
        spread(turns.iter().filter_map(|turn| match turn {
            Turn::Quiet(quiet) => Some(figure(quiet)),
            _ => None,
        }))
    };
    vec![
        Row::new("packets a second over a link, both ways", each(|quiet| quiet.packets)),
        Row::new("bytes a second over a link, both ways", each(|quiet| quiet.bytes)),
        Row::new("CPU of a peer, ms a second", each(|quiet| quiet.cpu_ms)),
    ]
}
