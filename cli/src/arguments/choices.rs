//! What `fltorrent init` can start a manifest from.

use clap::{
    ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use fltorrent_crds::family::{Family, Sketch, Variant};

/// Models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelChoice {
    /// One hidden layer
    Mlp,
    /// No hidden layer
    Linear,
}

/// Data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DataChoice {
    /// Handwritten digits that ship with FLTorrent
    Digits,
    /// A folder of IDX files, such as MNIST or Fashion-MNIST
    Idx,
}

/// The variants of a family that the number of peers alone leads to.
pub(crate) fn startable<F: Family>() -> impl Iterator<Item = &'static Variant<F>> {
    let sketch = Sketch {
        peers: 8,
        samples: None,
        is_table: false,
    };
    F::VARIANTS
        .iter()
        .filter(move |variant| (variant.example)(&sketch).is_some())
}

/// Such a variant as the value of an option.
pub(super) fn parser<F: Family + Sync>() -> impl TypedValueParser<Value = &'static Variant<F>> {
    let value = |variant: &Variant<F>| PossibleValue::new(variant.name).help(variant.summary());
    PossibleValuesParser::new(startable::<F>().map(value))
        .try_map(|name| F::named(&name).ok_or_else(|| format!("{name} is not known")))
}
