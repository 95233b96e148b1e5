//! Factors as one text: the number of factors and then all of them, in little-endian bytes, in base64. Every bit comes
//! back as it went in.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Matrix;

impl Serialize for Matrix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let factors = u32::try_from(self.factors()).unwrap_or(u32::MAX);
        let mut bytes = factors.to_le_bytes().to_vec();
        bytes.extend(
            self.to_values()
                .iter()
                .flat_map(|value| value.to_le_bytes()),
        );
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl<'de> Deserialize<'de> for Matrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| D::Error::custom(format!("factors are not base64: {error}")))?;
        matrix_of(&bytes).ok_or_else(|| D::Error::custom("factors are cut short"))
    }
}

fn matrix_of(bytes: &[u8]) -> Option<Matrix> {
    let (factors, bytes) = bytes.split_first_chunk()?;
    let factors = u32::from_le_bytes(*factors) as usize;
    let (values, rest) = bytes.as_chunks();
    let values: Vec<f32> = values
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let fits = factors > 0 && rest.is_empty() && values.len().is_multiple_of(factors);
    fits.then(|| Matrix::new(factors, &values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        let values = [0.1, -0.0, f32::MIN_POSITIVE, 1.0 / 3.0, -1e38, 1e-45];
        let matrix = Matrix::new(3, &values);
        let text = serde_json::to_string(&matrix).unwrap();
        let back: Matrix = serde_json::from_str(&text).unwrap();
        let bits = |matrix: &Matrix| -> Vec<u32> {
            matrix
                .to_values()
                .iter()
                .map(|value| value.to_bits())
                .collect()
        };
        assert_eq!((back.rows(), back.factors()), (2, 3));
        assert_eq!(bits(&back), bits(&matrix));
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let bytes = [2, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 64];
        assert_eq!(matrix_of(&bytes).unwrap().to_values(), [1.0, 2.0]);
        for length in 0..bytes.len() {
            let cut = matrix_of(&bytes[..length]);
            assert!(cut.is_none_or(|matrix| matrix.rows() == 0), "{length}");
        }
        assert!(matrix_of(&[0; 8]).is_none());
    }
}
