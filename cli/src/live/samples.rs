//! Lines for tests.

use fltorrent_records::{
    line::{Event, InRound},
    report::{ModelHash, RoundReport, sample},
    status::{State, Status},
};

use super::board::Board;
use crate::output::Description;

pub(super) const START: f64 = 1_700_000_000.0;

pub(super) fn status(state: State, round: u32) -> Status {
    Status {
        state,
        round,
        held: 40,
        total: 80,
        bytes_sent: 3 << 20,
        bytes_received: 2 << 20,
        bytes_wasted: 1024,
        neighbours: 2,
        interested: 1,
        interested_in: 2,
        unchoked: 2,
        choked_by: 1,
        faults: 0,
    }
}

pub(super) fn report(peer: u32, round: u32) -> RoundReport {
    let mut report = sample(peer, 0, round);
    (report.train.seconds, report.exchange_seconds) = (1.5, 0.5);
    (report.aggregate_seconds, report.model_hash) = (0.125, ModelHash::from_bytes([7; 32]));
    (report.evaluation.correct, report.evaluation.total) = (90, 100);
    report.evaluation.loss_sum = Some(50.0);
    report
}

pub(super) fn description(peers: u32) -> Description {
    Description {
        name: "quickstart".to_owned(),
        peers: peers as usize,
        topology: "ring".to_owned(),
        rounds: 10,
        model: "mlp 64-64-10".to_owned(),
        parameters: 4810,
        chunks: 10,
        update_bytes: 19_240,
        data: "digits, iid".to_owned(),
        train_samples: None,
        test_samples: None,
        backend: fltorrent_crds::plan::Backend::Flex,
    }
}

/// A run of so many peers and 10 rounds, of which `finished` are over, one every 4 seconds.
pub(super) fn board(peers: u32, finished: u32) -> Board {
    let mut board = Board::new(&description(peers), &vec![2; peers as usize], peers / 2 + 1, START);
    for peer in 0..peers {
        board.take(peer, START, &Event::Training(InRound { round: 0 }));
        board.take(peer, START, &Event::Status(status(State::Training, 0)));
        for round in 0..finished {
            let end = START + 4.0 * f64::from(round + 1);
            board.take(peer, end, &Event::Round(Box::new(report(peer, round))));
        }
        let now = START + 4.0 * f64::from(finished);
        let state = [State::Training, State::Exchanging, State::Aggregating][peer as usize % 3];
        board.take(peer, now, &Event::Status(status(state, finished)));
    }
    board
}
