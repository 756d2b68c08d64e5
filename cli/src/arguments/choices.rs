//! What `fltorrent init` can start a manifest from.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use fltorrent_crds::{
    family::{Family, Sketch, Variant},
    model::{Mlp, Network},
};

/// The variants of a family that the number of peers alone leads to.
pub(crate) fn startable<F: Family>() -> impl Iterator<Item = &'static Variant<F>> {
    F::VARIANTS
        .iter()
        .filter(|variant| (variant.example)(&SKETCH).is_some())
}

const SKETCH: Sketch = Sketch {
    peers: 8,
    samples: None,
    is_table: false,
};

/// A network to start from: its name on the command line, what it is, and its settings.
pub(crate) type Start = (&'static str, String, Network);

/// The networks that the data alone leads to, and the plainest one, which is an mlp without hidden layers.
pub(crate) fn networks() -> Vec<Start> {
    let start =
        |variant: &'static Variant<Network>| Some((variant.name, variant.summary(), (variant.example)(&SKETCH)?));
    let mut networks: Vec<Start> = startable::<Network>().filter_map(start).collect();
    let linear = Mlp { hidden: Vec::new() };
    networks.insert(1, ("linear", "No hidden layer".to_owned(), linear.into()));
    networks
}

/// The network of this name as the value of an option.
pub(super) fn network() -> impl TypedValueParser<Value = Network> {
    let values = networks().into_iter();
    let values = values.map(|(name, help, _)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).try_map(|name| {
        let found = networks().into_iter().find(|(known, ..)| *known == name);
        found
            .map(|(.., network)| network)
            .ok_or_else(|| format!("{name} is not known"))
    })
}

/// Such a variant as the value of an option.
pub(super) fn parser<F: Family + Sync>() -> impl TypedValueParser<Value = &'static Variant<F>> {
    let value = |variant: &Variant<F>| PossibleValue::new(variant.name).help(variant.summary());
    PossibleValuesParser::new(startable::<F>().map(value))
        .try_map(|name| F::named(&name).ok_or_else(|| format!("{name} is not known")))
}
