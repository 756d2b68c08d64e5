//! Small plots as SVG, made for one page: marks differ by shape, dash or pattern and carry their names, so that colour is
//! never needed to tell them apart. Colours come from the page's style sheet.

mod bars;
mod bubbles;
mod graph;
mod lines;
mod matrix;
mod scale;

use maud::{Markup, html};

pub use bars::GroupedBars;
pub(crate) use bars::StackedBars;
pub(crate) use bubbles::Bubbles;
pub(crate) use graph::{Graph, Link, Shape};
pub use lines::{Lines, Series};
pub(crate) use matrix::Matrix;

/// Width of every plot in the units of its drawing; the page scales it.
const WIDTH: f64 = 480.0;
/// Width of a character of the axis text, about.
const CHARACTER: f64 = 6.4;
/// Styles that differ by colour and by dash, marker or pattern.
pub(crate) const STYLES: usize = 6;

/// Title and description of a plot.
#[derive(Clone, Debug)]
pub struct Name<'a> {
    /// Unique on the page, of letters, digits and hyphens.
    pub id: &'a str,
    /// A few words.
    pub title: &'a str,
    /// Description for readers who do not see the plot.
    pub description: &'a str,
}

/// The drawing around its marks.
fn svg(name: &Name<'_>, height: f64, marks: &Markup) -> Markup {
    let (title, description) = (format!("{}-title", name.id), format!("{}-desc", name.id));
    html! {
        svg class="plot" role="img" viewBox={ "0 0 " (WIDTH) " " (length(height)) } aria-labelledby={ (title) " " (description) } {
            title id=(title) { (name.title) }
            desc id=(description) { (name.description) }
            (marks)
        }
    }
}

/// A place or length with as many digits as can be seen.
fn length(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Names of styles in a row, each behind its sample, from `left`; `sample` draws one 22 wide at a place.
fn legend(left: f64, names: &[&str], sample: impl Fn(usize, f64) -> Markup) -> Markup {
    const SAMPLE: f64 = 27.0;
    let places = names.iter().scan(left, |next, name| {
        let at = *next;
        *next += SAMPLE + name.chars().count() as f64 * CHARACTER + 14.0;
        Some(at)
    });
    html! {
        @for (style, (name, x)) in names.iter().zip(places).enumerate() {
            (sample(style, x))
            text x=(length(x + SAMPLE)) y="14" { (name) }
        }
    }
}

/// Patterns that tell filled areas apart without colour, for `url(#<id>-<style>)`.
fn patterns(id: &str) -> Markup {
    const STROKES: [&str; STYLES] = [
        "",
        "M0 8L8 0M-2 2L2 -2M6 10L10 6",
        "M0 2H8M0 6H8",
        "M0 0L8 8M-2 6L2 10M6 -2L10 2",
        "M2 0V8M6 0V8",
        "M0 4H8M4 0V8",
    ];
    html! {
        defs {
            @for (style, strokes) in STROKES.iter().enumerate() {
                pattern id={ (id) "-" (style) } width="8" height="8" patternUnits="userSpaceOnUse" {
                    rect width="8" height="8" class={ "fill s" (style) } {}
                    path d=(strokes) class="hatch" {}
                }
            }
        }
    }
}

/// Cuts `0..count` into at most `most` ranges of equal length, the last one shorter.
pub fn ranges(count: usize, most: usize) -> Vec<std::ops::Range<usize>> {
    let stride = count.div_ceil(most.max(1)).max(1);
    (0..count)
        .step_by(stride)
        .map(|start| start..(start + stride).min(count))
        .collect()
}

/// A range of peers or classes as it is written, `7` or `8–15`.
pub(crate) fn range_name(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 | 1 => range.start.to_string(),
        _ => format!("{}–{}", range.start, range.end - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        for (count, most) in [(0, 5), (1, 5), (5, 5), (6, 5), (1000, 64)] {
            let cut = ranges(count, most);
            assert!(cut.len() <= most);
            let all: Vec<usize> = cut.into_iter().flatten().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
        assert_eq!(range_name(&(3..4)), "3");
        assert_eq!(range_name(&(8..16)), "8–15");
    }

    #[test]
    fn names_of_users_are_text() {
        let name = Name {
            id: "x",
            title: "<script>alert(1)</script>",
            description: "\"&",
        };
        let text = svg(&name, 10.0, &html! {}).into_string();
        assert!(!text.contains("<script>"), "{text}");
        assert!(text.contains("&lt;script&gt;") && text.contains("&amp;"), "{text}");
    }
}
