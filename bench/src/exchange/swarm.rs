//! Our own peers: the processes that a user starts on several machines, one on each of the laboratory's.

use std::{fs, path::Path, process::Stdio, time::SystemTime};

use fltorrent_cli::{
    keys::{self, KeyOptions},
    launcher::Results,
};
use fltorrent_crds::plan::CongestionControl;
use fltorrent_records::{
    exchange::Exchange,
    file::lines,
    line::{Event, Line},
};

use super::{Contest, Failed, foreign::Foreign, lab::address, meter::Meter, outcome::Outcome};

const PORT: u16 = 8888;
const ATTEMPTS: u32 = 1;
const DAYS: u32 = 1;

/// One peer's round: its neighbours' chunks from `began` to `ended`, Unix times.
struct Round {
    began: f64,
    ended: f64,
    exchange: Exchange,
}

/// Metrics of one peer.
#[derive(Default)]
struct Figures {
    rounds: Vec<Round>,
    duplicates: u64,
    memory: u64,
}

pub(super) async fn run(contest: &Contest<'_>, folder: &Path) -> Result<Outcome, Failed> {
    let peers = contest.plan().peers.len() as u32;
    prepare(contest, folder, peers)?;
    let program = std::env::current_exe().map_err(Failed::Files)?;
    let mut children = Vec::new();
    for index in 0..peers {
        let mut command = contest.lab.command(index, &program);
        command
            .args(["peer", "--quiet", "--wait", "2m", "--index", &index.to_string()])
            .arg("--bindings")
            .arg(folder.join("nodes.yaml"))
            .arg("--keys")
            .arg(folder.join(format!("keys/peer-{index}")))
            .arg("--out")
            .arg(results(folder, index))
            .arg(folder.join("experiment.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        children.push(command.spawn().map_err(Failed::Files)?);
    }
    let foreign = match contest.foreign {
        Some(link) => Some(Foreign::begin(contest.lab, link, peers).await?),
        None => None,
    };
    let before = contest.lab.sent()?;
    let mut meter = Meter::of(&children);
    let all = async {
        for (index, child) in (0..).zip(children) {
            let output = child.wait_with_output().await.map_err(Failed::Files)?;
            if !output.status.success() {
                return Err(Failed::Peer {
                    index,
                    errors: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                });
            }
        }
        Ok(())
    };
    tokio::select! {
        done = all => done?,
        () = meter.watch() => {}
    }
    let wire = contest.lab.sent()? - before;
    let figures: Vec<Figures> = (0..peers)
        .map(|index| read(&results(folder, index), index))
        .collect::<Result<_, _>>()?;
    Ok(conclude(contest, &figures, wire, &meter, foreign.as_ref()))
}

fn prepare(contest: &Contest<'_>, folder: &Path, peers: u32) -> Result<(), Failed> {
    let nodes: Vec<String> = (0..peers)
        .map(|index| {
            let host = address(index);
            format!("  - {{id: {index}, host: '{host}', port: {PORT}, type: honest}}\n")
        })
        .collect();
    let wanted = KeyOptions {
        peers,
        attempts: ATTEMPTS,
        days: DAYS,
    };
    fs::write(folder.join("nodes.yaml"), format!("nodes:\n{}", nodes.concat())).map_err(Failed::Files)?;
    let manifest = contest.resolved.yaml()?;
    fs::write(folder.join("experiment.yaml"), manifest).map_err(Failed::Files)?;
    keys::init(&folder.join("keys"), wanted, SystemTime::now())?;
    Ok(())
}

fn results(folder: &Path, index: u32) -> std::path::PathBuf {
    folder.join(format!("results-{index}"))
}

fn read(folder: &Path, index: u32) -> Result<Figures, Failed> {
    let path = Results::reopen(folder).of_peer(index, "jsonl");
    let mut figures = Figures::default();
    for Line { time, event } in lines(&path).map_err(Failed::Files)?.flatten() {
        match event {
            Event::Exchange(exchange) => {
                let lasted = exchange.completion.last().map_or(0.0, |last| last.0);
                figures.rounds.push(Round {
                    began: time - lasted,
                    ended: time,
                    exchange: *exchange,
                });
            }
            Event::Round(report) => {
                figures.duplicates += report.wasted.duplicate;
                figures.memory = figures.memory.max(report.peak_rss_bytes);
            }
            _ => {}
        }
    }
    Ok(figures)
}

fn conclude(
    contest: &Contest<'_>,
    figures: &[Figures],
    wire: u64,
    meter: &Meter,
    foreign: Option<&Foreign>,
) -> Outcome {
    let rounds = figures.iter().map(|peer| peer.rounds.len()).min().unwrap_or(0);
    let last = |time: fn(&Round) -> f64, round: usize| {
        let times = figures.iter().filter_map(|peer| peer.rounds.get(round));
        times.map(time).fold(0.0, f64::max)
    };
    // A peer that is complete goes on with the next round while others still finish this one, so a single round has no
    // beginning: all of them count, from when the last peer has begun, and connections are being made.
    let began = last(|round| round.began, 0);
    let ended = last(|round| round.ended, rounds.saturating_sub(1));
    let payload = contest.case.payload() as f64;
    let whole = payload * rounds as f64;
    let control: u64 = figures
        .iter()
        .flat_map(|peer| &peer.rounds)
        .map(|round| round.exchange.transport.control_bytes)
        .sum();
    let duplicates: u64 = figures.iter().map(|peer| peer.duplicates).sum();
    Outcome {
        seconds: (rounds > 0).then(|| (ended - began) / rounds as f64),
        // What a foreign flow sent is not ours.
        wire: foreign.is_none().then_some(wire as f64 / whole),
        control: Some(control as f64 / whole),
        duplicates: Some(duplicates as f64 / whole),
        cpu: Some(meter.cpu(began, ended) / (whole / 1e9)),
        memory: figures.iter().map(|peer| peer.memory).max(),
        foreign: foreign.map(|flow| flow.share(began, ended)),
        slowest: slowest(figures, rounds),
    }
}

/// Who was last in the last round, and what it waited for.
fn slowest(figures: &[Figures], rounds: usize) -> Option<String> {
    let last = rounds.checked_sub(1)?;
    let (index, round) = figures
        .iter()
        .map(|peer| &peer.rounds[last])
        .enumerate()
        .max_by(|(_, a), (_, b)| a.ended.total_cmp(&b.ended))?;
    let seconds = (round.ended - round.began).max(f64::MIN_POSITIVE);
    let Exchange {
        waits,
        transport,
        congestion_control,
        ..
    } = &round.exchange;
    Some(format!(
        "peer {index}: nothing of interest {:.0} %, choked {:.0} %, packets lost {:.1} %, congestion {}×, windows full {}×, {}",
        100.0 * waits.nothing / seconds,
        100.0 * waits.choked / seconds,
        100.0 * transport.lost as f64 / transport.packets.max(1) as f64,
        transport.congestion_events,
        transport.blocked,
        match congestion_control {
            CongestionControl::RateAware => "rate-aware",
            CongestionControl::NewReno => "NewReno",
            CongestionControl::Auto | CongestionControl::Cubic => "Cubic",
        },
    ))
}
