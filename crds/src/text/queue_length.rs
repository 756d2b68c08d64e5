//! How much waits at a link: `50ms` of its rate, or `64Ki` bytes.

use std::{fmt, str::FromStr};

use super::{ByteSize, Form, Interval, TextError};

const MISFIT: &str = "neither a time nor a quantity of bytes";

/// The length of a link's queue: the time that the last byte waits when it is full, or its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLength {
    /// As many bytes as the link carries in this time.
    Time(Interval),
    /// So many bytes.
    Bytes(ByteSize),
}

impl FromStr for QueueLength {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        // A number alone would be bytes to some and milliseconds to others.
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(TextError(MISFIT));
        }
        text.parse().map(Self::Bytes).map_err(|_| TextError(MISFIT))
    }
}

impl fmt::Display for QueueLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            // What is no multiple of a unit is written with one even so, that it is read again.
            Self::Bytes(bytes) if bytes.get() % 1000 != 0 && bytes.get() % 1024 != 0 => {
                write!(f, "{}.{:03}k", bytes.get() / 1000, bytes.get() % 1000)
            }
            Self::Bytes(bytes) if bytes.get() == 0 => f.write_str("0k"),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

text_form!(
    QueueLength,
    Form {
        pattern: r"^([0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$",
        max_length: 32,
        sample: "a time such as 50ms, at the link's rate, or a quantity of bytes such as 64Ki",
        misfit: MISFIT,
        fault: |text| text.parse::<QueueLength>().err(),
        whole: None,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bytes_are_told_apart_and_print_as_they_read() {
        for (text, shown) in [
            ("50ms", "50ms"),
            ("64Ki", "64Ki"),
            ("100k", "100k"),
            ("1m", "1m"),
            ("1M", "1M"),
            ("1.5k", "1.500k"),
            ("0k", "0k"),
            ("1.452k", "1.452k"),
        ] {
            let length: QueueLength = text.parse().unwrap();
            assert_eq!(length.to_string(), shown);
            assert_eq!(shown.parse::<QueueLength>().unwrap(), length);
        }
        assert!(matches!("1m".parse(), Ok(QueueLength::Time(_))));
        assert!(matches!("1M".parse(), Ok(QueueLength::Bytes(_))));
        for text in ["", "50", "-1ms", "50 ms", "1.5", "10Mbit", "20p"] {
            assert_eq!(text.parse::<QueueLength>(), Err(TextError(MISFIT)), "{text}");
        }
    }
}
