//! A plot with its name, what it says, and its figures as a table for those who cannot see it or want the numbers.

use maud::{Markup, html};

use crate::plot::{Name, ranges};

/// Most rows of a table; of more, evenly spread ones are shown.
const MOST_ROWS: usize = 60;

/// Figures in rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    left_out: usize,
}

impl Table {
    /// Of so many rows those that are shown; only those are made.
    pub fn new(head: &[&str], count: usize, row: impl Fn(usize) -> Vec<String>) -> Self {
        let mut shown: Vec<usize> = ranges(count, MOST_ROWS).into_iter().map(|range| range.start).collect();
        // The last row is how it ended.
        if let (Some(last), true) = (shown.last_mut(), count > MOST_ROWS) {
            *last = count - 1;
        }
        Self {
            head: head.iter().map(|name| (*name).to_owned()).collect(),
            left_out: count - shown.len(),
            rows: shown.into_iter().map(row).collect(),
        }
    }

    pub(crate) fn draw(&self, caption: &str) -> Markup {
        html! {
            div class="scroll" tabindex="0" role="region" aria-label={ "Figures: " (caption) } {
                table {
                    caption {
                        (caption)
                        @if self.left_out > 0 { "; " (self.left_out) " rows in between are omitted" }
                    }
                    thead { tr { @for name in &self.head { th scope="col" { (name) } } } }
                    tbody {
                        @for row in &self.rows {
                            tr {
                                @for (at, cell) in row.iter().enumerate() {
                                    @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A plot and its table.
pub fn figure(name: &Name<'_>, drawing: &Markup, table: &Table) -> Markup {
    html! {
        figure id=(name.id) {
            figcaption {
                h3 { (name.title) }
                p { (name.description) }
            }
            (drawing)
            details {
                summary { "Figures as a table" span class="unseen" { ": " (name.title) } }
                (table.draw(name.title))
            }
        }
    }
}

/// In place of a plot whose figures are not there.
pub(crate) fn absent(title: &str, why: &str) -> Markup {
    html! {
        figure class="absent" {
            figcaption { h3 { (title) } p { "Not recorded: " (why) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_is_thinned_and_keeps_both_ends() {
        let table = Table::new(&["round"], 1000, |at| vec![at.to_string()]);
        assert!(table.rows.len() <= MOST_ROWS);
        assert_eq!(table.rows[0], ["0"]);
        assert_eq!(table.rows[table.rows.len() - 1], ["999"]);
        assert_eq!(table.left_out, 1000 - table.rows.len());
        let short = Table::new(&["round"], 3, |at| vec![at.to_string()]);
        assert_eq!((short.rows.len(), short.left_out), (3, 0));
    }
}
