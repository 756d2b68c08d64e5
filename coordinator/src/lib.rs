//! What the launcher and the operator share: the authority that signs peers' keys, the mutual TLS that rests on it, and the intake of
//! `bt_complete`, by which peers tell how their rounds went.
//!
//! A coordinator only learns; nothing that peers do waits for it. [`authority`], [`secret`], [`identity`], [`key`], [`signature`] and
//! [`ending`] neither read a clock nor do input or output; [`intake`] (one run, for the launcher),
//! [`hub`] (many runs, for the operator) and [`client`] drive them. [`listen`] opens ports, and [`plain`] answers probes and Prometheus, for
//! the operator and for peers.

pub mod authority;
pub mod backoff;
pub mod client;
pub mod ending;
pub mod hub;
pub mod identity;
pub mod intake;
pub mod key;
pub mod listen;
pub mod plain;
mod rate;
pub mod secret;
mod server;
pub mod signature;
pub mod tls;

/// An error with its causes, in one line. Some errors say their causes themselves; those are not said twice.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| {
            match text.contains(&cause) {
                true => text,
                false => format!("{text}: {cause}"),
            }
        })
}
