//! Accuracy and loss: by round, by bytes, by seconds; and whose data they were learned from.

use fltorrent_records::classes::ClassFigures;
use maud::{Markup, html};

use super::figure::{Table, absent, figure};
use crate::{
    plot::{Bubbles, GroupedBars, Lines, Name, Series, range_name, ranges},
    read::Histogram,
    run::{Finished, Run},
    units::{Unit, bytes, duration, percent},
};

/// The x axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Rounds,
    Bytes,
    Seconds,
}

impl By {
    pub(crate) const ALL: [Self; 3] = [Self::Rounds, Self::Bytes, Self::Seconds];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rounds => "round",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }

    pub(crate) const fn of(self, round: &Finished) -> f64 {
        match self {
            Self::Rounds => (round.summary.round + 1) as f64,
            Self::Bytes => round.bytes as f64,
            Self::Seconds => round.seconds,
        }
    }

    /// The axis' unit and label when it reaches to `most`.
    pub(crate) fn axis(self, most: f64) -> (f64, String) {
        match self {
            Self::Rounds => (1.0, "round".to_owned()),
            Self::Bytes => {
                let unit = Unit::of_bytes(most);
                (unit.size, format!("{} received by all peers", unit.name))
            }
            Self::Seconds => {
                let unit = Unit::of_seconds(most);
                (unit.size, format!("{} since the first training began", unit.name))
            }
        }
    }
}

/// Accuracy or loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Accuracy,
    Loss,
}

impl Measure {
    pub(crate) const ALL: [Self; 2] = [Self::Accuracy, Self::Loss];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "Accuracy",
            Self::Loss => "Loss",
        }
    }

    /// In per cent, or as it is.
    pub(crate) fn of(self, round: &Finished) -> Option<f64> {
        match self {
            Self::Accuracy => round.summary.accuracy.map(|share| share * 100.0),
            Self::Loss => round.summary.loss,
        }
    }

    pub(crate) const fn axis(self) -> &'static str {
        match self {
            Self::Accuracy => "test accuracy, %",
            Self::Loss => "mean loss",
        }
    }

    /// The axis' least and greatest span; accuracy has a natural one, loss begins at zero.
    pub(crate) const fn spans(self) -> ((f64, f64), (f64, f64)) {
        match self {
            Self::Accuracy => ((f64::INFINITY, f64::NEG_INFINITY), (0.0, 100.0)),
            Self::Loss => ((0.0, 0.0), (0.0, f64::MAX)),
        }
    }
}

pub(super) fn section(run: &Run) -> Markup {
    if run.rounds.is_empty() {
        return html! { (absent("Accuracy and loss", "no round was finished.")) (histogram(run)) };
    }
    html! {
        div class="grid" {
            @for by in By::ALL {
                @for measure in Measure::ALL { (curve(run, measure, by)) }
            }
            (by_class(run))
            (histogram(run))
        }
    }
}

/// How well the model classifies the samples of each class: a mean can hide a class that nobody has learnt.
fn by_class(run: &Run) -> Markup {
    const TITLE: &str = "Accuracy by class";
    let classes = run.classes();
    let Some(last) = run.last().filter(|_| !classes.is_empty()) else {
        return absent(TITLE, "the data has no classes, or an older version wrote the run.");
    };
    let worst = |classes: &[ClassFigures]| -> Vec<ClassFigures> {
        let mut worst = classes.to_vec();
        worst.sort_by(|a, b| a.accuracy.total_cmp(&b.accuracy).then(a.class.cmp(&b.class)));
        worst.truncate(MOST_CLASSES);
        worst.sort_by_key(|figures| figures.class);
        worst
    };
    let lowest = worst(&classes)
        .into_iter()
        .min_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
    let description = format!(
        "Of the model of round {}, on the test samples of {} of {} peers. Lowest: {}.{}",
        last.summary.round + 1,
        last.summary.peers,
        run.subject.plan.peers.len(),
        lowest.map_or_else(String::new, |lowest| {
            format!(
                "class {}, {} of {} samples",
                lowest.class,
                percent(Some(lowest.accuracy)),
                lowest.samples
            )
        }),
        match classes.len() > MOST_CLASSES {
            true => format!(" The {MOST_CLASSES} lowest of {} classes are drawn.", classes.len()),
            false => String::new(),
        }
    );
    let name = Name {
        id: "accuracy-by-class",
        title: TITLE,
        description: &description,
    };
    let group = |figures: &ClassFigures| {
        let bar = (figures.accuracy * 100.0, percent(Some(figures.accuracy)));
        (format!("class {}", figures.class), vec![bar])
    };
    let plot = GroupedBars {
        x: Measure::Accuracy.axis(),
        y: "",
        parts: &["accuracy"],
        groups: worst(&classes).iter().map(group).collect(),
    };
    let table = Table::new(&["Class", "Accuracy", "Test samples"], classes.len(), |at| {
        let figures = &classes[at];
        vec![
            figures.class.to_string(),
            percent(Some(figures.accuracy)),
            figures.samples.to_string(),
        ]
    });
    figure(&name, &plot.draw(&name), &table)
}

fn curve(run: &Run, measure: Measure, by: By) -> Markup {
    let points = |figure: &dyn Fn(&Finished) -> Option<f64>| -> Vec<(f64, f64)> {
        let point = |round| Some((by.of(round), figure(round)?));
        run.rounds.iter().filter_map(point).collect()
    };
    let most = run.rounds.last().map_or(0.0, |last| by.of(last));
    let (unit, x) = by.axis(most);
    let scaled =
        |points: Vec<(f64, f64)>| -> Vec<(f64, f64)> { points.into_iter().map(|(x, y)| (x / unit, y)).collect() };
    let main = scaled(points(&|round| measure.of(round)));
    let (title, id) = (
        format!("{} by {}", measure.name(), by.name()),
        format!("{}-by-{}", measure.name().to_lowercase(), by.name()),
    );
    if main.is_empty() {
        return absent(&title, "no peer has test samples.");
    }
    let ending = |points: &[(f64, f64)]| points.last().map_or_else(String::new, |(_, y)| written(measure, *y));
    let mut series = vec![Series {
        name: "test samples".to_owned(),
        end: ending(&main),
        points: main.clone(),
        style: Some(0),
    }];
    if measure == Measure::Loss {
        let train = scaled(points(&|round| round.summary.train_loss));
        series.push(Series {
            name: "training, mean of the peers".to_owned(),
            end: ending(&train),
            points: train,
            style: Some(1),
        });
    }
    let (at_least, at_most) = measure.spans();
    let description = says(measure, by, run, &main);
    let name = Name {
        id: &id,
        title: &title,
        description: &description,
    };
    let lines = Lines {
        x: &x,
        y: measure.axis(),
        whole_x: by == By::Rounds,
        at_least,
        at_most,
        series,
    };
    figure(&name, &lines.draw(&name), &table(run, measure, by))
}

fn written(measure: Measure, figure: f64) -> String {
    match measure {
        Measure::Accuracy => format!("{figure:.2} %"),
        Measure::Loss => format!("{figure:.3}"),
    }
}

fn says(measure: Measure, by: By, run: &Run, points: &[(f64, f64)]) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return String::new();
    };
    let (from, to) = (written(measure, first.1), written(measure, last.1));
    let until = run.rounds.last().map_or_else(String::new, |last| match by {
        By::Rounds => format!("{} rounds", run.rounds.len()),
        By::Bytes => bytes(last.bytes),
        By::Seconds => duration(last.seconds),
    });
    format!("From {from} after the first round to {to} after {until}.")
}

fn table(run: &Run, measure: Measure, by: By) -> Table {
    let accuracy = |round: &Finished| percent(round.summary.accuracy);
    let loss = |loss: Option<f64>| loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}"));
    let place = |round: &Finished| match by {
        By::Rounds => None,
        By::Bytes => Some(bytes(round.bytes)),
        By::Seconds => Some(duration(round.seconds)),
    };
    let mut head = vec!["Round"];
    head.extend(match by {
        By::Rounds => None,
        By::Bytes => Some("Bytes received"),
        By::Seconds => Some("Time"),
    });
    head.extend(match measure {
        Measure::Accuracy => ["Accuracy"].as_slice(),
        Measure::Loss => &["Test loss", "Training loss"],
    });
    Table::new(&head, run.rounds.len(), |at| {
        let round = &run.rounds[at];
        let mut row = vec![(round.summary.round + 1).to_string()];
        row.extend(place(round));
        match measure {
            Measure::Accuracy => row.push(accuracy(round)),
            Measure::Loss => row.extend([loss(round.summary.loss), loss(round.summary.train_loss)]),
        }
        row
    })
}

/// Most peers and classes that are drawn one by one.
const MOST_PEERS: usize = 50;
const MOST_CLASSES: usize = 40;

fn histogram(run: &Run) -> Markup {
    const TITLE: &str = "Class distribution by peer";
    let Some(Histogram { classes, peers }) = &run.histogram else {
        return absent(TITLE, "the results folder has no histogram.json.");
    };
    let (by_peer, by_class) = (ranges(peers.len(), MOST_PEERS), ranges(*classes, MOST_CLASSES));
    let count = |peers_range: &std::ops::Range<usize>, classes_range: &std::ops::Range<usize>| -> u64 {
        let of_peer =
            |peer: &Vec<u64>| -> u64 { peer.iter().skip(classes_range.start).take(classes_range.len()).sum() };
        peers
            .iter()
            .skip(peers_range.start)
            .take(peers_range.len())
            .map(of_peer)
            .sum()
    };
    if by_peer.is_empty() || by_class.is_empty() {
        return absent(TITLE, "histogram.json has no counts.");
    }
    let samples: Vec<u64> = peers.iter().map(|peer| peer.iter().sum()).collect();
    let description = format!(
        "Training samples by peer and class; the area of a circle is the count. Peers have {} to {} samples.",
        samples.iter().min().unwrap_or(&0),
        samples.iter().max().unwrap_or(&0)
    );
    let name = Name {
        id: "histogram",
        title: TITLE,
        description: &description,
    };
    let row = |class: &std::ops::Range<usize>| {
        let counts = by_peer.iter().map(|peer| count(peer, class)).collect();
        (range_name(class), counts)
    };
    let bubbles = Bubbles {
        x: "peer",
        y: "class",
        columns: by_peer.iter().map(range_name).collect(),
        rows: by_class.iter().map(row).collect(),
    };
    let mut head = vec!["Peer".to_owned(), "Samples".to_owned()];
    head.extend(by_class.iter().map(|class| format!("Class {}", range_name(class))));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let table = Table::new(&head, peers.len(), |peer| {
        let own = peer..peer + 1;
        let mut row = vec![peer.to_string(), samples[peer].to_string()];
        row.extend(by_class.iter().map(|class| count(&own, class).to_string()));
        row
    });
    figure(&name, &bubbles.draw(&name), &table)
}
