//! What takes time: it shows how far it is, and ends at Ctrl-C.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// After this time a task says that it runs.
const QUIET: Duration = Duration::from_secs(2);
/// How often it says so where lines stay.
const AGAIN: Duration = Duration::from_secs(60);

/// Ctrl-C was pressed, or the process was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Whether the process was asked to end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Never asked.
    #[must_use]
    pub fn never() -> Self {
        Self::default()
    }

    /// Asked by SIGINT, SIGTERM or SIGHUP from now on.
    ///
    /// # Errors
    /// When the handlers cannot be set.
    pub fn by_signals() -> io::Result<Self> {
        let asked = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked.0))?;
        }
        Ok(asked)
    }

    /// An error once asked.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

/// One thing that is waited for, with a line on standard error when it takes long.
#[derive(Debug)]
pub struct Task {
    what: String,
    interrupt: Interrupt,
    begun: Instant,
    said: Option<Instant>,
    terminal: bool,
    silent: bool,
}

impl Task {
    /// Begins `what`, for example `building etcd`.
    #[must_use]
    pub fn begin(what: impl Into<String>, interrupt: &Interrupt) -> Self {
        Self {
            what: what.into(),
            interrupt: interrupt.clone(),
            begun: Instant::now(),
            said: None,
            terminal: io::stderr().is_terminal(),
            silent: false,
        }
    }

    /// A part of another one, which says nothing.
    #[must_use]
    pub fn part(interrupt: &Interrupt) -> Self {
        Self {
            silent: true,
            ..Self::begin("", interrupt)
        }
    }

    /// Time since it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits for `time`, to look again afterwards.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub fn pause(&mut self, time: Duration) -> Result<(), Interrupted> {
        self.interrupt.check()?;
        self.show();
        thread::sleep(time);
        self.interrupt.check()
    }

    /// Says how long it took, if that was not short.
    pub fn end(self) {
        if !self.silent && self.elapsed() >= QUIET {
            let back = if self.terminal { "\r" } else { "" };
            let line = format!(
                "{back}{}: done in {:.0} s\n",
                self.what,
                self.elapsed().as_secs_f64()
            );
            write(&line);
        }
    }

    fn show(&mut self) {
        let elapsed = self.elapsed();
        let again = if self.terminal {
            Duration::from_secs(1)
        } else {
            AGAIN
        };
        if self.silent || elapsed < QUIET || self.said.is_some_and(|said| said.elapsed() < again) {
            return;
        }
        let seconds = elapsed.as_secs();
        let line = if self.terminal {
            format!("\r{} … {seconds} s", self.what)
        } else if self.said.is_none() {
            format!("{} …\n", self.what)
        } else {
            format!("{} … {seconds} s so far\n", self.what)
        };
        write(&line);
        self.said = Some(Instant::now());
    }
}

/// Progress is an extra: where standard error is closed, the work goes on.
fn write(line: &str) {
    let mut output = io::stderr().lock();
    let _ = output
        .write_all(line.as_bytes())
        .and_then(|()| output.flush());
}
