//! `fltorrent-bench`: what can be measured of FLTorrent on a machine, as Markdown tables. Nobody needs it in order to train, so no
//! image has it.

mod arguments;
mod bare;
mod congestion;
mod exchange;
mod folder;
mod loopback;
mod noise;
mod survival;
mod table;
mod train;

use std::{path::Path, process::ExitCode, time::SystemTime};

use clap::Parser;
use fltorrent_cli::{
    Allocator,
    commands::{FAILED, refuse_manifest, run},
    extend::Extensions,
    launcher::have_least_open_files,
    main_with,
    manifest::Resolved,
    output::{self, Printer, Summary},
};

use arguments::{Arguments, BenchModel, Benchmark, QuickstartArguments, TrainArguments};
use table::{Row, spread};
use train::{BenchError, Model};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

const QUICKSTART: &str = include_str!("../../examples/quickstart.yaml");
/// Passes of one measurement of the training.
const EPOCHS: u32 = 10;
const MEBIBYTE: f64 = 1024.0 * 1024.0;

fn main() -> ExitCode {
    // What is measured are processes of this program, which has the whole of `fltorrent` in it: `cargo run` builds nothing else.
    if std::env::args_os().nth(1).is_some_and(|first| first == "peer") {
        return main_with(Extensions::new());
    }
    let arguments = Arguments::parse();
    if let Err(error) = have_least_open_files() {
        output::error(&error.to_string());
        return ExitCode::from(FAILED);
    }
    output::exit_code(match bench(&arguments.what) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    })
}

fn bench(what: &Benchmark) -> Result<(), ExitCode> {
    let mut printer = Printer::new(output::Format::Text, false);
    printer.line(&table::machine());
    match what {
        Benchmark::Quickstart(arguments) => quickstart(arguments, &mut printer),
        Benchmark::Train(arguments) => train(arguments, &mut printer),
        Benchmark::Exchange(arguments) => exchange::exchange(arguments, &mut printer),
        Benchmark::Loopback(arguments) => loopback::loopback(arguments, &mut printer),
        Benchmark::Congestion(arguments) => congestion::congestion(arguments, &mut printer),
        Benchmark::Survival(arguments) => survival::survival(arguments, &mut printer),
        Benchmark::All(arguments) => {
            quickstart(&arguments.quickstart, &mut printer).and_then(|()| train(&arguments.train, &mut printer))
        }
    }
}

/// Runs it as `fltorrent run` does, and keeps nothing but what it gives back.
fn run_once(resolved: &Resolved, printer: &mut Printer) -> Result<Summary, ExitCode> {
    let folder = tempfile::tempdir().map_err(|error| {
        output::error(&format!("the results folder could not be created: {error}"));
        ExitCode::from(FAILED)
    })?;
    run_in(folder.path(), resolved, printer)
}

/// Runs it as `fltorrent run --out FOLDER` does.
fn run_in(folder: &Path, resolved: &Resolved, printer: &mut Printer) -> Result<Summary, ExitCode> {
    let request = run::Request {
        resolved,
        resume: None,
        out: Some(folder),
        started: SystemTime::now(),
        live: false,
    };
    run::execute(request, &mut Printer::silent()).map_err(|failure| run::report(&failure, printer))
}

fn quickstart(arguments: &QuickstartArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    let resolved = match &arguments.file {
        Some(file) => Resolved::read(file, &[]),
        None => Resolved::from_text(QUICKSTART, &[]),
    }
    .map_err(|error| refuse_manifest(&error, printer))?;
    let mut summaries = Vec::new();
    for _ in 0..arguments.runs {
        summaries.push(run_once(&resolved, printer)?);
    }
    printer.line(&format!(
        "\n{}: {} peers, {} rounds, runs: {}\n",
        resolved.plan.name,
        resolved.plan.peers.len(),
        resolved.plan.training.rounds,
        arguments.runs
    ));
    printer.line(&table::table(&quickstart_rows(&summaries)));
    Ok(())
}

fn quickstart_rows(summaries: &[Summary]) -> Vec<Row> {
    let each = |figure: fn(&Summary) -> Option<f64>| spread(summaries.iter().filter_map(figure));
    let beyond = spread(
        summaries
            .iter()
            .flat_map(|summary| &summary.rounds)
            .filter_map(|round| round.beyond_training_seconds),
    );
    let hash = summaries.first().and_then(|summary| summary.model_hash);
    let same = summaries.iter().all(|summary| summary.model_hash == hash);
    vec![
        Row::new(
            "start-up: command to training on all peers, s",
            each(|s| s.startup_seconds),
        )
        .at_most(3.0),
        Row::new("a round beyond its training, s", beyond).at_most(0.06),
        Row::new(
            "peak resident set of a peer, MiB",
            each(|s| s.peak_rss_bytes.map(|bytes| bytes as f64 / MEBIBYTE)),
        )
        .at_most(200.0),
        Row::new("whole run, s", each(|s| Some(s.wall_seconds))),
        Row::new("test accuracy", each(|s| s.accuracy)),
        Row::text(
            "model",
            match hash {
                Some(hash) if same => format!("`{hash}` in every run"),
                _ => "differs between runs".to_owned(),
            },
        ),
    ]
}

fn train(arguments: &TrainArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    let models = match arguments.model {
        BenchModel::Mlp => &[Model::Mlp][..],
        BenchModel::Lenet => &[Model::Lenet],
        BenchModel::Cnn => &[Model::Cnn],
        BenchModel::All => &Model::ALL,
    };
    models
        .iter()
        .try_for_each(|&model| train_one(model, arguments, printer))
}

fn train_one(model: Model, arguments: &TrainArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    let options = train::Options {
        python: arguments.python.clone(),
        repetitions: arguments.repetitions,
        epochs: EPOCHS,
        model,
    };
    let report = train::run(&options).map_err(|error: BenchError| {
        output::error(&fltorrent_peer::chain(&error));
        ExitCode::from(FAILED)
    })?;
    let each = |figure: fn(&train::Repetition) -> f64| spread(report.repetitions.iter().map(figure));
    let (network, target) = match model {
        Model::Mlp => ("mlp 784-128-10", 2.0),
        Model::Lenet => ("lenet", 0.9),
        Model::Cnn => ("cnn", 0.7),
    };
    printer.line(&format!(
        "\n{network}, batches of {}, one thread, PyTorch {}, repetitions: {}\n",
        train::BATCH,
        report.torch_version,
        arguments.repetitions
    ));
    printer.line(&table::table(&[
        Row::new("FLTorrent, samples for each CPU second", each(|r| r.ours)),
        Row::new("PyTorch, samples for each CPU second", each(|r| r.torch)),
        Row::new("FLTorrent ÷ PyTorch", each(train::Repetition::ratio)).at_least(target),
    ]));
    Ok(())
}
