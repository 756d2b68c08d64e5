//! Everything that the operator would apply for an experiment, as YAML: for people who want to look first, and for tests.

use std::sync::Arc;

use fltorrent_coordinator::secret::RootSecret;
use fltorrent_crds::Experiment;
use serde::Serialize;

use crate::{
    build::{self, BuildError, Objects, Site, pod::Process},
    validate::{ValidateError, validate},
};

/// Why nothing is rendered.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum RenderError {
    #[error(transparent)]
    Validate(#[from] ValidateError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("an object cannot be written as YAML")]
    Write(#[from] serde_saphyr::ser::Error),
}

/// The objects of an experiment's first attempt, one YAML document each, in the order in which they are applied. What only a cluster gives
/// (the namespace, the UID) is made up where it is missing.
///
/// # Errors
/// When the experiment is not accepted or cannot be built.
pub fn render(mut experiment: Experiment, site: &Site, root: &RootSecret) -> Result<String, RenderError> {
    let metadata = &mut experiment.metadata;
    metadata.namespace.get_or_insert_with(|| "default".to_owned());
    metadata
        .uid
        .get_or_insert_with(|| "00000000-0000-4000-8000-000000000000".to_owned());
    let validated = validate(Arc::new(experiment))?;
    let Objects {
        config_map,
        service,
        network_policy,
        disruption_budget,
        claims,
    } = build::objects(&validated, site, root)?;
    let mut text = String::new();
    add(&mut text, &config_map)?;
    add(&mut text, &service)?;
    add(&mut text, &network_policy)?;
    if let Some(budget) = &disruption_budget {
        add(&mut text, budget)?;
    }
    for claim in &claims {
        add(&mut text, claim)?;
    }
    for index in 0..validated.peers() {
        let pod = build::pod::build(
            &validated,
            site,
            Process {
                index,
                ..Process::default()
            },
        )?;
        add(&mut text, &pod)?;
    }
    Ok(text)
}

fn add(text: &mut String, object: &impl Serialize) -> Result<(), RenderError> {
    text.push_str("---\n");
    text.push_str(&serde_saphyr::to_string(object)?);
    Ok(())
}
