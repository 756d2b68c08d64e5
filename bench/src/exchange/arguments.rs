//! The command line of `fltorrent-bench exchange`.

use std::{fmt, path::PathBuf};

use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use fltorrent_cli::arguments::{path, setting, whole_number};
use fltorrent_crds::{ByteSize, experiment::MAX_SEED};

use super::cases;

/// `fltorrent-bench exchange`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ExchangeArguments {
    /// Only this case; may be given several times
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(cases::names()))]
    pub(crate) case: Vec<String>,
    /// A case of 6 to 24 peers whose edges and uplinks follow from this seed, with those of --case alone; may be given several times
    #[arg(long, value_name = "SEED", value_parser = whole_number::<u64>(0, MAX_SEED))]
    pub(crate) random: Vec<u64>,
    /// So many machines instead of those of the case, where it can have others; may be given several times, and has no target
    #[arg(long, value_name = "N", conflicts_with = "random", value_parser = whole_number::<u32>(3, 100))]
    pub(crate) peers: Vec<u32>,
    /// Only this contender; may be given several times
    #[arg(long, value_enum)]
    pub(crate) contender: Vec<Contender>,
    /// Size of an update, such as 100k or 25M; without it that of the case, and only then there is a target
    #[arg(long, value_name = "BYTES")]
    pub(crate) update: Option<ByteSize>,
    /// Milliseconds that a full queue of a link holds; without it 50, but at least twenty packets, and only then there is a target
    #[arg(long, value_name = "MS", value_parser = whole_number::<u32>(1, 10_000))]
    pub(crate) queue: Option<u32>,
    /// A TCP flow of somebody else's leaves the first machine beside ours; its share of that uplink is printed
    #[arg(long)]
    pub(crate) foreign: bool,
    /// Rounds of ours; connections are made in the first one
    #[arg(long, default_value_t = 4, value_parser = whole_number::<u32>(1, 1000))]
    pub(crate) rounds: u32,
    /// A Python interpreter that has libtorrent
    #[arg(long, default_value = "python3")]
    pub(crate) python: PathBuf,
    /// Change one field of the manifest of every case, such as exchange.uploadSlots=8; may be given several times
    #[arg(long, value_name = "PATH=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// Keep logs and metrics in this folder
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub(crate) keep: Option<PathBuf>,
}

/// The contenders of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Our own peers
    Fltorrent,
    /// libtorrent, an update a torrent, over the same edges
    Libtorrent,
    /// Whole updates over the edges by TCP, along shortest ways
    Direct,
    /// A server that averages and sends the mean back, by TCP
    Server,
}

impl Contender {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Fltorrent, Self::Libtorrent, Self::Direct, Self::Server];
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fltorrent => "fltorrent",
            Self::Libtorrent => "libtorrent",
            Self::Direct => "direct",
            Self::Server => "server",
        })
    }
}
