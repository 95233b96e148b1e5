//! The area under the ROC curve with its standard error, by sorting once.
//!
//! The area is the probability that a positive row has a higher score than a negative one, ties counting half (Mann &
//! Whitney, "On a test of whether one of two random variables is stochastically larger than the other", 1947,
//! doi:10.1214/aoms/1177730491). Its variance is that of the structural components: `DeLong`, `DeLong` & Clarke-Pearson,
//! "Comparing the areas under two or more correlated receiver operating characteristic curves" (1988,
//! doi:10.2307/2531595), eq. 3 to 5, found from ranks as in Sun & Xu, "Fast implementation of `DeLong`'s algorithm" (2014,
//! doi:10.1109/LSP.2014.2337313). Components are counted in halves as whole numbers, so the order of rows changes no bit.

/// The area under the ROC curve and what its variance is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// Probability that a positive row is ranked above a negative one, 0..1.
    pub area: f64,
    /// Positive rows.
    pub positives: u64,
    /// Negative rows.
    pub negatives: u64,
    /// `DeLong`'s standard error; none with fewer than two positive or two negative rows.
    pub std_error: Option<f64>,
}

/// The area for rows of (is positive, score), in any order; none without a positive or without a negative row. Scores
/// are no NaN. The rows are sorted on the way.
#[must_use]
pub fn area(rows: &mut [(f64, bool)]) -> Option<Area> {
    rows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = rows.iter().filter(|row| row.1).count() as u128;
    let negatives = rows.len() as u128 - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (mut above, mut below) = (Components::default(), Components::default());
    let (mut positives_before, mut negatives_before) = (0, 0);
    for tied in rows.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let tied_positives = tied.iter().filter(|row| row.1).count() as u128;
        let tied_negatives = tied.len() as u128 - tied_positives;
        // Twice the negatives that a positive here is above, and twice the positives that are above a negative here.
        above.add(2 * negatives_before + tied_negatives, tied_positives);
        let positives_after = positives - positives_before - tied_positives;
        below.add(2 * positives_after + tied_positives, tied_negatives);
        positives_before += tied_positives;
        negatives_before += tied_negatives;
    }
    let pairs = 2.0 * to_f64(positives) * to_f64(negatives);
    let variance = above
        .variance_of_mean(positives, negatives)
        .zip(below.variance_of_mean(negatives, positives))
        .map(|(positive, negative)| positive + negative);
    Some(Area {
        area: to_f64(above.sum) / pairs,
        positives: u64::try_from(positives).unwrap_or(u64::MAX),
        negatives: u64::try_from(negatives).unwrap_or(u64::MAX),
        std_error: variance.map(f64::sqrt),
    })
}

/// Sums of doubled structural components and of their squares.
#[derive(Default)]
struct Components {
    sum: u128,
    squares: u128,
}

impl Components {
    fn add(&mut self, component: u128, times: u128) {
        self.sum += component * times;
        self.squares += component * component * times;
    }

    /// The variance of the mean of `count` components, each a share of `others`; none of fewer than two.
    fn variance_of_mean(&self, count: u128, others: u128) -> Option<f64> {
        if count < 2 {
            return None;
        }
        let spread = count * self.squares - self.sum * self.sum;
        let (n, unit) = (to_f64(count), 2.0 * to_f64(others));
        Some(to_f64(spread) / (n * n * (n - 1.0)) / (unit * unit))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sums of counts, of which the first 53 bits are enough for a quotient"
)]
fn to_f64(count: u128) -> f64 {
    count as f64
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

    fn rows(count: u32) -> Vec<(f64, bool)> {
        (0..count)
            .map(|i| {
                let score = f64::from(i * 37 % 101 / 4) / 25.0;
                (score, i * 53 % 97 < 30 + i * 37 % 101 / 3)
            })
            .collect()
    }

    /// `roc_auc_score` of scikit-learn 1.9.1; the standard error by `DeLong`'s components written out in numpy: for each
    /// pair 1, 1/2 or 0, `var(rows, ddof=1) / n_pos + var(columns, ddof=1) / n_neg`.
    #[test]
    fn it_agrees_with_scikit_learn_and_with_the_matrix_of_pairs() {
        let area = area(&mut rows(97)).unwrap();
        assert_close(area.area, 0.612_978_723_404_255_2);
        assert_close(area.std_error.unwrap(), 0.057_928_776_288_923_026);
    }

    #[test]
    fn the_order_of_rows_changes_no_bit() {
        let mut forwards = rows(89);
        let mut backwards: Vec<_> = rows(89).into_iter().rev().collect();
        assert_eq!(area(&mut forwards), area(&mut backwards));
    }

    #[test]
    fn a_perfect_and_a_tied_ranking() {
        let perfect = area(&mut [(0.1, false), (0.2, false), (0.8, true), (0.9, true)]).unwrap();
        assert_close(perfect.area, 1.0);
        assert_close(perfect.std_error.unwrap(), 0.0);
        let tied = area(&mut [(0.5, false), (0.5, true), (0.5, true)]).unwrap();
        assert_close(tied.area, 0.5);
        assert_eq!(
            (tied.positives, tied.negatives, tied.std_error),
            (2, 1, None)
        );
    }

    #[test]
    fn one_class_has_no_area() {
        assert_eq!(area(&mut []), None);
        assert_eq!(area(&mut [(0.1, true), (0.7, true)]), None);
        assert_eq!(area(&mut [(0.1, false)]), None);
    }
}
