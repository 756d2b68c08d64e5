//! Figures as a Markdown table.

use std::{fmt::Write, fs, thread};

/// Median and extremes of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

/// The spread of figures; none when there are none. Of an even number the upper of the middle two is the median.
pub(super) fn spread(figures: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    Some(Spread {
        median: *figures.get(figures.len() / 2)?,
        least: *figures.first()?,
        most: *figures.last()?,
    })
}

#[derive(Debug)]
enum Value {
    Figures(Option<Spread>),
    Text(String),
}

#[derive(Clone, Copy, Debug)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    value: Value,
    target: Option<Target>,
}

impl Row {
    pub(super) const fn new(name: &'static str, figures: Option<Spread>) -> Self {
        Self {
            name,
            value: Value::Figures(figures),
            target: None,
        }
    }

    pub(super) const fn text(name: &'static str, text: String) -> Self {
        Self {
            name,
            value: Value::Text(text),
            target: None,
        }
    }

    pub(super) const fn at_most(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtMost(limit));
        self
    }

    pub(super) const fn at_least(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtLeast(limit));
        self
    }

    fn line(&self) -> String {
        let spread = match &self.value {
            Value::Text(text) => return format!("| {} | {text} | | | |", self.name),
            Value::Figures(None) => return format!("| {} | not measured | | | |", self.name),
            Value::Figures(Some(spread)) => spread,
        };
        let target = match self.target {
            None => String::new(),
            Some(Target::AtMost(limit)) => {
                format!("≤ {limit}: {}", verdict(spread.median <= limit))
            }
            Some(Target::AtLeast(limit)) => {
                format!("≥ {limit}: {}", verdict(spread.median >= limit))
            }
        };
        format!(
            "| {} | {} | {} | {} | {target} |",
            self.name,
            figure(spread.median),
            figure(spread.least),
            figure(spread.most),
        )
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn figure(value: f64) -> String {
    match value.abs() {
        1000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

pub(super) fn table(rows: &[Row]) -> String {
    let mut text = String::from("| figure | median | least | most | target |\n|---|---:|---:|---:|---|");
    for row in rows {
        // Writing into a string cannot fail.
        write!(text, "\n{}", row.line()).ok();
    }
    text
}

/// Version, build and processor that the figures are of.
pub(super) fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("an unknown CPU", |(_, model)| model.trim());
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!(
        "fltorrent {} ({}), {cores} cores of {model}",
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) {
            "debug build"
        } else {
            "release build"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_whether_the_median_meets_its_target() {
        let figures = spread([3.0, 1.0, 2.0].into_iter());
        let rows = [
            Row::new("low", figures).at_most(2.0),
            Row::new("high", figures).at_least(2.5),
            Row::new("none", spread(std::iter::empty())).at_most(1.0),
            Row::text("text", "x".to_owned()),
        ];
        assert_eq!(
            table(&rows),
            "| figure | median | least | most | target |\n\
             |---|---:|---:|---:|---|\n\
             | low | 2.000 | 1.000 | 3.000 | ≤ 2: met |\n\
             | high | 2.000 | 1.000 | 3.000 | ≥ 2.5: **missed** |\n\
             | none | not measured | | | |\n\
             | text | x | | | |"
        );
    }
}
