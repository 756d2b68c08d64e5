//! The command line's form.

mod choices;
mod endings;
mod numbers;
mod parse;
mod path;

use std::{net::SocketAddr, path::PathBuf};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use fltorrent_crds::{
    BitRate, Interval, TextError,
    data::Source,
    experiment::{MAX_PEERS, MAX_SEED},
    family::Variant,
    model::Network,
    partition::Partition,
    topology::Topology,
};
use fltorrent_peer::checkpoint::Resume;

pub(crate) use self::choices::{Start, networks, startable};
pub use self::numbers::whole_number;
pub use self::parse::parse;
pub use self::path::path;
use crate::output::Format;

/// Decentralised federated learning: peers train, and swap chunks of their models as a BitTorrent swarm.
#[derive(Debug, Parser)]
#[command(name = "fltorrent", version, after_help = endings::FIRST_STEPS.text())]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands of `fltorrent`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment on this machine, one process per peer
    #[command(after_help = endings::RUN.text())]
    Run(RunArguments),
    /// Check a manifest: show what would run, or every error in it
    #[command(after_help = endings::VALIDATE.text())]
    Validate(ValidateArguments),
    /// Show what a manifest costs before it runs: topology, bytes, minimum time, memory
    #[command(after_help = endings::PLAN.text())]
    Plan(PlanArguments),
    /// Simulate an experiment's exchange in virtual time
    #[command(after_help = endings::SIMULATE.text())]
    Simulate(SimulateArguments),
    /// Create a manifest, interactively or from flags
    #[command(after_help = endings::INIT.text())]
    Init(InitArguments),
    /// Print shell completions
    #[command(after_help = endings::COMPLETIONS.text())]
    Completions(CompletionsArguments),
    /// Write a man page for every command
    #[command(after_help = endings::MAN.text())]
    Man(ManArguments),
    /// Generate report.html again from the results folders of one run
    #[command(after_help = endings::REPORT.text())]
    Report(ReportArguments),
    /// Compare two or more runs
    #[command(after_help = endings::COMPARE.text())]
    Compare(CompareArguments),
    /// Create keys for the peers of an experiment on several machines
    #[command(after_help = endings::KEYS.text())]
    Keys(KeysArguments),
    /// Run one peer of an experiment on several machines
    #[command(after_help = endings::PEER.text())]
    Peer(Box<PeerArguments>),
}

/// A manifest with overrides.
#[derive(Clone, Debug, Args)]
pub struct ManifestArguments {
    /// The manifest (YAML), kind FLTorrentExperiment
    #[arg(value_parser = path())]
    pub file: PathBuf,
    /// Overrides of its fields.
    #[command(flatten)]
    pub settings: SettingArguments,
}

/// Overrides of a manifest's fields.
#[derive(Clone, Debug, Args)]
pub struct SettingArguments {
    /// Override one field, for example training.rounds=20; may be repeated
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Compute backend; same as --set training.backend=…
    #[arg(long, value_enum)]
    pub backend: Option<BackendName>,
    /// Random seed; same as --set seed=…
    #[arg(long, value_name = "N", value_parser = whole_number::<u64>(0, MAX_SEED))]
    pub seed: Option<u64>,
}

/// `fltorrent run`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// The manifest (YAML), kind FLTorrentExperiment; with --resume, defaults to the one in DIR
    #[arg(required_unless_present = "resume", value_parser = path())]
    pub file: Option<PathBuf>,
    /// Overrides of its fields.
    #[command(flatten)]
    pub settings: SettingArguments,
    /// Results folder, new or empty; default: a new one in the manifest's output.directory
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub out: Option<PathBuf>,
    /// Resume the run in this results folder from the last checkpoint that all peers have
    #[arg(long, value_name = "DIR", conflicts_with = "out", value_parser = path())]
    pub resume: Option<PathBuf>,
    /// Print only the final summary and errors
    #[arg(long)]
    pub quiet: bool,
    /// Print one line per round instead of the live view
    #[arg(long)]
    pub plain: bool,
    /// Output format: text, or one JSON object per line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent validate`.
#[derive(Clone, Debug, Args)]
pub struct ValidateArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// Output format: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// Rate of every peer's uplink, for example 20Mbit; default: that of --down
    #[arg(long, value_name = "RATE")]
    pub up: Option<BitRate>,
    /// Rate of every peer's downlink, for example 100Mbit; default: that of --up
    #[arg(long, value_name = "RATE")]
    pub down: Option<BitRate>,
    /// List all peers with all their neighbours
    #[arg(long)]
    pub peers: bool,
    /// Print the topology as a Graphviz graph instead
    #[arg(long, conflicts_with_all = ["output", "peers", "up", "down"])]
    pub dot: bool,
    /// Output format: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent simulate`.
#[derive(Clone, Debug, Args)]
pub struct SimulateArguments {
    /// The manifest.
    #[command(flatten)]
    pub manifest: ManifestArguments,
    /// Rate of every uplink, for example 20Mbit; default: the manifest's, or unlimited
    #[arg(long, value_name = "RATE")]
    pub up: Option<BitRate>,
    /// Rate of every downlink, for example 100Mbit; default: the manifest's, or unlimited
    #[arg(long, value_name = "RATE")]
    pub down: Option<BitRate>,
    /// One-way delay between any two peers; default: the manifest's
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub delay: Option<Interval>,
    /// Training time of a round, multiplied by each peer's computeSlowdown; default: none, only the exchange
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub train_time: Option<Interval>,
    /// Granularity: packets, or whole chunks (faster, a few per cent off); default: packets up to 50 million
    #[arg(long, value_enum)]
    pub detail: Option<Detail>,
    /// Simulate the updates of this many peers as one, for thousands of peers
    #[arg(long, value_name = "PEERS", value_parser = whole_number::<u32>(2, u32::MAX))]
    pub cohort: Option<u32>,
    /// Also simulate without cohorts, and show the error that they introduce
    #[arg(long, requires = "cohort")]
    pub exact_too: bool,
    /// Also write an HTML page with plots
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub html: Option<PathBuf>,
    /// Output format: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// The granularity of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Detail {
    /// Every packet, with congestion windows, full queues and losses
    Packets,
    /// Whole chunks; connections take turns
    Chunks,
}

/// `fltorrent init`.
#[derive(Clone, Debug, Args)]
pub struct InitArguments {
    /// File to write; its name becomes the experiment's; default: experiment.yaml or quickstart.yaml
    #[arg(value_parser = path())]
    pub file: Option<PathBuf>,
    /// Write the quickstart: eight peers that learn to classify handwritten digits
    #[arg(long, conflicts_with_all = ["peers", "topology", "model", "data", "data_path", "partition", "rounds"])]
    pub quickstart: bool,
    /// Number of peers
    #[arg(long, value_name = "N", value_parser = whole_number::<u32>(1, 10_000))]
    pub peers: Option<u32>,
    /// Topology
    #[arg(long, value_parser = choices::parser::<Topology>())]
    pub topology: Option<&'static Variant<Topology>>,
    /// Model
    #[arg(long, value_parser = choices::network())]
    pub model: Option<Network>,
    /// Data source
    #[arg(long, value_parser = choices::parser::<Source>())]
    pub data: Option<&'static Variant<Source>>,
    /// Folder of the data, for --data idx
    #[arg(long, value_name = "DIR")]
    pub data_path: Option<String>,
    /// Partition: how the data is divided among the peers
    #[arg(long, value_parser = choices::parser::<Partition>())]
    pub partition: Option<&'static Variant<Partition>>,
    /// Number of rounds
    #[arg(long, value_name = "N", value_parser = whole_number::<u32>(1, 1_000_000))]
    pub rounds: Option<u32>,
    /// Overwrite an existing file
    #[arg(long)]
    pub force: bool,
}

impl InitArguments {
    /// True if a flag other than `--quickstart` is set, so that no question is needed.
    pub const fn says_something(&self) -> bool {
        self.peers.is_some()
            || self.topology.is_some()
            || self.model.is_some()
            || self.data.is_some()
            || self.data_path.is_some()
            || self.partition.is_some()
            || self.rounds.is_some()
    }
}

/// `fltorrent completions`.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `fltorrent man`.
#[derive(Clone, Debug, Args)]
pub struct ManArguments {
    /// Folder to write into; created if missing
    #[arg(value_parser = path())]
    pub folder: PathBuf,
}

/// `fltorrent report`.
#[derive(Clone, Debug, Args)]
pub struct ReportArguments {
    /// Results folders of the run: one, or one per machine
    #[arg(required = true, value_name = "DIR", value_parser = path())]
    pub folders: Vec<PathBuf>,
    /// File to write; default: report.html in the first folder
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub out: Option<PathBuf>,
}

/// `fltorrent compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArguments {
    /// Results folders, at least two
    #[arg(required = true, num_args = 2.., value_name = "RUN", value_parser = path())]
    pub runs: Vec<PathBuf>,
    /// Test accuracy (0 to 1) up to which time and bytes are compared; default: the highest that all runs reach
    #[arg(long, value_name = "ACCURACY", value_parser = share)]
    pub accuracy: Option<f64>,
    /// Also write an HTML page with the runs' curves in one plot
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub html: Option<PathBuf>,
    /// Output format: text, or one JSON object
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// `fltorrent keys`.
#[derive(Clone, Debug, Args)]
pub struct KeysArguments {
    /// The subcommand.
    #[command(subcommand)]
    pub what: KeysCommand,
}

/// The subcommands of `fltorrent keys`.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Create an authority and a folder of keys for each peer, to be copied to its machine
    #[command(after_help = endings::KEYS.text())]
    Init(KeysInitArguments),
}

/// `fltorrent keys init`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["file", "peers"]))]
pub struct KeysInitArguments {
    /// The manifest, for its number of peers
    #[arg(value_parser = path())]
    pub file: Option<PathBuf>,
    /// The number of peers, instead of a manifest
    #[arg(long, value_parser = whole_number::<u32>(1, 10_000))]
    pub peers: Option<u32>,
    /// Override one field of the manifest, as for the peers
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting, conflicts_with = "peers")]
    pub set: Vec<(String, String)>,
    /// Folder for the keys, new or empty
    #[arg(long, value_name = "DIR", default_value = "keys", value_parser = path())]
    pub out: PathBuf,
    /// Validity of the keys in days
    #[arg(long, default_value_t = 30, value_parser = whole_number::<u32>(1, 366))]
    pub days: u32,
    /// Number of runs that the keys are valid for, each with the next --attempt
    #[arg(long, default_value_t = 16, value_parser = whole_number::<u32>(1, 1000))]
    pub attempts: u32,
}

/// `fltorrent peer`.
#[derive(Clone, Debug, Args)]
pub struct PeerArguments {
    /// The manifest (YAML), the same on all machines; default: a mesh with the settings of the nodes file
    #[arg(value_parser = path())]
    pub manifest: Option<PathBuf>,
    /// Index of this peer
    #[arg(
        long,
        required_unless_present = "in_cluster",
        value_parser = whole_number::<u32>(0, MAX_PEERS - 1)
    )]
    pub index: Option<u32>,
    /// Run the peer described by this folder (a pod's ConfigMap) and FLTORRENT_ variables; see docs/identity.md
    #[arg(long, value_name = "DIR", exclusive = true)]
    pub in_cluster: Option<PathBuf>,
    /// For a peer that its user starts.
    #[command(flatten)]
    pub standalone: StandaloneArguments,
    /// A launcher holds standard input and output
    #[arg(long, hide = true, conflicts_with_all = ["bindings", "out", "data", "attempt", "metrics"])]
    pub launched: bool,
    /// The run's results folder
    #[arg(long, hide = true, requires = "launched")]
    pub results: Option<PathBuf>,
    /// Resume in the results folder --out from this peer's newest checkpoint, or from the one after ROUNDS rounds
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, require_equals = true, default_missing_value = "newest", value_parser = checkpoint)]
    pub resume: Option<Resume>,
    /// Where to write the final model
    #[arg(long, hide = true, requires = "launched")]
    pub model_out: Option<PathBuf>,
    /// Number of this process of the peer; those before have died
    #[arg(long, hide = true, requires = "launched", default_value_t = 0)]
    pub incarnation: u32,
    /// Address to listen at for neighbours
    #[arg(long, hide = true, requires = "launched", value_parser = socket_address)]
    pub listen: Option<SocketAddr>,
}

/// `fltorrent peer`, started by hand.
#[derive(Clone, Debug, Args)]
pub struct StandaloneArguments {
    /// Nodes file (YAML or JSON) with the addresses of the peers, the same on all machines
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub bindings: Option<PathBuf>,
    /// Folder with the keys of this peer, or of all peers
    #[arg(long, value_name = "DIR", default_value = "keys", value_parser = path())]
    pub keys: PathBuf,
    /// Number of this run with these keys, the same on all machines; default: attempt in the nodes file, or 0
    #[arg(long, value_parser = whole_number::<u32>(0, u32::MAX))]
    pub attempt: Option<u32>,
    /// Results folder, new or empty; default: a new one in the manifest's output.directory
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub out: Option<PathBuf>,
    /// Path of the data on this machine
    #[arg(long, value_name = "PATH", value_parser = path())]
    pub data: Option<PathBuf>,
    /// Overrides of the manifest's fields, the same on all machines.
    #[command(flatten)]
    pub settings: SettingArguments,
    /// How long to wait for neighbours that start later, such as 30s or 2h
    #[arg(long, default_value = "10m", value_parser = interval)]
    pub wait: Interval,
    /// Address to serve metrics at, for example 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", value_parser = socket_address)]
    pub metrics: Option<SocketAddr>,
    /// Print only errors
    #[arg(long)]
    pub quiet: bool,
}

/// The compute backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendName {
    /// Pure-Rust CPU backend
    Flex,
    /// CUDA
    Cuda,
}

impl RunArguments {
    /// True if the run is to be shown in a live view, if there is a terminal.
    pub fn wants_live(&self) -> bool {
        !self.plain && !self.quiet && self.output == Format::Text
    }
}

impl ManifestArguments {
    /// As [`SettingArguments::sets`].
    pub fn sets(&self) -> Vec<(String, String)> {
        self.settings.sets()
    }
}

impl SettingArguments {
    /// The changes in order, those with a flag of their own last.
    pub fn sets(&self) -> Vec<(String, String)> {
        let backend = self.backend.map(|backend| {
            let name = match backend {
                BackendName::Flex => "flex",
                BackendName::Cuda => "cuda",
            };
            ("training.backend".to_owned(), name.to_owned())
        });
        let seed = self.seed.map(|seed| ("seed".to_owned(), seed.to_string()));
        self.set.iter().cloned().chain(backend).chain(seed).collect()
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1, for example 0.9".to_owned()),
    }
}

fn interval(text: &str) -> Result<Interval, String> {
    let expected = "expected numbers with units, for example 20ms, 30s or 1h30m";
    text.parse().map_err(|error: TextError| format!("{error}; {expected}"))
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected an IP address and a port, for example 127.0.0.1:9090 or [::]:9090";
    text.parse().map_err(|_| expected.to_owned())
}

fn checkpoint(text: &str) -> Result<Resume, String> {
    match (text, text.parse()) {
        ("newest", _) => Ok(Resume::Newest),
        (_, Ok(rounds @ 1..)) => Ok(Resume::After(rounds)),
        _ => Err("expected a number of finished rounds, at least 1".to_owned()),
    }
}

/// Reads `PATH=VALUE`.
///
/// # Errors
/// When there is no path, or no `=`.
pub fn setting(text: &str) -> Result<(String, String), String> {
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
    fn what_a_value_has_to_be_is_said_for_the_field() {
        let fault = |line: &[&'static str]| {
            let line = ["fltorrent"].iter().chain(line);
            parse(line).unwrap_err().to_string()
        };
        for (line, expected) in [
            (
                &["run", "x.yaml", "--seed", "9007199254740992"][..],
                "expected a whole number from 0 to 9007199254740991",
            ),
            (
                &["run", "x.yaml", "--seed", "-1"],
                "expected a whole number from 0 to 9007199254740991",
            ),
            (&["init", "--peers", "-1"], "expected a whole number from 1 to 10000"),
            (&["plan", "x.yaml", "--up", "-5Mbit"], "not a rate of bits; a rate is"),
            (
                &["simulate", "x.yaml", "--delay", "-1s"],
                "not a duration; expected numbers with units, for example 20ms",
            ),
            (
                &["simulate", "x.yaml", "--delay", "10"],
                "not a duration; expected numbers with units, for example 20ms",
            ),
            (
                &["compare", "a", "b", "--accuracy", "-0.1"],
                "expected a number from 0 to 1",
            ),
        ] {
            let found = fault(line);
            assert!(found.contains(expected) && !found.contains("tip:"), "{line:?}: {found}");
        }
    }

    #[test]
    fn the_help_of_every_command_has_an_example() {
        let command = Arguments::command();
        let visible = command.get_subcommands().filter(|command| !command.is_hide_set());
        for command in [&command].into_iter().chain(visible) {
            let help = command.get_after_help().map(ToString::to_string);
            let name = command.get_name();
            let example = help.is_some_and(|help| help.contains("Examples:\n  "));
            assert!(example, "{name}: write an example into its after_help");
        }
    }

    #[test]
    fn a_peer_goes_on_from_its_newest_checkpoint_or_from_a_named_one() {
        let resume = |option: &[&'static str]| {
            let line = ["fltorrent", "peer", "x.yaml", "--index=0"];
            let parsed = parse(line.iter().chain(option)).ok()?;
            match parsed.command {
                Command::Peer(arguments) => Some(arguments.resume),
                _ => None,
            }
        };
        assert_eq!(resume(&[]), Some(None));
        assert_eq!(resume(&["--resume"]), Some(Some(Resume::Newest)));
        assert_eq!(resume(&["--resume=8"]), Some(Some(Resume::After(8))));
        for wrong in ["--resume=0", "--resume=-1", "--resume=x"] {
            assert_eq!(resume(&[wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn a_peer_has_an_index_or_is_in_a_cluster() {
        let parse = |options: &[&str]| {
            let line = ["fltorrent", "peer"];
            let parsed = parse(line.iter().chain(options)).ok()?;
            match parsed.command {
                Command::Peer(arguments) => Some((arguments.index, arguments.in_cluster)),
                _ => None,
            }
        };
        assert_eq!(parse(&["--index=3"]), Some((Some(3), None)));
        assert_eq!(parse(&["--in-cluster=x"]), Some((None, Some("x".into()))));
        for wrong in [
            &[][..],
            &["--in-cluster"],
            &["--in-cluster=x", "--index=3"],
            &["--in-cluster=x", "exp.yaml"],
            &["--in-cluster=x", "--quiet"],
            &["--in-cluster=x", "--resume"],
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn settings_are_split_at_the_first_equals_sign() {
        let parsed = parse([
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
            [pair("data.idx.path", "/a=b"), pair("training.backend", "cuda")]
        );
        for wrong in ["x", "=x"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }
}
