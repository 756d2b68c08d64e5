//! The terminal while questions are asked: whoever interrupts them gets it back as it was.

use std::{io, process, thread};

use crossterm::{cursor, execute};
use rustix::termios::{self, OptionalActions, Termios};
use tokio::runtime;

use crate::commands::{INTERRUPTED, run::Signals};

/// Ends the process on a signal from now on, with the terminal as it is now.
///
/// A list hides the cursor and reads keys unbuffered, and does not undo either when a signal ends it.
///
/// # Errors
/// When standard input is no terminal, or signals cannot be waited for.
pub(super) fn restore_on_signal() -> io::Result<()> {
    let before = termios::tcgetattr(io::stdin())?;
    let runtime = runtime::Builder::new_current_thread().build()?;
    let mut signals = Signals::new()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(signals.next());
        restore(&before);
        process::exit(i32::from(INTERRUPTED));
    })?;
    Ok(())
}

/// Shows the cursor again, which an interrupted list has hidden.
pub(super) fn show_cursor() {
    // Nothing can be done about a terminal that is gone.
    execute!(io::stderr(), cursor::Show).ok();
}

fn restore(before: &Termios) {
    show_cursor();
    termios::tcsetattr(io::stdin(), OptionalActions::Now, before).ok();
    eprintln!();
}
