//! What becomes of the machine.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use e2e::{
    Cluster,
    cluster::status,
    components::{etcd, scheduler},
    layout::{Layout, SCHEDULER_PORT},
    snapshot::Snapshot,
    task::{Interrupt, Task},
};
use libtest_mimic::Failed;

use crate::kubectl::run;

pub fn snapshot() -> Result<Snapshot, Failed> {
    let mut task = Task::begin("looking at the machine", &Interrupt::never());
    Ok(Snapshot::take(&mut task)?)
}

fn unchanged(before: &Snapshot) -> Result<(), Failed> {
    let changes = before.changes(&snapshot()?);
    let layout = Layout::from_environment()?;
    let left: Vec<_> = [layout.state(), layout.run(), layout.lock()]
        .into_iter()
        .filter(|path| path.exists())
        .collect();
    if changes.is_empty() && left.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\nleft: {left:?}", changes.join("\n")).into())
    }
}

fn pid(name: &str) -> Result<Option<i32>, Failed> {
    let (_, processes) = status(&Layout::from_environment()?);
    let found = processes.into_iter().find(|(known, _)| *known == name);
    Ok(found.ok_or("no such process")?.1)
}

pub fn taken_port() -> Result<(), Failed> {
    let before = snapshot()?;
    let listener = TcpListener::bind(("127.0.0.1", SCHEDULER_PORT))?;
    let result = Cluster::up(Layout::from_environment()?, Interrupt::never());
    drop(listener);
    let error = result.err().ok_or("a taken port does not matter")?.to_string();
    for word in [scheduler::NAME, &SCHEDULER_PORT.to_string(), "ss -ltnp"] {
        if !error.contains(word) {
            return Err(format!("{word} is not in: {error}").into());
        }
    }
    unchanged(&before)
}

/// The command itself, stopped in the middle of its work.
pub fn interrupted() -> Result<(), Failed> {
    let before = snapshot()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_e2e"))
        .arg("up")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    while pid(etcd::NAME)?.is_none() {
        if let Some(status) = child.try_wait()? {
            return Err(format!("up ended before etcd began: {status}").into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    run(Command::new("kill").args(["-INT", &child.id().to_string()]))?;
    let status = child.wait()?;
    if status.success() {
        return Err("up succeeded although it was interrupted".into());
    }
    unchanged(&before)
}

pub fn mended() -> Result<(), Failed> {
    let layout = Layout::from_environment()?;
    let (_, before) = status(&layout);
    let victim = pid(scheduler::NAME)?.ok_or("no scheduler")?;
    run(Command::new("kill").args(["-KILL", &victim.to_string()]))?;
    Cluster::up(layout.clone(), Interrupt::never())?;
    let (_, after) = status(&layout);
    for (before, after) in before.iter().zip(&after) {
        let changed = before != after;
        if changed != (before.0 == scheduler::NAME) || after.1.is_none() {
            return Err(format!("{before:?} became {after:?}").into());
        }
    }
    Ok(())
}

pub fn down(before: &Snapshot) -> Result<(), Failed> {
    let layout = Layout::from_environment()?;
    Cluster::down(&layout)?;
    unchanged(before)?;
    // Once more, with nothing to take away.
    Cluster::down(&layout)?;
    unchanged(before)
}
