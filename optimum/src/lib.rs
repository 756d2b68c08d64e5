//! The least time of an exchange: the optimum of its fluid model, since the closed forms of the plan can be too low.
//!
//! docs/bound.md derives it. Let a link carry `c_e` updates in the time that the closed forms give, and all peers get
//! everything after `1 ÷ r` of that time. Then r is at most the optimum of the linear programme
//!
//! ```text
//! maximise r over c ≥ 0 with
//!   Σ c_e out of v ≤ what v's uplink carries  for every peer v,
//!   Σ c_e into v ≤ what v's downlink carries  for every peer v,
//!   Σ c_e into A ≥ r · |V ∖ A|                for every set A of peers, neither empty nor all
//! ```
//!
//! and there is an exchange that reaches it. There are 2ⁿ − 2 sets. They are added as they are needed: with the solution for some
//! of them, maximum flows find the sets that it breaks (`cuts`); the programme is solved again until none is left.
//!
//! No rounding of the solver can make the bound too long: it is computed from the solution of the dual programme, after that
//! has been made feasible in the strict sense (`programme`).
//!
//! The programme takes long for many peers. There a bound by spanning trees (`trees`) stands beside the closed forms.
//!
//! Sources: docs/bound.md.

mod cuts;
mod network;
mod programme;
#[cfg(test)]
mod tests;
mod trees;

use std::fmt;

use fltorrent_crds::{
    Plan,
    analysis::{self, Rates, Wiring},
};
use serde::Serialize;

use cuts::Cuts;
use network::Network;
use programme::Programme;

/// Peers up to which the programme is solved: a ring of more with unequal links takes a good part of a second.
const MOST_PEERS: u32 = 60;
/// Connections up to which the programme is solved: a mesh of 32, or 16 neighbours each of sixty.
const MOST_CONNECTIONS: u64 = 500;
/// Connections up to which spanning trees are looked for: ten neighbours each of 10,000 peers take seconds.
const MOST_OF_TREES: u64 = 50_000;
/// Programmes that are solved for one exchange at most; what they give until then is a bound, too.
const MOST_STEPS: usize = 100;
/// The result is the optimum when it is no further from what can be reached than this.
const GAP: f64 = 1e-6;
/// Tolerance for sums of floating-point numbers in a bound, many times their rounding error.
const ROUNDING: f64 = 1e-9;
/// A peer's link is named as a limit from this share of the price of all limits.
const NAMED: f64 = 0.01;
/// Peers that are named in words.
const LISTED: usize = 6;

/// The least time of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeastTime {
    /// Seconds.
    pub seconds: f64,
    /// The bottleneck.
    pub limit: Limit,
    /// True if this is the optimum of the fluid model, to a millionth; else the optimum may be longer.
    pub is_optimum: bool,
}

/// The bottleneck of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Limit {
    /// The bottleneck of a closed form.
    ClosedForm(analysis::Limit),
    /// Several peers' links together.
    Links(Links),
    /// Uplinks together, along whatever spanning trees updates are spread.
    Trees(SpanningTrees),
}

/// Links that together bound an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type", rename = "links")]
pub struct Links {
    /// Peers whose uplinks matter, ascending.
    pub uplinks: Vec<u32>,
    /// Peers whose downlinks matter, ascending.
    pub downlinks: Vec<u32>,
}

/// The bound by spanning trees. It says nothing of single peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "type", rename = "spanningTrees")]
pub struct SpanningTrees {}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedForm(analysis::Limit::Downlink { peer }) => {
                write!(f, "peer {peer}'s downlink")
            }
            Self::ClosedForm(analysis::Limit::NeighboursUplinks { peer }) => {
                write!(f, "the uplinks of peer {peer}'s neighbours")
            }
            Self::ClosedForm(analysis::Limit::AllUplinks) => f.write_str("all uplinks together"),
            Self::ClosedForm(analysis::Limit::Uplink { peer }) => {
                write!(f, "peer {peer}'s uplink")
            }
            Self::Links(links) => {
                let kinds = [("uplink", &links.uplinks), ("downlink", &links.downlinks)];
                let there = kinds.iter().filter(|(_, peers)| !peers.is_empty());
                let texts: Vec<String> = there.map(|(kind, peers)| of_peers(kind, peers)).collect();
                f.write_str(&texts.join(" and "))
            }
            Self::Trees(SpanningTrees {}) => f.write_str("several uplinks together"),
        }
    }
}

fn of_peers(kind: &str, peers: &[u32]) -> String {
    let (plural, s) = match peers.len() {
        1 => (kind.to_owned(), ""),
        _ => (format!("{kind}s"), "s"),
    };
    let named: Vec<String> = peers.iter().take(LISTED).map(u32::to_string).collect();
    let more = match peers.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the {plural} of peer{s} {}{more}", named.join(", "))
}

impl LeastTime {
    /// The kind of bound, in words.
    pub const fn kind(&self) -> &'static str {
        match self.limit {
            _ if self.is_optimum => "the optimum",
            Limit::ClosedForm(_) => "closed form",
            Limit::Links(_) => "a lower bound",
            Limit::Trees(_) => "a lower bound by spanning trees",
        }
    }

    /// A note if it is not the optimum.
    pub fn note(&self) -> Option<String> {
        let proof = match self.limit {
            _ if self.is_optimum => return None,
            Limit::ClosedForm(_) => "a closed form",
            Limit::Links(_) => "a linear programme that was not solved to its end",
            Limit::Trees(_) => "spanning trees",
        };
        Some(format!(
            "the least time of an exchange is a certified lower bound by {proof} and not the exact optimum, which may be longer; the \
             optimum is computed for up to {MOST_PEERS} peers and {MOST_CONNECTIONS} connections"
        ))
    }

    /// The same with all links so many times as fast.
    #[must_use]
    pub fn times_as_fast(&self, times: f64) -> Self {
        Self {
            seconds: self.seconds / times,
            ..self.clone()
        }
    }
}

/// The least time of a round's exchange when every peer has the link that `rates` gives for its index.
///
/// The optimum where it can be computed, else the longest of the closed forms and the bound by spanning trees. Of the same arguments it is always the same.
pub fn least_time(plan: &Plan, wiring: &Wiring, rates: impl Fn(u32) -> Rates) -> LeastTime {
    let closed = analysis::exchange_bound(plan, wiring, &rates);
    let closed_form = |is_optimum| LeastTime {
        seconds: closed.seconds,
        limit: Limit::ClosedForm(closed.limit),
        is_optimum,
    };
    // Nothing to wait for, or what never comes.
    if closed.seconds == 0.0 || closed.seconds.is_infinite() {
        return closed_form(true);
    }
    let network = Network::new(plan, closed.seconds, rates);
    if wiring.peers > MOST_PEERS || wiring.connections > MOST_CONNECTIONS {
        let is_small = wiring.connections <= MOST_OF_TREES;
        let longer = is_small.then(|| trees::factor(plan, &network)).flatten();
        return match longer.filter(|factor| *factor > 1.0 + GAP) {
            Some(factor) => LeastTime {
                seconds: closed.seconds * factor,
                limit: Limit::Trees(SpanningTrees {}),
                is_optimum: false,
            },
            None => closed_form(false),
        };
    }
    let found = solve(&network, wiring);
    if found.factor <= 1.0 + GAP {
        return closed_form(found.is_reached);
    }
    LeastTime {
        seconds: closed.seconds * found.factor,
        limit: Limit::Links(found.links),
        is_optimum: found.is_reached,
    }
}

/// The solution of the programme.
#[derive(Clone, Debug)]
struct Found {
    /// The least time in times of the closed forms'; never too long.
    factor: f64,
    /// True if a schedule of this time was found.
    is_reached: bool,
    links: Links,
}

fn solve(network: &Network, wiring: &Wiring) -> Found {
    let mut programme = Programme::new(network);
    let cuts = Cuts::new(network);
    let mut known = cuts.first(&wiring.cuts.bridges);
    known.iter().for_each(|cut| programme.add(cut));
    let mut best = Found {
        factor: 1.0,
        is_reached: false,
        links: Links::default(),
    };
    for _ in 0..MOST_STEPS {
        let Some(solution) = programme.solve() else {
            break;
        };
        if let Some(bound) = solution.bound() {
            let factor = bound.factor * (1.0 - ROUNDING);
            if factor > best.factor {
                best.factor = factor;
                best.links = bound.links(NAMED);
            }
        }
        let rate = best.factor.recip();
        let broken = cuts.broken(&solution.carried, rate);
        let least = broken
            .iter()
            .map(|set| network.reached(&solution.carried, set))
            .fold(rate, f64::min);
        // The sets that were found lack so little; others may lack more.
        let enough = rate * (1.0 - GAP);
        best.is_reached = least >= enough && cuts.broken(&solution.carried, enough).is_empty();
        let mut is_new = false;
        for cut in broken {
            if !known.contains(&cut) {
                programme.add(&cut);
                known.insert(cut);
                is_new = true;
            }
        }
        // Sets that are broken by no more than the solver's rounding come again and again.
        if best.is_reached || !is_new {
            break;
        }
    }
    best
}
