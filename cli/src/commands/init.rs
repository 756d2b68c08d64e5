//! `fltorrent init`: writes a manifest to start from.

mod ask;
mod choices;
mod template;
mod terminal;

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use thiserror::Error;

use super::{FAILED, INTERRUPTED, USAGE, refuse_manifest};
use crate::{
    arguments::InitArguments,
    manifest::{ManifestError, Resolved},
    output::{self, Format, Printer, description_text},
    shell,
};

/// The quickstart as it is shipped, for whoever has nothing but the program.
const QUICKSTART: &str = include_str!("../../../examples/quickstart.yaml");

/// Why there is no manifest.
#[derive(Debug, Error)]
enum InitError {
    #[error(
        "no terminal for interactive questions; use --quickstart, or specify --peers, --topology, --model, --data, \
         --partition or --rounds (what is left out takes its default)"
    )]
    NoTerminal,
    #[error("--data idx needs --data-path DIR, the folder with the four IDX files")]
    NoPath,
    #[error("{}: already exists; name another file, or use --force to overwrite it", path.display())]
    Exists { path: PathBuf },
    #[error("the question was not answered; answer it, or use flags (--help)")]
    Ask(#[from] dialoguer::Error),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{}: cannot be written; choose a file in a writable folder", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn init(arguments: &InitArguments) -> ExitCode {
    let mut printer = Printer::new(Format::Text, false);
    match write(arguments) {
        Ok((path, resolved)) => {
            let (file, word) = (path.display(), shell::path(&path));
            let description = output::describe(&resolved.experiment, &resolved.plan, None);
            printer.line(&description_text(&description));
            for warning in &resolved.plan.warnings {
                output::warning(&format!("{}: {}", warning.path, warning.message));
            }
            printer.line(&format!(
                "wrote {file}; see its costs: fltorrent plan {word}; run it: fltorrent run {word}"
            ));
            ExitCode::SUCCESS
        }
        Err(InitError::Manifest(error)) => refuse_manifest(&error, &mut printer),
        Err(InitError::Ask(dialoguer::Error::IO(error))) if error.kind() == io::ErrorKind::Interrupted => {
            terminal::show_cursor();
            ExitCode::from(INTERRUPTED)
        }
        Err(error) => {
            output::error(&crate::chain(&error));
            ExitCode::from(match error {
                InitError::Write { .. } => FAILED,
                _ => USAGE,
            })
        }
    }
}

/// Asks what is open, checks the manifest and only then writes it.
fn write(arguments: &InitArguments) -> Result<(PathBuf, Resolved), InitError> {
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    if asks {
        terminal::restore_on_signal().map_err(dialoguer::Error::IO)?;
    }
    let quickstart = arguments.quickstart || (asks && !arguments.says_something() && ask::wants_quickstart()?);
    let usual = if quickstart {
        "quickstart.yaml"
    } else {
        "experiment.yaml"
    };
    let path = arguments.file.clone().unwrap_or_else(|| usual.into());
    if path.exists() && !arguments.force {
        return Err(InitError::Exists { path });
    }
    let text = if quickstart {
        let name = template::scalar(&name(&path));
        QUICKSTART.replace("name: quickstart", &format!("name: {name}"))
    } else {
        template::manifest(&choices(arguments, asks)?, &name(&path))
    };
    let resolved = Resolved::from_text(&text, &[])?;
    save(&path, &text, arguments.force)?;
    Ok((path, resolved))
}

/// The choices of the flags; the rest is asked or takes its default.
fn choices(arguments: &InitArguments, asks: bool) -> Result<choices::Choices, InitError> {
    let choices = if asks {
        ask::choices(arguments)?
    } else if arguments.says_something() {
        choices::Choices::of(arguments)
    } else {
        return Err(InitError::NoTerminal);
    };
    if choices.lacks_path() {
        return Err(InitError::NoPath);
    }
    Ok(choices)
}

/// A file that appeared in the meantime is kept as well, unless it may be replaced.
fn save(path: &Path, text: &str, force: bool) -> Result<(), InitError> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    if force {
        options.create(true);
    } else {
        options.truncate(false).create_new(true);
    }
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => InitError::Exists { path: path.to_owned() },
            _ => InitError::Write {
                path: path.to_owned(),
                source,
            },
        })
}

/// The file's name as that of an experiment.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let letters: String = stem
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '-',
        })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(fltorrent_crds::experiment::MAX_NAME)
        .collect();
    match letters.trim_end_matches('-') {
        "" => "experiment".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::{data::Source, family::Family, partition::Partition, topology::Topology};

    use super::*;
    use crate::arguments::{networks, startable};

    #[test]
    fn file_names_become_names() {
        for (path, expected) in [
            ("a/My Ring.yaml", "my-ring"),
            ("42-rings.yaml", "rings"),
            ("ümlaut_.yml", "mlaut"),
            ("7.yaml", "experiment"),
            ("..", "experiment"),
        ] {
            assert_eq!(name(Path::new(path)), expected);
        }
        assert_eq!(name(Path::new(&"a".repeat(90))).len(), 45);
    }

    /// Why no settings fit so many peers, or such images.
    fn impossible(topology: &str, peers: u32, model: &str, data: &str) -> Option<&'static str> {
        match topology {
            _ if (model, data) == ("lenet", "digits") => Some("lenet wants images of at least 12×12"),
            "hypercube" if !peers.is_power_of_two() => Some("power of two"),
            "randomRegular" if peers < 2 => Some("one peer has no neighbours"),
            "smallWorld" if peers < 3 => Some("take 3 peers or more"),
            "clusters" if peers < 2 => Some("every site needs a peer"),
            _ => None,
        }
    }

    fn choices(peers: u32) -> choices::Choices {
        choices::Choices {
            peers,
            topology: Topology::named("ring").unwrap(),
            model: networks()[0].2.clone(),
            data: Source::named("digits").unwrap(),
            data_path: Some("x: #\"y\"".to_owned()),
            partition: Partition::named("iid").unwrap(),
            rounds: 3,
        }
    }

    /// Whatever is chosen, the manifest is valid and has a plan.
    #[test]
    fn every_choice_is_a_plan() {
        let with = |peers: u32| {
            let mut all = Vec::new();
            for topology in startable::<Topology>() {
                all.push(choices::Choices {
                    topology,
                    ..choices(peers)
                });
            }
            for partition in startable::<Partition>() {
                for data in startable::<Source>() {
                    for (.., model) in networks() {
                        all.push(choices::Choices {
                            partition,
                            data,
                            model,
                            ..choices(peers)
                        });
                    }
                }
            }
            all
        };
        for choices in [1, 2, 3, 7, 8, 16, 37, 100].into_iter().flat_map(with) {
            let (topology, peers) = (choices.topology.name, choices.peers);
            let text = template::manifest(&choices, "test");
            let found = Resolved::from_text(&text, &[]);
            if let Some(reason) = impossible(topology, peers, choices.model.name(), choices.data.name) {
                let error = found.unwrap_err().to_string();
                assert!(error.contains(reason), "{error}");
                continue;
            }
            let found = found.unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(found.plan.peers.len(), peers as usize);
            assert_eq!(found.plan.training.rounds, 3);
            assert_eq!(found.experiment.spec.topology.wiring.name(), topology);
            assert_eq!(found.plan.data.partition.name(), choices.partition.name);
        }
    }

    #[test]
    fn a_name_that_yaml_takes_for_something_else_is_quoted() {
        let choices = choices(3);
        for name in ["on", "y", "true", "null", "test"] {
            let text = template::manifest(&choices, name);
            let found = Resolved::from_text(&text, &[]).unwrap();
            assert_eq!(found.plan.name, name);
        }
    }

    #[test]
    fn a_file_is_replaced_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        save(&path, "first", false).unwrap();
        let error = save(&path, "x", false).unwrap_err();
        assert!(error.to_string().ends_with("use --force to overwrite it"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        save(&path, "2nd", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2nd");
        let nowhere = save(Path::new("/proc/a.yaml"), "x", false).unwrap_err();
        assert!(nowhere.to_string().contains("/proc/a.yaml: cannot be written"));
    }
}
