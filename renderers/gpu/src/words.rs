//! Numbers laid out for shaders.
//!
//! The rule: everything is words of 32 bits, little-endian, as every device we run on reads them.

/// Words in the making.
#[derive(Debug, Default)]
pub(crate) struct Words {
    words: Vec<u32>,
}

impl Words {
    pub(crate) fn with_capacity(words: usize) -> Self {
        Self { words: Vec::with_capacity(words) }
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.words.push(value);
        self
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.u32(value.cast_unsigned())
    }

    pub(crate) fn f32(&mut self, value: f32) -> &mut Self {
        self.u32(value.to_bits())
    }

    pub(crate) fn u32s(&mut self, values: &[u32]) -> &mut Self {
        self.words.extend_from_slice(values);
        self
    }

    pub(crate) fn f32s(&mut self, values: &[f32]) -> &mut Self {
        self.words.extend(values.iter().map(|value| value.to_bits()));
        self
    }

    /// A double as the sum of three singles, in the four words of a vector.
    pub(crate) fn f64(&mut self, value: f64) -> &mut Self {
        let high = value as f32;
        let rest = value - f64::from(high);
        let middle = rest as f32;
        let low = (rest - f64::from(middle)) as f32;
        self.f32s(&[high, middle, low, 0.0])
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.words.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

/// Words as they came from a device.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<u32> {
    let word = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_singles_hold_a_double() {
        for value in [0.1, -0.743643887037151, 1e-9, 1_000.0 / 3.0] {
            let mut words = Words::default();
            words.f64(value);
            let parts = from_bytes(&words.into_bytes());
            let sum: f64 = parts.iter().map(|part| f64::from(f32::from_bits(*part))).sum();
            assert_eq!(sum, value);
        }
    }
}
