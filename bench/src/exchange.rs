//! `fltorrent-bench exchange`: n updates to n peers over given edges and real, shaped links, beside what else there is, and
//! the least time that is possible.

mod arguments;
mod case;
mod cases;
mod foreign;
mod lab;
mod libtorrent;
mod meter;
mod namespaces;
mod outcome;
mod plain;
mod random;
mod swarm;

use std::{fmt::Write, io, iter, process::ExitCode};

use fltorrent_cli::{
    commands::{FAILED, INTERRUPTED, run::Signals},
    keys::KeysError,
    manifest::{ManifestError, Resolved},
    output::{self, Printer},
};
use fltorrent_crds::Plan;
use thiserror::Error;

pub(super) use self::arguments::ExchangeArguments;
use self::{
    arguments::Contender,
    case::Case,
    cases::CASES,
    lab::{Lab, LabError, Link},
    outcome::Outcome,
};
use super::{
    folder::Folder,
    table::{Row, spread, table},
};

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
    #[error("case {name} is wired by hand and has one size; those that --peers can change: {others}")]
    OneSize { name: &'static str, others: String },
    #[error("peer {index} failed: {errors}")]
    Peer { index: u32, errors: String },
    #[error("libtorrent could not make its torrents: {errors}")]
    Libtorrent { errors: String },
    #[error("the libtorrent of peer {index} ended early; what it said is above")]
    Gone { index: u32 },
    #[error("a TCP connection failed")]
    Plain(#[source] io::Error),
}

/// The most that random cases may take of the least possible time: the median of them, and the worst one.
const RANDOM: (f64, f64) = (1.12, 1.3);

/// The least share of an uplink that a TCP flow has to have beside ours.
const FOREIGN: f64 = 0.4;

/// One case, ready to be run by every contender.
struct Contest<'a> {
    case: &'a Case,
    resolved: &'a Resolved,
    lab: &'a Lab,
    /// The first machine's link, where somebody else's flow shares it; it ends at a machine after all peers.
    foreign: Option<Link>,
}

impl Contest<'_> {
    fn plan(&self) -> &Plan {
        &self.resolved.plan
    }
}

/// What is known in the end.
#[derive(Default)]
struct Report {
    /// A line for each case.
    bounds: Vec<String>,
    /// Shares of the first uplink that somebody else's flow had.
    foreign: Vec<f64>,
    /// Time ÷ bound of random cases.
    random: Vec<(Contender, f64)>,
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
    // All of them, so that what cannot be is told before anything is measured.
    let mut cases = Vec::new();
    for case in wanted(arguments)? {
        let resolved = case.resolve(arguments.rounds, &arguments.set)?;
        cases.push((case, resolved));
    }
    let contenders = contenders(arguments, printer).await;
    printer.line("");
    printer.line(HEAD);
    let mut report = Report::default();
    for (case, resolved) in &cases {
        contests(case, resolved, &contenders, arguments, printer, &mut report).await?;
    }
    printer.line(&format!("\nThe least time of a round:\n{}", report.bounds.join("\n")));
    if !report.foreign.is_empty() {
        let shares = spread(report.foreign.iter().copied());
        let row = Row::new("share of the first uplink that a TCP flow had", shares).at_least(FOREIGN);
        printer.line(&format!("\n{}", table(&[row])));
    }
    let has_target = arguments.update.is_none() && arguments.queue.is_none() && !arguments.foreign;
    for contender in contenders {
        if let Some(text) = of_random(&report.random, contender, has_target) {
            printer.line(&text);
        }
    }
    Ok(())
}

/// The cases that the command line asks for.
fn wanted(arguments: &ExchangeArguments) -> Result<Vec<Case>, Failed> {
    let is_all = arguments.case.is_empty() && arguments.random.is_empty();
    let mut cases = Vec::new();
    for definition in CASES {
        if !is_all && !arguments.case.iter().any(|name| name == definition.name) {
            continue;
        }
        if arguments.peers.is_empty() {
            cases.push(definition.case());
        }
        for &machines in &arguments.peers {
            match definition.with_machines(machines) {
                Some(case) => cases.push(case),
                // Nobody asked for it by its name.
                None if is_all => {}
                None => {
                    let others = CASES.iter().filter(|other| other.can_grow());
                    return Err(Failed::OneSize {
                        name: definition.name,
                        others: others.map(|other| other.name).collect::<Vec<_>>().join(", "),
                    });
                }
            }
        }
    }
    cases.extend(arguments.random.iter().map(|&seed| random::case(seed)));
    if let Some(update) = arguments.update {
        cases = cases.into_iter().map(|case| case.with_update(update.get())).collect();
    }
    if let Some(queue) = arguments.queue {
        cases = cases.into_iter().map(|case| case.with_queue(queue)).collect();
    }
    if arguments.foreign {
        cases = cases.into_iter().map(Case::without_target).collect();
    }
    Ok(cases)
}

/// One case, a row for each contender.
async fn contests(
    case: &Case,
    resolved: &Resolved,
    contenders: &[Contender],
    arguments: &ExchangeArguments,
    printer: &mut Printer,
    report: &mut Report,
) -> Result<(), Failed> {
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
        let outcome = contest(arguments, case, resolved, contender).await?;
        let target = case.target.filter(|_| contender == Contender::Fltorrent);
        // Writing into a string cannot fail.
        write!(
            text,
            "{}",
            row(&case.describe(), contender, &outcome, bound.seconds, target)
        )
        .ok();
        report.foreign.extend(outcome.foreign);
        if let Some(seconds) = outcome.seconds.filter(|_| case.is_random) {
            report.random.push((contender, seconds / bound.seconds));
        }
    }
    printer.line(text.trim_end());
    report.bounds.push(format!(
        "- {}: {:.3} s, {} ({})",
        case.describe(),
        bound.seconds,
        bound.limit,
        bound.kind()
    ));
    Ok(())
}

/// What a contender took of the least time in random cases; none if it has run none.
fn of_random(ratios: &[(Contender, f64)], contender: Contender, has_target: bool) -> Option<String> {
    let of_it = || {
        ratios
            .iter()
            .filter(|(whose, _)| *whose == contender)
            .map(|(_, ratio)| *ratio)
    };
    let worst = of_it().reduce(f64::max)?;
    let [mut all, mut last] = [
        Row::new("÷ bound", spread(of_it())),
        Row::new("÷ bound, worst", spread(iter::once(worst))),
    ];
    if has_target && contender == Contender::Fltorrent {
        (all, last) = (all.at_most(RANDOM.0), last.at_most(RANDOM.1));
    }
    let cases = of_it().count();
    Some(format!(
        "\n{contender}, random cases: {cases}\n\n{}",
        table(&[all, last])
    ))
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
    let first = links.first().copied();
    let foreign = first.filter(|_| arguments.foreign && contender == Contender::Fltorrent && !case.is_emulated());
    if contender == Contender::Server || foreign.is_some() {
        // The server, or where a foreign flow ends, is one more machine with a link like the first one's.
        links.extend(first);
    }
    let lab = Lab::new(&links, case.kernel_queue())?;
    let name = format!("{}-{}-{contender}", case.name, case.machines());
    let keep = arguments.keep.as_ref();
    let folder = Folder::new(keep.map(|keep| keep.join(name))).map_err(Failed::Files)?;
    std::fs::create_dir_all(folder.path()).map_err(Failed::Files)?;
    let contest = Contest {
        case,
        resolved,
        lab: &lab,
        foreign,
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        exchange: ExchangeArguments,
    }

    fn chosen(line: &str) -> Result<Vec<Case>, Failed> {
        let words = ["exchange"].into_iter().chain(line.split_whitespace());
        wanted(&Line::try_parse_from(words).unwrap().exchange)
    }

    fn named(line: &str) -> Vec<String> {
        chosen(line).unwrap().into_iter().map(|case| case.name).collect()
    }

    #[test]
    fn all_cases_are_measured_or_those_that_are_named_or_drawn() {
        assert_eq!(named(""), cases::names().collect::<Vec<_>>());
        assert_eq!(named("--case petersen --case ring"), ["ring", "petersen"]);
        assert_eq!(named("--random 3 --random 1"), ["random-3", "random-1"]);
        assert_eq!(named("--random 3 --case star"), ["star", "random-3"]);
    }

    #[test]
    fn what_is_changed_has_no_target() {
        for line in ["--update 1k", "--queue 20", "--peers 5", "--foreign"] {
            assert!(chosen(line).unwrap().iter().all(|case| case.target.is_none()), "{line}");
        }
        assert!(chosen("").unwrap().iter().all(|case| case.target.is_some()));
    }

    #[test]
    fn a_case_of_one_size_is_left_out_of_other_sizes_and_refused_by_its_name() {
        let grown = named("--peers 5 --peers 7");
        assert!(grown.contains(&"mesh-slow".to_owned()) && !grown.contains(&"barbell".to_owned()));
        let error = chosen("--peers 12 --case ring --case barbell").unwrap_err().to_string();
        assert!(error.starts_with("case barbell is wired by hand"), "{error}");
        assert!(
            error.contains("mesh, ring, star") && !error.contains("petersen"),
            "{error}"
        );
    }

    #[test]
    fn random_cases_are_summed_up_for_each_contender() {
        let ratios = [(1.0, 1.4), (1.1, 1.5), (1.2, 1.6)]
            .map(|(ours, theirs)| [(Contender::Fltorrent, ours), (Contender::Libtorrent, theirs)])
            .concat();
        assert_eq!(
            of_random(&ratios, Contender::Fltorrent, true).unwrap(),
            "\nfltorrent, random cases: 3\n\n\
             | figure | median | least | most | target |\n\
             |---|---:|---:|---:|---|\n\
             | ÷ bound | 1.100 | 1.000 | 1.200 | ≤ 1.12: met |\n\
             | ÷ bound, worst | 1.200 | 1.200 | 1.200 | ≤ 1.3: met |"
        );
        for (contender, has_target) in [(Contender::Fltorrent, false), (Contender::Libtorrent, true)] {
            assert!(!of_random(&ratios, contender, has_target).unwrap().contains('≤'));
        }
        assert_eq!(of_random(&ratios, Contender::Direct, true), None);
    }
}
