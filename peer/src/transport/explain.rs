//! Why a connection is not there, in words that say what to look at.

use quinn::{ConnectionError, TransportErrorCode};

/// Longest reason that is taken over from another machine, characters.
const LONGEST_REASON: usize = 400;

/// TLS alerts (RFC 8446, 6.2) as QUIC carries them (RFC 9001, 4.8).
const CRYPTO: std::ops::Range<u64> = 0x100..0x200;
const BAD_CERTIFICATE: u64 = 42;
const CERTIFICATE_EXPIRED: u64 = 45;
const NO_APPLICATION_PROTOCOL: u64 = 120;

/// How QUIC says that the process on the other side is about to go (RFC 9000, 20.1).
const ENDING: [TransportErrorCode; 2] = [
    TransportErrorCode::CONNECTION_REFUSED,
    TransportErrorCode::APPLICATION_ERROR,
];

/// Why a connection failed or ended.
pub(super) fn explain(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TransportError(error) => match alert(error.code) {
            Some(alert) => format!("its certificate {} ({})", fault(alert), error.reason),
            None => error.to_string(),
        },
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code) {
            Some(alert) => format!(
                "it refuses this peer, whose certificate {} ({})",
                fault(alert),
                foreign(&close.reason)
            ),
            None if ENDING.contains(&close.error_code) => {
                "it takes no connection any more: it is ending, look what it says".to_owned()
            }
            None => error.to_string(),
        },
        ConnectionError::TimedOut => {
            "nothing was heard of it for transport.idleTimeout: look whether its machine, its process and the network between are up".to_owned()
        }
        other => other.to_string(),
    }
}

/// Another machine's text: bounded and without control characters.
pub(super) fn foreign(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .take(LONGEST_REASON)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn alert(code: TransportErrorCode) -> Option<u64> {
    let code = u64::from(code);
    CRYPTO.contains(&code).then_some(code & 0xff)
}

fn fault(alert: u64) -> &'static str {
    match alert {
        BAD_CERTIFICATE => {
            "is another peer's: check which machine has which address in the nodes file and was given which folder of keys"
        }
        CERTIFICATE_EXPIRED => {
            "is expired or not yet valid: compare the clocks of both machines (date -u), or make new keys with `fltorrent keys`"
        }
        NO_APPLICATION_PROTOCOL => {
            "was not looked at, since it speaks another protocol: run the same release everywhere"
        }
        _ => {
            "is of another experiment: give every machine its folder from the same `fltorrent keys init`"
        }
    }
}
