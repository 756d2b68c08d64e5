//! A peer that runs, watched over: what happens is told, and it is stopped when its pod is deleted or another process has its place.

use std::pin::pin;

use fltorrent_coordinator::ending::Ending;
use fltorrent_peer::{
    driver::RunError,
    news::News,
    process::{Membership, Ready},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{NEWS, PodError, identity::IdentityError, pod_log::PodLog};
use crate::commands::run::Signals;

/// What is watched beside the peer itself.
pub(super) struct Watching<'a> {
    pub(super) signals: &'a mut Signals,
    /// Ends once the operator says that another process has this one's place.
    pub(super) renewing: JoinSet<IdentityError>,
    pub(super) news: mpsc::Receiver<News>,
    pub(super) log: PodLog,
    pub(super) ending: &'a mut Ending,
}

impl Watching<'_> {
    /// Lets a peer run to its end. `stop` ends it.
    pub(super) async fn run(
        mut self,
        ready: Ready,
        membership: Membership,
        stop: oneshot::Sender<&'static str>,
    ) -> Result<(), PodError> {
        let mut ticks = interval_at(Instant::now() + NEWS, NEWS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stop, mut stopped) = (Some(stop), None);
        let mut running = pin!(ready.run(membership));
        let result = loop {
            tokio::select! {
                // Rounds that are told come before the end.
                biased;
                Some(news) = self.news.recv() => self.tell(&news),
                signal = self.signals.next() => match stop.take() {
                    Some(stop) => {
                        tracing::info!(signal, "terminating; notifying the neighbours");
                        stopped = Some(PodError::Stopped(signal));
                        stop.send("the deletion of its pod (SIGTERM)").ok();
                    }
                    // Whoever asks twice does not want to wait.
                    None => return Err(PodError::Stopped(signal)),
                },
                Some(Ok(replaced)) = self.renewing.join_next() => if let Some(stop) = stop.take() {
                    tracing::warn!("{replaced}; this process ends");
                    stopped = Some(replaced.into());
                    stop.send("another process in its place").ok();
                },
                _ = ticks.tick() => self.log.remind(),
                result = &mut running => break result,
            }
        };
        while let Ok(news) = self.news.try_recv() {
            self.tell(&news);
        }
        match (result, stopped) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(why)) => Err(why),
            (Err(error), None) => Err(self.ended_by(format!("{error:#}"), error.downcast_ref())),
        }
    }

    fn tell(&mut self, news: &News) {
        if let News::Round(report) = news {
            self.ending.finished(report);
        }
        self.log.tell(news);
    }

    /// Takes down whose fault an error is.
    fn ended_by(&mut self, said: String, cause: Option<&RunError>) -> PodError {
        let Some(cause) = cause else {
            return PodError::Failed(said);
        };
        if let Some(verdict) = cause.verdict() {
            self.ending.convict(verdict);
        }
        self.ending.blames = cause.blames().filter(|&peer| self.ending.peer != Some(peer));
        match cause {
            RunError::Left { .. } => PodError::Left(said),
            _ if cause.is_superseded() => PodError::Superseded(said),
            _ if cause.is_final() => PodError::Final(said),
            _ => PodError::Failed(said),
        }
    }
}
