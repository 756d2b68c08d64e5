use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use fltorrent_crds::visible_line;

/// A fetch that is over sooner shows nothing.
const QUIET: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(200);

/// How far a fetch is, on standard error: a line redrawn in place on a terminal, else one line.
pub(super) struct Progress<'a> {
    url: &'a str,
    total: Option<u64>,
    next: Instant,
    terminal: bool,
    shown: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(url: &'a str, total: Option<u64>) -> Self {
        Self {
            url,
            total,
            next: Instant::now() + QUIET,
            terminal: io::stderr().is_terminal(),
            shown: false,
        }
    }

    pub(super) fn reached(&mut self, bytes: u64) {
        let now = Instant::now();
        if now < self.next || (self.shown && !self.terminal) {
            return;
        }
        self.next = now + BETWEEN;
        self.shown = true;
        let line = line(self.url, bytes, self.total);
        let mut out = io::stderr().lock();
        let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Who does not read it does not need it.
        write!(out, "{start}{line}{end}").and_then(|()| out.flush()).ok();
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown && self.terminal {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
}

/// 78 characters at most.
fn line(url: &str, bytes: u64, total: Option<u64>) -> String {
    const NAME: usize = 48;
    let name = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or(url);
    let name: String = visible_line(name).chars().take(NAME).collect();
    let mega = |bytes: u64| bytes as f64 / 1e6;
    match total {
        Some(total) => format!("fetching {name}: {:.1} of {:.1} MB", mega(bytes), mega(total)),
        None => format!("fetching {name}: {:.1} MB", mega(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_file_and_how_far_it_is() {
        let url = "https://example.org/sets/data.csv.gz";
        assert_eq!(
            line(url, 1_250_000, Some(4_000_000)),
            "fetching data.csv.gz: 1.2 of 4.0 MB"
        );
        assert_eq!(line(url, 0, None), "fetching data.csv.gz: 0.0 MB");
        assert!(line(&"x".repeat(500), 9 << 30, Some(9 << 30)).len() < 80);
    }
}
