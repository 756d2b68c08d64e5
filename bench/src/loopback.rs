//! `fltorrent-bench loopback`: what the exchange costs where no link bounds it, beside a bare QUIC transfer of as many bytes.

mod case;
mod ours;

use std::{io, process::ExitCode};

use fltorrent_cli::{
    commands::{FAILED, refuse_manifest},
    launcher::Results,
    output::{self, Printer},
};
use fltorrent_crds::Plan;
use thiserror::Error;

use self::{
    case::{CASES, Case, Target},
    ours::{Ours, Undisturbed},
};
use super::{
    bare::{self, BareError, Transfer},
    folder::Folder,
    run_in,
    table::{self, Row, spread},
};
use crate::arguments::LoopbackArguments;

const MEGABYTE: f64 = 1e6;
const GIGABYTE: f64 = 1e9;
/// Updates that a peer may have in memory beside the chunks: its parameters, its update and the new model.
const UPDATES: f64 = 3.0;

/// Why there are no figures.
#[derive(Debug, Error)]
enum Failed {
    #[error("the folder for the results cannot be made, or what is in it cannot be read")]
    Files(#[from] io::Error),
    #[error("the bare transfer failed")]
    Bare(#[from] BareError),
}

struct Turn {
    ours: Ours,
    bare: Transfer,
}

/// Measures what the command line asks for.
pub(super) fn loopback(arguments: &LoopbackArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    for case in CASES {
        if !arguments.case.is_empty() && !arguments.case.iter().any(|name| name == case.name) {
            continue;
        }
        let case = arguments.update.map_or(*case, |update| case.with_update(update.get()));
        let turns = measure(&case, arguments, printer)?;
        printer.line(&table::table(&rows(&case, &turns.0, &turns.1)));
    }
    Ok(())
}

fn measure(case: &Case, arguments: &LoopbackArguments, printer: &mut Printer) -> Result<(Plan, Vec<Turn>), ExitCode> {
    let failed = |error: Failed| {
        output::error(&fltorrent_peer::chain(&error));
        ExitCode::from(FAILED)
    };
    let resolved = case
        .resolve(arguments.rounds, &arguments.set)
        .map_err(|error| refuse_manifest(&error, printer))?;
    let plan = &resolved.plan;
    let peers = plan.peers.len() as u32;
    let mut turns = Vec::new();
    for turn in 0..arguments.repetitions {
        output::progress(&format!("{}: turn {turn}", case.name));
        let keep = arguments.keep.as_ref();
        let folder = Folder::new(keep.map(|keep| keep.join(format!("{}-{turn}", case.name))))
            .map_err(|error| failed(error.into()))?;
        run_in(folder.path(), &resolved, printer)?;
        let results = Results::reopen(folder.path());
        let ours = Ours::read(&results, peers).map_err(|error| failed(error.into()))?;
        let each_way = (ours.payload / 2.0) as u64;
        let bare = bare::transfer(&plan.transport, &plan.liveness, plan.model.bytes as usize, each_way)
            .map_err(|error| failed(error.into()))?;
        turns.push(Turn { ours, bare });
    }
    printer.line(&format!(
        "\n{}: {peers} peers, updates of {} MB, memory budget {:.0} MiB, MTU {}, {} rounds, turns: {}\n",
        case.name,
        plan.model.bytes as f64 / MEGABYTE,
        plan.exchange.memory_budget as f64 / super::MEBIBYTE,
        plan.transport.mtu,
        arguments.rounds,
        arguments.repetitions
    ));
    Ok((resolved.plan, turns))
}

fn rows(case: &Case, plan: &Plan, turns: &[Turn]) -> Vec<Row> {
    let each = |figure: &dyn Fn(&Turn) -> f64| spread(turns.iter().map(figure));
    let ours_for_cpu = |turn: &Turn| turn.ours.payload / turn.ours.exchange;
    let bare_for_cpu = |turn: &Turn| turn.bare.payload as f64 / turn.bare.cpu;
    let ours_in_time = |turn: &Turn| turn.ours.payload / turn.ours.seconds;
    let undisturbed: Vec<&Turn> = turns
        .iter()
        .filter(|turn| turn.ours.undisturbed.seconds > 0.0)
        .collect();
    let alone = |turn: &Turn| {
        let Undisturbed { payload, seconds } = turn.ours.undisturbed;
        payload / seconds
    };
    let bare_in_time = |turn: &Turn| turn.bare.payload as f64 / turn.bare.seconds;
    let allowed = plan.exchange.memory_budget as f64 + UPDATES * plan.model.bytes as f64;
    let cpu = Row::new(
        "for each CPU second: FLTorrent ÷ bare QUIC",
        each(&|turn| ours_for_cpu(turn) / bare_for_cpu(turn)),
    );
    let speed = Row::new(
        "the same for each second while nobody computes",
        spread(undisturbed.iter().map(|turn| alone(turn) / bare_in_time(turn))),
    );
    let memory = Row::new(
        "peak resident set ÷ (memory budget + 3 updates)",
        each(&|turn| turn.ours.memory as f64 / allowed),
    );
    let (cpu, speed, memory) = match case.target {
        Some(Target::Cpu(least)) => (cpu.at_least(least), speed, memory),
        Some(Target::Speed(least)) => (cpu, speed.at_least(least), memory),
        Some(Target::Memory) => (cpu, speed, memory.at_most(1.0)),
        None => (cpu, speed, memory),
    };
    vec![
        Row::new(
            "FLTorrent, MB for each CPU second of the exchange",
            each(&|turn| ours_for_cpu(turn) / MEGABYTE),
        ),
        Row::new(
            "bare QUIC, MB for each CPU second",
            each(&|turn| bare_for_cpu(turn) / MEGABYTE),
        ),
        cpu,
        Row::new("FLTorrent, MB/s", each(&|turn| ours_in_time(turn) / MEGABYTE)),
        Row::new("bare QUIC, MB/s", each(&|turn| bare_in_time(turn) / MEGABYTE)),
        Row::new(
            "for each second: FLTorrent ÷ bare QUIC",
            each(&|turn| ours_in_time(turn) / bare_in_time(turn)),
        ),
        Row::new(
            "FLTorrent, MB/s while nobody computes",
            spread(undisturbed.iter().map(|turn| alone(turn) / MEGABYTE)),
        ),
        speed,
        Row::new(
            "FLTorrent, CPU seconds for each GB: the exchange",
            each(&|turn| GIGABYTE / ours_for_cpu(turn)),
        ),
        Row::new(
            "the same: whole processes, with noise, own hashes and the mean",
            each(&|turn| GIGABYTE * turn.ours.process / turn.ours.payload),
        ),
        Row::new(
            "peak resident set of a peer, MiB",
            each(&|turn| turn.ours.memory as f64 / super::MEBIBYTE),
        ),
        memory,
    ]
}
