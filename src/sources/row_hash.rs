//! The identity of a row: 128 bits of BLAKE3 over its values.

use arrow::array::{StringArray, StringBuilder};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Equal rows have equal ids; different rows differ in practice.
pub(crate) type RowId = [u8; 16];

/// Collects the values of a row so that no two rows give the same bytes: a tag, then a fixed
/// width or a length.
#[derive(Debug, Default)]
pub(crate) struct RowHash {
    bytes: Vec<u8>,
}

impl RowHash {
    /// Forgets everything.
    pub(crate) fn start(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn null(&mut self) {
        self.bytes.push(0);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.tagged(1, &(text.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.tagged(2, &number.to_le_bytes());
    }

    pub(crate) fn flag(&mut self, flag: bool) {
        self.tagged(3, &[u8::from(flag)]);
    }

    pub(crate) fn number(&mut self, number: f64) {
        self.tagged(4, &number.to_le_bytes());
    }

    /// The id of the row since [`start`](Self::start).
    pub(crate) fn finish(&self) -> RowId {
        let mut id = RowId::default();
        id.copy_from_slice(&blake3::hash(&self.bytes).as_bytes()[..16]);
        id
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(bytes);
    }
}

/// Ids as 32 hexadecimal digits.
pub(crate) fn hex(ids: &[RowId]) -> StringArray {
    let mut builder = StringBuilder::with_capacity(ids.len(), ids.len() * 32);
    let mut digits = String::with_capacity(32);
    for id in ids {
        digits.clear();
        for byte in id {
            for nibble in [byte >> 4, byte & 0xf] {
                digits.push(char::from(DIGITS[usize::from(nibble)]));
            }
        }
        builder.append_value(&digits);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(fill: impl Fn(&mut RowHash)) -> RowId {
        let mut hash = RowHash::default();
        hash.text("left over");
        hash.start();
        fill(&mut hash);
        hash.finish()
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let texts = |left, right| {
            id(|hash| {
                hash.text(left);
                hash.text(right);
            })
        };
        assert_eq!(texts("ab", "c"), texts("ab", "c"));
        assert_ne!(texts("ab", "c"), texts("a", "bc"));
        assert_ne!(id(RowHash::null), id(|hash| hash.text("")));
        assert_ne!(id(|hash| hash.integer(0)), id(|hash| hash.number(0.0)));
    }

    #[test]
    fn hexadecimal() {
        let mut id = RowId::default();
        id[0] = 0x0a;
        id[15] = 0xff;
        assert_eq!(hex(&[id]).value(0), "0a0000000000000000000000000000ff");
    }
}
