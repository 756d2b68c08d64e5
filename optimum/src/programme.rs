//! The linear programme with the cuts that are known so far, and the bound that its dual proves.

use clarabel::{
    algebra::CscMatrix,
    solver::{DefaultSettings, DefaultSolver, IPSolver, SupportedConeT::NonnegativeConeT},
};

use super::{
    Links,
    cuts::Cut,
    network::{Network, outside},
};

/// The limit that a row of the programme stands for.
#[derive(Clone, Debug)]
enum Row {
    Up,
    Down(usize),
    /// A link carries nothing negative.
    Positive,
    Cut(Cut),
}

/// The programme: its rows say `coefficients · (c, r) ≤ limit`.
pub(super) struct Programme<'a> {
    network: &'a Network,
    rows: Vec<Row>,
    /// Row, column and value of each coefficient.
    coefficients: (Vec<usize>, Vec<usize>, Vec<f64>),
    limits: Vec<f64>,
}

pub(super) struct Solution<'a> {
    programme: &'a Programme<'a>,
    /// The load of each link, within all limits.
    pub(super) carried: Vec<f64>,
    /// The price of each row's limit, none negative.
    prices: Vec<f64>,
}

pub(super) struct DualBound {
    /// The least time in times of the closed forms', but for rounding.
    pub(super) factor: f64,
    /// Each peer's part of that by its uplink, and by its downlink.
    parts: Vec<(f64, f64)>,
}

impl<'a> Programme<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        let mut programme = Self {
            network,
            rows: Vec::new(),
            coefficients: Default::default(),
            limits: Vec::new(),
        };
        let links = || network.links.iter().copied().zip(0..);
        for peer in 0..network.peers {
            if let Some(up) = network.up[peer] {
                let sent = links().filter(|((from, _), _)| *from == peer);
                let ones = sent.map(|(_, link)| (link, 1.0));
                programme.push(Row::Up, up, ones);
            }
            let received = links().filter(|((_, to), _)| *to == peer);
            let ones = received.map(|(_, link)| (link, 1.0));
            programme.push(Row::Down(peer), network.down[peer], ones);
        }
        for (_, link) in links() {
            programme.push(Row::Positive, 0.0, [(link, -1.0)].into_iter());
        }
        programme
    }

    fn push(&mut self, row: Row, limit: f64, values: impl Iterator<Item = (usize, f64)>) {
        let (rows, columns, coefficients) = &mut self.coefficients;
        for (column, value) in values {
            rows.push(self.rows.len());
            columns.push(column);
            coefficients.push(value);
        }
        self.rows.push(row);
        self.limits.push(limit);
    }

    /// Adds the set: what is carried into it is at least r for each peer outside.
    pub(super) fn add(&mut self, cut: &Cut) {
        let rate = self.network.links.len();
        let network = self.network;
        let into = network.into(cut).map(|link| (link, -1.0));
        self.push(Row::Cut(cut.clone()), 0.0, into.chain([(rate, outside(cut))]));
    }

    /// A solution; none when the solver fails.
    pub(super) fn solve(&self) -> Option<Solution<'_>> {
        let columns = self.network.links.len() + 1;
        let rows = self.rows.len();
        let (row, column, value) = self.coefficients.clone();
        let matrix = CscMatrix::new_from_triplets(rows, columns, row, column, value);
        let mut objective = vec![0.0; columns];
        objective[columns - 1] = -1.0;
        let settings = DefaultSettings {
            verbose: false,
            ..DefaultSettings::default()
        };
        let cones = [NonnegativeConeT(rows)];
        let quadratic = CscMatrix::zeros((columns, columns));
        let mut solver = DefaultSolver::new(&quadratic, &objective, &matrix, &self.limits, &cones, settings).ok()?;
        // However it ends: what is made of the solution is checked by itself.
        solver.solve();
        let solution = &solver.solution;
        let is_number = |values: &[f64]| values.iter().all(|value| value.is_finite());
        if !is_number(&solution.x) || !is_number(&solution.z) {
            return None;
        }
        Some(Solution {
            programme: self,
            carried: self.feasible(&solution.x),
            prices: solution.z.iter().map(|price| price.max(0.0)).collect(),
        })
    }

    /// The loads of the links, reduced where they exceed a limit.
    fn feasible(&self, found: &[f64]) -> Vec<f64> {
        let links = self.network.links.len();
        let mut carried: Vec<f64> = found[..links].iter().map(|value| value.max(0.0)).collect();
        let mut used = vec![0.0; self.rows.len()];
        let (rows, columns, values) = &self.coefficients;
        for ((&row, &column), value) in rows.iter().zip(columns).zip(values) {
            if column < links {
                used[row] += value * carried[column];
            }
        }
        let over = used.iter().zip(&self.limits).zip(&self.rows);
        let over = over.filter(|(_, row)| !matches!(row, Row::Cut(_) | Row::Positive));
        let most = over.map(|((used, limit), _)| used / limit).fold(1.0, f64::max);
        carried.iter_mut().for_each(|carried| *carried /= most);
        carried
    }
}

impl Solution<'_> {
    /// The bound that the prices prove, none when they prove nothing.
    ///
    /// With a price `y_A ≥ 0` for every set, scaled to `Σ y_A·|V ∖ A| = 1`, and prices α of uplinks and β of downlinks such that for
    /// every link from v to w `Σ y_A over the sets that it leads into ≤ α_v + β_w`, every exchange has
    /// `r ≤ Σ y_A·(Σ c into A) ≤ Σ α·up + Σ β·down`. The solver's y and β are taken as they are, and α (β where an uplink has
    /// no limit) is made as large as it has to be, so that the conditions hold however exact the solver was.
    pub(super) fn bound(&self) -> Option<DualBound> {
        let network = self.programme.network;
        let mut uplinks = vec![0.0_f64; network.peers];
        let mut downlinks = vec![0.0_f64; network.peers];
        let mut loads = vec![0.0; network.links.len()];
        let mut whole = 0.0;
        for (row, &price) in self.programme.rows.iter().zip(&self.prices) {
            match row {
                Row::Up | Row::Positive => {}
                Row::Down(peer) => downlinks[*peer] = price,
                Row::Cut(cut) => {
                    whole += price * outside(cut);
                    network.into(cut).for_each(|link| loads[link] += price);
                }
            }
        }
        for (&(from, to), &load) in network.links.iter().zip(&loads) {
            if network.up[from].is_none() {
                downlinks[to] = downlinks[to].max(load);
            }
        }
        for (&(from, to), &load) in network.links.iter().zip(&loads) {
            if network.up[from].is_some() {
                uplinks[from] = uplinks[from].max(load - downlinks[to]);
            }
        }
        let parts: Vec<(f64, f64)> = (0..network.peers)
            .map(|peer| {
                let up = network.up[peer].map_or(0.0, |up| uplinks[peer] * up);
                (up, downlinks[peer] * network.down[peer])
            })
            .collect();
        let price: f64 = parts.iter().map(|(up, down)| up + down).sum();
        (whole > 0.0 && price > 0.0).then(|| DualBound {
            factor: whole / price,
            parts,
        })
    }
}

impl DualBound {
    /// The links that pay at least the share `named`.
    pub(super) fn links(&self, named: f64) -> Links {
        let price: f64 = self.parts.iter().map(|(up, down)| up + down).sum();
        let pays = |part: fn(&(f64, f64)) -> f64| {
            let parts = (0..).zip(&self.parts);
            parts
                .filter(|(_, parts)| part(parts) >= named * price)
                .map(|(peer, _)| peer)
                .collect()
        };
        Links {
            uplinks: pays(|parts| parts.0),
            downlinks: pays(|parts| parts.1),
        }
    }
}
