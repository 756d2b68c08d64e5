//! Reports on their way while the coordinator comes and goes.

use std::{net::SocketAddr, time::Duration};

use fltorrent_coordinator::{
    authority::Authority,
    backoff::JitteredBackoff,
    client::{MAX_BACKOFF, MAX_WAITING, Reporter, TargetError},
    intake::{Intake, Reported},
    tls::HTTP_ALPN,
};
use fltorrent_records::{progress::Progress, report::RoundReport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::fixture::{OTHER_RUN, RUN, authority, coordinator, peer, report};

const ANYWHERE: &str = "127.0.0.1:0";
const GRACE: Duration = Duration::from_secs(60);

fn reporter(authority: &Authority, address: SocketAddr) -> Reporter {
    let tls = peer(authority, 3).client_config(&[HTTP_ALPN]).unwrap();
    Reporter::start(&address.to_string(), RUN, tls, JitteredBackoff::new(MAX_BACKOFF, 3)).unwrap()
}

fn intake(authority: &Authority, listener: TcpListener, progress: Progress) -> (Intake, mpsc::Receiver<Reported>) {
    let tls = coordinator(authority).server_config(&[HTTP_ALPN]).unwrap();
    let (sender, reported) = mpsc::channel(2 * MAX_WAITING);
    (Intake::start(listener, tls, RUN, progress, sender).unwrap(), reported)
}

/// A listener where another one was; its last connections may still be on their way out.
async fn bind_again(address: SocketAddr) -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(64).unwrap()
}

async fn rounds(reported: &mut mpsc::Receiver<Reported>, count: usize) -> Vec<u32> {
    let mut rounds = Vec::new();
    while rounds.len() < count {
        rounds.push(reported.recv().await.unwrap().report.round);
    }
    rounds
}

#[tokio::test]
async fn reports_arrive_in_order() {
    let authority = authority(RUN);
    let (intake, mut reported) = intake(
        &authority,
        TcpListener::bind(ANYWHERE).await.unwrap(),
        Progress::new(8, 200),
    );
    let reporter = reporter(&authority, intake.address());
    for round in 0..200 {
        reporter.report(report(3, round)).unwrap();
    }
    assert_eq!(reporter.close(GRACE).await, 0);
    assert_eq!(rounds(&mut reported, 200).await, (0..200).collect::<Vec<_>>());
    reported.try_recv().unwrap_err();
}

#[tokio::test]
async fn reports_wait_for_a_coordinator_that_is_away_and_arrive_once() {
    let authority = authority(RUN);
    let crashing = TcpListener::bind(ANYWHERE).await.unwrap();
    let address = crashing.local_addr().unwrap();
    let reporter = reporter(&authority, address);
    reporter.report(report(3, 0)).unwrap();
    // It was there, and broke the connection.
    drop(crashing.accept().await.unwrap());
    drop(crashing);
    reporter.report(report(3, 1)).unwrap();

    let (first, mut reported) = intake(&authority, bind_again(address).await, Progress::new(8, 10));
    assert_eq!(rounds(&mut reported, 2).await, [0, 1]);
    let progress = first.stop(GRACE).await;
    drop(reported);

    for round in 2..6 {
        reporter.report(report(3, round)).unwrap();
    }
    let (second, mut reported) = intake(&authority, bind_again(address).await, progress);
    assert_eq!(rounds(&mut reported, 4).await, [2, 3, 4, 5]);
    assert_eq!(reporter.close(GRACE).await, 0);
    assert_eq!(second.stop(GRACE).await.rounds_reported(3), Some(6));
    reported.recv().await.ok_or(()).unwrap_err();
}

#[tokio::test]
async fn a_lost_acknowledgement_makes_no_second_report() {
    let authority = authority(RUN);
    let (intake, mut reported) = intake(
        &authority,
        TcpListener::bind(ANYWHERE).await.unwrap(),
        Progress::new(8, 10),
    );
    let proxy = TcpListener::bind(ANYWHERE).await.unwrap();
    let reporter = reporter(&authority, proxy.local_addr().unwrap());
    reporter.report(report(3, 0)).unwrap();

    // The first connection lets the handshake through and the request, but not the answer.
    let (near, _) = proxy.accept().await.unwrap();
    let far = TcpStream::connect(intake.address()).await.unwrap();
    let (mut from_client, mut to_client) = near.into_split();
    let (mut from_server, mut to_server) = far.into_split();
    let mut buffer = vec![0; 1 << 14];
    let hello = from_client.read(&mut buffer).await.unwrap();
    to_server.write_all(&buffer[..hello]).await.unwrap();
    let replies = async {
        let mut buffer = vec![0; 1 << 14];
        loop {
            let length = from_server.read(&mut buffer).await.unwrap();
            to_client.write_all(&buffer[..length]).await.unwrap();
        }
    };
    let finished = tokio::select! {
        () = replies => 0,
        length = from_client.read(&mut buffer) => length.unwrap(),
    };
    to_server.write_all(&buffer[..finished]).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        first = rounds(&mut reported, 1) => assert_eq!(first, [0]),
    }
    assert_eq!(reporter.waiting(), 1);
    drop((from_client, to_client, from_server, to_server));

    let (mut near, _) = proxy.accept().await.unwrap();
    let mut far = TcpStream::connect(intake.address()).await.unwrap();
    let (unacknowledged, _) = tokio::join!(
        reporter.close(GRACE),
        tokio::io::copy_bidirectional(&mut near, &mut far)
    );
    assert_eq!(unacknowledged, 0);
    assert_eq!(intake.stop(GRACE).await.rounds_reported(3), Some(1));
    reported.recv().await.ok_or(()).unwrap_err();
}

#[tokio::test]
async fn a_refused_report_does_not_hold_up_the_others() {
    let authority = authority(RUN);
    let (intake, mut reported) = intake(
        &authority,
        TcpListener::bind(ANYWHERE).await.unwrap(),
        Progress::new(8, 3),
    );
    let reporter = reporter(&authority, intake.address());
    for round in [0, 1, 7] {
        reporter.report(report(3, round)).unwrap();
    }
    reporter
        .report(RoundReport {
            bytes_sent: 1,
            ..report(3, 1)
        })
        .unwrap();
    reporter.report(report(4, 2)).unwrap();
    reporter.report(report(3, 2)).unwrap();
    assert_eq!(reporter.close(GRACE).await, 0);
    assert_eq!(rounds(&mut reported, 3).await, [0, 1, 2]);
    assert_eq!(intake.stop(GRACE).await.rounds_reported(4), Some(0));
}

#[tokio::test]
async fn closing_tries_once_more_and_counts_what_is_left() {
    let authority = authority(RUN);
    let nobody = TcpListener::bind(ANYWHERE).await.unwrap();
    let reporter_of_nobody = reporter(&authority, nobody.local_addr().unwrap());
    drop(nobody);
    for round in 0..3 {
        reporter_of_nobody.report(report(3, round)).unwrap();
    }
    assert_eq!(reporter_of_nobody.close(GRACE).await, 3);

    // One that takes connections and never speaks is given up after the grace.
    let silent = TcpListener::bind(ANYWHERE).await.unwrap();
    let reporter_of_silent = reporter(&authority, silent.local_addr().unwrap());
    reporter_of_silent.report(report(3, 0)).unwrap();
    let (_connection, _) = silent.accept().await.unwrap();
    assert_eq!(reporter_of_silent.close(Duration::ZERO).await, 1);

    let idle = reporter(&authority, silent.local_addr().unwrap());
    assert_eq!(idle.close(GRACE).await, 0);
}

#[tokio::test]
async fn the_outbox_is_bounded() {
    let authority = authority(RUN);
    let nobody = TcpListener::bind(ANYWHERE).await.unwrap();
    let reporter = reporter(&authority, nobody.local_addr().unwrap());
    drop(nobody);
    for round in 0..u32::try_from(MAX_WAITING).unwrap() + 10 {
        reporter.report(report(3, round)).unwrap();
    }
    assert_eq!(reporter.waiting(), MAX_WAITING);
    let mut impossible = report(3, 0);
    impossible.exchange_seconds = f64::INFINITY;
    reporter.report(impossible).unwrap_err();
    assert_eq!(format!("{reporter:?}"), "Reporter(16384 reports waiting)");
}

#[tokio::test]
async fn a_false_coordinator_learns_nothing() {
    let ours = authority(RUN);
    let foreign = authority(RUN);
    for false_authority in [&foreign, &authority(OTHER_RUN)] {
        let (intake, mut reported) = intake(
            false_authority,
            TcpListener::bind(ANYWHERE).await.unwrap(),
            Progress::new(8, 3),
        );
        let reporter = reporter(&ours, intake.address());
        reporter.report(report(3, 0)).unwrap();
        assert_eq!(reporter.close(GRACE).await, 1);
        intake.stop(GRACE).await;
        reported.recv().await.ok_or(()).unwrap_err();
    }
}

#[tokio::test]
async fn addresses_need_a_port() {
    let tls = peer(&authority(RUN), 3).client_config(&[HTTP_ALPN]).unwrap();
    for wrong in ["", "host", "host:", ":80", "host:65536", "host:http"] {
        let started = Reporter::start(wrong, RUN, tls.clone(), JitteredBackoff::new(MAX_BACKOFF, 0));
        assert!(matches!(started, Err(TargetError::Address(found)) if found == wrong));
    }
}
