//! Peers and the links between them, drawn the same way every time.

mod layout;

use std::f64::consts::FRAC_PI_2;

use maud::{Markup, html};

use super::{Name, WIDTH, length, svg};
pub(crate) use layout::Shape;

/// Most links whose two directions are drawn apart and say their bytes.
const APART: usize = 300;
/// Width of the link with most bytes.
const WIDEST: f64 = 9.0;

/// Peers and the links between them.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) peers: usize,
    /// Links: two peers, the lower one first, what flowed upwards and what flowed downwards, in bytes.
    pub(crate) links: Vec<Link>,
}

/// A link between two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The lower peer.
    pub(crate) a: usize,
    /// The higher peer.
    pub(crate) b: usize,
    /// Bytes from `a` to `b`.
    pub(crate) forth: u64,
    /// Bytes from `b` to `a`.
    pub(crate) back: u64,
}

impl Graph {
    /// How it is drawn.
    pub(crate) fn shape(&self) -> Shape {
        Shape::of(self.peers, &self.links)
    }

    /// The drawing; `says` writes bytes.
    pub(crate) fn draw(&self, name: &Name<'_>, says: impl Fn(u64) -> String) -> Markup {
        let (places, height) = layout::places(self.peers, &self.links, WIDTH);
        let radius = match self.peers {
            0..=16 => 15.0,
            17..=64 => 9.0,
            _ => 4.0,
        };
        let most = self.links.iter().map(|link| link.forth.max(link.back)).max();
        let most = most.unwrap_or(0).max(1) as f64;
        let wide = |bytes: u64| (WIDEST * bytes as f64 / most).max(0.8);
        let place = |peer: usize| places.get(peer).copied().unwrap_or_default();
        svg(
            name,
            height,
            &html! {
                @if self.links.len() <= APART {
                    @for link in &self.links {
                        @for (from, to, bytes) in [(link.a, link.b, link.forth), (link.b, link.a, link.back)] {
                            path class={ "mark flow" @if bytes == 0 { " idle" } } d=(taper(place(from), place(to), wide(bytes), radius)) {
                                title { "peer " (from) " to peer " (to) ": " (says(bytes)) }
                            }
                        }
                    }
                } @else {
                    @for link in &self.links {
                        @let ((ax, ay), (bx, by)) = (place(link.a), place(link.b));
                        path class="mark link" stroke-width=(length(wide((link.forth + link.back) / 2) / 3.0)) d={ "M" (length(ax)) " " (length(ay)) "L" (length(bx)) " " (length(by)) } {}
                    }
                }
                @for (peer, (x, y)) in places.iter().enumerate() {
                    circle class="mark node" cx=(length(*x)) cy=(length(*y)) r=(radius) { title { "peer " (peer) } }
                    @if radius > 8.0 {
                        text class={ "node-name middle" @if radius < 12.0 { " small" } } x=(length(*x)) y=(length(*y)) dy=".35em" { (peer) }
                    }
                }
            },
        )
    }
}

/// One direction of a link: wide at the sender, narrow at the receiver, on the right-hand side of the way.
fn taper(from: (f64, f64), to: (f64, f64), width: f64, radius: f64) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let long = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / long, dy / long);
    let (rx, ry) = (-uy, ux);
    let gap = 0.8;
    let at = |along: f64, aside: f64| {
        format!(
            "{} {}",
            length(from.0 + ux * along + rx * aside),
            length(from.1 + uy * along + ry * aside)
        )
    };
    let (begin, end) = (radius.min(long / 3.0), long - radius.min(long / 3.0));
    format!(
        "M{}L{}L{}L{}z",
        at(begin, gap),
        at(end, gap),
        at(end, gap + width * 0.25),
        at(begin, gap + width)
    )
}

/// The place on a circle, the first at the top, clockwise.
fn on_circle(at: usize, of: usize, middle: (f64, f64), radius: f64) -> (f64, f64) {
    let angle = std::f64::consts::TAU * at as f64 / of.max(1) as f64 - FRAC_PI_2;
    (middle.0 + radius * angle.cos(), middle.1 + radius * angle.sin())
}
