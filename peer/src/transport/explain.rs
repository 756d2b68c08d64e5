//! Why a connection is not there, in words that say what to look at.

use fltorrent_crds::visible_line;
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
            None if is_ending(error) => {
                "it accepts no more connections: it is shutting down, see its output".to_owned()
            }
            None => error.to_string(),
        },
        ConnectionError::TimedOut => {
            "no packets from it for liveness.heartbeatTimeout: check its machine, its process and the network"
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// Whether the other side closed the connection since its process is about to go.
pub(super) fn is_ending(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ConnectionClosed(close) if ENDING.contains(&close.error_code))
}

/// Another machine's text: bounded, in one line and with control characters written out.
pub(super) fn foreign(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().take(LONGEST_REASON).collect();
    visible_line(&text).into_owned()
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
        _ => "is of another experiment: give every machine its folder from the same `fltorrent keys init`",
    }
}

#[cfg(test)]
mod tests {
    use quinn::ConnectionClose;

    use super::*;

    fn closed(error_code: TransportErrorCode) -> ConnectionError {
        ConnectionError::ConnectionClosed(ConnectionClose {
            error_code,
            frame_type: None,
            reason: Vec::new().into(),
        })
    }

    #[test]
    fn a_process_that_is_about_to_go_is_told_from_one_that_refuses() {
        for code in ENDING {
            assert!(is_ending(&closed(code)), "{code:?}");
        }
        let refusal = closed(TransportErrorCode::crypto(42));
        assert!(!is_ending(&refusal) && !is_ending(&ConnectionError::TimedOut));
        assert!(explain(&refusal).starts_with("it refuses this peer, whose certificate"));
    }

    #[test]
    fn a_reason_of_another_machine_is_one_line_without_commands() {
        assert_eq!(foreign(b"a\x1b[2J\nb\xff"), "a\\u001b[2J\\u000ab\u{fffd}");
        assert_eq!(foreign(&[b'a'; 500]).len(), LONGEST_REASON);
    }
}
