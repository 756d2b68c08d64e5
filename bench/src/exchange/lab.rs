//! Machines as network namespaces on one switch, each behind a link of a given rate. Needs root and iproute2.
//!
//! Machine i has the address 10.77.a.b with 250·a + b = i + 1. Its uplink is shaped where its own port sends, its downlink
//! where the switch sends to it, each by a token bucket (tc-tbf(8)).

use std::{
    fs::File,
    io,
    net::Ipv4Addr,
    os::fd::AsFd,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde::Deserialize;
use thiserror::Error;

use super::namespaces;

const PREFIX: &str = "bench-fltorrent-";
/// The port of a machine.
const PORT: &str = "eth0";
/// Milliseconds that a link's queue holds where nothing else is asked for, as a home router's does.
const QUEUE: u32 = 50;
/// The least that a queue holds then: twenty packets.
const LEAST_QUEUE: f64 = 20.0 * 1514.0;
/// Bytes that a token bucket lets through at once: ten packets, what QUIC hands over in one piece.
const BURST: f64 = 10.0 * 1514.0;

/// Why there is no network to measure on.
#[derive(Debug, Error)]
pub(super) enum LabError {
    #[error("namespaces and shaped links need root: run it again with sudo")]
    NotRoot,
    #[error("{program} cannot be run; install the package iproute2")]
    Missing {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("`{command}` failed: {errors}")]
    Refused { command: String, errors: String },
    #[error("`{command}` printed something else than the counters of a token bucket")]
    Counters { command: String },
    #[error("the namespace {name} could not be entered")]
    Enter {
        name: String,
        #[source]
        source: io::Error,
    },
}

/// Rates of a machine's link, bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) up: u64,
    pub(super) down: u64,
}

impl Link {
    pub(super) fn megabits(up: u32, down: u32) -> Self {
        let rate = |megabits| u64::from(megabits) * 1_000_000;
        Self {
            up: rate(up),
            down: rate(down),
        }
    }
}

/// Traffic that a token bucket has let through, with Ethernet's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Counter {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    #[serde(rename = "drops")]
    pub(super) dropped: u64,
}

/// Machines that go when this is dropped.
#[derive(Debug)]
pub(super) struct Lab {
    name: String,
    machines: u32,
}

impl Lab {
    /// Machines with such links, whose queues hold so many milliseconds.
    pub(super) fn new(links: &[Link], queue: Option<u32>) -> Result<Self, LabError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        namespaces::sweep(PREFIX);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("{PREFIX}{}-{count}", std::process::id()),
            machines: links.len() as u32,
        };
        let switch = lab.switch();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add switch type bridge"))?;
        ip(&format!("-n {switch} link set switch up"))?;
        for (index, link) in (0..).zip(links) {
            lab.add(index, *link, queue)?;
        }
        Ok(lab)
    }

    fn add(&self, index: u32, link: Link, queue: Option<u32>) -> Result<(), LabError> {
        let (switch, machine, address) = (self.switch(), self.machine(index), address(index));
        ip(&format!("netns add {machine}"))?;
        ip(&format!("-n {machine} link set lo up"))?;
        ip(&format!(
            "-n {switch} link add port-{index} type veth peer name {PORT} netns {machine}"
        ))?;
        ip(&format!("-n {switch} link set port-{index} master switch up"))?;
        ip(&format!("-n {machine} addr add {address}/16 dev {PORT}"))?;
        ip(&format!("-n {machine} link set {PORT} up"))?;
        shape(&machine, PORT, link.up, queue)?;
        shape(&switch, &format!("port-{index}"), link.down, queue)
    }

    fn switch(&self) -> String {
        format!("{}-switch", self.name)
    }

    fn machine(&self, index: u32) -> String {
        format!("{}-{index}", self.name)
    }

    /// A command that runs on a machine; its process is the program's own.
    pub(super) fn command(&self, index: u32, program: &Path) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("ip");
        command.args(["netns", "exec", &self.machine(index)]);
        command.arg(program).kill_on_drop(true);
        command
    }

    /// Runs something on a machine, such as making a socket, which stays there.
    pub(super) fn on<T: Send>(&self, index: u32, make: impl FnOnce() -> io::Result<T> + Send) -> Result<T, LabError> {
        let name = self.machine(index);
        let entered = thread::scope(|scope| {
            let path = Path::new(namespaces::FOLDER).join(&name);
            let thread = scope.spawn(move || {
                let namespace = File::open(path)?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                make()
            });
            // A panic was printed by the thread.
            thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
        });
        entered.map_err(|source| LabError::Enter { name, source })
    }

    /// Bytes that all machines together have sent so far, with Ethernet's headers.
    pub(super) fn sent(&self) -> Result<u64, LabError> {
        (0..self.machines)
            .map(|index| Ok(counter(&self.machine(index), PORT)?.bytes))
            .sum()
    }
}

/// A machine's address.
pub(super) fn address(index: u32) -> Ipv4Addr {
    let (high, low) = ((index + 1) / 250, (index + 1) % 250);
    Ipv4Addr::new(10, 77, high as u8, low as u8)
}

impl Drop for Lab {
    fn drop(&mut self) {
        namespaces::remove(&format!("{}-", self.name));
    }
}

fn shape(namespace: &str, port: &str, rate: u64, queue: Option<u32>) -> Result<(), LabError> {
    let limit = limit(rate, queue);
    run(
        "tc",
        &format!("-n {namespace} qdisc add dev {port} root tbf rate {rate}bit burst {BURST:.0} limit {limit:.0}"),
    )?;
    Ok(())
}

/// Bytes that a link holds: its queue, and what goes at once.
fn limit(rate: u64, queue: Option<u32>) -> f64 {
    let held = |milliseconds: u32| rate as f64 / 8.0 * f64::from(milliseconds) / 1000.0;
    BURST + queue.map_or_else(|| held(QUEUE).max(LEAST_QUEUE), held)
}

fn counter(namespace: &str, port: &str) -> Result<Counter, LabError> {
    let arguments = format!("-n {namespace} -s -j qdisc show dev {port}");
    let text = run("tc", &arguments)?;
    let counters: Result<Vec<Counter>, _> = serde_json::from_slice(&text);
    match counters.as_deref() {
        Ok([counter]) => Ok(*counter),
        _ => Err(LabError::Counters {
            command: format!("tc {arguments}"),
        }),
    }
}

fn ip(arguments: &str) -> Result<(), LabError> {
    run("ip", arguments).map(drop)
}

/// Runs a command and gives what it prints.
fn run(program: &'static str, arguments: &str) -> Result<Vec<u8>, LabError> {
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .map_err(|source| LabError::Missing { program, source })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(LabError::Refused {
        command: format!("{program} {arguments}"),
        errors: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_all_different_and_none_is_the_networks() {
        let mut seen = std::collections::BTreeSet::new();
        for index in 0..1000 {
            let address = address(index);
            assert!(seen.insert(address) && address != Ipv4Addr::new(10, 77, 0, 0));
        }
    }

    #[test]
    fn a_queue_holds_what_is_asked_for_and_without_that_twenty_packets_at_least() {
        let packets = |rate, queue| (limit(rate, queue) - BURST) / 1514.0;
        assert!((packets(10_000_000, None) * 1514.0 - 62_500.0).abs() < 1e-6);
        assert!((packets(2_000_000, None) - 20.0).abs() < 1e-6);
        assert!((packets(2_000_000, Some(50)) * 1514.0 - 12_500.0).abs() < 1e-6);
        assert!((packets(10_000_000, Some(200)) * 1514.0 - 250_000.0).abs() < 1e-6);
    }

    #[test]
    fn counters_are_those_of_the_token_bucket() {
        let text = r#"[{"kind":"tbf","handle":"8001:","root":true,"options":{},"bytes":1514,"packets":1,"drops":2,"overlimits":0,"requeues":0,"backlog":0,"qlen":0}]"#;
        let counters: Vec<Counter> = serde_json::from_str(text).unwrap();
        assert_eq!(
            counters,
            [Counter {
                bytes: 1514,
                packets: 1,
                dropped: 2
            }]
        );
    }
}
