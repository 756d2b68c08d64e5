//! The coordinator from outside: its authority, handshakes, signatures, and reports over real TLS on loopback.

#[cfg(test)]
mod applicant;
#[cfg(test)]
mod authority;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod handshake;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod intake;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod reporter;
#[cfg(test)]
mod secret;
#[cfg(test)]
mod signature;
