//! The pipe from the launcher: one line with the bindings, and then nothing until its end.

use std::{
    io::{BufRead, Read},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use fltorrent_crds::Bindings;
use tokio::sync::oneshot;

use super::LAUNCHER_GONE;
use crate::kept;

/// Longest line of bindings: 10,000 addresses, three PEM texts.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;

/// Waits for the bindings.
pub(super) struct Waiting(oneshot::Receiver<Vec<u8>>);

impl Waiting {
    pub(super) async fn bindings(self) -> Result<Bindings> {
        let line = self.0.await.context("the launcher has exited")?;
        if line.last() != Some(&b'\n') {
            bail!("the launcher's bindings are longer than {LONGEST_LINE} bytes or end in mid-line");
        }
        serde_json::from_slice(&line).context("the launcher's bindings are not of this version")
    }
}

/// Watches standard input on a thread of its own, so that its end is noticed whatever the process is doing. Nothing is left in `scratch` for
/// next processes then: nobody starts one. That holds for all peers, as one that is waiting for its next process has none to remove its files.
pub(super) fn watch(scratch: PathBuf) -> Waiting {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        // A pipe that fails is a pipe that has ended.
        let read = input
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .unwrap_or(0);
        if read > 0 {
            sender.send(line).ok();
            std::io::copy(&mut input, &mut std::io::sink()).ok();
        }
        kept::remove_all_for_good(&scratch);
        std::process::exit(LAUNCHER_GONE.into());
    });
    Waiting(receiver)
}
