//! A host's queue as rtnetlink(7) tells of it. It needs no privilege.

use std::{io, net::IpAddr};

use fltorrent_swarm::sending::HostQueue;
use netlink_packet_core::{DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    tc::{TcAttribute, TcHandle, TcMessage, TcStats2},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use thiserror::Error;

/// The kind of a queue that holds nothing: what is sent goes on at once.
const NO_QUEUE: &str = "noqueue";
/// Bytes of a part of an answer at most.
const LONGEST: usize = 32 * 1024;
/// The kernel tells of all queues at once; with more than so many that takes too long.
const MOST: usize = 64;

#[derive(Debug, Error)]
pub(super) enum HostQueueError {
    #[error("rtnetlink cannot be used")]
    Socket(#[from] io::Error),
    #[error("rtnetlink gave an answer that cannot be read")]
    Answer(#[from] DecodeError),
    #[error("no interface has the address {0}")]
    NoInterface(IpAddr),
    #[error("the interface has no queue")]
    NoQueue,
    #[error("there are {0} queues, and {MOST} at most can be looked at")]
    TooMany(usize),
}

/// Reads the state of one interface's queue.
pub(super) struct HostQueueReader {
    socket: Socket,
    interface: i32,
    question: Vec<u8>,
    answer: Vec<u8>,
}

impl HostQueueReader {
    /// The queue of the interface that has an address.
    ///
    /// # Errors
    /// Where there is none, as for connections within the host.
    pub(super) fn of(address: IpAddr) -> Result<Self, HostQueueError> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Not every kernel answers a question about one queue to who asks.
        let queues = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let mut reader = Self {
            socket,
            interface: 0,
            question: encode(queues),
            answer: Vec::with_capacity(LONGEST),
        };
        reader.interface = reader.interface(address)?.ok_or(HostQueueError::NoInterface(address))?;
        reader.read()?.ok_or(HostQueueError::NoQueue)?;
        Ok(reader)
    }

    /// What waits there and what has left; none where it holds nothing ever.
    pub(super) fn read(&mut self) -> Result<Option<HostQueue>, HostQueueError> {
        self.socket.send(&self.question, 0)?;
        let (mut found, mut all) = (None, 0);
        let interface = self.interface;
        self.receive_all(|message| {
            all += 1;
            if let RouteNetlinkMessage::NewQueueDiscipline(queue) = message
                && queue.header.index == interface
                && queue.header.parent == TcHandle::ROOT
            {
                found = state(&queue.attributes);
            }
        })?;
        match all > MOST {
            true => Err(HostQueueError::TooMany(all)),
            false => Ok(found),
        }
    }

    fn interface(&mut self, address: IpAddr) -> Result<Option<i32>, HostQueueError> {
        let question = encode(RouteNetlinkMessage::GetAddress(AddressMessage::default()));
        self.socket.send(&question, 0)?;
        let mut found = None;
        self.receive_all(|message| {
            if let RouteNetlinkMessage::NewAddress(it) = message
                && it.attributes.contains(&AddressAttribute::Address(address))
            {
                found = i32::try_from(it.header.index).ok();
            }
        })?;
        Ok(found)
    }

    fn receive_all(&mut self, mut take: impl FnMut(RouteNetlinkMessage)) -> Result<(), HostQueueError> {
        while !self.receive(&mut take)? {}
        Ok(())
    }

    /// Reads what the kernel has answered; true when nothing comes after it.
    fn receive(&mut self, take: &mut impl FnMut(RouteNetlinkMessage)) -> Result<bool, HostQueueError> {
        self.answer.clear();
        self.socket.recv(&mut self.answer, 0)?;
        let mut rest = self.answer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(true),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io().into()),
                NetlinkPayload::InnerMessage(inner) => take(inner),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(false)
    }
}

/// A question about all that there are.
fn encode(message: RouteNetlinkMessage) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn state(attributes: &[TcAttribute]) -> Option<HostQueue> {
    let is_none = |it: &TcAttribute| matches!(it, TcAttribute::Kind(kind) if kind == NO_QUEUE);
    if attributes.iter().any(is_none) {
        return None;
    }
    let (mut waits, mut left) = (None, None);
    for attribute in attributes {
        let TcAttribute::Stats2(all) = attribute else { continue };
        for one in all {
            match one {
                TcStats2::Basic(basic) => left = Some(basic.bytes),
                TcStats2::Queue(queue) => waits = Some(queue.backlog.into()),
                _ => {}
            }
        }
    }
    Some(HostQueue {
        waits: waits?,
        left: left?,
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use netlink_packet_route::tc::{TcStatsBasic, TcStatsQueue};

    use super::*;

    #[test]
    fn a_queue_is_read_from_what_the_kernel_tells() {
        let stats = |waits, left| {
            let mut queue = TcStatsQueue::default();
            queue.backlog = waits;
            let mut basic = TcStatsBasic::default();
            basic.bytes = left;
            TcAttribute::Stats2(vec![TcStats2::Basic(basic), TcStats2::Queue(queue)])
        };
        let kind = |kind: &str| TcAttribute::Kind(kind.to_owned());
        let found = state(&[kind("tbf"), stats(3028, 1 << 40)]);
        let (waits, left) = (3028, 1 << 40);
        assert_eq!(found, Some(HostQueue { waits, left }));
        assert_eq!(state(&[kind(NO_QUEUE), stats(0, 0)]), None);
        assert_eq!(state(&[kind("tbf")]), None);
    }

    #[test]
    fn what_stays_within_the_host_has_no_queue_and_an_address_of_nobody_no_interface() {
        let found = HostQueueReader::of(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(found.is_err());
        // Of the block for documentation (RFC 5737).
        let nobody = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        assert!(matches!(
            HostQueueReader::of(nobody),
            Err(HostQueueError::NoInterface(_))
        ));
    }
}
