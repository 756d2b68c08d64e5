//! How much of its pieces a connection gives QUIC at once.
//!
//! quinn sends no acknowledgement while congestion window or pacer hold data back, since both would share a packet. Two
//! neighbours that both have more to send than they may then wait for each other's acknowledgements, until a time-out ends it:
//! round trips double. So while a window is small, QUIC gets no more than it may send at once: it is told that nothing bounds
//! it, and pieces wait here for the window of the controller that is asked in its place.

use std::{
    any::Any,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use fltorrent_swarm::sending::held_for_sending;
use quinn::{
    Connection,
    congestion::{Controller, ControllerFactory},
};
use quinn_proto::RttEstimator;
use tokio::sync::Notify;

/// A window in which quinn neither counts nor paces.
const BOUNDLESS: u64 = u32::MAX as u64 + 1;
/// Bytes of a packet beside the piece's own, with room for an acknowledgement: QUIC's header and tag, the stream
/// frame's header.
const HEADERS: u64 = 52;
/// Batches of a window; packets of a batch at least and at most. With whole packets few bytes are left for a packet of their own.
const BATCHES: u64 = 16;
const LEAST_BATCH: u64 = 2;
const LARGEST_BATCH: u64 = 8;
/// What QUIC was given and has not sent after so long, with nothing on its way, it has dropped: a stream was reset.
const DROPPED: Duration = Duration::from_millis(200);

/// A connection's window, as far as it is known.
#[derive(Debug)]
struct State {
    /// Largest window that is kept here.
    metered: u64,
    window: u64,
    /// Bytes of a full packet.
    packet: u64,
    in_flight: u64,
    /// Bytes that QUIC was given and has not sent, and when it was last given any.
    unsent: u64,
    given_at: Instant,
    /// When there was last no room.
    full_at: Option<Instant>,
    /// Whether pieces wait here: without that quinn has to count itself.
    is_attended: bool,
}

impl State {
    fn is_metered(&self) -> bool {
        self.is_attended && self.window <= self.metered
    }

    /// Bytes that may be given to QUIC now; all that there are while QUIC counts itself.
    fn batch(&self) -> Option<usize> {
        if !self.is_metered() {
            return Some(usize::MAX);
        }
        let packets = (self.window / self.packet.max(1) / BATCHES).clamp(LEAST_BATCH, LARGEST_BATCH);
        let batch = packets * self.packet.saturating_sub(HEADERS).max(1);
        // Half a batch more than the window, or less: the window on average.
        let has_room = self.in_flight + self.unsent < self.window.saturating_sub(batch / 2).max(1);
        has_room.then_some(usize::try_from(batch).unwrap_or(usize::MAX))
    }
}

/// Where a connection's pieces wait, shared with its congestion controller.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    opened: Notify,
}

impl Gate {
    /// The gate of a connection: pieces wait there from now on. A controller that was not made by [`GatedConfig`] has one that is
    /// always open.
    pub(super) fn attend(connection: &Connection) -> Arc<Self> {
        let controller = connection.congestion_state();
        let window = controller.window();
        let controller = controller.into_any();
        let Some(gated) = controller.downcast_ref::<Gated>() else {
            return Arc::new(Self::new(window, 0, 0));
        };
        gated.gate.state().is_attended = true;
        Arc::clone(&gated.gate)
    }

    fn new(window: u64, mtu: u16, metered: u64) -> Self {
        Self {
            state: Mutex::new(State {
                metered,
                window,
                packet: mtu.into(),
                in_flight: 0,
                unsent: 0,
                given_at: Instant::now(),
                full_at: None,
                is_attended: false,
            }),
            opened: Notify::new(),
        }
    }

    /// Bytes that may be given to QUIC; waits until there are any.
    pub(super) async fn batch(&self) -> usize {
        loop {
            let mut opened = std::pin::pin!(self.opened.notified());
            opened.as_mut().enable();
            if let Some(bytes) = self.batch_at(Instant::now()) {
                return bytes;
            }
            opened.await;
        }
    }

    fn batch_at(&self, now: Instant) -> Option<usize> {
        let mut state = self.state();
        // No acknowledgement will come that says so.
        if state.in_flight == 0 && now.saturating_duration_since(state.given_at) > DROPPED {
            state.unsent = 0;
        }
        state.batch()
    }

    /// So many bytes are given to QUIC.
    pub(super) fn give(&self, bytes: usize) {
        let mut state = self.state();
        if state.is_metered() {
            state.unsent += bytes as u64;
            state.given_at = Instant::now();
        }
    }

    /// Bytes that QUIC shall hold for sending. A small window is counted here, and what has come behind a gap is still held.
    pub(super) fn held(&self) -> u64 {
        let state = self.state();
        held_for_sending(state.window.max(state.metered))
    }

    /// Whether pieces had to wait: then the window was used, although QUIC saw no more to send.
    fn was_full_since(&self, sent: Instant) -> bool {
        self.state().full_at.is_some_and(|full| full >= sent)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known, and lets pieces go on.
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.opened.notify_waiters();
    }
}

/// Makes controllers whose connections have a gate.
pub(super) struct GatedConfig {
    inner: Arc<dyn ControllerFactory + Send + Sync>,
    metered: u64,
}

impl GatedConfig {
    /// `inner` makes the controllers that decide; pieces wait at the gate while windows have `metered` bytes at most.
    pub(super) fn new(inner: Arc<dyn ControllerFactory + Send + Sync>, metered: u64) -> Self {
        Self { inner, metered }
    }
}

impl fmt::Debug for GatedConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedConfig").finish_non_exhaustive()
    }
}

impl ControllerFactory for GatedConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        let inner = Arc::clone(&self.inner).build(now, current_mtu);
        let gate = Arc::new(Gate::new(inner.window(), current_mtu, self.metered));
        Box::new(Gated { inner, gate })
    }
}

/// A controller that tells its gate what it decides.
struct Gated {
    inner: Box<dyn Controller>,
    gate: Arc<Gate>,
}

impl Controller for Gated {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.inner.on_sent(now, bytes, last_packet_number);
        let window = self.inner.window();
        let mut state = self.gate.state();
        state.window = window;
        state.in_flight += bytes;
        state.unsent = state.unsent.saturating_sub(bytes);
        if state.batch().is_none() {
            state.full_at = Some(now);
        }
    }

    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool, rtt: &RttEstimator) {
        let app_limited = app_limited && !self.gate.was_full_since(sent);
        self.inner.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, largest_packet_num_acked: Option<u64>) {
        self.inner
            .on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
        let window = self.inner.window();
        self.gate.update(|state| {
            state.window = window;
            state.in_flight = in_flight;
            // What was reset before it was sent.
            if in_flight == 0 {
                state.unsent = 0;
            }
        });
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, is_persistent_congestion: bool, lost_bytes: u64) {
        self.inner
            .on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        let window = self.inner.window();
        self.gate.update(|state| {
            state.window = window;
            state.in_flight = state.in_flight.saturating_sub(lost_bytes);
        });
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.inner.on_mtu_update(new_mtu);
        self.gate.update(|state| state.packet = new_mtu.into());
    }

    fn window(&self) -> u64 {
        match self.gate.state().is_metered() {
            true => BOUNDLESS,
            false => self.inner.window(),
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            inner: self.inner.clone_box(),
            gate: Arc::clone(&self.gate),
        })
    }

    fn initial_window(&self) -> u64 {
        self.inner.initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use quinn::congestion::CubicConfig;

    use super::*;

    const MTU: u16 = 1452;
    const METERED: u64 = 40 * 1024;

    fn gated(window: u64) -> (Box<dyn Controller>, Arc<Gate>) {
        let mut cubic = CubicConfig::default();
        cubic.initial_window(window);
        let controller = Arc::new(GatedConfig::new(Arc::new(cubic), METERED)).build(Instant::now(), MTU);
        let clone = controller.clone_box().into_any();
        let gate = Arc::clone(&clone.downcast_ref::<Gated>().unwrap().gate);
        (controller, gate)
    }

    /// Gives a batch and lets it be sent.
    fn send(controller: &mut dyn Controller, gate: &Gate, now: Instant) -> u64 {
        let batch = gate.state().batch().unwrap();
        gate.give(batch);
        let packets = (batch as u64).div_ceil(u64::from(MTU) - HEADERS);
        for _ in 0..packets {
            controller.on_sent(now, MTU.into(), 0);
        }
        packets
    }

    #[test]
    fn quinn_counts_until_pieces_wait_at_the_gate_and_while_windows_are_large() {
        let (controller, gate) = gated(20 * 1452);
        assert_eq!(controller.window(), 20 * 1452);
        assert_eq!(gate.state().batch(), Some(usize::MAX));
        gate.state().is_attended = true;
        assert_eq!(controller.window(), BOUNDLESS);
        assert_eq!(gate.state().batch(), Some(2 * 1400));
        let (controller, gate) = gated(METERED + 1);
        gate.state().is_attended = true;
        assert_eq!(controller.window(), METERED + 1);
        assert_eq!(gate.state().batch(), Some(usize::MAX));
    }

    #[test]
    fn about_a_window_is_on_its_way_and_no_packet_is_half_full() {
        for packets in [4, 15, 22, METERED / 1452] {
            let (mut controller, gate) = gated(packets * 1452);
            gate.state().is_attended = true;
            let (mut sent, now) = (0, Instant::now());
            while gate.state().batch().is_some() {
                sent += send(&mut *controller, &gate, now);
            }
            assert!(sent.abs_diff(packets) <= 4, "{packets}: {sent}");
            assert_eq!(gate.state().unsent, 0);
            controller.on_end_acks(now, 0, true, None);
            assert!(gate.state().batch().is_some());
        }
    }

    #[test]
    fn what_was_reset_before_it_was_sent_closes_the_gate_for_no_longer_than_a_round_trip() {
        let (mut controller, gate) = gated(20 * 1452);
        gate.state().is_attended = true;
        gate.give(40 * 1452);
        assert_eq!(gate.state().batch(), None);
        let now = Instant::now();
        controller.on_sent(now, 100, 0);
        controller.on_end_acks(now, 0, true, None);
        assert!(gate.state().batch().is_some());
    }

    #[test]
    fn what_was_dropped_with_nothing_on_its_way_is_forgotten() {
        let (_, gate) = gated(20 * 1452);
        gate.state().is_attended = true;
        gate.give(40 * 1452);
        let now = Instant::now();
        assert_eq!(gate.batch_at(now), None);
        assert!(gate.batch_at(now + 2 * DROPPED).is_some());
    }

    #[test]
    fn a_window_that_was_full_counts_as_used_although_quinn_saw_no_more_to_send() {
        let (mut controller, gate) = gated(20 * 1452);
        gate.state().is_attended = true;
        let now = Instant::now();
        send(&mut *controller, &gate, now);
        assert!(!gate.was_full_since(now));
        while gate.state().batch().is_some() {
            send(&mut *controller, &gate, now);
        }
        assert!(gate.was_full_since(now));
        assert!(!gate.was_full_since(now + Duration::from_millis(1)));
    }

    #[test]
    fn a_piece_that_waits_goes_on_when_an_acknowledgement_comes() {
        let (mut controller, gate) = gated(20 * 1452);
        gate.state().is_attended = true;
        let now = Instant::now();
        while gate.state().batch().is_some() {
            send(&mut *controller, &gate, now);
        }
        let mut waiting = by_hand(gate.batch());
        assert!(waiting().is_pending());
        controller.on_end_acks(now, 0, true, None);
        assert_eq!(waiting(), Poll::Ready(2 * 1400));
    }

    /// Polls a future by hand.
    fn by_hand<T>(task: impl Future<Output = T>) -> impl FnMut() -> Poll<T> {
        let mut task = Box::pin(task);
        move || {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            task.as_mut().poll(&mut context)
        }
    }
}
