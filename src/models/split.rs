//! Which rows are held out. Groups (artists) are dealt by a seeded hash of their name: the same on every platform, and
//! a group stays in its part when others come or go. Rows without a group are dealt by their features, so that equal
//! rows are never on both sides. In time, rows of one instant are never on both sides either.

use ndarray::ArrayView1;

use super::{
    dataset::{Codes, Dataset},
    options::{Labelled, SplitKind},
};

/// Folds of `split = 'folds'`.
const FOLDS: u64 = 5;
/// Shares of `split = 'artist'` and `'time'`: train up to the first, validation up to the second, test the rest.
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

/// The part of each row, as the options ask for; what is in none is told.
pub(super) fn parts(
    dataset: &Dataset,
    groups: &Groups,
    options: &Labelled,
    warnings: &mut Vec<String>,
) -> Vec<Option<Part>> {
    let (SplitKind::Time, Some(times)) = (options.split, &dataset.time) else {
        return groups.parts().into_iter().map(Some).collect();
    };
    let gap_days = options.gap_days.unwrap_or_default();
    let parts = by_time(times, microseconds(gap_days));
    let left_out = parts.iter().filter(|part| part.is_none()).count();
    if left_out > 0 {
        warnings.push(format!(
            "left {left_out} rows out of the evaluation, those in the {gap_days} days before each cut in time"
        ));
    }
    parts
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a gap beyond the range of times is cut at its end, as every row is in it"
)]
fn microseconds(days: f64) -> i64 {
    (days * 86_400e6) as i64
}

/// The part of each row by when it happened: up to the first cut, up to the second, from there on. Rows in the `gap`
/// (microseconds) before a cut are in no part: what they lead to may lie beyond it.
fn by_time(times: &[i64], gap: i64) -> Vec<Option<Part>> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let cut = |share: f64| sorted.get(index(share, sorted.len())).copied();
    let (Some(first), Some(second)) = (cut(TRAIN_UNTIL), cut(VALIDATION_UNTIL)) else {
        return Vec::new();
    };
    let part = |&time: &i64| match time {
        _ if time >= second => Some(Part::Test),
        _ if time >= first => (time < second.saturating_sub(gap)).then_some(Part::Validation),
        _ => (time < first.saturating_sub(gap)).then_some(Part::Train),
    };
    times.iter().map(part).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of fewer than 2^53 rows"
)]
fn index(share: f64, rows: usize) -> usize {
    (share * rows as f64) as usize
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
    fn time_is_cut_where_no_instant_is_split_and_a_gap_is_in_no_part() {
        let size = |parts: &[Option<Part>], part| parts.iter().filter(|&&of| of == part).count();
        let sizes = |parts: Vec<Option<Part>>| {
            [
                Some(Part::Train),
                Some(Part::Validation),
                Some(Part::Test),
                None,
            ]
            .map(|part| size(&parts, part))
        };
        let one_each: Vec<i64> = (0..100).map(|row| row * 37 % 100).collect();
        let parts = by_time(&one_each, 0);
        let latest = |part| {
            (0..100)
                .filter(|&row| parts[row] == Some(part))
                .map(|row| one_each[row])
                .max()
        };
        assert_eq!(latest(Part::Train), Some(69));
        assert_eq!(latest(Part::Validation), Some(84));
        assert_eq!(sizes(parts), [70, 15, 15, 0]);
        assert_eq!(sizes(by_time(&one_each, 5)), [65, 10, 15, 10]);
        let ten_each: Vec<i64> = (0..100).map(|row| row % 10).collect();
        assert_eq!(sizes(by_time(&ten_each, 0)), [70, 10, 20, 0]);
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
