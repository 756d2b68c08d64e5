//! Questions on the terminal, for what the flags leave open.

use dialoguer::{Input, Select};
use fltorrent_crds::{
    family::{Family, Variant},
    model::Network,
};

use super::{
    choices::{Choices, wants_path},
    template,
};
use crate::{
    arguments::{InitArguments, Start, networks, startable, whole_number},
    manifest::Resolved,
};

/// Prefix of the selected entry.
const MARK: &str = "> ";

/// The choices of the flags, and the answers for the rest.
pub(super) fn choices(arguments: &InitArguments) -> Result<Choices, dialoguer::Error> {
    let usual = Choices::of(arguments);
    let peers = match arguments.peers {
        Some(peers) => peers,
        None => number("How many peers?", usual.peers, fltorrent_crds::experiment::MAX_PEERS)?,
    };
    let topology = variant("Which topology?", arguments.topology, usual.topology)?;
    let data = match arguments.data_path {
        Some(_) => usual.data,
        None => variant("Which data?", arguments.data, usual.data)?,
    };
    let data_path = match &arguments.data_path {
        None if wants_path(data) => Some(
            Input::new()
                .with_prompt("Folder with the four IDX files")
                .interact_text()?,
        ),
        path => path.clone(),
    };
    let partition = variant("Which partition of the data?", arguments.partition, usual.partition)?;
    let mut choices = Choices {
        peers,
        topology,
        data,
        data_path,
        partition,
        ..usual
    };
    if arguments.model.is_none() {
        choices.model = network(&choices)?;
    }
    if arguments.rounds.is_none() {
        choices.rounds = number("How many rounds?", choices.rounds, 1_000_000)?;
    }
    Ok(choices)
}

/// Whether the manifest is the quickstart's; if not, there are questions.
pub(super) fn wants_quickstart() -> Result<bool, dialoguer::Error> {
    let ways = [
        ("quickstart", "Eight peers learn to classify digits; no questions"),
        ("questions", "A manifest of your own, in seven questions"),
    ];
    Ok(pick("Start from", &ways, 0)? == 0)
}

fn number(prompt: &str, usual: u32, most: u32) -> Result<u32, dialoguer::Error> {
    let whole = whole_number(1, most);
    let check = whole.clone();
    let text = Input::<String>::new()
        .with_prompt(prompt)
        .default(usual.to_string())
        .validate_with(move |text: &String| check(text).map(drop))
        .interact_text()?;
    Ok(whole(&text).unwrap_or(usual))
}

/// A network that is picked from those that make a manifest with the other choices.
fn network(choices: &Choices) -> Result<Network, dialoguer::Error> {
    let fits = |(.., network): &Start| {
        let model = network.clone();
        let tried = template::manifest(
            &Choices {
                model,
                ..choices.clone()
            },
            "tried",
        );
        Resolved::from_text(&tried, &[]).is_ok()
    };
    let fitting: Vec<Start> = networks().into_iter().filter(fits).collect();
    // Where none does, something else is wrong, of which the manifest's check tells.
    let mut networks = if fitting.is_empty() { networks() } else { fitting };
    let lines: Vec<(&str, &str)> = networks.iter().map(|(name, help, _)| (*name, help.as_str())).collect();
    let picked = pick("Which model?", &lines, 0)?;
    Ok(networks.swap_remove(picked.min(networks.len() - 1)).2)
}

/// The given variant, or one that is picked from those that can be started from.
fn variant<F: Family>(
    prompt: &str,
    given: Option<&'static Variant<F>>,
    usual: &'static Variant<F>,
) -> Result<&'static Variant<F>, dialoguer::Error> {
    if let Some(given) = given {
        return Ok(given);
    }
    let variants: Vec<_> = startable::<F>().collect();
    let help: Vec<String> = variants.iter().map(|variant| variant.summary()).collect();
    let lines: Vec<(&str, &str)> = variants
        .iter()
        .zip(&help)
        .map(|(variant, help)| (variant.name, help.as_str()))
        .collect();
    let preset = variants.iter().position(|variant| variant.name == usual.name);
    let picked = pick(prompt, &lines, preset.unwrap_or(0))?;
    Ok(variants.get(picked).copied().unwrap_or(usual))
}

/// The place of the entry that is picked; each is a name and what it means.
fn pick(prompt: &str, entries: &[(&str, &str)], preset: usize) -> Result<usize, dialoguer::Error> {
    let columns = crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns));
    let lines: Vec<String> = entries
        .iter()
        .map(|(name, help)| fitted(&format!("{name:<14} {help}"), columns))
        .collect();
    let picked = Select::new()
        .with_prompt(prompt)
        .items(&lines)
        .default(preset)
        .report(false)
        .interact()?;
    if let Some((name, _)) = entries.get(picked) {
        eprintln!("{prompt} {name}");
    }
    Ok(picked)
}

/// As much of a line as a list shows in one row: a line that wraps is drawn anew below itself at each key.
fn fitted(line: &str, columns: usize) -> String {
    let room = columns.saturating_sub(MARK.len() + 1).max(1);
    if line.chars().count() <= room {
        return line.to_owned();
    }
    let cut: String = line.chars().take(room - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::{data::Source, partition::Partition, topology::Topology};

    use super::*;

    #[test]
    fn a_line_that_is_too_long_for_the_terminal_is_cut() {
        assert_eq!(fitted("ring           short", 80), "ring           short");
        assert_eq!(fitted(&"x".repeat(90), 80), "x".repeat(76) + "…");
        assert_eq!(fitted("äöü", 6), "äöü");
        assert_eq!(fitted("äöüx", 6), "äö…");
        assert_eq!(fitted("abc", 0), "…");
    }

    #[test]
    fn every_choice_is_whole_on_80_columns() {
        fn variants<F: Family>() {
            for variant in startable::<F>() {
                let line = format!("{:<14} {}", variant.name, variant.summary());
                assert_eq!(fitted(&line, 80), line);
            }
        }
        for (name, help, _) in networks() {
            let line = format!("{name:<14} {help}");
            assert_eq!(fitted(&line, 80), line);
        }
        variants::<Source>();
        variants::<Topology>();
        variants::<Partition>();
    }
}
