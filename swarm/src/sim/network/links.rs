//! What travels on the links, and how connections end.

use std::time::Duration;

use bytes::Bytes;

use super::{Network, What, ordered};
use crate::{
    message::{Message, PieceHeader},
    swarm::Departure,
};

impl Network {
    pub(in crate::sim) fn send(&mut self, from: u32, to: u32, message: Message) {
        let Some(connection) = self.connection(from, to) else {
            return;
        };
        let Some(pipe) = self.pipes.get_mut(&(from, to)) else {
            return;
        };
        let busy = Duration::from_secs_f64(message.encode().len() as f64 / pipe.profile.rate);
        // Control goes before pieces, yet its bytes take their time from them.
        pipe.free_at = pipe.free_at.max(self.now) + busy;
        pipe.control_at = pipe.control_at.max(self.now + busy + pipe.profile.delay);
        let arrival = pipe.control_at;
        self.agenda.add(
            arrival,
            What::Message {
                from,
                to,
                connection,
                message,
            },
        );
    }

    pub(super) fn upload(&mut self, from: u32, to: u32, header: PieceHeader, data: Bytes) {
        let Some(connection) = self.connection(from, to) else {
            return;
        };
        let Some(pipe) = self.pipes.get_mut(&(from, to)) else {
            return;
        };
        if pipe.mute {
            return;
        }
        let size = PieceHeader::LEN + data.len();
        pipe.free_at =
            pipe.free_at.max(self.now) + Duration::from_secs_f64(size as f64 / pipe.profile.rate);
        let data = if std::mem::take(&mut pipe.corrupt_next) {
            damaged(&data)
        } else {
            data
        };
        let (sent, arrival) = (pipe.free_at, pipe.free_at + pipe.profile.delay);
        self.agenda.add(
            sent,
            What::UploadEnded {
                at: from,
                to,
                connection,
                request: header.request,
            },
        );
        self.agenda.add(
            arrival,
            What::Piece {
                from,
                to,
                connection,
                header,
                data,
            },
        );
    }

    /// Ends a connection: `a` has ended it, `b` hears of it after the link's delay.
    pub(in crate::sim) fn break_edge(&mut self, a: u32, b: u32, departure: Departure) {
        let Some(connection) = self.connection(a, b) else {
            return;
        };
        let Some(pipe) = self.pipes.get(&(a, b)) else {
            return;
        };
        let heard = pipe.control_at.max(self.now + pipe.profile.delay);
        // The connection stays for what `a` sent before the end, as when it is closed with care.
        self.agenda.add(
            heard,
            What::Disconnected {
                at: b,
                from: a,
                connection,
                departure: departure.clone(),
            },
        );
        if let Departure::Broken(why) = departure {
            if let Some(edge) = self.edges.get_mut(&ordered(a, b)) {
                edge.connection = None;
            }
            let here = What::Disconnected {
                at: a,
                from: b,
                connection,
                departure: Departure::Broken(why),
            };
            self.agenda.add(self.now, here);
            self.agenda
                .add(heard + self.reconnect, What::Connect { a, b });
        }
    }
}

fn damaged(data: &Bytes) -> Bytes {
    let mut copy = data.to_vec();
    if let Some(first) = copy.first_mut() {
        *first ^= 1;
    }
    copy.into()
}
