//! What takes time: it shows how far it is, and ends at Ctrl-C.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// After this time a task says that it runs.
const QUIET: Duration = Duration::from_secs(2);
/// Removes what a line before left behind the cursor.
const CLEAR: &str = "\x1b[K";
/// Characters of a line where there is no terminal.
const LONGEST: usize = 200;
/// Interval at which it says so where lines stay.
const AGAIN: Duration = Duration::from_secs(60);

/// Ctrl-C was pressed, or the process was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// True once the process was asked to end.
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
    detail: String,
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
            detail: String::new(),
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

    /// Sets the current step, for example `kubelet, 4 of 6`.
    pub fn detail(&mut self, text: impl Into<String>) {
        self.detail = text.into();
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
            let (begin, rest) = if self.terminal { ("\r", CLEAR) } else { ("", "") };
            let seconds = self.elapsed().as_secs_f64();
            write(&format!("{begin}{}: done in {seconds:.0} s{rest}\n", self.what));
        }
    }

    fn show(&mut self) {
        let elapsed = self.elapsed();
        let again = if self.terminal { Duration::from_secs(1) } else { AGAIN };
        if self.silent || elapsed < QUIET || self.said.is_some_and(|said| said.elapsed() < again) {
            return;
        }
        let seconds = elapsed.as_secs();
        let line = if self.terminal {
            let line = with_detail(&format!("{} … {seconds} s", self.what), &self.detail);
            format!("\r{}{CLEAR}", cut(&line, width()))
        } else if self.said.is_none() {
            format!("{} …\n", self.what)
        } else {
            let line = format!("{} … {seconds} s so far", self.what);
            format!("{}\n", cut(&with_detail(&line, &self.detail), LONGEST))
        };
        write(&line);
        self.said = Some(Instant::now());
    }
}

fn with_detail(line: &str, detail: &str) -> String {
    match detail {
        "" => line.to_owned(),
        detail => format!("{line}: {detail}"),
    }
}

/// A line that a terminal does not break: `\r` would go to the beginning of its last part only.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Columns of the terminal, without the last one, behind which the cursor would be on the next line.
fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let columns = size.map(|size| usize::from(size.ws_col));
    columns.filter(|columns| *columns > 1).unwrap_or(80) - 1
}

/// Progress is an extra: where standard error is closed, the work goes on.
fn write(line: &str) {
    let mut output = io::stderr().lock();
    let _ = output.write_all(line.as_bytes()).and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_and_keeps_to_its_width() {
        let line = with_detail("building the image … 75 s", "STEP 4/9, Compiling tokio v1.47.1");
        assert_eq!(line, "building the image … 75 s: STEP 4/9, Compiling tokio v1.47.1");
        assert_eq!(cut(&line, 200), line);
        assert_eq!(cut(&line, 30), "building the image … 75 s: ST…");
        assert_eq!(with_detail("x … 3 s", ""), "x … 3 s");
    }
}
