//! Bars: stacked by round, and side by side by peer.

use maud::{Markup, html};

use super::{
    CHARACTER, Name, WIDTH, legend, length, patterns,
    scale::{Scale, Ticks},
    svg,
};

/// Upright bars of parts that add up.
#[derive(Clone, Debug)]
pub(crate) struct StackedBars<'a> {
    /// Below the axis.
    pub(crate) x: &'a str,
    /// Above the other axis.
    pub(crate) y: &'a str,
    /// Names of the parts, from below.
    pub(crate) parts: &'a [&'a str],
    /// Name and parts of each bar.
    pub(crate) bars: Vec<(String, Vec<f64>)>,
}

impl StackedBars<'_> {
    pub(crate) fn draw(&self, name: &Name<'_>) -> Markup {
        const HEIGHT: f64 = 270.0;
        const LEFT: f64 = 50.0;
        const RIGHT: f64 = WIDTH - 12.0;
        const TOP: f64 = 46.0;
        const BOTTOM: f64 = HEIGHT - 44.0;
        let sums = self.bars.iter().map(|(_, parts)| parts.iter().sum());
        let ticks = Ticks::around((0.0, sums.fold(0.0, f64::max)), 5, false);
        let y = Scale::new(ticks.span(), (BOTTOM, TOP));
        let slot = (RIGHT - LEFT) / self.bars.len().max(1) as f64;
        let width = (slot * 0.74).min(34.0);
        let longest = self.bars.iter().map(|(name, _)| name.chars().count());
        let label_width = longest.max().unwrap_or(1) as f64 * CHARACTER + 8.0;
        let label_every = (label_width / slot).ceil().max(1.0) as usize;
        svg(
            name,
            HEIGHT,
            &html! {
                (patterns(name.id))
                g class="axis" {
                    @for tick in &ticks.at {
                        @let at = length(y.at(*tick));
                        path class="gridline" d={ "M" (LEFT) " " (at) "H" (RIGHT) } {}
                        text class="end" x=(LEFT - 8.0) y=(at) dy=".35em" { (ticks.text(*tick)) }
                    }
                    text class="label" x="4" y=(TOP - 14.0) { (self.y) }
                    (legend(LEFT, self.parts, |style, x| swatch(name.id, style, x)))
                    text class="middle label" x=((LEFT + RIGHT) / 2.0) y=(HEIGHT - 6.0) { (self.x) }
                }
                @for (at, (bar, parts)) in self.bars.iter().enumerate() {
                    @let middle = LEFT + (at as f64 + 0.5) * slot;
                    @for (style, (from, part)) in stacked(parts).into_iter().enumerate() {
                        @let (top, bottom) = (y.at(from + part), y.at(from));
                        rect class="mark" x=(length(middle - width / 2.0)) width=(length(width)) y=(length(top))
                            height=(length(bottom - top)) fill={ "url(#" (name.id) "-" (style) ")" } {
                            title { (self.parts.get(style).copied().unwrap_or_default()) " in " (bar) ": " (format!("{part:.3}")) }
                        }
                    }
                    @if at % label_every == 0 {
                        text class="axis-text middle" x=(length(middle)) y=(BOTTOM + 19.0) { (bar) }
                    }
                }
                path class="base" d={ "M" (LEFT) " " (BOTTOM) "H" (RIGHT) } {}
            },
        )
    }
}

/// Each part with the sum of those below it.
fn stacked(parts: &[f64]) -> Vec<(f64, f64)> {
    let mut below = 0.0;
    parts
        .iter()
        .map(|part| {
            let from = below;
            below += part;
            (from, *part)
        })
        .collect()
}

/// Lying bars side by side.
#[derive(Clone, Debug)]
pub struct GroupedBars<'a> {
    /// Below the axis.
    pub x: &'a str,
    /// Above the other axis.
    pub y: &'a str,
    /// Names of the bars of a group.
    pub parts: &'a [&'a str],
    /// Name, bars and what is written behind them, of each group; the bars are in units of the axis.
    pub groups: Vec<(String, Vec<(f64, String)>)>,
}

impl GroupedBars<'_> {
    /// The drawing.
    pub fn draw(&self, name: &Name<'_>) -> Markup {
        const TOP: f64 = 30.0;
        const RIGHT: f64 = WIDTH - 78.0;
        let bars = self.parts.len().max(1) as f64;
        let bar = if self.groups.len() <= 16 { 11.0 } else { 6.0 };
        let group = bar * bars + if self.groups.len() <= 16 { 8.0 } else { 4.0 };
        let bottom = TOP + group * self.groups.len() as f64;
        let longest = self.groups.iter().map(|(name, _)| name.chars().count());
        let left = longest.max().unwrap_or(1).max(self.y.len()) as f64 * CHARACTER + 16.0;
        let most = self.groups.iter().flat_map(|(_, bars)| bars).map(|(length, _)| *length);
        let ticks = Ticks::around((0.0, most.fold(0.0, f64::max)), 4, false);
        let x = Scale::new(ticks.span(), (left, RIGHT));
        svg(
            name,
            bottom + 44.0,
            &html! {
                (patterns(name.id))
                g class="axis" {
                    @for tick in &ticks.at {
                        @let at = length(x.at(*tick));
                        path class="gridline" d={ "M" (at) " " (TOP - 4.0) "V" (length(bottom)) } {}
                        text class="middle" x=(at) y=(length(bottom + 18.0)) { (ticks.text(*tick)) }
                    }
                    text class="end label" x=(length(left - 8.0)) y="14" { (self.y) }
                    @if self.parts.len() > 1 { (legend(left, self.parts, |style, x| swatch(name.id, style, x))) }
                    text class="middle label" x=((left + RIGHT) / 2.0) y=(length(bottom + 38.0)) { (self.x) }
                }
                @for (at, (group_name, bars)) in self.groups.iter().enumerate() {
                    @let top = TOP + at as f64 * group;
                    text class={ "axis-text end" @if bar < 8.0 { " small" } } x=(length(left - 8.0)) y=(length(top + bar * self.parts.len() as f64 / 2.0)) dy=".35em" { (group_name) }
                    @for (style, (long, text)) in bars.iter().enumerate() {
                        @let y = top + style as f64 * bar;
                        rect class="mark" x=(length(left)) y=(length(y)) height=(length(bar - 1.5)) width=(length(x.at(*long) - left)) fill={ "url(#" (name.id) "-" (style) ")" } {
                            title { (group_name) ", " (self.parts.get(style).copied().unwrap_or_default()) ": " (text) }
                        }
                        @if bar >= 8.0 {
                            text class="value small" x=(length(x.at(*long) + 6.0)) y=(length(y + bar / 2.0 - 0.5)) dy=".35em" { (text) }
                        }
                    }
                }
                path class="base" d={ "M" (length(left)) " " (TOP - 4.0) "V" (length(bottom)) } {}
            },
        )
    }
}

fn swatch(id: &str, style: usize, x: f64) -> Markup {
    html! { rect x=(length(x)) y="4" width="20" height="11" fill={ "url(#" (id) "-" (style) ")" } {} }
}
