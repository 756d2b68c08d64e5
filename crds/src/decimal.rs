//! Decimal numbers with a unit, read without rounding.

/// Why a text does not give a whole number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalError {
    /// Not digits with at most one point between them.
    Form,
    /// Something is left of the smallest unit.
    Fraction,
    /// More than can be counted.
    Large,
}

/// `number` times `scale`, exactly. The caller bounds the text's length.
pub(crate) fn scaled(number: &str, scale: u64) -> Result<u64, DecimalError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err(DecimalError::Form);
    }
    let fraction = fraction.trim_end_matches('0');
    let divisor = u32::try_from(fraction.len())
        .ok()
        .and_then(|length| 10_u128.checked_pow(length))
        .ok_or(DecimalError::Form)?;
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| DecimalError::Large)?;
    let scaled = digits.checked_mul(u128::from(scale)).ok_or(DecimalError::Large)?;
    if !scaled.is_multiple_of(divisor) {
        return Err(DecimalError::Fraction);
    }
    u64::try_from(scaled / divisor).map_err(|_| DecimalError::Large)
}
