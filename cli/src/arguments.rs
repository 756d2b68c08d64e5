//! The command line's form.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{output::Format, rate::BitRate};

const EXIT_CODES: &str = "Exit codes:
    0  complete
    1  the run failed, or could not start on this machine
    2  the manifest or the command line is wrong; nothing was started
    3  a peer whose launcher has gone
  130  interrupted (Ctrl-C or SIGTERM)";

const PLAN_EXAMPLES: &str = "Examples:
  fltorrent plan examples/quickstart.yaml
  fltorrent plan exp.yaml --up 20Mbit --down 100Mbit
  fltorrent plan exp.yaml --set topology.type=star --peers
  fltorrent plan exp.yaml --dot | dot -Tsvg > wiring.svg

Times are the least possible, without delays, headers and losses.";

/// Decentralised federated learning: peers train, and swap chunks of their models as a BitTorrent swarm.
#[derive(Debug, Parser)]
#[command(name = "fltorrent", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment on this machine, one process a peer
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Check a manifest and show what would run, or everything that is wrong with it
    #[command(after_help = EXIT_CODES)]
    Validate(ValidateArguments),
    /// Show what a manifest will cost before it runs: wiring, bytes, least time, memory
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArguments),
    /// Measure this machine and print a Markdown table
    Bench(BenchArguments),
    /// One peer of a run; started by `run`
    #[command(hide = true)]
    Peer(PeerArguments),
}

/// A manifest and what is changed in it.
#[derive(Clone, Debug, Args)]
pub struct ManifestArguments {
    /// The manifest (YAML), kind FLTorrentExperiment
    pub file: PathBuf,
    /// Change one field for this run, for example training.rounds=20; may be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Where peers compute; the same as --set training.backend=…
    #[arg(long, value_enum)]
    pub backend: Option<BackendName>,
}

/// `fltorrent run`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// The results folder, new or empty; without it a new one in the manifest's output.directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print only the final lines and errors
    #[arg(long)]
    pub quiet: bool,
    /// Print a line a round; without it a terminal shows a live view
    #[arg(long)]
    pub plain: bool,
    /// What standard output is: text, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent validate`.
#[derive(Clone, Debug, Args)]
pub struct ValidateArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// What standard output is: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// Rate of every peer's uplink, for example 20Mbit; without it as the downlink
    #[arg(long, value_name = "RATE")]
    pub up: Option<BitRate>,
    /// Rate of every peer's downlink, for example 100Mbit; without it as the uplink
    #[arg(long, value_name = "RATE")]
    pub down: Option<BitRate>,
    /// List all peers with all their neighbours
    #[arg(long)]
    pub peers: bool,
    /// Print the wiring as a graph for Graphviz instead
    #[arg(long, conflicts_with_all = ["output", "peers", "up", "down"])]
    pub dot: bool,
    /// What standard output is: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArguments {
    /// What to measure.
    #[command(subcommand)]
    pub what: Benchmark,
}

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Benchmark {
    /// Run an experiment: start-up, seconds of a round beyond its training, memory
    Quickstart(QuickstartArguments),
    /// Train next to PyTorch: samples for each second of CPU time on one thread
    Train(TrainArguments),
    /// All of them
    All(AllArguments),
}

/// `fltorrent bench quickstart`.
#[derive(Clone, Debug, Args)]
pub struct QuickstartArguments {
    /// The manifest; without it the quickstart example
    pub file: Option<PathBuf>,
    /// How often it is run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
}

/// `fltorrent bench train`.
#[derive(Clone, Debug, Args)]
pub struct TrainArguments {
    /// A Python interpreter that has PyTorch
    #[arg(long, default_value = "python3")]
    pub python: PathBuf,
    /// How often each side is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repetitions: u32,
}

/// `fltorrent bench all`.
#[derive(Clone, Debug, Args)]
pub struct AllArguments {
    /// For the quickstart.
    #[command(flatten)]
    pub quickstart: QuickstartArguments,
    /// For the training.
    #[command(flatten)]
    pub train: TrainArguments,
}

/// `fltorrent peer`.
#[derive(Clone, Debug, Args)]
pub struct PeerArguments {
    /// The manifest, resolved
    pub manifest: PathBuf,
    /// The peer's index in the plan
    #[arg(long)]
    pub index: u32,
    /// A launcher holds standard input and output
    #[arg(long)]
    pub launched: bool,
    /// The run's results folder
    #[arg(long)]
    pub results: PathBuf,
    /// Where to write the final model
    #[arg(long)]
    pub model_out: Option<PathBuf>,
}

/// Where peers compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// Pure-Rust CPU backend
    Flex,
    /// CUDA
    Cuda,
}

impl RunArguments {
    /// Whether the run shall be shown on the terminal while it goes on, if there is one.
    pub fn wants_live(&self) -> bool {
        !self.plain && !self.quiet && self.output == Format::Text
    }
}

impl ManifestArguments {
    /// The changes in order, the backend last.
    pub fn sets(&self) -> Vec<(String, String)> {
        let backend = self.backend.map(|backend| {
            let name = match backend {
                BackendName::Flex => "flex",
                BackendName::Cuda => "cuda",
            };
            ("training.backend".to_owned(), name.to_owned())
        });
        self.set.iter().cloned().chain(backend).collect()
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((path, value)) if !path.is_empty() => Ok((path.to_owned(), value.to_owned())),
        _ => Err("expected PATH=VALUE, for example training.rounds=20".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn settings_are_split_at_the_first_equals_sign() {
        let parsed = Arguments::try_parse_from([
            "fltorrent",
            "validate",
            "x.yaml",
            "--set",
            "data.idx.path=/a=b",
            "--backend",
            "cuda",
        ]);
        let Command::Validate(arguments) = parsed.unwrap().command else {
            panic!("not validate");
        };
        let pair = |path: &str, value: &str| (path.to_owned(), value.to_owned());
        assert_eq!(
            arguments.manifest.sets(),
            [
                pair("data.idx.path", "/a=b"),
                pair("training.backend", "cuda")
            ]
        );
        for wrong in ["x", "=x"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
