//! Which rows are held out. Groups (artists) are dealt by a seeded hash of their name: the same on every platform, and
//! a group stays in its part when others come or go. Rows without a group are dealt by their features, so that equal
//! rows are never on both sides.

use ndarray::ArrayView1;

use super::dataset::{Codes, Dataset};

/// The column that says which rows belong together; never a feature of a model with a label.
pub(super) const GROUP_COLUMN: &str = "artist";
/// The column that gives the folds of `split = 'folds'`, if the query has it; never a feature of a model with a label.
pub(super) const FOLD_COLUMN: &str = "fold";
/// Folds of `split = 'folds'`.
const FOLDS: u64 = 5;
/// Shares of `split = 'artist'`: train up to the first, validation up to the second, test the rest.
const TRAIN_UNTIL: f64 = 0.70;
const VALIDATION_UNTIL: f64 = 0.85;

/// A part of the rows that metrics are reported for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Rows that belong together, `0..count`; a row without a named group stands with the rows of equal features.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Group of each row.
    pub(super) of_row: Vec<u32>,
    /// A hash of each group, even over the range of `u64`.
    hashes: Vec<u64>,
}

impl Groups {
    pub(super) fn of(dataset: &Dataset, seed: u64) -> Self {
        match &dataset.group {
            Some(Codes { names, of_row }) => {
                let hashes = names
                    .iter()
                    .map(|name| hash(seed, name.as_bytes()))
                    .collect();
                Self {
                    of_row: of_row.clone(),
                    hashes,
                }
            }
            None => Self::of_equal_rows(dataset, seed),
        }
    }

    fn of_equal_rows(dataset: &Dataset, seed: u64) -> Self {
        let mut groups = Self {
            of_row: Vec::with_capacity(dataset.rows()),
            hashes: Vec::new(),
        };
        let mut group = 0_u32;
        for row in 0..dataset.rows() {
            let is_new = row == 0 || !dataset.same_features(row - 1, row);
            if is_new {
                group = u32::try_from(groups.hashes.len()).unwrap_or(u32::MAX);
                groups
                    .hashes
                    .push(hash(seed, &bytes_of(dataset.values.row(row))));
            }
            groups.of_row.push(group);
        }
        groups
    }

    pub(super) fn count(&self) -> usize {
        self.hashes.len()
    }

    /// The part of each row, 70 : 15 : 15 by group.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits of a hash are plenty for a share"
    )]
    pub(super) fn parts(&self) -> Vec<Part> {
        let part = |&group: &u32| {
            let share = self.hashes[group as usize] as f64 / u64::MAX as f64;
            match share {
                _ if share < TRAIN_UNTIL => Part::Train,
                _ if share < VALIDATION_UNTIL => Part::Validation,
                _ => Part::Test,
            }
        };
        self.of_row.iter().map(part).collect()
    }

    /// The fold of each row, and how many folds there are.
    pub(super) fn folds(&self) -> (Vec<u32>, u32) {
        let fold = |&group: &u32| u32::try_from(self.hashes[group as usize] % FOLDS).unwrap_or(0);
        (
            self.of_row.iter().map(fold).collect(),
            u32::try_from(FOLDS).unwrap_or(u32::MAX),
        )
    }
}

/// The first eight bytes of BLAKE3 over the seed and `bytes`.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

fn bytes_of(values: ArrayView1<'_, f64>) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_bits().to_le_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn groups(count: u32) -> Groups {
        let names: Vec<String> = (0..count).map(|group| format!("artist {group}")).collect();
        let hashes = names.iter().map(|name| hash(42, name.as_bytes())).collect();
        Groups {
            of_row: (0..count * 3).map(|row| row % count).collect(),
            hashes,
        }
    }

    #[test]
    fn a_group_is_in_one_part_and_the_shares_are_kept() {
        let groups = groups(2000);
        let mut part_of_group = HashMap::new();
        let mut counts = HashMap::new();
        for (&group, part) in groups.of_row.iter().zip(groups.parts()) {
            assert_eq!(*part_of_group.entry(group).or_insert(part), part);
            *counts.entry(part.name()).or_insert(0) += 1;
        }
        // Four standard deviations of a binomial count of 2,000 groups, three rows each.
        assert!((counts["train"] - 4200_i32).abs() < 246, "{counts:?}");
        assert!((counts["validation"] - 900_i32).abs() < 192, "{counts:?}");
        assert!((counts["test"] - 900_i32).abs() < 192, "{counts:?}");
    }

    #[test]
    fn every_platform_deals_alike() {
        // The first eight bytes, little endian, of BLAKE3 over 42 as eight bytes, little endian, and the name.
        assert_eq!(hash(42, b"Nina Simone"), 11_681_742_334_015_802_254);
        assert_ne!(hash(43, b"Nina Simone"), hash(42, b"Nina Simone"));
    }

    #[test]
    fn folds_are_of_similar_size() {
        let (fold_of_row, folds) = groups(2000).folds();
        let size = |fold: u32| fold_of_row.iter().filter(|&&other| other == fold).count();
        assert!((0..folds).all(|fold| (1000..1400).contains(&size(fold))));
    }
}
