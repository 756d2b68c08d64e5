//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::PossibleValuesParser};
use fltorrent_cli::arguments::{path, setting, whole_number};
use fltorrent_crds::{BitRate, ByteSize};

use crate::exchange::ExchangeArguments;

const EXAMPLES: &str = "Examples:
  fltorrent-bench quickstart --runs 10
  fltorrent-bench train --python .venv/bin/python
  sudo fltorrent-bench exchange --case ring --case mesh";

/// Measures FLTorrent on this machine and prints Markdown tables.
#[derive(Clone, Debug, Parser)]
#[command(name = "fltorrent-bench", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The benchmark.
    #[command(subcommand)]
    pub(crate) what: Benchmark,
}

/// The benchmarks.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// Run an experiment: start-up, seconds of a round beyond its training, memory
    Quickstart(QuickstartArguments),
    /// Train next to PyTorch: samples for each second of CPU time on one thread
    Train(TrainArguments),
    /// Exchange updates over namespaces with shaped links, beside libtorrent, direct push and a server; needs root
    Exchange(ExchangeArguments),
    /// Exchange updates on this machine without shaping, beside a bare QUIC transfer of as much: bytes for each CPU second,
    /// time, memory
    Loopback(LoopbackArguments),
    /// Send over an emulated link with each congestion control, over round-trip times and losses
    Congestion(CongestionArguments),
    /// Kill a peer in mid-run: how long the others wait, how soon it is back, what it fetches; and what heartbeats cost
    Survival(SurvivalArguments),
    /// Those that need no root and nothing but PyTorch: quickstart and train
    All(AllArguments),
}

/// `fltorrent-bench quickstart`.
#[derive(Clone, Debug, Args)]
pub(crate) struct QuickstartArguments {
    /// The manifest; without it the quickstart example
    #[arg(value_parser = path())]
    pub(crate) file: Option<PathBuf>,
    /// Number of runs
    #[arg(long, default_value_t = 3, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) runs: u32,
}

/// `fltorrent-bench train`.
#[derive(Clone, Debug, Args)]
pub(crate) struct TrainArguments {
    /// A Python interpreter that has PyTorch
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// The network that is trained
    #[arg(long, value_enum, default_value_t = BenchModel::All)]
    pub(crate) model: BenchModel,
    /// Number of measurements of each side
    #[arg(long, default_value_t = 5, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) repetitions: u32,
}

/// The networks of `fltorrent-bench train`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchModel {
    /// Fully connected layers 784-128-10
    Mlp,
    /// LeNet-5
    Lenet,
    /// The FedAvg paper's convolutional network
    Cnn,
    /// All of these
    All,
}

/// `fltorrent-bench all`.
#[derive(Clone, Debug, Args)]
pub(crate) struct AllArguments {
    /// For the quickstart.
    #[command(flatten)]
    pub(crate) quickstart: QuickstartArguments,
    /// For the training.
    #[command(flatten)]
    pub(crate) train: TrainArguments,
}

/// `fltorrent-bench congestion`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CongestionArguments {
    /// Rate of both peers' links, both ways
    #[arg(long, value_name = "RATE", default_value = "20Mbit")]
    pub(crate) rate: BitRate,
    /// Size of an update, which each of two peers sends to the other in every round
    #[arg(long, value_name = "BYTES", default_value = "5M")]
    pub(crate) update: ByteSize,
    /// Rounds that are measured, after one in which connections are made
    #[arg(long, default_value_t = 2, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) rounds: u32,
    /// Only this round-trip time in milliseconds; may be given several times
    #[arg(long, value_name = "MS", value_parser = whole_number::<u32>(0, 1000))]
    pub(crate) rtt: Vec<u32>,
    /// Only this share of lost packets in percent; may be given several times
    #[arg(long, value_name = "PERCENT", value_parser = whole_number::<u32>(0, 50))]
    pub(crate) loss: Vec<u32>,
}

/// `fltorrent-bench loopback`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LoopbackArguments {
    /// Only this case; may be given several times
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["mesh", "spill", "pair", "memory"]))]
    pub(crate) case: Vec<String>,
    /// Size of an update, such as 100k or 25M; without it that of the case, and only then there is a target
    #[arg(long, value_name = "BYTES")]
    pub(crate) update: Option<ByteSize>,
    /// Rounds of ours; the first one, in which connections are made and memory is taken, does not count
    #[arg(long, default_value_t = 4, value_parser = whole_number::<u32>(2, 1000))]
    pub(crate) rounds: u32,
    /// Number of measurements of each side, in turns
    #[arg(long, default_value_t = 3, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) repetitions: u32,
    /// Change one field of the manifest of every case, such as transport.mtu=6500; may be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Keep the results folders in this folder
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(crate) keep: Option<PathBuf>,
}

/// `fltorrent-bench survival`.
#[derive(Clone, Debug, Args)]
pub(crate) struct SurvivalArguments {
    /// Only this case; may be given several times
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(["kill", "restart", "quiet"]))]
    pub(crate) case: Vec<String>,
    /// Number of peers
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = whole_number::<u32>(4, 100))]
    pub(crate) peers: u32,
    /// Size of an update, such as 100k or 25M
    #[arg(long, value_name = "BYTES", default_value = "10M")]
    pub(crate) update: ByteSize,
    /// Rounds of a run in which a peer is killed
    #[arg(long, default_value_t = 15, value_parser = whole_number::<u32>(3, 1000))]
    pub(crate) rounds: u32,
    /// Rounds that the peer finishes before it is killed
    #[arg(long, default_value_t = 4, value_parser = whole_number::<u32>(2, 1000))]
    pub(crate) after: u32,
    /// Number of runs of each case
    #[arg(long, default_value_t = 5, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) repetitions: u32,
    /// Change one field of the manifest of every case, such as liveness.heartbeatTimeout=5s; may be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Keep the results folders in this folder
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(crate) keep: Option<PathBuf>,
}
