//! Features cut into at most 255 bins, so that a tree looks at one byte a value and at 255 candidates a split.
//!
//! A feature with no more than 255 different values loses nothing. One with more is cut at its quantiles, a value that
//! fills a bin alone having it to itself (Ke et al. 2017, LightGBM, <https://proceedings.neurips.cc/paper/6907>, section
//! 2.1 of its supplement); they are those of 200,000 rows if there are more. A threshold lies midway between two values,
//! as in scikit-learn.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

/// The code of a missing value.
pub(super) const MISSING: u8 = 255;
/// Codes that a value can have.
pub(super) const MOST_BINS: usize = 255;
/// Bins of a histogram: one for each code.
pub(super) const CODES: usize = 256;
/// Rows that quantiles are taken from. Their standard error in a bin's share, 1/255, is then 4 % of it.
const SAMPLE_ROWS: usize = 200_000;

/// All features of the rows to learn from.
pub(super) struct Bins {
    pub(super) features: Vec<FeatureBins>,
    pub(super) rows: usize,
}

/// One feature of them.
pub(super) struct FeatureBins {
    /// The bin of each row, [`MISSING`] for none.
    pub(super) codes: Vec<u8>,
    /// The lowest value in each bin.
    lows: Vec<f64>,
    /// The highest value in each bin.
    highs: Vec<f64>,
}

impl Bins {
    pub(super) fn new(columns: &[&[f64]], seed: u64) -> Self {
        let of_column = |column: &&[f64]| FeatureBins::new(column, seed);
        Self {
            features: columns.par_iter().map(of_column).collect(),
            rows: columns.first().map_or(0, |column| column.len()),
        }
    }
}

impl FeatureBins {
    fn new(column: &[f64], seed: u64) -> Self {
        let boundaries = match few_values(column) {
            Some(values) => values
                .windows(2)
                .map(|two| midpoint(two[0], two[1]))
                .collect(),
            None => quantiles(&sorted_sample(column, seed)),
        };
        let mut table = [f64::INFINITY; CODES];
        table[..boundaries.len()].copy_from_slice(&boundaries);
        let mut bins = Self {
            codes: Vec::with_capacity(column.len()),
            lows: vec![f64::MAX; boundaries.len() + 1],
            highs: vec![f64::MIN; boundaries.len() + 1],
        };
        for value in column {
            if value.is_nan() {
                bins.codes.push(MISSING);
                continue;
            }
            let value = finite(*value);
            let code = code_of(value, &table);
            let bin = usize::from(code);
            bins.lows[bin] = bins.lows[bin].min(value);
            bins.highs[bin] = bins.highs[bin].max(value);
            bins.codes.push(code);
        }
        bins
    }

    /// Bins of values.
    pub(super) fn len(&self) -> usize {
        self.lows.len()
    }

    /// What separates the values up to bin `left` from those of bin `right` on; of all values if there is none.
    pub(super) fn threshold(&self, left: usize, right: Option<usize>) -> f64 {
        match right {
            Some(right) => midpoint(self.highs[left], self.lows[right]),
            None => f64::MAX,
        }
    }
}

/// The number of boundaries below `value`, in eight steps without a branch.
#[inline]
fn code_of(value: f64, boundaries: &[f64; CODES]) -> u8 {
    let mut below = 0_u8;
    for step in [128, 64, 32, 16, 8, 4, 2, 1] {
        let is_below = boundaries[usize::from(below) + usize::from(step) - 1] < value;
        below += if is_below { step } else { 0 };
    }
    below
}

/// Between `low` and a higher `high`, below `high` even if they are neighbours.
fn midpoint(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}

/// A threshold must be a number that JSON and arithmetic can bear.
fn finite(value: f64) -> f64 {
    // -0 and 0 are one value.
    value.clamp(f64::MIN, f64::MAX) + 0.0
}

/// The different values in rising order, unless there are too many for a bin each.
fn few_values(column: &[f64]) -> Option<Vec<f64>> {
    let mut seen = HashSet::new();
    for value in column.iter().filter(|value| !value.is_nan()) {
        if seen.insert(finite(*value).to_bits()) && seen.len() > MOST_BINS {
            return None;
        }
    }
    let mut values: Vec<f64> = seen.into_iter().map(f64::from_bits).collect();
    values.sort_unstable_by(f64::total_cmp);
    Some(values)
}

/// Values in rising order: all of them, or one of each of 200,000 stretches of equal length.
fn sorted_sample(column: &[f64], seed: u64) -> Vec<f64> {
    let mut values: Vec<f64> = if column.len() <= SAMPLE_ROWS {
        column.to_vec()
    } else {
        let mut random = Xoshiro256Plus::seed_from_u64(seed);
        let start = |stretch: usize| stretch * column.len() / SAMPLE_ROWS;
        (0..SAMPLE_ROWS)
            .map(|stretch| column[random.gen_range(start(stretch)..start(stretch + 1))])
            .collect()
    };
    values.retain(|value| !value.is_nan());
    for value in &mut values {
        *value = finite(*value);
    }
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// At most 254 boundaries that leave between them about as many of the sorted `values` each.
fn quantiles(values: &[f64]) -> Vec<f64> {
    let mut boundaries = Vec::new();
    let (mut open_bins, mut from) = (MOST_BINS, 0);
    let mut at = 0;
    while open_bins > 1 && at < values.len() {
        let fair = (values.len() - from).div_ceil(open_bins);
        let end = end_of(values, at);
        let next_end = values.get(end).map_or(end, |_| end_of(values, end));
        if end < values.len() && (end - from >= fair || next_end - end >= fair) {
            boundaries.push(midpoint(values[at], values[end]));
            open_bins -= 1;
            from = end;
        }
        at = end;
    }
    boundaries
}

/// Where the values that equal the one at `from` end.
fn end_of(values: &[f64], from: usize) -> usize {
    let others = values[from..]
        .iter()
        .position(|value| value.total_cmp(&values[from]).is_ne());
    others.map_or(values.len(), |others| from + others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each() {
        let column = [3.0, f64::NAN, -1.0, 3.0, 7.0, -0.0, 0.0, f64::INFINITY];
        let bins = FeatureBins::new(&column, 1);
        assert_eq!(bins.codes, [2, MISSING, 0, 2, 3, 1, 1, 4]);
        assert_eq!(bins.threshold(0, Some(1)).to_bits(), (-0.5_f64).to_bits());
        // Bin 2 may be empty in a node.
        assert_eq!(bins.threshold(1, Some(3)).to_bits(), 3.5_f64.to_bits());
        assert!(bins.threshold(3, Some(4)).is_finite());
        assert_eq!(FeatureBins::new(&[f64::NAN; 3], 1).codes, [MISSING; 3]);
        let whole: Vec<f64> = (0..255).map(f64::from).collect();
        assert_eq!(
            FeatureBins::new(&whole, 1).codes,
            (0..255).collect::<Vec<u8>>()
        );
    }

    #[test]
    fn neighbours_are_kept_apart() {
        let low = 1.0_f64;
        let high = low.next_up();
        let bins = FeatureBins::new(&[low, high], 1);
        let threshold = bins.threshold(0, Some(1));
        assert!(low <= threshold && threshold < high);
        assert_eq!(bins.codes, [0, 1]);
    }

    #[test]
    fn many_values_share_bins_fairly() {
        let column: Vec<f64> = (0..30_000_u32)
            .map(|row| {
                if row % 3 == 0 {
                    0.5
                } else {
                    f64::from(row * 7919 % 30_011).sqrt()
                }
            })
            .collect();
        let bins = FeatureBins::new(&column, 1);
        assert_eq!(bins.lows.len(), MOST_BINS);
        let mut sizes = vec![0_usize; MOST_BINS];
        for (code, value) in bins.codes.iter().zip(&column) {
            sizes[usize::from(*code)] += 1;
            let bin = usize::from(*code);
            assert!(bins.lows[bin] <= *value && *value <= bins.highs[bin]);
        }
        let alone = sizes.iter().position(|size| *size == 10_000).unwrap();
        assert_eq!((bins.lows[alone], bins.highs[alone]), (0.5, 0.5));
        let others = sizes.iter().enumerate().filter(|(bin, _)| *bin > alone + 1);
        assert!(
            others
                .map(|(_, size)| *size)
                .all(|size| (60..100).contains(&size)),
            "{sizes:?}"
        );
        assert!(bins.lows.windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn a_sample_decides_for_many_rows() {
        let column: Vec<f64> = (0..500_000_u32).map(|row| f64::from(row) * 0.25).collect();
        let bins = FeatureBins::new(&column, 7);
        assert_eq!(bins.lows.len(), MOST_BINS);
        assert!(bins.codes.is_sorted());
        assert_eq!(bins.codes, FeatureBins::new(&column, 7).codes);
    }
}
