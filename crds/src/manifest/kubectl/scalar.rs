//! Plain scalars as YAML 1.1's reader in kubectl resolves them.

use serde_json::{Number, Value};

/// What this project and kubectl take a plain scalar for, where the two differ.
pub(super) fn differs(text: &str) -> Option<(Value, Value)> {
    if !is_suspicious(text) {
        return None;
    }
    let here = super::super::document::yaml(text).ok()?;
    let there = resolve(text);
    let same = match (&here, &there) {
        (Value::Number(here), Value::Number(there)) => here.as_f64() == there.as_f64(),
        (here, there) => here == there,
    };
    (!same).then(|| (tidy(here), tidy(there)))
}

/// Whether the two could differ at all; saves the work on words and on plain numbers.
fn is_suspicious(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let starts_with_zero = text.len() > 1 && text.starts_with('0');
    if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() < 16 {
        return starts_with_zero;
    }
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => true,
        _ => WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)),
    }
}

/// What kubectl takes the scalar for. Source: the table and the rules of `resolve.go` in Go's yaml.v2, tried with kubectl
/// 1.32.
fn resolve(text: &str) -> Value {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        "null" | "Null" | "NULL" => Value::Null,
        _ => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

/// Underscores mean nothing, a leading 0 means octal where its digits are; all else is a decimal number.
fn number(text: &str) -> Option<Number> {
    text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        .then_some(())?;
    let plain = text.replace('_', "");
    whole(&plain).or_else(|| {
        decimal(&plain)
            .then(|| plain.parse().ok())
            .flatten()
            .and_then(Number::from_f64)
    })
}

fn whole(plain: &str) -> Option<Number> {
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    // The parser takes a sign of its own, which would be a second one.
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if plain.starts_with('-') {
        return 0_i64.checked_sub_unsigned(magnitude).map(Number::from);
    }
    Some(Number::from(magnitude))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn decimal(plain: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (unsigned, "0"),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !before.is_empty() || !after.is_empty();
    some && digits(before) && digits(after) && !exponent.is_empty() && digits(exponent)
}

/// A number without a fraction as a whole one, as a user writes it.
fn tidy(value: Value) -> Value {
    const EXACT: f64 = (1_u64 << 53) as f64;
    match value.as_f64() {
        Some(number) if number == libm::trunc(number) && number.abs() <= EXACT => Value::from(number as i64),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What kubectl 1.32 printed for `kubectl annotate --local -f FILE a=b -o json`.
    #[test]
    fn kubectl_reads_them_so() {
        for (text, there) in [
            ("y", json!(true)),
            ("NO", json!(false)),
            ("On", json!(true)),
            ("oN", json!("oN")),
            ("tRue", json!("tRue")),
            ("nuLL", json!("nuLL")),
            ("010", json!(8)),
            ("08", json!(8.0)),
            ("-010", json!(-8)),
            ("00", json!(0)),
            ("00.5", json!(0.5)),
            ("01e3", json!(1000.0)),
            ("1__0", json!(10)),
            ("1_0.5", json!(10.5)),
            ("_1", json!("_1")),
            ("0x_1", json!(1)),
            ("0o8", json!("0o8")),
            ("0x1FFFFFFFFFFFFFFFF", json!("0x1FFFFFFFFFFFFFFFF")),
            ("+.5", json!(0.5)),
            ("5.", json!(5.0)),
            ("++1", json!("++1")),
            ("1.2.3", json!("1.2.3")),
            ("1:30", json!("1:30")),
            ("2020-01-01", json!("2020-01-01")),
            ("1e", json!("1e")),
        ] {
            assert_eq!(resolve(text), there, "{text}");
        }
    }

    #[test]
    fn only_what_differs_is_named() {
        for same in [
            "yEs",
            "hey",
            "10",
            "1e-3",
            "0x1F",
            "0o17",
            "1_000",
            "-3",
            "1.50",
            "true",
            "False",
            "null",
            "~",
            "",
            "5s",
            "0.1",
            "0",
            "100Mbit/s",
            "1:30",
            "0b11",
            "18446744073709551615",
        ] {
            assert_eq!(differs(same), None, "{same}");
        }
        for (text, here, there) in [
            ("y", json!("y"), json!(true)),
            ("tRue", json!(true), json!("tRue")),
            ("nuLL", json!(null), json!("nuLL")),
            ("010", json!(10), json!(8)),
            ("1_", json!("1_"), json!(1)),
        ] {
            assert_eq!(differs(text), Some((here, there)), "{text}");
        }
    }
}
