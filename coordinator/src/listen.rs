//! Sockets that others reach: one way to open them for all ports of the project.
//!
//! `[::]` means every address of the machine, IPv6 and IPv4, whatever `net.ipv6.bindv6only` says, and IPv4 alone where the kernel has no
//! IPv6. Every other address means itself.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// Too many files are open on the machine, and in the process. The standard library has no kind for them; all Unix systems have these numbers.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Listens for TCP; port 0 lets the system choose. Must be called within a tokio runtime.
///
/// # Errors
/// When the address cannot be bound; [`advice`] says what to do.
pub fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(address, Type::STREAM, raw)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Binds a UDP socket; port 0 lets the system choose.
///
/// # Errors
/// When the address cannot be bound; [`advice`] says what to do.
pub fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    open(address, Type::DGRAM, raw).map(Into::into)
}

/// A remedy when an address cannot be bound.
pub fn advice(error: &io::Error) -> &'static str {
    if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
        return "more files are open than this process or machine may have; raise the limit (`ulimit -n`, LimitNOFILE of a service)";
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => "is another process using that port?",
        io::ErrorKind::AddrNotAvailable => {
            "that is no address of this machine; correct it, or use [::] to listen at all addresses"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root; choose a higher one",
        _ => "is that an address of this machine? [::] listens at all addresses, with IPv6 or without",
    }
}

/// A socket that is bound but does not block; `make` asks the system for one.
fn open(address: SocketAddr, kind: Type, make: impl Fn(Domain, Type) -> io::Result<Socket>) -> io::Result<Socket> {
    let bound = |address: SocketAddr, both: bool| {
        let socket = make(Domain::for_address(address), kind)?;
        if both {
            socket.set_only_v6(false)?;
        }
        if kind == Type::STREAM {
            // Connections to the process before may still be on their way out.
            socket.set_reuse_address(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        return bound(address, false);
    }
    match bound(address, true) {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        // A kernel without IPv6 says so in several ways; what is wrong beside that is wrong with IPv4 too.
        Err(_) => bound((Ipv4Addr::UNSPECIFIED, address.port()).into(), false),
    }
}

fn raw(domain: Domain, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM {
        Protocol::TCP
    } else {
        Protocol::UDP
    };
    Socket::new(domain, kind, Some(protocol))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, time::Duration};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const EVERYWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    fn port(socket: &Socket) -> u16 {
        socket.local_addr().unwrap().as_socket().unwrap().port()
    }

    /// As a kernel with `net.ipv6.bindv6only=1` gives them.
    fn deaf_to_ipv4(domain: Domain, kind: Type) -> io::Result<Socket> {
        let socket = raw(domain, kind)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    }

    fn no_ipv6(domain: Domain, kind: Type) -> io::Result<Socket> {
        if domain == Domain::IPV6 {
            return Err(io::Error::from_raw_os_error(97)); // EAFNOSUPPORT
        }
        raw(domain, kind)
    }

    #[test]
    fn every_address_answers_whatever_the_kernel_is_like() {
        type Make = fn(Domain, Type) -> io::Result<Socket>;
        for make in [raw as Make, deaf_to_ipv4, no_ipv6] {
            let socket = open(EVERYWHERE, Type::STREAM, make).unwrap();
            socket.listen(1).unwrap();
            TcpStream::connect((Ipv4Addr::LOCALHOST, port(&socket))).unwrap();

            let socket = open(EVERYWHERE, Type::DGRAM, make).unwrap();
            let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            sender.send_to(b"x", (Ipv4Addr::LOCALHOST, port(&socket))).unwrap();
            socket.set_nonblocking(false).unwrap();
            let receiver = UdpSocket::from(socket);
            // Only a socket that is deaf waits so long.
            receiver.set_read_timeout(Some(LONG)).unwrap();
            assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 1);
        }
    }

    #[test]
    fn one_address_means_itself() {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = open(here, Type::STREAM, raw).unwrap();
        let bound = socket.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(bound.ip(), here.ip());
    }

    #[test]
    fn too_many_open_files_are_no_matter_of_the_address() {
        for errno in [EMFILE, ENFILE] {
            let error = io::Error::from_raw_os_error(errno);
            assert!(advice(&error).contains("ulimit -n"), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_is_no_reason_to_fall_back() {
        let taken = open(EVERYWHERE, Type::DGRAM, raw).unwrap();
        let again = SocketAddr::new(EVERYWHERE.ip(), port(&taken));
        let error = open(again, Type::DGRAM, raw).unwrap_err();
        assert!(advice(&error).contains("another process"), "{error}");
    }
}
