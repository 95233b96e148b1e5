//! Sums of gradients over rows, and the best split that a histogram of them offers.
//!
//! Chen & Guestrin 2016, XGBoost, doi:10.1145/2939672.2939785, equations 5 to 7: a leaf with gradients `G` and Hessians
//! `H` answers `-G / (H + l2)` and lowers the loss by half of `G² / (H + l2)`; algorithm 3: missing values are tried on
//! both sides.

use super::bins::{CODES, MISSING};

/// A leaf whose Hessians sum to less would answer with noise; LightGBM's default.
const LEAST_HESSIAN: f64 = 1e-3;

/// Sums over some rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
    pub(super) rows: f64,
}

/// The sums of each bin of one feature.
pub(super) type Cells = [Sums; CODES];

/// What a leaf must keep to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) leaves: usize,
    pub(super) depth: usize,
    pub(super) leaf_rows: f64,
    pub(super) l2: f64,
}

/// Where a node is split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    /// The last bin that goes left.
    pub(super) bin: usize,
    pub(super) is_missing_left: bool,
    pub(super) left: Sums,
}

impl Sums {
    #[inline]
    pub(super) fn add(&mut self, other: &Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
        self.rows += other.rows;
    }

    #[inline]
    pub(super) fn minus(&self, other: &Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            rows: self.rows - other.rows,
        }
    }

    #[inline]
    fn score(&self, l2: f64) -> f64 {
        self.gradient * self.gradient / (self.hessian + l2)
    }

    /// What a leaf with these rows answers.
    pub(super) fn answer(&self, l2: f64) -> f64 {
        let curvature = self.hessian + l2;
        if curvature > 0.0 {
            -self.gradient / curvature
        } else {
            0.0
        }
    }

    #[inline]
    fn can_be_leaf(&self, limits: &Limits) -> bool {
        self.rows >= limits.leaf_rows && self.hessian >= LEAST_HESSIAN
    }
}

/// The best split of a node with these sums by one feature with `bins` bins of values, if any lowers the loss.
pub(super) fn best_split(
    cells: &Cells,
    bins: usize,
    feature: usize,
    total: &Sums,
    limits: &Limits,
) -> Option<Split> {
    let missing = cells[usize::from(MISSING)];
    let has_missing = missing.rows > 0.0;
    let before = total.score(limits.l2);
    let mut best: Option<Split> = None;
    for is_missing_left in [false, true] {
        if is_missing_left && !has_missing {
            break;
        }
        let mut left = if is_missing_left {
            missing
        } else {
            Sums::default()
        };
        // The last bin may go left too, if what is missing goes right.
        let last = bins - usize::from(is_missing_left || !has_missing);
        for (bin, cell) in cells[..last].iter().enumerate() {
            left.add(cell);
            let right = total.minus(&left);
            if right.rows < limits.leaf_rows {
                break;
            }
            // An empty bin makes the same split as the one before.
            if cell.rows > 0.0 && left.can_be_leaf(limits) && right.can_be_leaf(limits) {
                let gain = left.score(limits.l2) + right.score(limits.l2) - before;
                if gain > best.map_or(0.0, |best| best.gain) {
                    best = Some(Split {
                        gain,
                        feature,
                        bin,
                        is_missing_left: if has_missing {
                            is_missing_left
                        } else {
                            left.rows > right.rows
                        },
                        left,
                    });
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        leaves: 2,
        depth: 9,
        leaf_rows: 1.0,
        l2: 0.0,
    };

    fn cells(gradients: &[f64], missing: Option<f64>) -> (Cells, Sums) {
        let one = |gradient| Sums {
            gradient,
            hessian: 1.0,
            rows: 1.0,
        };
        let mut cells = [Sums::default(); CODES];
        for (cell, gradient) in cells.iter_mut().zip(gradients) {
            *cell = one(*gradient);
        }
        cells[255] = missing.map(one).unwrap_or_default();
        let mut total = Sums::default();
        for cell in &cells {
            total.add(cell);
        }
        (cells, total)
    }

    #[test]
    fn the_greatest_gain_is_found() {
        let (cells, total) = cells(&[-1.0, -1.0, 2.0], None);
        let split = best_split(&cells, 3, 5, &total, &LIMITS).unwrap();
        // (-2)² / 2 + 2² / 1 - 0² / 3
        assert!((split.gain - 6.0).abs() < 1e-12 && split.bin == 1 && split.feature == 5);
        assert!(split.is_missing_left, "most rows are on the left");
        let strict = Limits {
            leaf_rows: 2.0,
            ..LIMITS
        };
        assert!(best_split(&cells, 3, 5, &total, &strict).is_none());
    }

    #[test]
    fn missing_values_go_where_they_belong() {
        let (like_low, total) = cells(&[-1.0, 2.0], Some(-1.0));
        let split = best_split(&like_low, 2, 0, &total, &LIMITS).unwrap();
        assert!(split.is_missing_left && split.bin == 0);
        let (unlike_any, total) = cells(&[-1.0, -1.0], Some(2.0));
        let split = best_split(&unlike_any, 2, 0, &total, &LIMITS).unwrap();
        assert!(!split.is_missing_left && split.bin == 1);
    }

    #[test]
    fn no_gain_is_no_split() {
        let (cells, total) = cells(&[1.0, 1.0], None);
        assert!(best_split(&cells, 2, 0, &total, &LIMITS).is_none());
    }
}
