//! Questions on the terminal, for what the flags leave open.

use clap::ValueEnum;
use dialoguer::{Input, Select};

use super::choices::{Choices, DataChoice};
use crate::arguments::InitArguments;

/// What the flags say, and the answers for the rest.
pub(super) fn choices(arguments: &InitArguments) -> Result<Choices, dialoguer::Error> {
    let usual = Choices::of(arguments);
    let peers = match arguments.peers {
        Some(peers) => peers,
        None => number(
            "How many peers?",
            usual.peers,
            fltorrent_crds::experiment::MAX_PEERS,
        )?,
    };
    let topology = one_of("How are they wired?", arguments.topology, usual.topology)?;
    let data = match arguments.data_path {
        Some(_) => usual.data,
        None => one_of("What do they learn from?", arguments.data, usual.data)?,
    };
    let data_path = match (data, &arguments.data_path) {
        (DataChoice::Idx, None) => Some(
            Input::new()
                .with_prompt("Folder with the four IDX files")
                .interact_text()?,
        ),
        (_, path) => path.clone(),
    };
    let partition = one_of("How is it divided?", arguments.partition, usual.partition)?;
    let model = one_of("What do they train?", arguments.model, usual.model)?;
    let rounds = match arguments.rounds {
        Some(rounds) => rounds,
        None => number("How many rounds?", usual.rounds, 1_000_000)?,
    };
    Ok(Choices {
        peers,
        topology,
        model,
        data,
        data_path,
        partition,
        rounds,
    })
}

fn number(prompt: &str, usual: u32, most: u32) -> Result<u32, dialoguer::Error> {
    Input::new()
        .with_prompt(prompt)
        .default(usual)
        .validate_with(|number: &u32| match number {
            0 => Err("at least 1".to_owned()),
            n if *n > most => Err(format!("at most {most}")),
            _ => Ok(()),
        })
        .interact_text()
}

/// The given one, or one that is picked from a list with what each means.
fn one_of<T: ValueEnum>(prompt: &str, given: Option<T>, usual: T) -> Result<T, dialoguer::Error> {
    if let Some(given) = given {
        return Ok(given);
    }
    let values: Vec<_> = T::value_variants()
        .iter()
        .filter_map(|value| Some((value, value.to_possible_value()?)))
        .collect();
    let lines: Vec<String> = values
        .iter()
        .map(|(_, value)| match value.get_help() {
            Some(help) => format!("{:<14} {help}", value.get_name()),
            None => value.get_name().to_owned(),
        })
        .collect();
    let name = usual.to_possible_value();
    let preset = values
        .iter()
        .position(|(_, value)| Some(value.get_name()) == name.as_ref().map(|name| name.get_name()));
    let picked = Select::new()
        .with_prompt(prompt)
        .items(&lines)
        .default(preset.unwrap_or(0))
        .interact()?;
    Ok(values
        .get(picked)
        .map_or(usual, |(value, _)| (*value).clone()))
}
