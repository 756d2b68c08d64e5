//! A peer whose training makes no progress says so by itself, and nobody waits for it.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use fltorrent_swarm::{Config, Deadline, Message, Notice, OnPeerLoss, test_utils::Solo};
use support::{Setup, edges};

const SECOND: Duration = Duration::from_secs(1);

/// Peer 0 of four, which has to make progress within ten seconds.
fn alone() -> Solo {
    let setup = Setup {
        peers: 4,
        goes_on: true,
        ..Setup::default()
    };
    let config = Config {
        progress_lease: Deadline::After(10 * SECOND),
        ..setup.config(0, &edges("mesh", 4))
    };
    Solo::of(config).connected()
}

/// As [`alone`], with the whole update of another peer.
fn behind_another() -> Solo {
    let mut solo = alone();
    solo.hear_metainfo(1, 1);
    solo.hear(1, Message::Complete { round: 0 });
    solo.hear(1, Message::Unchoke);
    while !solo.requests(1).is_empty() {
        let asked = solo.requests(1);
        solo.forget_sent();
        for request in asked {
            solo.answer(1, request);
        }
    }
    assert_eq!(solo.swarm.held().count(), solo.config.layout.chunks());
    solo.forget_sent();
    solo
}

fn progress(solo: &mut Solo) {
    solo.swarm.progressed(solo.now);
    solo.drain();
}

/// What it says to its neighbours of its links, and what it notices.
fn said(solo: &mut Solo) -> (usize, Vec<Notice>) {
    let is_statement = |message: &Message| matches!(message, Message::Statement(_));
    let said = solo.sent(2).into_iter().filter(is_statement).count();
    let notices = solo.notices();
    solo.forget_sent();
    (said, notices)
}

#[test]
fn without_progress_it_says_so_once_and_that_it_trains_again() {
    let mut solo = behind_another();
    for _ in 0..5 {
        solo.pass(9 * SECOND);
        progress(&mut solo);
    }
    assert_eq!(said(&mut solo), (0, vec![]));
    solo.pass(9 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
    solo.pass(2 * SECOND);
    assert_eq!(said(&mut solo), (1, vec![Notice::Hangs { peer: 0 }]));
    solo.pass(100 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
    progress(&mut solo);
    assert_eq!(said(&mut solo), (1, vec![Notice::Trains { peer: 0 }]));
    solo.publish();
    solo.pass(100 * SECOND);
    assert_eq!(said(&mut solo).1, [], "it waits for the others");
}

#[test]
fn an_update_is_progress_too() {
    let mut solo = behind_another();
    solo.pass(11 * SECOND);
    assert_eq!(said(&mut solo).1, [Notice::Hangs { peer: 0 }]);
    solo.publish();
    assert_eq!(said(&mut solo).1, [Notice::Trains { peer: 0 }]);
    assert_eq!(solo.swarm.held().count(), 2 * solo.config.layout.chunks());
}

#[test]
fn while_nobody_else_has_come_further_nobody_waits() {
    let mut solo = alone();
    solo.pass(100 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
}

#[test]
fn a_process_that_stood_still_has_half_of_the_time_left() {
    let mut solo = behind_another();
    solo.now += 100 * SECOND;
    solo.swarm.handle_timeout(solo.now);
    solo.drain();
    solo.pass(4 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
    solo.pass(SECOND);
    assert_eq!(said(&mut solo).1, [Notice::Hangs { peer: 0 }]);
}

#[test]
fn so_has_one_that_stood_still_when_half_of_it_had_passed() {
    let mut solo = behind_another();
    solo.pass(6 * SECOND);
    solo.now += 100 * SECOND;
    solo.swarm.handle_timeout(solo.now);
    solo.drain();
    solo.pass(4 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
    solo.pass(SECOND);
    assert_eq!(said(&mut solo).1, [Notice::Hangs { peer: 0 }]);
}

#[test]
fn where_no_update_may_be_missing_it_says_nothing() {
    let mut solo = behind_another();
    let config = Config {
        on_peer_loss: OnPeerLoss::Fail,
        ..solo.config.clone()
    };
    solo = Solo::of(config).connected();
    solo.pass(20 * SECOND);
    assert_eq!(said(&mut solo), (0, vec![]));
}
