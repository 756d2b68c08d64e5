//! The log's filter: `FLTORRENT_LOG`, or news.

use std::env::{self, VarError};

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::ParseError};

const VARIABLE: &str = "FLTORRENT_LOG";

/// Why `FLTORRENT_LOG` says nothing.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum FilterError {
    #[error(
        "{VARIABLE}: `{word}` is no level; the levels are error, warn, info, debug and trace, and a part of the program has its own behind it, as in `info,{word}=debug`"
    )]
    NoLevel { word: String },
    #[error("{VARIABLE} is no UTF-8 text; set a level: error, warn, info, debug or trace")]
    NoText,
    #[error(
        "{VARIABLE} is no log filter; set a level: error, warn, info, debug or trace, or several as in `info,quinn=debug`"
    )]
    Form(#[from] ParseError),
}

/// Reads the environment.
///
/// # Errors
/// When what it says is no filter.
pub fn log_filter() -> Result<EnvFilter, FilterError> {
    match env::var(VARIABLE) {
        Ok(text) => parse(&text),
        Err(VarError::NotPresent) => parse("info"),
        Err(VarError::NotUnicode(_)) => Err(FilterError::NoText),
    }
}

fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    let is_word = |part: &&str| {
        let mut letters = part.chars();
        !part.is_empty() && letters.all(|letter| letter.is_alphanumeric() || "_-".contains(letter))
    };
    let mut words = text.split(',').map(str::trim).filter(is_word);
    match words.find(|word| word.parse::<LevelFilter>().is_err()) {
        Some(word) => Err(FilterError::NoLevel { word: word.to_owned() }),
        None => Ok(EnvFilter::try_new(text)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_what_filters_say_is_taken() {
        for text in [
            "info",
            "DEBUG",
            "off",
            "3",
            "",
            "info,quinn=debug",
            "fltorrent_peer::driver",
            "warn,[peer]=trace",
        ] {
            parse(text).unwrap();
        }
        for text in ["inof", "verbose", "info, quinn", "fltorrent-peer"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, FilterError::NoLevel { .. }), "{text}");
        }
        for text in ["info,=x", "quinn=inof"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, FilterError::Form(_)), "{text}: {error}");
        }
    }
}
