//! Where a peer can be reached: a host's name or IP address, and a UDP port.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::errors::quote;

/// Longest name of a host (RFC 1035, 2.3.4, without the dot at the end).
const MAX_NAME: usize = 253;
/// Longest label of a name.
const MAX_LABEL: usize = 63;

/// A host's name or IP address, and a port that is not 0. Prints as `host:port`, an IPv6 address in square brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerAddress {
    host: String,
    port: u16,
}

/// Why a text or a pair is not a [`PeerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum AddressError {
    #[error("{0} is not a host: write a name such as node3.example.org, an IPv4 or an IPv6 address (without %scope)")]
    Host(String),
    #[error(
        "{0} means every address of a machine and cannot be connected to: write the address by which others reach it"
    )]
    Unspecified(IpAddr),
    #[error("{0} has no port from 1 to 65535: write host:port, or [IPv6 address]:port")]
    Port(String),
}

impl PeerAddress {
    /// From a host, an IPv6 address with or without square brackets, and a port.
    ///
    /// # Errors
    /// When the host is none or means every address, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .filter(|inner| inner.parse::<Ipv6Addr>().is_ok())
            .unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => return Err(AddressError::Unspecified(ip)),
            Ok(_) => {}
            Err(_) if is_name(bare) => {}
            Err(_) => return Err(AddressError::Host(quote(host))),
        }
        if port == 0 {
            return Err(AddressError::Port(quote(&format!("{host}:0"))));
        }
        Ok(Self {
            host: bare.to_owned(),
            port,
        })
    }

    /// The host's name or IP address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The socket address, when the host is an IP address.
    pub fn ip(&self) -> Option<SocketAddr> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(ip, self.port))
    }
}

/// A DNS name whose last label is not a number, so that a mistyped IPv4 address is no name (WHATWG URL, 3.5).
fn is_name(text: &str) -> bool {
    let labels: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    let is_label = |label: &&str| {
        (1..=MAX_LABEL).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_NAME && labels.iter().all(is_label) && !labels.last().is_some_and(is_number)
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl FromStr for PeerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let no_port = || AddressError::Port(quote(text));
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        // `::1` has no port; its brackets are what tells.
        if host.contains(':') && !host.starts_with('[') {
            return Err(no_port());
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(no_port());
        }
        Self::new(host, port.parse().map_err(|_| no_port())?)
    }
}

impl TryFrom<String> for PeerAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<PeerAddress> for String {
    fn from(address: PeerAddress) -> Self {
        address.to_string()
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_survive_their_text() {
        for text in [
            "node3.example.org:8888",
            "node_3:1",
            "192.168.1.100:65535",
            "[fd00::3]:8888",
            "a.:9",
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        assert_eq!(
            PeerAddress::new("[fd00::3]", 8).unwrap(),
            PeerAddress::new("fd00::3", 8).unwrap()
        );
        assert_eq!(
            PeerAddress::new("10.0.0.1", 8).unwrap().ip(),
            Some("10.0.0.1:8".parse().unwrap())
        );
        assert_eq!(PeerAddress::new("localhost", 8).unwrap().ip(), None);
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("{}:1", "a.".repeat(127) + "abc");
        let label = format!("{}:1", "a".repeat(64));
        for wrong in [
            "",
            ":",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "host:1x",
            ":1",
            "::1",
            "fd00::3:8888",
            "[fd00::3]",
            "[fd00::3:1",
            "[host]:1",
            "10.0.0.256:1",
            "10.0.0:1",
            "0.0.0.0:1",
            "[::]:1",
            "fe80::1%eth0:1",
            "a..b:1",
            "-a:1",
            "a-:1",
            "a b:1",
            "é:1",
            "http://host:1",
            &long,
            &label,
        ] {
            assert!(wrong.parse::<PeerAddress>().is_err(), "{wrong}");
        }
        assert!(PeerAddress::new("::", 1).is_err());
        assert!(PeerAddress::new("host:1", 1).is_err());
    }
}
