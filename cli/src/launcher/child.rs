//! One peer's process: started, told its bindings, and looked after until it is gone.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::File,
    io::{self, Write},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use fltorrent_crds::Announcement;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy, sink},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// Longest announcement, in bytes; a certificate request has about 400.
const LONGEST_ANNOUNCEMENT: u64 = 64 * 1024;
/// Bytes of standard error that are kept in memory.
const TAIL: usize = 4096;
/// Time that standard error may stay open after its process has gone.
const STDERR_GRACE: Duration = Duration::from_millis(500);

/// An instruction to all peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Run,
    /// End at once: the pipe ends.
    Leave,
    /// Those that are still there are killed.
    Kill,
}

/// An event of a peer's process.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// Its announcement, or the reason why it is not one.
    Announced(u32, Result<Announcement, String>),
    Exited(Exit),
}

/// How a peer's process ended.
#[derive(Clone, Debug)]
pub struct Exit {
    /// The peer.
    pub index: u32,
    /// Its status; an error of the system when there is none.
    pub status: Result<ExitStatus, String>,
    /// The end of what it said on standard error.
    pub stderr: String,
}

impl Exit {
    /// True if it ended well.
    pub fn succeeded(&self) -> bool {
        self.status.as_ref().is_ok_and(ExitStatus::success)
    }
}

/// Starts a process in a group of its own, so that Ctrl-C reaches the launcher only, which ends the peers in order.
pub(super) fn spawn(program: &PathBuf, arguments: &[OsString]) -> io::Result<Child> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Looks after a process until it is gone. `bindings` brings the line that answers its announcement.
pub(super) async fn tend(
    index: u32,
    mut child: Child,
    stderr_file: PathBuf,
    bindings: oneshot::Receiver<Vec<u8>>,
    mut order: watch::Receiver<Order>,
    events: mpsc::UnboundedSender<ChildEvent>,
) {
    let pipes = (child.stdin.take(), child.stdout.take());
    let mut talk = match pipes {
        (Some(stdin), Some(stdout)) => Some(Box::pin(talk(index, stdin, stdout, bindings, events.clone()))),
        _ => None,
    };
    let mut stderr = child
        .stderr
        .take()
        .map(|stderr| Box::pin(keep_tail(stderr, stderr_file)));
    let mut tail = String::new();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = pending_when_none(&mut talk) => talk = None,
            said = pending_when_none(&mut stderr) => {
                tail = said;
                stderr = None;
            }
            changed = order.changed() => {
                // Dropping the talk closes the pipe that the peer lives by.
                talk = None;
                let abandoned = changed.is_err();
                if abandoned || *order.borrow() == Order::Kill {
                    // One that cannot be killed has ended already.
                    child.start_kill().ok();
                }
                if abandoned {
                    break child.wait().await;
                }
            }
        }
    };
    if let Some(stderr) = stderr {
        tail = timeout(STDERR_GRACE, stderr).await.unwrap_or_default();
    }
    let status = status.map_err(|error| error.to_string());
    // Nobody listens only when the launcher itself is going.
    events
        .send(ChildEvent::Exited(Exit {
            index,
            status,
            stderr: tail,
        }))
        .ok();
}

async fn pending_when_none<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Never returns while it holds standard input: a peer whose standard input ends goes. So does one that is told nothing.
async fn talk(
    index: u32,
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    bindings: oneshot::Receiver<Vec<u8>>,
    events: mpsc::UnboundedSender<ChildEvent>,
) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    let read = (&mut stdout)
        .take(LONGEST_ANNOUNCEMENT)
        .read_until(b'\n', &mut line)
        .await;
    // A peer that closes its output is about to end and will say why by that.
    if read.is_ok() && !line.is_empty() {
        let announcement = serde_json::from_slice(&line).map_err(|error| error.to_string());
        events.send(ChildEvent::Announced(index, announcement)).ok();
    }
    let Ok(line) = bindings.await else {
        return;
    };
    if stdin.write_all(&line).await.is_ok() && stdin.flush().await.is_ok() {
        copy(&mut stdout, &mut sink()).await.ok();
    }
    std::future::pending::<()>().await;
}

/// Copies standard error into its file and gives its last bytes. The memory is what is left when the disk is full.
async fn keep_tail(mut stderr: ChildStderr, path: PathBuf) -> String {
    let mut file = None;
    let mut tail = VecDeque::with_capacity(2 * TAIL);
    let mut buffer = [0; TAIL];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let bytes = &buffer[..read];
        let file = file.get_or_insert_with(|| File::options().create(true).append(true).open(&path));
        if let Ok(file) = file {
            file.write_all(bytes).ok();
        }
        tail.extend(bytes);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
    String::from_utf8_lossy(tail.make_contiguous()).trim_end().to_owned()
}
