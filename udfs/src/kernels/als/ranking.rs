//! The items that a listener's factors score highest.

use std::cmp::Ordering;

use super::{Matrix, dense};

/// The score of one item for a listener's factors.
#[must_use]
pub fn score(items: &Matrix, item: usize, listener: &[f64]) -> f64 {
    dense::exact_dot(listener, items.row(item))
}

/// The score of each item for a listener's factors; shape `[n_items]`.
#[must_use]
pub fn scores(items: &Matrix, listener: &[f64]) -> Vec<f64> {
    (0..items.rows())
        .map(|item| score(items, item, listener))
        .collect()
}

/// The `k` items with the highest scores, best first, the first of equals; none of those in `left_out`, which rises.
#[must_use]
pub fn top(scores: &[f64], left_out: &[u32], k: usize) -> Vec<u32> {
    let better = |a: &u32, b: &u32| -> Ordering {
        let score = |item: u32| scores[item as usize];
        score(*b).total_cmp(&score(*a)).then(a.cmp(b))
    };
    let items = (0_u32..).take(scores.len());
    let mut kept: Vec<u32> = items
        .filter(|item| left_out.binary_search(item).is_err())
        .collect();
    if k < kept.len() {
        kept.select_nth_unstable_by(k, better);
        kept.truncate(k);
    }
    kept.sort_unstable_by(better);
    kept
}
