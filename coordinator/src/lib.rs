//! What the launcher and the operator share: the authority that signs peers' keys, the mutual TLS that rests on it, and the intake of
//! `bt_complete`, by which peers tell how their rounds went.
//!
//! A coordinator only learns; nothing that peers do waits for it. [`authority`], [`identity`], [`key`], [`signature`], [`report`] and
//! [`progress`] neither read a clock nor do input or output; [`intake`] and [`client`] drive them.

pub mod authority;
pub mod client;
mod hex;
pub mod identity;
pub mod intake;
pub mod key;
pub mod progress;
pub mod report;
pub mod signature;
pub mod tls;
