//! `fltorrent simulate`: an experiment's exchange in virtual time.

mod page;
mod scenario;
mod summary;
mod text;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fltorrent_report as report;
use fltorrent_swarm::{
    Time,
    simulation::{Scenario, Simulation, SimulationError},
};

use super::{FAILED, INTERRUPTED, USAGE, refuse_manifest, run::Signals};
use crate::{
    arguments::SimulateArguments,
    manifest::Resolved,
    output::{self, Format, Printer},
};
use summary::Simulated;

/// Longest run, in virtual time: two years.
const LIMIT: Time = Duration::from_secs(2 * 365 * 24 * 3600);
/// Progress is told as often.
const INTERVAL: Duration = Duration::from_secs(2);
/// Events between two looks at the clock.
const STRIDE: u32 = 1 << 14;

pub(super) fn simulate(arguments: &SimulateArguments) -> ExitCode {
    let mut printer = Printer::new(arguments.output, false);
    let sets = arguments.manifest.sets();
    let resolved = match Resolved::read(&arguments.manifest.file, &sets) {
        Ok(resolved) => resolved,
        Err(error) => return refuse_manifest(&error, &mut printer),
    };
    if let Some(Err(error)) = arguments.html.as_deref().map(report::check_place) {
        output::error(&crate::chain(&error));
        return ExitCode::from(USAGE);
    }
    let asked = scenario::LinkOptions::from(arguments);
    let scenario = match scenario::scenario(&resolved.plan, &asked) {
        Ok(scenario) => scenario,
        Err(error) => {
            output::error(&error.to_string());
            return ExitCode::from(USAGE);
        }
    };
    let simulated = match simulated(&resolved, &scenario, arguments) {
        Ok(simulated) => simulated,
        Err(code) => return code,
    };
    match arguments.output {
        Format::Text => {
            printer.line(&text::text(&simulated));
            for note in &simulated.notes {
                output::warning(note);
            }
        }
        Format::Json => {
            printer.json(&simulated);
        }
    }
    let Some(out) = &arguments.html else {
        return ExitCode::SUCCESS;
    };
    match report::write_page(out, &page::page(&simulated).into_string()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&crate::chain(&error));
            ExitCode::from(FAILED)
        }
    }
}

/// Runs what is asked for: the scenario as it is, or in cohorts, or both.
fn simulated(resolved: &Resolved, scenario: &Scenario, arguments: &SimulateArguments) -> Result<Simulated, ExitCode> {
    let cohort = arguments.cohort.unwrap_or(1);
    let whole = scenario.clone().in_cohorts(cohort).map_err(|error| {
        output::error(&format!("--cohort: {error}"));
        ExitCode::from(USAGE)
    })?;
    let mut simulated = Simulated::of(resolved, scenario, &interruptible(whole)?);
    simulated.cohort = arguments.cohort;
    if arguments.exact_too {
        let exact = Simulated::of(resolved, scenario, &interruptible(scenario.clone())?);
        simulated.compare(&exact);
    }
    Ok(simulated)
}

/// Runs it to its end, or until Ctrl-C.
fn interruptible(scenario: Scenario) -> Result<Simulation, ExitCode> {
    let failed = |text: String| {
        output::error(&text);
        ExitCode::from(FAILED)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(format!("no async runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(|error| failed(error.to_string()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = tokio::task::spawn_blocking(move || run(scenario, &stopped));
        tokio::select! {
            done = run => match done {
                Ok(Ok(simulation)) => Ok(simulation),
                Ok(Err(error)) => Err(failed(error.to_string())),
                Err(panic) => Err(failed(format!("this is a bug: {panic}"))),
            },
            signal = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                output::error(&format!("interrupted by {signal}; nothing was written"));
                Err(ExitCode::from(INTERRUPTED))
            }
        }
    })
}

fn run(scenario: Scenario, stop: &AtomicBool) -> Result<Simulation, SimulationError> {
    let mut simulation = Simulation::new(scenario);
    let mut told = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..STRIDE {
            if !simulation.step(LIMIT)? {
                return Ok(simulation);
            }
        }
        if told.elapsed() >= INTERVAL {
            told = Instant::now();
            output::progress(&progress(&simulation));
        }
    }
    Ok(simulation)
}

fn progress(simulation: &Simulation) -> String {
    let (held, all) = simulation.progress();
    format!(
        "{:.1} s of virtual time, {} million events, {:.1} % of the chunks of the peers' rounds",
        simulation.now().as_secs_f64(),
        simulation.steps() / 1_000_000,
        100.0 * held as f64 / all.max(1) as f64
    )
}
