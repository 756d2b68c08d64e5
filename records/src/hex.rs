//! Lower-case hex of fixed length: run ids and model hashes have one spelling each.

use data_encoding::HEXLOWER;

/// The bytes as lower-case hex.
pub fn encode(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The `N` bytes that exactly `2 * N` lower-case hex digits stand for.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        assert_eq!(encode(&[0x00, 0x9f, 0xa0]), "009fa0");
        assert_eq!(decode::<3>("009fa0"), Some([0x00, 0x9f, 0xa0]));
        for wrong in [
            "009FA0", "009fa", "009fa00", "009fa0ff", "", "00 fa0", "+09fa0", "0é9fa",
        ] {
            assert_eq!(decode::<3>(wrong), None, "{wrong}");
        }
    }
}
