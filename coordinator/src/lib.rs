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

/// An error with its causes, in one line. An error that ends with its cause has said it itself.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes
        .map(ToString::to_string)
        .fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
            true => text,
            false => format!("{text}: {cause}"),
        })
}

#[cfg(test)]
mod tests {
    use std::{error::Error, fmt};

    use super::chain;

    #[derive(Debug)]
    struct Told(&'static str, Option<Box<Self>>);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Told {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|cause| &**cause as &(dyn Error + 'static))
        }
    }

    #[test]
    fn each_cause_is_said_once() {
        let of = |texts: [&'static str; 3]| {
            let [first, second, third] = texts;
            let cause = Told(second, Some(Box::new(Told(third, None))));
            chain(&Told(first, Some(Box::new(cause))))
        };
        assert_eq!(of(["a", "b", "c"]), "a: b: c");
        assert_eq!(of(["no file: b: c", "b: c", "c"]), "no file: b: c");
        assert_eq!(of(["b is missing", "b", "c"]), "b is missing: b: c");
    }
}
