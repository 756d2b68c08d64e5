//! What a user sees on standard output and standard error. All text goes through here, where what would be a command to the
//! terminal is written out.

mod describe;
mod event;
mod text;

use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::ValueEnum;
use fltorrent_crds::{plan::Warning, visible};
pub(crate) use fltorrent_report::units::{bytes, grouped};
use serde::Serialize;

pub use describe::{Description, describe};
pub use event::{Event, Failed, Field, Outcome, PeerSummary, Started, Summary};
pub(crate) use text::{description as description_text, figure};

/// Whether something that was to be printed got lost.
static LOST: AtomicBool = AtomicBool::new(false);

/// The exit code of a command whose own is `code`: what got lost on the way out is no success. A reader that went away has read
/// what it wanted.
pub fn exit_code(code: ExitCode) -> ExitCode {
    match code == ExitCode::SUCCESS && LOST.load(Ordering::Relaxed) {
        true => ExitCode::FAILURE,
        false => code,
    }
}

/// Takes note of output that could not be written.
pub(crate) fn lost(error: &io::Error) {
    if error.kind() != ErrorKind::BrokenPipe {
        LOST.store(true, Ordering::Relaxed);
        warning(&format!(
            "cannot write to standard output: {error}; no more output follows"
        ));
    }
}

/// The form of standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Writes events to standard output. A reader that goes away, or a full disk behind it, does not end a run: what was
/// measured is in the results folder. A full disk shows in the exit code ([`exit_code`]).
#[derive(Debug)]
pub struct Printer {
    format: Format,
    quiet: bool,
    closed: bool,
    /// What waits while something else is on the screen.
    held: Option<Vec<Held>>,
}

#[derive(Debug)]
enum Held {
    Line(String),
    Warning(String),
}

impl Printer {
    /// A printer; a quiet one prints only how things ended.
    pub const fn new(format: Format, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            closed: false,
            held: None,
        }
    }

    /// One that prints nothing.
    pub const fn silent() -> Self {
        Self {
            format: Format::Text,
            quiet: true,
            closed: true,
            held: None,
        }
    }

    /// Prints an event, as far as the format shows it.
    pub fn print(&mut self, event: &Event<'_>) {
        let text = match self.format {
            _ if self.quiet && !event.is_final() => None,
            Format::Text => text::text(event),
            Format::Json if matches!(event, Event::Starting { .. }) => None,
            Format::Json => serde_json::to_string(event).ok(),
        };
        if let Some(text) = text {
            self.line(&text);
        }
    }

    /// Prints what is allowed but probably not meant to standard error.
    pub fn warnings(&self, warnings: &[Warning]) {
        for Warning { path, message } in warnings.iter().filter(|_| !self.quiet) {
            warning(&format!("{path}: {message}"));
        }
    }

    /// Prints to standard error what goes wrong and does not end what goes on.
    pub fn warn(&mut self, text: &str) {
        match &mut self.held {
            _ if self.quiet => {}
            Some(held) => held.push(Held::Warning(text.to_owned())),
            None => warning(text),
        }
    }

    /// Keeps all lines until [`Self::release`].
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Prints what was kept, and from now on at once.
    pub fn release(&mut self) {
        for held in self.held.take().unwrap_or_default() {
            match held {
                Held::Line(line) => self.line(&line),
                Held::Warning(text) => warning(&text),
            }
        }
    }

    /// Prints a value as JSON in one line.
    pub fn json(&mut self, value: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(value) {
            self.line(&line);
        }
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: &str) {
        if self.closed {
            return;
        }
        if let Some(held) = &mut self.held {
            return held.push(Held::Line(text.to_owned()));
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = writeln!(stdout, "{}", visible(text)).and_then(|()| stdout.flush()) {
            self.closed = true;
            lost(&error);
        }
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.release();
    }
}

/// Prints a warning to standard error.
pub fn warning(text: &str) {
    to_stderr("warning", text);
}

/// Prints what goes on to standard error.
pub fn progress(text: &str) {
    to_stderr("now", text);
}

/// Prints an error to standard error; it ends with what to do next.
pub fn error(text: &str) {
    to_stderr("error", text);
}

/// Prints an error that says itself that it is one.
pub(crate) fn plain_error(text: &str) {
    write!(io::stderr().lock(), "{text}").ok();
}

fn to_stderr(kind: &str, text: &str) {
    // There is no other place to complain to.
    writeln!(io::stderr().lock(), "{kind}: {}", visible(text)).ok();
}
