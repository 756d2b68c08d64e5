//! Ctrl-C, SIGTERM, and a terminal that goes away.

use std::{fs, io};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What ends a run from outside.
pub(in crate::commands) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where hang-ups are ignored, as `nohup` wants it.
    hangup: Option<Signal>,
}

impl Signals {
    pub(in crate::commands) fn new() -> io::Result<Self> {
        let hangup = match hangups_are_ignored() {
            true => None,
            false => Some(signal(SignalKind::hangup())?),
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    pub(in crate::commands) async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether this process was started with hang-ups ignored. Where the system does not tell, they are left as they are.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    are_ignored(&status).unwrap_or(true)
}

/// From `/proc/…/status`: a bit a signal, SIGHUP, which is 1, the lowest.
fn are_ignored(status: &str) -> Option<bool> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_whether_hangups_are_ignored() {
        let status =
            |mask: &str| format!("Name:\tx\nSigBlk:\t0001\nSigIgn:\t{mask}\nSigCgt:\t0001\n");
        assert_eq!(are_ignored(&status("0000000000001000")), Some(false));
        assert_eq!(are_ignored(&status("0000000000001001")), Some(true));
        assert_eq!(are_ignored("Name:\tx\n"), None);
    }
}
