//! Ctrl-C, SIGTERM, and a terminal that goes away.

use std::{
    fs,
    future::pending,
    io, process,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use tokio::{
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use crate::{commands::INTERRUPTED, output};

/// Who learns of the signals.
enum Recipient {
    /// Nobody yet: they end the process.
    Nobody,
    /// Whoever has made [`Signals`].
    Waits(mpsc::UnboundedSender<&'static str>),
}

/// None until signals are waited for.
static RECIPIENT: Mutex<Option<Recipient>> = Mutex::new(None);

/// Signals that end a run from outside.
#[derive(Debug)]
pub struct Signals(mpsc::UnboundedReceiver<&'static str>);

impl Signals {
    /// From now on signals come to this one, and to none that was made before.
    ///
    /// # Errors
    /// When the system gives no way to wait for signals.
    pub fn new() -> io::Result<Self> {
        watch()?;
        let (sender, receiver) = mpsc::unbounded_channel();
        *recipient() = Some(Recipient::Waits(sender));
        Ok(Self(receiver))
    }

    /// The name of the next one.
    pub async fn next(&mut self) -> &'static str {
        match self.0.recv().await {
            Some(signal) => signal,
            // Another one has taken over.
            None => pending().await,
        }
    }
}

/// From now on a signal ends the process with a word and the exit code for it, until there are [`Signals`] that it goes to.
///
/// # Errors
/// When the system gives no way to wait for signals.
pub(in crate::commands) fn watch() -> io::Result<()> {
    let mut recipient = recipient();
    if recipient.is_some() {
        return Ok(());
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut sources = {
        let _inside = runtime.enter();
        Sources::new()?
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        loop {
            deliver(runtime.block_on(sources.next()));
        }
    })?;
    *recipient = Some(Recipient::Nobody);
    Ok(())
}

fn deliver(signal: &'static str) {
    match &*recipient() {
        // Whoever had enough of them is about to end.
        Some(Recipient::Waits(sender)) => drop(sender.send(signal)),
        Some(Recipient::Nobody) | None => {
            output::error(&format!("interrupted by {signal}; nothing was started"));
            process::exit(i32::from(INTERRUPTED));
        }
    }
}

fn recipient() -> MutexGuard<'static, Option<Recipient>> {
    RECIPIENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where signals come from.
struct Sources {
    interrupt: Signal,
    terminate: Signal,
    /// None where hang-ups are ignored, as `nohup` wants it.
    hangup: Option<Signal>,
}

impl Sources {
    /// Must be called within a tokio runtime.
    fn new() -> io::Result<Self> {
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

    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// True if this process was started with hang-ups ignored. Where the system does not tell, they are left as they are.
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    are_ignored(&status).unwrap_or(true)
}

/// From `/proc/…/status`: a bit a signal, SIGHUP, which is 1, the lowest.
fn are_ignored(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    Some(mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_whether_hangups_are_ignored() {
        let status = |mask: &str| format!("Name:\tx\nSigBlk:\t0001\nSigIgn:\t{mask}\nSigCgt:\t0001\n");
        assert_eq!(are_ignored(&status("0000000000001000")), Some(false));
        assert_eq!(are_ignored(&status("0000000000001001")), Some(true));
        assert_eq!(are_ignored("Name:\tx\n"), None);
    }
}
