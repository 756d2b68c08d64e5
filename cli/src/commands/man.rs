//! `fltorrent man`: a man page for every command, made from the command line's own form.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Command, CommandFactory};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use thiserror::Error;

use super::FAILED;
use crate::{
    arguments::{Arguments, ManArguments},
    output::{self, Format, Printer},
    shell,
};

/// A page that is not there.
#[derive(Debug, Error)]
#[error("{}: cannot be written; choose a writable folder", path.display())]
struct ManError {
    path: PathBuf,
    source: io::Error,
}

pub(super) fn man(arguments: &ManArguments) -> ExitCode {
    match write(&arguments.folder) {
        Ok(pages) => {
            let page = shell::path(&arguments.folder.join("fltorrent.1"));
            Printer::new(Format::Text, false).line(&format!(
                "wrote {pages} pages into {}; read one: man {page}",
                arguments.folder.display()
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::error(&crate::chain(&error));
            ExitCode::from(FAILED)
        }
    }
}

/// Gives the number of pages.
fn write(folder: &Path) -> Result<usize, ManError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ManError { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut command = Arguments::command();
    command.build();
    let pages = pages(&command, "fltorrent");
    for (name, command) in &pages {
        let path = folder.join(format!("{name}.1"));
        let mut page = Vec::new();
        render(name, command, &mut page)
            .and_then(|()| fs::write(&path, &page))
            .map_err(failed(&path))?;
    }
    Ok(pages.len())
}

/// Writes a page; what stands at the end of the help gets the headings that pages have for it.
fn render(name: &str, command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone().display_name(name))
        .title(name.to_uppercase())
        .source(concat!("fltorrent ", env!("CARGO_PKG_VERSION")))
        .manual("FLTorrent");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    let ending = command.get_after_help().map(ToString::to_string);
    for section in ending.as_deref().unwrap_or_default().split("\n\n") {
        if let Some((heading, body)) = section.split_once(":\n") {
            as_written(heading, body).to_writer(page)?;
        }
    }
    Ok(())
}

/// A section whose lines stay as they are.
fn as_written(heading: &str, body: &str) -> Roff {
    let heading = match heading {
        "Exit codes" => "EXIT STATUS".to_owned(),
        other => other.to_uppercase(),
    };
    let mut section = Roff::new();
    section.control("SH", [heading.as_str()]).control("nf", []);
    for line in body.lines() {
        section.text([roman(line.trim_start())]);
    }
    section.control("fi", []);
    section
}

/// The command and all below it that are not hidden, with the names of their pages.
fn pages(command: &Command, name: &str) -> Vec<(String, Command)> {
    let below = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .flat_map(|command| pages(command, &format!("{name}-{}", command.get_name())));
    [(name.to_owned(), command.clone())].into_iter().chain(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_help_lists_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let count = write(&folder.path().join("man1")).unwrap();
        let page = |name: &str| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
        assert!(
            page("fltorrent.1").contains("fltorrent\\-plan"),
            "{}",
            page("fltorrent.1")
        );
        assert!(page("fltorrent-keys-init.1").contains("\\-\\-days"));
        let commands = Arguments::command();
        let visible = commands.get_subcommands().filter(|command| !command.is_hide_set());
        for command in visible {
            assert!(page(&format!("fltorrent-{}.1", command.get_name())).contains(".SH SYNOPSIS"));
        }
        assert_eq!(fs::read_dir(folder.path().join("man1")).unwrap().count(), count);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = write(Path::new("/proc/man")).unwrap_err();
        assert!(error.to_string().starts_with("/proc/man: cannot be written"));
    }
}
