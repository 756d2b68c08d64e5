//! The columns of the peers' table: which of them fit, and what stands in them.

use fltorrent_records::status::{State, Status};

use super::{
    board::Board,
    format::{bytes, figure, seconds},
    peer::Peer,
};

pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: usize,
    /// The state is a word and stands left; numbers stand right.
    pub(super) is_word: bool,
    /// Columns with a lower rank are kept longer when the terminal is narrow.
    rank: u8,
    pub(super) cell: fn(&Peer, &Cells) -> String,
}

/// Inputs of all cells besides their peer.
pub(super) struct Cells {
    pub(super) now: f64,
    pub(super) rounds: u32,
}

/// A peer's state in a word.
pub(super) const fn word(state: Option<State>) -> &'static str {
    match state {
        None => "starting",
        Some(State::Connecting) => "connecting",
        Some(State::Training) => "training",
        Some(State::Exchanging) => "exchanging",
        Some(State::Aggregating) => "aggregating",
        Some(State::Serving) => "serving",
        Some(State::Finished) => "finished",
        Some(State::Failed) => "failed",
    }
}

/// The columns that fit into so many characters, each with a space before it.
pub(super) fn columns(board: &Board, width: usize) -> Vec<Column> {
    let rounds = 2 * digits(board.rounds().into()) + 1;
    let chunks = |peer: &Peer| peer.status.map_or(0, |status| status.total);
    let chunks = 2 * digits(board.peers.iter().map(chunks).max().unwrap_or(0)) + 1;
    let number = |title, width, rank, cell| Column {
        title,
        width,
        is_word: false,
        rank,
        cell,
    };
    let mut columns = vec![
        number("peer", 4, 0, |peer, _| peer.index.to_string()),
        Column {
            is_word: true,
            ..number("state", 11, 0, |peer, _| word(peer.state()).to_owned())
        },
        number("round", rounds.max(5), 0, |peer, cells| {
            of(peer, |status| {
                let round = (u64::from(status.round) + 1).min(cells.rounds.into());
                format!("{round}/{}", cells.rounds)
            })
        }),
        number("chunks", chunks.max(6), 1, |peer, _| {
            of(peer, |status| format!("{}/{}", status.held, status.total))
        }),
        number("own acc", 7, 1, |peer, _| figure(peer.accuracy())),
        number("own loss", 8, 7, |peer, _| figure(peer.loss())),
        number("down", 5, 2, |peer, cells| bytes(peer.rates(cells.now).0)),
        number("up", 5, 2, |peer, cells| bytes(peer.rates(cells.now).1)),
        number("received", 8, 8, |peer, _| {
            of(peer, |status| bytes(status.bytes_received as f64))
        }),
        number("sent", 6, 8, |peer, _| {
            of(peer, |status| bytes(status.bytes_sent as f64))
        }),
        number("wasted", 6, 9, |peer, _| {
            of(peer, |status| bytes(status.bytes_wasted as f64))
        }),
        number("links", 5, 6, |peer, _| {
            of(peer, |status| format!("{}/{}", status.neighbours, peer.degree))
        }),
        number("serves", 6, 3, |peer, _| of(peer, |status| status.unchoked.to_string())),
        number("choked", 6, 5, |peer, _| {
            of(peer, |status| status.choked_by.to_string())
        }),
        number("wants", 5, 10, |peer, _| {
            of(peer, |status| status.interested.to_string())
        }),
        number("wanted", 6, 10, |peer, _| {
            of(peer, |status| status.interested_in.to_string())
        }),
        number("train", 6, 4, |peer, _| time(peer, |report| report.train.seconds)),
        number("exch", 6, 4, |peer, _| time(peer, |report| report.exchange_seconds)),
        number("aggr", 6, 8, |peer, _| time(peer, |report| report.aggregate_seconds)),
        number("test", 6, 8, |peer, _| time(peer, |report| report.evaluation.seconds)),
        number("memory", 6, 9, |peer, _| {
            peer.report
                .map_or_else(dash, |report| bytes(report.peak_rss_bytes as f64))
        }),
    ];
    let sum = |columns: &[Column]| columns.iter().map(|column| column.width + 1).sum::<usize>();
    while sum(&columns) > width {
        let Some(worst) = columns.iter().map(|column| column.rank).max().filter(|&rank| rank > 0) else {
            break;
        };
        columns.retain(|column| column.rank < worst);
    }
    columns
}

fn dash() -> String {
    "-".to_owned()
}

fn of(peer: &Peer, text: impl Fn(Status) -> String) -> String {
    peer.status.map_or_else(dash, text)
}

fn time(peer: &Peer, of: impl Fn(fltorrent_records::report::RoundReport) -> f64) -> String {
    peer.report.map_or_else(dash, |report| seconds(of(report)))
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::samples::board;

    fn titles(width: usize) -> Vec<&'static str> {
        columns(&board(8, 2), width).iter().map(|column| column.title).collect()
    }

    #[test]
    fn narrow_terminals_get_fewer_columns() {
        assert_eq!(
            titles(79),
            [
                "peer", "state", "round", "chunks", "own acc", "down", "up", "serves", "choked", "train", "exch"
            ]
        );
        assert_eq!(titles(72).len(), 10, "all but one");
        assert_eq!(titles(39), ["peer", "state", "round", "chunks", "own acc"]);
        assert_eq!(titles(0), ["peer", "state", "round"]);
        assert_eq!(titles(199).len(), 21);
    }

    #[test]
    fn cells_keep_to_their_columns() {
        let board = board(50, 9);
        let cells = Cells {
            now: board.began + 40.0,
            rounds: board.rounds(),
        };
        for column in columns(&board, 200) {
            for peer in &board.peers {
                let cell = (column.cell)(peer, &cells);
                assert!(cell.len() <= column.width, "{} {cell:?}", column.title);
            }
        }
    }
}
