//! `fltorrent-bench congestion`: what each congestion control makes of a link of a known rate, over round-trip times and losses.
//!
//! Two peers swap updates of noise over links that their processes emulate; the goodput is an update's bytes over a round's time.

use std::process::ExitCode;

use fltorrent_cli::{
    commands::refuse_manifest,
    manifest::{ManifestError, Resolved},
    output::{self, Printer, Summary},
};

use super::{noise::Noise, run_once};
use crate::arguments::CongestionArguments;

const CONTROLS: [&str; 3] = ["cubic", "newReno", "rateAware"];
/// Round-trip times, milliseconds.
const RTTS: [u32; 3] = [10, 100, 400];
/// Shares of lost packets, percent.
const LOSSES: [u32; 3] = [0, 1, 5];
/// The queue is what the link carries in a round trip, or so many bytes.
const LEAST_QUEUE: f64 = 64_000.0;

/// Prints a table of goodputs.
pub(super) fn congestion(arguments: &CongestionArguments, printer: &mut Printer) -> Result<(), ExitCode> {
    printer.line(&format!(
        "\nGoodput of each of two peers that send to each other at once, Mbit/s, over links of {} with a queue of a round \
         trip's bytes, at least 64 kB\n\n| RTT, ms | lost, % | {} |\n|---:|---:|{}",
        arguments.rate,
        CONTROLS.join(" | "),
        "---:|".repeat(CONTROLS.len())
    ));
    for rtt in or(&arguments.rtt, &RTTS) {
        for loss in or(&arguments.loss, &LOSSES) {
            let mut row = format!("| {rtt} | {loss} |");
            for control in CONTROLS {
                output::progress(&format!("{rtt} ms, {loss} %: {control}"));
                let resolved =
                    resolve(arguments, rtt, loss, control).map_err(|error| refuse_manifest(&error, printer))?;
                let goodput = goodput(&run_once(&resolved, printer)?, arguments.update.get());
                let shown = goodput.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}"));
                row.push_str(&format!(" {shown} |"));
            }
            printer.line(&row);
        }
    }
    Ok(())
}

fn or(asked: &[u32], usual: &[u32]) -> Vec<u32> {
    if asked.is_empty() { usual } else { asked }.to_vec()
}

fn resolve(arguments: &CongestionArguments, rtt: u32, loss: u32, control: &str) -> Result<Resolved, ManifestError> {
    let rate = arguments.rate;
    let queue = (rate.bytes() * f64::from(rtt) / 1000.0).max(LEAST_QUEUE);
    let link = format!(
        "{{up: {rate}, down: {rate}, delay: {}us, loss: {loss}%, queue: {:.3}k}}",
        rtt * 500,
        queue / 1000.0
    );
    Noise {
        name: "congestion",
        groups: "[{name: peers, count: 2}]",
        topology: "{type: mesh}",
        update: arguments.update.get(),
        rounds: arguments.rounds + 1,
        more: &[
            ("network", &format!("{{default: {link}}}")),
            ("transport", &format!("{{congestionControl: {control}}}")),
        ],
    }
    .resolve(&[])
}

/// Megabits a second over all rounds but the first.
fn goodput(summary: &Summary, update: u64) -> Option<f64> {
    let times: Option<Vec<f64>> = summary.rounds.iter().skip(1).map(|round| round.wall_seconds).collect();
    let times = times.filter(|times| !times.is_empty())?;
    let seconds: f64 = times.iter().sum();
    Some(update as f64 * times.len() as f64 * 8e-6 / seconds)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: CongestionArguments,
    }

    #[test]
    fn every_cell_is_a_valid_experiment_over_its_link() {
        let Line { arguments } = Line::parse_from(["bench"]);
        for rtt in RTTS {
            for loss in LOSSES {
                for control in CONTROLS {
                    let plan = resolve(&arguments, rtt, loss, control).unwrap().plan;
                    let link = plan.peers[0].link.unwrap();
                    assert_eq!(link.delay.as_millis() * 2, u128::from(rtt));
                    assert_eq!(link.loss, loss * 10_000);
                    let queue = link.up.unwrap().queue;
                    assert_eq!(queue, (2500 * u64::from(rtt)).max(64_000));
                }
            }
        }
    }
}
