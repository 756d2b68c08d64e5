//! Figures in rows and columns, light to dark.

use maud::{Markup, html};

use super::{CHARACTER, Name, WIDTH, length, svg};

/// Steps from light to dark.
const STEPS: usize = 6;
/// Up to so many columns, each cell says its figure.
const WRITTEN: usize = 10;

/// Figures in rows and columns.
#[derive(Clone, Debug)]
pub(crate) struct Matrix<'a> {
    /// Name of a column.
    pub(crate) x: &'a str,
    /// Name of a row.
    pub(crate) y: &'a str,
    /// Unit of the figures.
    pub(crate) unit: &'a str,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// Name and figures of each row; none where nothing is known.
    pub(crate) rows: Vec<(String, Vec<Option<f64>>)>,
}

impl Matrix<'_> {
    pub(crate) fn draw(&self, name: &Name<'_>) -> Markup {
        const TOP: f64 = 58.0;
        let longest = self.rows.iter().map(|(name, _)| name.chars().count()).max();
        let left = (longest.unwrap_or(1).max(self.y.len() + 1)) as f64 * CHARACTER + 20.0;
        let wide = (WIDTH - 12.0 - left) / self.columns.len().max(1) as f64;
        let high = wide.min(30.0).max(wide.min(7.0));
        let bottom = TOP + high * self.rows.len() as f64;
        let figures = || self.rows.iter().flat_map(|(_, row)| row).flatten().copied();
        let most = figures().fold(0.0, f64::max);
        let step = |figure: f64| match figure / most * STEPS as f64 {
            step if step > 0.0 => (step as usize).min(STEPS - 1),
            _ => 0,
        };
        let every = |size: f64, text: f64| (text / size).ceil().max(1.0) as usize;
        let widest = self.columns.iter().map(|name| name.chars().count()).max();
        let column_every = every(wide, widest.unwrap_or(1) as f64 * CHARACTER + 6.0);
        let row_every = every(high, 13.0);
        let cell = |row: usize, column: usize| {
            format!(
                "M{} {}h{w}v{h}h-{w}z",
                length(left + column as f64 * wide),
                length(TOP + row as f64 * high),
                w = length((wide - 1.0).max(wide * 0.9)),
                h = length((high - 1.0).max(high * 0.9)),
            )
        };
        let written = self.columns.len() <= WRITTEN;
        svg(
            name,
            bottom + 8.0,
            &html! {
                g class="axis" {
                    @for at in 0..STEPS {
                        @let x = left + at as f64 * 26.0;
                        rect class={ "heat h" (at) } x=(length(x)) y="4" width="26" height="11" {}
                    }
                    text x=(length(left + 26.0 * STEPS as f64 + 8.0)) y="14" { "0 to " (short(most)) " " (self.unit) }
                    text class="label" x=(length(left)) y="34" { (self.x) " →" }
                    text class="label" x="4" y="34" { (self.y) " ↓" }
                    @for (at, column) in self.columns.iter().enumerate().step_by(column_every) {
                        text class="middle" x=(length(left + (at as f64 + 0.5) * wide)) y=(TOP - 8.0) { (column) }
                    }
                    @for (at, (row, _)) in self.rows.iter().enumerate().step_by(row_every) {
                        text class="end" x=(length(left - 8.0)) y=(length(TOP + (at as f64 + 0.5) * high)) dy=".35em" { (row) }
                    }
                }
                @for level in 0..STEPS {
                    @let cells = self.cells().filter(|(_, _, figure)| step(*figure) == level);
                    @if written {
                        @for (row, column, figure) in cells {
                            path class={ "mark heat h" (level) } d=(cell(row, column)) {
                                title { (self.y) " " (self.rows[row].0) ", " (self.x) " " (self.columns[column]) ": " (short(figure)) " " (self.unit) }
                            }
                            text class={ "in-cell middle on" (level) } x=(length(left + (column as f64 + 0.5) * wide)) y=(length(TOP + (row as f64 + 0.5) * high)) dy=".35em" { (short(figure)) }
                        }
                    } @else {
                        // One path a level: a thousand cells cost little then.
                        @let path: String = cells.map(|(row, column, _)| cell(row, column)).collect();
                        @if !path.is_empty() { path class={ "mark heat h" (level) } d=(path) {} }
                    }
                }
            },
        )
    }

    /// Row, column and figure of each known cell.
    fn cells(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let columns = self.columns.len();
        self.rows.iter().enumerate().flat_map(move |(row, (_, figures))| {
            let known = move |(column, figure): (usize, &Option<f64>)| Some((row, column, (*figure)?));
            figures.iter().take(columns).enumerate().filter_map(known)
        })
    }
}

/// Two digits that count.
fn short(figure: f64) -> String {
    let decimals = match figure.abs() {
        size if size >= 10.0 || size == 0.0 => 0,
        size if size >= 1.0 => 1,
        size if size >= 0.1 => 2,
        _ => 3,
    };
    format!("{figure:.decimals$}")
}
