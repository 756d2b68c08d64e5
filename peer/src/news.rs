//! What a person who watches one peer is told.

use std::net::IpAddr;

use fltorrent_records::report::RoundReport;

/// Something that happened at a peer.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A neighbour is connected and means the same experiment.
    Met {
        /// Which.
        neighbour: u32,
    },
    /// The connection to a neighbour is gone, or was never of use.
    Away {
        /// Which.
        neighbour: u32,
        /// What is known of the cause.
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
    /// A round is over.
    Round(Box<RoundReport>),
}
