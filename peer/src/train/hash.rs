use std::borrow::Cow;

/// BLAKE3 of the parameters as little-endian f32 in declared order.
#[must_use]
pub fn model_hash(parameters: &[f32]) -> [u8; 32] {
    *blake3::hash(&little_endian(parameters)).as_bytes()
}

/// The parameters' bytes; borrowed where the machine is little-endian itself.
pub(crate) fn little_endian(parameters: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(parameters))
    } else {
        Cow::Owned(parameters.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_little_endian_bytes_in_order() {
        let bytes = [0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0];
        assert_eq!(model_hash(&[1.0, -2.0]), *blake3::hash(&bytes).as_bytes());
        assert_ne!(model_hash(&[1.0, -2.0]), model_hash(&[-2.0, 1.0]));
        assert_ne!(model_hash(&[0.0]), model_hash(&[-0.0]));
    }
}
