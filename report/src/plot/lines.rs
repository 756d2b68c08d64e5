//! Lines over a common axis.

use maud::{Markup, html};

use super::{
    Name, STYLES, WIDTH, legend, length,
    scale::{Scale, Ticks},
    svg,
};

/// Most points of a drawn line; of more, each part keeps its lowest and highest.
const MOST_POINTS: usize = 240;
/// About so many points of a line have a marker that says its figures.
const MARKED: usize = 16;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 50.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = HEIGHT - 44.0;

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Points with ascending x, all finite.
    pub points: Vec<(f64, f64)>,
    /// How it looks, below `STYLES`; none: thin and grey, without name.
    pub style: Option<usize>,
    /// Label at the last point.
    pub end: String,
}

/// Lines over a common axis.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// Below the axis.
    pub x: &'a str,
    /// Above the plot.
    pub y: &'a str,
    /// True if x is a count.
    pub whole_x: bool,
    /// The vertical axis has at least this span.
    pub at_least: (f64, f64),
    /// And never goes beyond this.
    pub at_most: (f64, f64),
    /// The lines.
    pub series: Vec<Series>,
}

impl Lines<'_> {
    /// The drawing.
    pub fn draw(&self, name: &Name<'_>) -> Markup {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let (low, high) = self.at_least;
        let (y_low, y_high) = points().fold((low, high), |(low, high), &(_, y)| (low.min(y), high.max(y)));
        let (x_low, x_high) = points().fold((f64::INFINITY, f64::NEG_INFINITY), |span, &(x, _)| {
            (span.0.min(x), span.1.max(x))
        });
        let (x_low, x_high) = match x_low <= x_high {
            true => (x_low, x_high),
            false => (0.0, 1.0),
        };
        let x_ticks = Ticks::around((x_low, x_high), 6, self.whole_x);
        let (y_low, y_high) = match y_low <= y_high {
            true => (y_low.max(self.at_most.0), y_high.min(self.at_most.1)),
            false => (0.0, 1.0),
        };
        let y_ticks = Ticks::around((y_low, y_high), 5, false);
        let right = WIDTH
            - if self.series.iter().any(|series| !series.end.is_empty()) {
                62.0
            } else {
                16.0
            };
        // The axis ends where the data ends: a round number further on would only leave room.
        let x = Scale::new((x_low, x_high), (LEFT, right));
        let y = Scale::new(y_ticks.span(), (BOTTOM, TOP + 6.0));
        let named: Vec<&Series> = self.series.iter().filter(|series| series.style.is_some()).collect();
        let names: Vec<&str> = named.iter().map(|series| series.name.as_str()).collect();
        let sample = |at: usize, left: f64| {
            let style = named.get(at).and_then(|series| series.style).unwrap_or(0);
            html! {
                path class={ "line s" (style) } d={ "M" (length(left)) " 10h22" } {}
                path class={ "dot s" (style) } d={ "M" (length(left + 11.0)) " 10" (marker(style)) } {}
            }
        };
        svg(
            name,
            HEIGHT,
            &html! {
                g class="axis" {
                    @for tick in &y_ticks.at {
                        @let at = length(y.at(*tick));
                        path class="gridline" d={ "M" (LEFT) " " (at) "H" (right) } {}
                        text class="end" x=(LEFT - 8.0) y=(at) dy=".35em" { (y_ticks.text(*tick)) }
                    }
                    @for tick in x_ticks.at.iter().filter(|tick| (x_low - 1e-9..=x_high + 1e-9).contains(*tick)) {
                        @let at = length(x.at(*tick));
                        path class="tick" d={ "M" (at) " " (BOTTOM) "v5" } {}
                        text class="middle" x=(at) y=(BOTTOM + 19.0) { (x_ticks.text(*tick)) }
                    }
                    path class="base" d={ "M" (LEFT) " " (BOTTOM) "H" (right) } {}
                    text class="middle label" x=((LEFT + right) / 2.0) y=(HEIGHT - 6.0) { (self.x) }
                    @if names.len() > 1 { (legend(LEFT, &names, sample)) }
                    text class="label" x="4" y=(TOP - 6.0) { (self.y) }
                }
                @for series in &self.series { (line(series, &x, &y)) }
                @for (at, text) in self.ends(&y) { text class="value" x=(length(right + 8.0)) y=(length(at)) dy=".35em" { (text) } }
            },
        )
    }

    /// Where the ends are written: at the line's last point, or next to it when another one is there.
    fn ends(&self, y: &Scale) -> Vec<(f64, &str)> {
        const APART: f64 = 15.0;
        let mut ends: Vec<(f64, &str)> = self
            .series
            .iter()
            .filter(|series| !series.end.is_empty())
            .filter_map(|series| Some((y.at(series.points.last()?.1), series.end.as_str())))
            .collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        for at in 1..ends.len() {
            ends[at].0 = ends[at].0.max(ends[at - 1].0 + APART);
        }
        let over = ends.last().map_or(0.0, |last| (last.0 - BOTTOM).max(0.0));
        ends.iter_mut().for_each(|end| end.0 -= over);
        ends
    }
}

fn line(series: &Series, x: &Scale, y: &Scale) -> Markup {
    let points = thinned(&series.points);
    let mut path = String::with_capacity(points.len() * 12);
    for (at, (px, py)) in points.iter().enumerate() {
        path.push(if at == 0 { 'M' } else { 'L' });
        path.push_str(&format!("{} {}", length(x.at(*px)), length(y.at(*py))));
    }
    let Some(style) = series.style else {
        return html! { path class="mark line faint" d=(path) { title { (series.name) } } };
    };
    let stride = points.len().div_ceil(MARKED).max(1);
    html! {
        path class={ "mark line s" (style) } d=(path) { title { (series.name) } }
        @for (px, py) in points.iter().step_by(stride) {
            path class={ "mark dot s" (style) } d={ "M" (length(x.at(*px))) " " (length(y.at(*py))) (marker(style)) } {
                title { (series.name) ": " (figure(*py)) " at " (figure(*px)) }
            }
        }
    }
}

fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A marker's shape, which tells the style; drawn around the place before it.
fn marker(style: usize) -> &'static str {
    match style % STYLES {
        0 => "m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
        1 => "m-3 -3h6v6h-6z",
        2 => "m0 -4l4 7h-8z",
        3 => "m0 -4.4l4.4 4.4l-4.4 4.4l-4.4 -4.4z",
        4 => "m0 4l4 -7h-8z",
        _ => "m-4 0h8m-4 -4v8",
    }
}

/// At most [`MOST_POINTS`]: of each part the lowest and the highest, in order, and always both ends.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else {
        return Vec::new();
    };
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let part = points.len().div_ceil(MOST_POINTS / 2 - 1);
    let mut kept = vec![first];
    for part in points.chunks(part) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let low = part.iter().min_by(by_y).unwrap_or(&first);
        let high = part.iter().max_by(by_y).unwrap_or(&first);
        kept.extend(if low.0 <= high.0 { [*low, *high] } else { [*high, *low] });
    }
    kept.push(last);
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_thinned_but_keeps_its_peaks_and_ends() {
        let mut points: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), 0.5)).collect();
        points[437].1 = 0.9;
        points[438].1 = 0.1;
        let kept = thinned(&points);
        assert!(kept.len() <= MOST_POINTS + 2, "{}", kept.len());
        for point in [points[0], points[437], points[438], points[999]] {
            assert!(kept.contains(&point), "{point:?}");
        }
        assert!(kept.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn a_single_point_and_nothing_at_all_are_drawn() {
        for points in [vec![], vec![(0.0, 0.0)]] {
            let lines = Lines {
                x: "round",
                y: "loss",
                whole_x: true,
                at_least: (0.0, 0.0),
                at_most: (0.0, f64::MAX),
                series: vec![Series {
                    name: "loss".into(),
                    points,
                    style: Some(0),
                    end: "0".into(),
                }],
            };
            let name = Name {
                id: "a",
                title: "b",
                description: "c",
            };
            let text = lines.draw(&name).into_string();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
