//! libtorrent over the same edges: one process a machine, an update a torrent, no peer exchange.

use std::{fs, path::Path, process::Stdio, time::SystemTime};

use fltorrent_peer::metrics_file::unix_seconds;
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
};

use super::{Contest, Failed, lab::address, meter::Meter, outcome::Outcome};

const SCRIPT: &str = include_str!("libtorrent.py");
/// The script that prints the version.
const VERSION: &str = "import libtorrent; print(libtorrent.version)";

/// The last line of a peer.
#[derive(Deserialize)]
struct Last {
    ended: f64,
    redundant: u64,
}

/// The version that an interpreter has, if any.
pub(super) async fn version(python: &Path) -> Option<String> {
    let output = Command::new(python).args(["-c", VERSION]).output().await.ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !version.is_empty()).then_some(version)
}

pub(super) async fn run(contest: &Contest<'_>, folder: &Path, python: &Path) -> Result<Outcome, Failed> {
    let plan = contest.plan();
    let peers = plan.peers.len() as u32;
    let script = folder.join("peer.py");
    fs::write(&script, SCRIPT).map_err(Failed::Files)?;
    let make = json!({"folder": folder, "peers": peers, "size": contest.case.update});
    let made = Command::new(python)
        .arg(&script)
        .arg(make.to_string())
        .output()
        .await
        .map_err(Failed::Files)?;
    if !made.status.success() {
        let errors = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Err(Failed::Libtorrent { errors });
    }
    let (mut children, mut pipes) = (Vec::new(), Vec::new());
    for peer in &plan.peers {
        // Connections are for both directions; one of the two dials.
        let dialled: Vec<_> = peer
            .neighbours
            .iter()
            .filter(|&&neighbour| neighbour > peer.index)
            .map(|&neighbour| address(neighbour))
            .collect();
        let what = json!({
            "folder": folder, "index": peer.index, "peers": peers,
            "address": address(peer.index), "dialled": dialled,
        });
        let mut child = contest
            .lab
            .command(peer.index, python)
            .arg(&script)
            .arg(what.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failed::Files)?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failed::Gone { index: peer.index });
        };
        pipes.push((peer.index, stdin, BufReader::new(stdout).lines()));
        children.push(child);
    }
    for (index, _, lines) in &mut pipes {
        next(*index, lines).await?;
    }
    let before = contest.lab.sent()?;
    let mut meter = Meter::of(&children);
    let began = unix_seconds(SystemTime::now());
    let mut last = Last {
        ended: began,
        redundant: 0,
    };
    tokio::select! {
        done = exchange(&mut pipes, &mut last) => done?,
        () = meter.watch() => {}
    }
    let wire = contest.lab.sent()? - before;
    let payload = contest.case.payload() as f64;
    Ok(Outcome {
        seconds: Some(last.ended - began),
        wire: Some(wire as f64 / payload),
        duplicates: Some(last.redundant as f64 / payload),
        cpu: Some(meter.cpu(began, last.ended) / (payload / 1e9)),
        memory: Some(meter.memory() / u64::from(peers)),
        ..Outcome::default()
    })
}

async fn exchange(
    pipes: &mut [(u32, ChildStdin, Lines<BufReader<ChildStdout>>)],
    last: &mut Last,
) -> Result<(), Failed> {
    for (_, stdin, _) in pipes.iter_mut() {
        stdin.write_all(b"go\n").await.map_err(Failed::Files)?;
    }
    for (index, _, lines) in pipes {
        let line = next(*index, lines).await?;
        let end: Last = serde_json::from_str(&line).map_err(|_| Failed::Gone { index: *index })?;
        last.ended = last.ended.max(end.ended);
        last.redundant += end.redundant;
    }
    Ok(())
}

async fn next(index: u32, lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String, Failed> {
    let line = lines.next_line().await.map_err(Failed::Files)?;
    line.ok_or(Failed::Gone { index })
}
