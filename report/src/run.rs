//! A run as its folders tell it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fltorrent_records::{
    classes::{ClassFigures, by_class},
    progress::RoundSummary,
    report::{ModelHash, ReportedEnd, RoundReport},
};

use super::{
    Load, ReportError, Subject,
    history::History,
    read::{Ending, Folder, Histogram},
};

/// A run as its folders tell it.
#[derive(Debug)]
pub struct Run {
    pub(super) folders: Vec<PathBuf>,
    pub(super) manifest: String,
    pub(super) subject: Subject,
    pub(super) plan_hash: [u8; 32],
    pub(super) ending: Option<Ending>,
    pub(super) histogram: Option<Histogram>,
    /// By index; peers whose metrics are in no folder are missing.
    pub(super) peers: BTreeMap<u32, History>,
    /// Peers that ended before the run, or take part in none of the last rounds.
    pub(super) lost: BTreeSet<u32>,
    /// Rounds that at least one peer has finished, ascending.
    pub(super) rounds: Vec<Finished>,
    /// Notes about the origin of the figures.
    pub(super) notes: Vec<String>,
}

/// A round over the peers whose figures are there, and what the run had taken by its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finished {
    pub(crate) summary: RoundSummary,
    /// Payload bytes received up to the end of this round, in sum.
    pub(crate) bytes: u64,
    /// Seconds from the first training to the end of this round on the last peer.
    pub(crate) seconds: f64,
}

impl Run {
    /// Reads the folders of one run, which may come from several machines.
    ///
    /// # Errors
    /// When a folder has no run, the folders are of different runs, or two of them differ about a peer.
    pub(super) fn read(folders: &[PathBuf], load: Load<'_>) -> Result<Self, ReportError> {
        let folders: Vec<Folder> = folders
            .iter()
            .map(|path| Folder::read(path, load))
            .collect::<Result<_, _>>()?;
        check_same(&folders)?;
        let first = folders.iter().find_map(|folder| folder.manifest.clone());
        let Some((manifest, subject)) = first else {
            return Err(ReportError::NoManifest {
                path: folders.first().map_or_else(PathBuf::new, |folder| folder.path.clone()),
            });
        };
        let plan = &subject.plan;
        let sizes = (plan.peers.len() as u32, plan.training.rounds);
        let mut notes = Vec::new();
        let mut peers = BTreeMap::new();
        for (index, path) in metrics(&folders, sizes.0, &mut notes)? {
            let history = History::read(path, index, sizes)?;
            notes.extend(history.damage(index));
            peers.insert(index, history);
        }
        let missing = sizes.0 as usize - peers.len();
        if missing > 0 {
            notes.push(format!(
                "The metrics of {missing} of {} peers are missing; figures cover the others.",
                sizes.0
            ));
        }
        if peers.values().any(|history| history.resumed) {
            let note = "The run was stopped and resumed; times exclude the pauses and the rounds that were repeated.";
            notes.push(note.to_owned());
        }
        for (index, history) in &peers {
            match history.restarts {
                0 => {}
                1 => notes.push(format!("Peer {index} was restarted once after its process died.")),
                times => notes.push(format!(
                    "Peer {index} was restarted {times} times after its process died."
                )),
            }
        }
        let ending = folders.iter().find_map(|folder| folder.ending.clone());
        let told = ending.iter().flat_map(|ending| &ending.lost);
        for lost in told.clone() {
            notes.push(format!("The run went on without peer {}: {}.", lost.peer, lost.reason));
        }
        let lost: BTreeSet<u32> = told.map(|lost| lost.peer).chain(missing_at_the_end(&peers)).collect();
        if folders.len() > 1 {
            notes.push("Times come from the clocks of several machines.".to_owned());
        }
        Ok(Self {
            plan_hash: folders
                .iter()
                .find_map(|folder| folder.plan_hash)
                .unwrap_or_else(|| plan.hash()),
            ending,
            histogram: folders.iter().find_map(|folder| folder.histogram.clone()),
            rounds: rounds(&peers, &lost),
            lost,
            folders: folders.into_iter().map(|folder| folder.path).collect(),
            manifest,
            subject,
            peers,
            notes,
        })
    }

    /// The last round that all peers but those that were lost have finished, or else the last that any has.
    pub(super) fn last(&self) -> Option<&Finished> {
        let all = 0..self.subject.plan.peers.len() as u32;
        let left: Vec<u32> = all.filter(|peer| !self.lost.contains(peer)).collect();
        let has = |peer: &u32, round: u32| {
            self.peers
                .get(peer)
                .is_some_and(|peer| peer.rounds.contains_key(&round))
        };
        let is_whole = |round: &&Finished| left.iter().all(|peer| has(peer, round.summary.round));
        let whole = self.rounds.iter().rev().find(is_whole);
        whole.or_else(|| self.rounds.last())
    }

    /// The accuracy of the last round by class, over the peers that have it.
    pub(super) fn classes(&self) -> Vec<ClassFigures> {
        let Some(last) = self.last() else {
            return Vec::new();
        };
        let kept = self.peers.values().flat_map(|peer| &peer.classes);
        by_class(last.summary.round, kept.flatten())
    }

    /// The round whose model the run ended with: none when it failed or the peers' models differ, since that of an earlier round
    /// is no result.
    pub(super) fn result(&self) -> Option<&Finished> {
        let ending = self.ending.as_ref();
        let has_failed = ending.is_some_and(|ending| ending.outcome == "failed");
        self.last().filter(|last| last.summary.models_agree && !has_failed)
    }

    /// The plan's hash in hex.
    pub(super) fn plan_hash(&self) -> String {
        ModelHash::from_bytes(self.plan_hash).to_string()
    }

    /// Rounds in the plan.
    pub fn planned_rounds(&self) -> u32 {
        self.subject.plan.training.rounds
    }

    /// Rounds of which there are figures.
    pub fn finished_rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Notes about the origin of the figures.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// Peers of whose update nothing is in the last round that is told of.
fn missing_at_the_end(peers: &BTreeMap<u32, History>) -> Vec<u32> {
    let ends = peers.values().filter_map(|peer| peer.ends.last_key_value());
    let last = ends.max_by_key(|(round, _)| **round);
    last.map_or_else(Vec::new, |(_, end)| end.missing.clone())
}

fn check_same(folders: &[Folder]) -> Result<(), ReportError> {
    let hex = |hash: [u8; 32]| ModelHash::from_bytes(hash).to_string();
    let run = |folder: &Folder| folder.ending.as_ref()?.run.clone();
    let plan = |folder: &Folder| folder.plan_hash.map(hex);
    same(folders, "plan hash", plan)?;
    same(folders, "run id", run)
}

fn same(folders: &[Folder], what: &'static str, value: impl Fn(&Folder) -> Option<String>) -> Result<(), ReportError> {
    let mut known = folders.iter().filter_map(|folder| Some((&folder.path, value(folder)?)));
    let Some((first, first_value)) = known.next() else {
        return Ok(());
    };
    match known.find(|(_, value)| *value != first_value) {
        Some((second, second_value)) => Err(ReportError::Different {
            first: first.clone(),
            second: second.clone(),
            what,
            first_value,
            second_value,
        }),
        None => Ok(()),
    }
}

/// One metrics file a peer. A peer that is there twice with the same file counts once.
fn metrics<'a>(
    folders: &'a [Folder],
    peers: u32,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<u32, &'a Path>, ReportError> {
    let mut files: BTreeMap<u32, &Path> = BTreeMap::new();
    let of_the_run = |folder: &'a Folder| folder.peers.range(..peers);
    for (&index, path) in folders.iter().flat_map(of_the_run) {
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        match files.get(&index) {
            // A folder may have an empty file of a peer that ran elsewhere.
            Some(_) if size(path) == 0 => {}
            Some(first) if size(first) > 0 => {
                if !is_same(first, path)? {
                    return Err(ReportError::Twice {
                        peer: index,
                        first: (*first).to_owned(),
                        second: path.clone(),
                    });
                }
                notes.push(format!(
                    "Peer {index} is present twice with identical figures; {} is used.",
                    first.display()
                ));
            }
            _ => {
                files.insert(index, path);
            }
        }
    }
    Ok(files)
}

fn is_same(first: &Path, second: &Path) -> Result<bool, ReportError> {
    Ok(super::read::text(first)? == super::read::text(second)?)
}

fn rounds(peers: &BTreeMap<u32, History>, lost: &BTreeSet<u32>) -> Vec<Finished> {
    let began = peers.values().filter_map(|peer| peer.began);
    let began = began.fold(f64::INFINITY, f64::min);
    let mut by_round: BTreeMap<u32, Vec<&(f64, RoundReport)>> = BTreeMap::new();
    for (round, report) in peers.values().flat_map(|peer| &peer.rounds) {
        by_round.entry(*round).or_default().push(report);
    }
    let mut bytes = 0_u64;
    let mut finished = Vec::with_capacity(by_round.len());
    for (number, reports) in by_round {
        let of_peers = reports.iter().map(|(_, report)| report);
        let Some(summary) = RoundSummary::of(number, ReportedEnd::default(), of_peers, |peer| !lost.contains(&peer))
        else {
            continue;
        };
        bytes = bytes.saturating_add(summary.bytes_received);
        let end = reports.iter().map(|(time, _)| *time).fold(0.0, f64::max);
        let seconds = match began.is_finite() {
            true => (end - began).max(0.0),
            false => 0.0,
        };
        finished.push(Finished {
            summary,
            bytes,
            seconds,
        });
    }
    finished
}
