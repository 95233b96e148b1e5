//! The splits that one feature offers a node of a forest.
//!
//! Only bins that the node has rows in are looked at, so that a small node costs little. Missing values are tried on
//! both sides (Chen & Guestrin 2016, XGBoost, doi:10.1145/2939672.2939785, algorithm 3), and alone against all others.
//! Where a node has none, those of later rows go with the greater part of its rows, as in scikit-learn.

use super::{
    bins::{CODES, MISSING},
    impurity::Impurity,
};

/// Sums of the rows in each bin of a feature.
pub(super) struct Candidates<const W: usize> {
    sums: Vec<[f64; W]>,
    is_used: [bool; CODES],
    /// The bins with rows in rising order, without that of missing values.
    used: Vec<usize>,
    has_missing: bool,
}

/// Where a node is split.
pub(super) struct Split {
    pub(super) feature: usize,
    /// The last bin that goes left.
    pub(super) bin: usize,
    /// The first of the node's bins that goes right; none if only missing values do.
    pub(super) next: Option<usize>,
    pub(super) is_missing_left: bool,
    score: f64,
}

impl<const W: usize> Candidates<W> {
    pub(super) fn new() -> Self {
        Self {
            sums: vec![[0.0; W]; CODES],
            is_used: [false; CODES],
            used: Vec::with_capacity(CODES),
            has_missing: false,
        }
    }

    /// Sums up a node's rows by their codes; whether there is anything to split.
    pub(super) fn fill<I: Impurity<W>>(&mut self, rows: &[I::Row], codes: &[u8]) -> bool {
        self.clear();
        let Some(sums) = self.sums.first_chunk_mut::<CODES>() else {
            return false;
        };
        for row in rows {
            let code = usize::from(codes[I::index(row)]);
            I::add(&mut sums[code], row);
            self.is_used[code] = true;
        }
        for (eight, first) in self.is_used.chunks_exact(8).zip((0..).step_by(8)) {
            if eight.contains(&true) {
                let used = eight.iter().zip(first..).filter(|(is_used, _)| **is_used);
                self.used.extend(used.map(|(_, bin)| bin));
            }
        }
        self.has_missing = self.is_used[usize::from(MISSING)];
        if self.has_missing {
            self.used.pop();
        }
        self.used.len() + usize::from(self.has_missing) > 1
    }

    fn clear(&mut self) {
        for bin in self.used.drain(..) {
            self.sums[bin] = [0.0; W];
            self.is_used[bin] = false;
        }
        self.sums[usize::from(MISSING)] = [0.0; W];
        self.is_used[usize::from(MISSING)] = false;
    }

    /// Puts the best split of this feature in the place of `best` if it scores higher. `total` is the sum of the node.
    pub(super) fn improve<I: Impurity<W>>(
        &self,
        impurity: &I,
        feature: usize,
        total: &[f64; W],
        least_cover: f64,
        best: &mut Option<Split>,
    ) {
        let missing = self.sums[usize::from(MISSING)];
        let starts: &[_] = if self.has_missing {
            &[(false, [0.0; W]), (true, missing)]
        } else {
            &[(false, [0.0; W])]
        };
        for (is_missing_left, start) in starts {
            let mut left = *start;
            for (at, bin) in self.used.iter().enumerate() {
                let next = self.used.get(at + 1).copied();
                if next.is_none() && (*is_missing_left || !self.has_missing) {
                    break;
                }
                add(&mut left, &self.sums[*bin]);
                let right = minus(total, &left);
                let (left_cover, right_cover) = (I::cover(&left), I::cover(&right));
                if left_cover < least_cover || right_cover < least_cover {
                    continue;
                }
                let score = impurity.score(&left) + impurity.score(&right);
                if best.as_ref().is_none_or(|best| score > best.score) {
                    *best = Some(Split {
                        feature,
                        bin: *bin,
                        next,
                        is_missing_left: if self.has_missing {
                            *is_missing_left
                        } else {
                            left_cover > right_cover
                        },
                        score,
                    });
                }
            }
        }
    }
}

fn add<const W: usize>(sums: &mut [f64; W], more: &[f64; W]) {
    sums.iter_mut()
        .zip(more)
        .for_each(|(sum, more)| *sum += more);
}

fn minus<const W: usize>(total: &[f64; W], part: &[f64; W]) -> [f64; W] {
    let mut rest = *total;
    rest.iter_mut()
        .zip(part)
        .for_each(|(rest, part)| *rest -= part);
    rest
}
