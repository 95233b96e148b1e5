//! A tree as one text: its arrays in little-endian bytes, one behind the other, in base64.
//!
//! As lists of decimal numbers a forest would take three times the room and ten times the time to read. Every bit comes
//! back as it went in. Whether what was read can be walked is for [`Model::validate`](crate::Model::validate) to say.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{LEAF, Tree};

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes_of(self)))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| D::Error::custom(format!("a tree is not base64: {error}")))?;
        tree_of(&bytes).ok_or_else(|| D::Error::custom("a tree is cut short or has too much"))
    }
}

/// Counts of nodes and values, then features, right children, covers, directions of missing values as bits, thresholds
/// (of nodes that split only), values.
fn bytes_of(tree: &Tree) -> Vec<u8> {
    let nodes = tree.features.len();
    let mut bytes = Vec::with_capacity(8 + nodes * 23 + tree.values.len() * 8);
    for count in [nodes, tree.values.len()] {
        bytes.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    }
    bytes.extend(tree.features.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(tree.right.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(tree.covers.iter().flat_map(|value| value.to_le_bytes()));
    for eight in tree.missing_left.chunks(8) {
        let bits = eight.iter().zip(0..);
        bytes.push(bits.fold(0, |byte, (is_left, bit)| byte | u8::from(*is_left) << bit));
    }
    let splits = tree.thresholds.iter().zip(&tree.features);
    let thresholds = splits.filter(|(_, feature)| **feature != LEAF);
    bytes.extend(thresholds.flat_map(|(value, _)| value.to_le_bytes()));
    bytes.extend(tree.values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn tree_of(bytes: &[u8]) -> Option<Tree> {
    let mut rest = bytes;
    let nodes = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
    let values = usize::try_from(u32::from_le_bytes(take(&mut rest)?)).ok()?;
    let features: Vec<u16> = take_all(&mut rest, nodes, u16::from_le_bytes)?;
    let right = take_all(&mut rest, nodes, u32::from_le_bytes)?;
    let covers = take_all(&mut rest, nodes, f64::from_le_bytes)?;
    let bits = take_all(&mut rest, nodes.div_ceil(8), u8::from_le_bytes)?;
    let missing_left = (0..nodes).map(|node| bits[node / 8] >> (node % 8) & 1 == 1);
    let missing_left = missing_left.collect();
    let mut thresholds = vec![0.0; nodes];
    for (threshold, feature) in thresholds.iter_mut().zip(&features) {
        if *feature != LEAF {
            *threshold = f64::from_le_bytes(take(&mut rest)?);
        }
    }
    let values = take_all(&mut rest, values, f64::from_le_bytes)?;
    rest.is_empty().then_some(Tree {
        features,
        thresholds,
        missing_left,
        right,
        covers,
        values,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

fn take_all<T, const N: usize>(
    rest: &mut &[u8],
    count: usize,
    read: fn([u8; N]) -> T,
) -> Option<Vec<T>> {
    let (first, others) = rest.split_at_checked(count.checked_mul(N)?)?;
    *rest = others;
    let (chunks, _) = first.as_chunks();
    Some(chunks.iter().map(|chunk| read(*chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        Tree {
            features: vec![3, LEAF, 0, LEAF, LEAF],
            thresholds: vec![0.1 + 0.2, 0.0, -f64::MIN_POSITIVE, 0.0, 0.0],
            missing_left: vec![false, false, true, false, false],
            right: vec![2, 0, 4, 1, 2],
            covers: vec![100_000.0, 1.0, 99_999.0, 9.0, 99_990.0],
            values: vec![1.0 / 3.0, f64::MAX, 5e-324],
        }
    }

    fn read(text: &str) -> Result<Tree, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn every_bit_comes_back() {
        for tree in [tree(), Tree::default()] {
            let text = serde_json::to_string(&tree).unwrap();
            assert_eq!(read(&text).unwrap(), tree);
        }
    }

    #[test]
    fn what_is_not_a_tree_is_refused() {
        let bytes = bytes_of(&tree());
        for length in 0..bytes.len() {
            assert!(tree_of(&bytes[..length]).is_none(), "{length} bytes");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(tree_of(&longer).is_none());
        let mut huge = bytes;
        huge[..4].fill(0xff);
        assert!(tree_of(&huge).is_none());
        assert!(read("\"%\"").unwrap_err().to_string().contains("base64"));
        assert!(
            read("\"AAAA\"")
                .unwrap_err()
                .to_string()
                .contains("cut short")
        );
    }
}
