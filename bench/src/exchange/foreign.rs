//! A TCP flow of somebody else's on the first machine's uplink, which an exchange shares with it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use fltorrent_peer::metrics_file::unix_seconds;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    Failed,
    lab::{Lab, Link},
    plain,
};

/// Bytes of a frame for a byte of TCP's payload in it.
const FRAME: f64 = 1514.0 / 1448.0;
/// Bytes that are written and read together.
const TOGETHER: usize = 64 * 1024;

/// What has arrived: Unix times, and all bytes until then.
type Arrived = Vec<(f64, u64)>;

/// A flow that sends as fast as it can until it is dropped.
pub(super) struct Foreign {
    link: Link,
    arrived: Arc<Mutex<Arrived>>,
    _ends: JoinSet<io::Result<()>>,
}

impl Foreign {
    /// Begins one from the first machine, whose link this is, to another.
    pub(super) async fn begin(lab: &Lab, link: Link, to: u32) -> Result<Self, Failed> {
        let arrived = Arc::default();
        let mut ends = JoinSet::new();
        for (_, (ours, theirs)) in plain::connect(lab, &[(0, to)]).await? {
            ends.spawn(send(ours));
            ends.spawn(receive(theirs, Arc::clone(&arrived)));
        }
        Ok(Self {
            link,
            arrived,
            _ends: ends,
        })
    }

    /// Its share of the uplink between two Unix times, headers included.
    pub(super) fn share(&self, began: f64, ended: f64) -> f64 {
        // Whoever panicked with it left whole entries.
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = until(&arrived, ended) - until(&arrived, began);
        bytes as f64 * FRAME * 8.0 / ((ended - began) * self.link.up as f64)
    }
}

/// Bytes that had arrived by a time.
fn until(arrived: &Arrived, time: f64) -> u64 {
    let before = arrived.iter().take_while(|(at, _)| *at <= time);
    before.last().map_or(0, |(_, bytes)| *bytes)
}

async fn send(mut stream: TcpStream) -> io::Result<()> {
    let bytes = vec![0; TOGETHER];
    loop {
        stream.write_all(&bytes).await?;
    }
}

async fn receive(mut stream: TcpStream, arrived: Arc<Mutex<Arrived>>) -> io::Result<()> {
    let mut buffer = vec![0; TOGETHER];
    let mut all = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        all += read as u64;
        let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.push((unix_seconds(SystemTime::now()), all));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_time_that_is_asked_for() {
        let flow = Foreign {
            link: Link::megabits(8, 8),
            arrived: Arc::new(Mutex::new(vec![(1.0, 500_000), (2.0, 1_000_000), (9.0, 9_000_000)])),
            _ends: JoinSet::new(),
        };
        assert!((flow.share(1.0, 2.0) - 0.5 * FRAME).abs() < 1e-9);
        assert!((flow.share(0.0, 2.5) - 0.4 * FRAME).abs() < 1e-9);
    }
}
