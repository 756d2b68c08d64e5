//! Counts in rows and columns as circles, whose areas are the counts.

use maud::{Markup, html};

use super::{CHARACTER, Name, WIDTH, length, svg};

/// Counts in rows and columns.
#[derive(Clone, Debug)]
pub(crate) struct Bubbles<'a> {
    /// Name of a column.
    pub(crate) x: &'a str,
    /// Name of a row.
    pub(crate) y: &'a str,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// Name and counts of each row.
    pub(crate) rows: Vec<(String, Vec<u64>)>,
}

impl Bubbles<'_> {
    pub(crate) fn draw(&self, name: &Name<'_>) -> Markup {
        const TOP: f64 = 44.0;
        let longest = self.rows.iter().map(|(name, _)| name.chars().count()).max();
        let left = longest.unwrap_or(1) as f64 * CHARACTER + 18.0;
        let wide = (WIDTH - 12.0 - left) / self.columns.len().max(1) as f64;
        let high = wide.clamp(9.0, 30.0);
        let bottom = TOP + high * self.rows.len() as f64;
        let counts = self.rows.iter().flat_map(|(_, row)| row);
        let most = counts.copied().max().unwrap_or(0).max(1);
        let largest = wide.min(high) * 0.48;
        let widest = self.columns.iter().map(|name| name.chars().count()).max();
        let every = ((widest.unwrap_or(1) as f64 * CHARACTER + 6.0) / wide).ceil().max(1.0) as usize;
        let row_every = (13.0 / high).ceil().max(1.0) as usize;
        svg(
            name,
            bottom + 44.0,
            &html! {
                g class="axis" {
                    text class="label" x="4" y="14" { (self.y) }
                    text class="end label" x=(WIDTH - 12.0) y="14" { "largest circle: " (most) " samples" }
                    @for (at, (row, _)) in self.rows.iter().enumerate() {
                        @let y = length(TOP + (at as f64 + 0.5) * high);
                        path class="gridline" d={ "M" (length(left)) " " (y) "H" (WIDTH - 12.0) } {}
                        @if at % row_every == 0 { text class="end" x=(length(left - 8.0)) y=(y) dy=".35em" { (row) } }
                    }
                    @for (at, column) in self.columns.iter().enumerate().step_by(every) {
                        text class="middle" x=(length(left + (at as f64 + 0.5) * wide)) y=(length(bottom + 18.0)) { (column) }
                    }
                    text class="middle label" x=(length((left + WIDTH - 12.0) / 2.0)) y=(length(bottom + 38.0)) { (self.x) }
                }
                @for (row, (row_name, counts)) in self.rows.iter().enumerate() {
                    @for (column, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                        @let radius = (largest * (*count as f64 / most as f64).sqrt()).max(0.7);
                        circle class="mark bubble" cx=(length(left + (column as f64 + 0.5) * wide)) cy=(length(TOP + (row as f64 + 0.5) * high)) r=(length(radius)) {
                            title { (self.x) " " (self.columns.get(column).map_or("", String::as_str)) ", " (self.y) " " (row_name) ": " (count) }
                        }
                    }
                }
            },
        )
    }
}
