//! Datagrams on their way in.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use quinn::{AsyncUdpSocket, udp::RecvMeta};
use tokio::time::{Sleep, sleep_until};

use super::EARLY;
use crate::shaper::{Downlink, packet_bytes};

/// The most that the system puts together.
const TOGETHER: usize = 65_536;
/// Buffers that are filled at once.
const BATCH: usize = 4;
/// How often they are filled before something else may go on.
const FILLS: usize = 16;

/// A datagram that waits.
#[derive(Debug)]
struct Waiting {
    due: Duration,
    meta: RecvMeta,
    contents: Box<[u8]>,
}

/// Takes in what has come at once, and hands it over when the link is through with it. The link's queue bounds what waits.
pub(super) struct Incoming {
    epoch: Instant,
    link: Downlink,
    waiting: VecDeque<Waiting>,
    buffers: Box<[u8]>,
    timer: Option<Pin<Box<Sleep>>>,
    overflowed: u64,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming")
            .field("link", &self.link)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

impl Incoming {
    pub(super) fn new(epoch: Instant, link: Downlink) -> Self {
        Self {
            epoch,
            link,
            waiting: VecDeque::new(),
            buffers: vec![0; BATCH * TOGETHER].into(),
            timer: None,
            overflowed: 0,
        }
    }

    pub(super) fn poll(
        &mut self,
        socket: &dyn AsyncUdpSocket,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.take_in(socket, cx)?;
        loop {
            let count = self.hand_over(bufs, meta);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let Some(first) = self.waiting.front() else {
                return Poll::Pending;
            };
            let due = (self.epoch + first.due - EARLY).into();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
        }
    }

    /// Takes in all that has come; the task is woken when there is more.
    fn take_in(&mut self, socket: &dyn AsyncUdpSocket, cx: &mut Context<'_>) -> io::Result<()> {
        for _ in 0..FILLS {
            let mut metas = [RecvMeta::default(); BATCH];
            let mut slices: Vec<IoSliceMut<'_>> = self.buffers.chunks_mut(TOGETHER).map(IoSliceMut::new).collect();
            let Poll::Ready(count) = socket.poll_recv(cx, &mut slices, &mut metas) else {
                return Ok(());
            };
            let now = self.epoch.elapsed();
            for (buffer, meta) in self.buffers.chunks(TOGETHER).zip(&metas).take(count?) {
                let received = buffer.get(..meta.len).unwrap_or(buffer);
                for datagram in received.chunks(meta.stride.max(1)) {
                    let bytes = packet_bytes(meta.addr, datagram.len());
                    let Some(due) = self.link.receive(now, bytes) else {
                        self.overflowed += 1;
                        continue;
                    };
                    let (len, stride) = (datagram.len(), datagram.len());
                    self.waiting.push_back(Waiting {
                        due,
                        meta: RecvMeta { len, stride, ..*meta },
                        contents: datagram.into(),
                    });
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Fills the buffers with what is due, a datagram each; how many are filled.
    fn hand_over(&mut self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let now = self.epoch.elapsed() + EARLY;
        let mut count = 0;
        for (buffer, meta) in bufs.iter_mut().zip(meta) {
            let Some(first) = self.waiting.pop_front_if(|first| first.due <= now) else {
                break;
            };
            // The system cuts what is longer than a buffer too, and QUIC finds that out.
            let length = first.contents.len().min(buffer.len());
            buffer[..length].copy_from_slice(&first.contents[..length]);
            *meta = RecvMeta {
                len: length,
                stride: length,
                ..first.meta
            };
            count += 1;
        }
        count
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        tracing::info!(
            overflowed = self.overflowed,
            "datagrams that the emulated downlink dropped"
        );
    }
}
