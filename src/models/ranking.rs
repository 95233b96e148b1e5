//! The area under the ROC curve as the Mann-Whitney statistic, over rows sorted once: relabelling or reweighting them is
//! then a single pass.

/// Rows by rising score.
pub(super) struct Ranking(Vec<Ranked>);

struct Ranked {
    row: u32,
    is_positive: bool,
    /// Whether the next row has a higher score.
    ends_tie: bool,
}

impl Ranking {
    /// Ranks rows by `scores`; none is positive yet.
    pub(super) fn of(scores: &[f64]) -> Self {
        let mut order: Vec<u32> = (0_u32..).take(scores.len()).collect();
        let score = |row: u32| scores[row as usize];
        order.sort_unstable_by(|&a, &b| score(a).total_cmp(&score(b)).then(a.cmp(&b)));
        let ranked = |(at, &row): (usize, &u32)| {
            let ends_tie = order
                .get(at + 1)
                .is_none_or(|&next| score(next) > score(row));
            Ranked {
                row,
                is_positive: false,
                ends_tie,
            }
        };
        Self(order.iter().enumerate().map(ranked).collect())
    }

    /// The same ranking with these rows as the positive ones.
    pub(super) fn with_positives(mut self, is_positive: impl Fn(usize) -> bool) -> Self {
        self.0
            .iter_mut()
            .for_each(|ranked| ranked.is_positive = is_positive(ranked.row as usize));
        self
    }

    /// The share of pairs of a positive and a negative row, weighted by `weights`, in which the positive one is ranked
    /// higher, ties counting half; NaN when there is no pair.
    pub(super) fn area(&self, weights: &[f64]) -> f64 {
        let (mut negatives, mut positives, mut wins) = (0.0, 0.0, 0.0);
        let (mut tied_negatives, mut tied_positives) = (0.0, 0.0);
        for ranked in &self.0 {
            let weight = weights[ranked.row as usize];
            if ranked.is_positive {
                tied_positives += weight;
            } else {
                tied_negatives += weight;
            }
            if ranked.ends_tie {
                wins += tied_positives * (negatives + tied_negatives / 2.0);
                positives += tied_positives;
                negatives += tied_negatives;
                (tied_negatives, tied_positives) = (0.0, 0.0);
            }
        }
        wins / (positives * negatives)
    }
}
