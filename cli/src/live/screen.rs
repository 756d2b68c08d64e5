//! The terminal while the view is up. However it ends, the terminal is as it was.

use std::{
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor, execute, style,
    terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend, buffer::Buffer, layout::Rect};
use rustix::{process::getpgrp, termios::tcgetpgrp};

/// Bytes that are written at once: a whole picture.
const BUFFER: usize = 64 * 1024;

/// The terminal is not as it was.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The alternate screen, without echo and cursor.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn open() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let opened = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide).and_then(|()| {
            let stdout = BufWriter::with_capacity(BUFFER, io::stdout());
            let mut terminal = Terminal::new(CrosstermBackend::new(stdout))?;
            terminal.clear()?;
            Ok(terminal)
        });
        match opened {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws what has changed since the last picture.
    ///
    /// The steps are those of [`Terminal::draw`] without its care for the cursor, which is hidden all along: having hidden it,
    /// [`Terminal`] shows it again when it is dropped, and panics where the terminal has gone by then.
    pub(super) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<()> {
        self.terminal.autoresize()?;
        let mut frame = self.terminal.get_frame();
        draw(frame.area(), frame.buffer_mut());
        self.terminal.flush()?;
        self.terminal.swap_buffers();
        self.terminal.backend_mut().flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Makes the terminal as it was, once. There is nobody to tell when that fails.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut stdout = io::stdout();
        execute!(
            stdout,
            style::ResetColor,
            // Some terminals keep parts of it when they were resized meanwhile.
            Clear(ClearType::All),
            LeaveAlternateScreen,
            cursor::Show
        )
        .ok();
        stdout.flush().ok();
        disable_raw_mode().ok();
    }
}

/// True if there is a terminal to draw on and keys to read, and this process is in its foreground: one in the background
/// would be stopped for touching it.
pub(super) fn is_there() -> bool {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let term = std::env::var("TERM").unwrap_or_default();
    stdin.is_terminal()
        && stdout.is_terminal()
        && !matches!(term.as_str(), "" | "dumb")
        && tcgetpgrp(&stdout).is_ok_and(|group| group == getpgrp())
}

/// True if the locale says that the terminal shows UTF-8.
pub(super) fn is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// True if hues are wanted (no-color.org).
pub(super) fn has_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
