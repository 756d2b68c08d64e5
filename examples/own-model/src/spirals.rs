//! Points of the plane on the arms of a spiral; the class is the arm.

use std::f64::consts::TAU;

use fltorrent_cli::extend::{FieldError, Form, Inputs, Labels, OwnData, OwnError, Split, seeds};
use serde::Deserialize;

/// Every point is drawn from the seed and its index alone, so a peer makes just those that it has.
pub struct Spirals {
    settings: Settings,
}

/// The manifest's `data.custom.settings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What the points are drawn from.
    seed: u64,
    /// Arms, each a class.
    arms: u8,
    /// Times that an arm goes around.
    turns: f64,
    /// Standard deviation of a point's angle, in full turns.
    noise: f64,
    /// Points of the training split.
    train: u32,
    /// Points of the test split.
    test: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            arms: 3,
            turns: 0.75,
            noise: 0.03,
            train: 3000,
            test: 600,
        }
    }
}

impl OwnData for Spirals {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, FieldError> {
        for (path, value, least, most) in [
            ("arms", settings.arms.into(), 2.0, 20.0),
            ("turns", settings.turns, 0.0, 4.0),
            ("noise", settings.noise, 0.0, 1.0),
            ("train", settings.train.into(), 1.0, 1e6),
            ("test", settings.test.into(), 1.0, 1e6),
        ] {
            if !(least..=most).contains(&value) {
                let found = format!("{value} is out of range");
                let expected = format!("{least} to {most} will do");
                return Err(FieldError::new(path, found, expected));
            }
        }
        Ok(Self { settings })
    }

    fn form(&self) -> Form {
        Form {
            input_shape: vec![2],
            classes: self.settings.arms.into(),
        }
    }

    fn labels(&self) -> Result<Labels, OwnError> {
        let labels = |count| (0..count).map(|index| self.arm(index)).collect();
        Ok(Labels {
            train: labels(self.settings.train),
            test: labels(self.settings.test),
            // Everything follows from the settings, which are part of the plan, and peers compare their plans.
            content: None,
        })
    }

    fn inputs(&self, split: Split, indices: &[u32]) -> Result<Inputs, OwnError> {
        let points = indices.iter().flat_map(|&index| self.point(split, index));
        Ok(Inputs::Numbers(points.collect()))
    }
}

impl Spirals {
    fn arm(&self, index: u32) -> u8 {
        (index % u32::from(self.settings.arms)) as u8
    }

    fn point(&self, split: Split, index: u32) -> [f32; 2] {
        let Settings {
            seed,
            arms,
            turns,
            noise,
            ..
        } = self.settings;
        let purpose = match split {
            Split::Train => "spirals.train",
            Split::Test => "spirals.test",
        };
        let mut rng = seeds::rng(seed, purpose, index, 0);
        let radius = seeds::unit(&mut rng);
        let start = f64::from(self.arm(index)) / f64::from(arms);
        let angle = TAU * (start + turns * radius + noise * seeds::normal(&mut rng));
        // Not the standard library's functions: their last bits depend on the system.
        [radius * libm::cos(angle), radius * libm::sin(angle)].map(|value| value as f32)
    }
}
