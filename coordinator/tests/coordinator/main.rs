//! The coordinator from outside: its authority, handshakes, signatures, and reports over real TLS on loopback.

#[cfg(test)]
mod authority;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod reporter;
#[cfg(test)]
mod signature;
