//! Numbers on the command line and in answers.

use std::fmt::Display;

/// Reads a whole number between two bounds; what is none is told in terms of the bounds.
pub fn whole_number<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: Copy + Display + PartialOrd + TryFrom<u64> + Send + Sync + 'static,
{
    move |text| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| text.parse::<u64>().ok())
            .flatten()
            .and_then(|number| N::try_from(number).ok())
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| format!("expected a whole number from {least} to {most}, written in digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_within_the_bounds_are_a_number() {
        let peers = whole_number::<u32>(1, 10_000);
        assert_eq!(peers("8"), Ok(8));
        assert_eq!(peers("10000"), Ok(10_000));
        let wrong = [
            "",
            "0",
            "eight",
            "8x",
            "-1",
            "+8",
            "1e3",
            "8.0",
            " 8",
            "10001",
            "4294967297",
            "99999999999999999999",
        ];
        for wrong in wrong {
            let error = peers(wrong).unwrap_err();
            assert_eq!(
                error, "expected a whole number from 1 to 10000, written in digits",
                "{wrong}"
            );
        }
        assert_eq!(whole_number(0, u64::MAX)(&u64::MAX.to_string()), Ok(u64::MAX));
    }
}
