//! News for a person who watches one peer.

use std::net::IpAddr;

use fltorrent_records::report::RoundReport;
use fltorrent_swarm::Notice;

/// Something that happened at a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A neighbour is connected and means the same experiment.
    Met {
        /// The neighbour.
        neighbour: u32,
    },
    /// The connection to a neighbour is gone, or was never of use.
    Away {
        /// The neighbour.
        neighbour: u32,
        /// The cause, as far as it is known.
        why: String,
    },
    /// Somebody wanted to connect and was refused, or left in the middle of it.
    Stranger {
        /// From where.
        from: IpAddr,
        /// Why it came to nothing.
        why: String,
        /// Its process ends: it was not refused.
        is_ending: bool,
    },
    /// Somebody takes part no more, or again, or too few do. It is in the log as well.
    View(Notice),
    /// A round is over.
    Round(Box<RoundReport>),
}
