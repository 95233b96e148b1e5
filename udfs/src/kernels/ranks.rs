//! Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.
//!
//! Spearman, "The proof and measurement of association between two things" (1904, doi:10.2307/1412159). Ranks are doubled
//! and centred, which makes them whole numbers: the sums are exact and the order of rows changes no bit.

/// Fewer pairs say nothing: two are always in one of two orders.
pub const MINIMUM_PAIRS: usize = 3;

/// Spearman's coefficient of paired slices of equal length without NaN; none for fewer than three pairs or a constant
/// side.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() < MINIMUM_PAIRS {
        return None;
    }
    let (x, y) = (centred_ranks(x), centred_ranks(y));
    let product = |a: &[i64], b: &[i64]| -> i128 {
        a.iter()
            .zip(b)
            .map(|(a, b)| i128::from(*a) * i128::from(*b))
            .sum()
    };
    let (xx, yy) = (product(&x, &x), product(&y, &y));
    if xx == 0 || yy == 0 {
        return None;
    }
    let scale = if xx == yy {
        to_f64(xx)
    } else {
        to_f64(xx).sqrt() * to_f64(yy).sqrt()
    };
    Some((to_f64(product(&x, &y)) / scale).clamp(-1.0, 1.0))
}

/// Twice each value's distance from the middle rank, equal values at the mean of their ranks.
fn centred_ranks(values: &[f64]) -> Vec<i64> {
    // Adding zero makes one zero of both, which are tied.
    let mut order: Vec<(f64, usize)> = values.iter().map(|value| value + 0.0).zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        // Ranks before + 1 to before + tied: their doubled mean less that of 1 to n.
        let rank = to_i64(2 * before + tied.len()) - to_i64(values.len());
        for (_, row) in tied {
            ranks[*row] = rank;
        }
        before += tied.len();
    }
    ranks
}

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums of counts, of which the first 53 bits are enough for a quotient"
)]
fn to_f64(sum: i128) -> f64 {
    sum as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: f64, expected: f64) {
        assert!(
            (actual - expected).abs() < 1e-14,
            "{actual} is not {expected}"
        );
    }

    /// `scipy.stats.spearmanr` of scipy 1.17.1.
    #[test]
    fn it_agrees_with_scipy_with_and_without_ties() {
        let x: Vec<f64> = (0..50_u32).map(|i| f64::from(i * 37 % 101)).collect();
        let y: Vec<f64> = (0..50_u32)
            .map(|i| f64::from(i * 53 % 97) + f64::from(i * 37 % 101))
            .collect();
        assert_close(spearman(&x, &y).unwrap(), 0.760_864_345_738_295_3);
        let tied = |values: &[f64]| -> Vec<f64> {
            values.iter().map(|value| (value / 16.0).floor()).collect()
        };
        assert_close(
            spearman(&tied(&x), &tied(&y)).unwrap(),
            0.747_972_723_828_927_5,
        );
    }

    #[test]
    fn only_the_order_counts() {
        let x = [1.0, 2.0, 3.0, f64::INFINITY];
        assert_close(spearman(&x, &[0.1, 10.0, 1e9, 1e10]).unwrap(), 1.0);
        assert_close(spearman(&x, &[4.0, 3.0, 2.0, 1.0]).unwrap(), -1.0);
    }

    #[test]
    fn few_pairs_and_constants_have_none() {
        assert_eq!(spearman(&[], &[]), None);
        assert_eq!(spearman(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0; 3]), None);
    }
}
