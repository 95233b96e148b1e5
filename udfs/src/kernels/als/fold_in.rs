//! A listener from plays that the model was not trained on: the same equation as in training, for one row, solved exactly.
//!
//! With `A = Y'Y + l2 I + sum w y y'` over the listener's own items (Hu, Koren and Volinsky 2008, equation 4) the factors
//! are `x = A⁻¹ sum (1 + w) y`, and the score of an item `z` is a sum over those items: `z'A⁻¹y (1 + w)` each, which says
//! what of a score is owed to what was played (their equation 7).

use super::{Matrix, dense};

/// The equation of one listener, ready to be solved: the Cholesky factor of `A`.
#[derive(Clone, Debug)]
pub struct FoldIn<'a> {
    items: &'a Matrix,
    /// Items of the listener and their weights.
    own: &'a [(u32, f64)],
    /// Lower triangle of the Cholesky factor, row by row; shape `[factors * factors]`.
    lower: Vec<f64>,
}

impl<'a> FoldIn<'a> {
    /// The equation of a listener of the items `own`, each with its weight of 0 or more, among `items`, whose
    /// [`gram`](Self::gram) was made with `l2`; `None` where rounding leaves no solution.
    #[must_use]
    pub fn new(items: &'a Matrix, gram: &[f64], own: &'a [(u32, f64)]) -> Option<Self> {
        let n = items.factors();
        let mut lower = gram.to_vec();
        for &(item, weight) in own {
            let row = items.row(item as usize);
            for (at, &factor) in row.iter().enumerate() {
                let scaled = weight * f64::from(factor);
                for (sum, &other) in lower[at * n..=at * n + at].iter_mut().zip(row) {
                    *sum += scaled * f64::from(other);
                }
            }
        }
        decompose(&mut lower, n)?;
        Some(Self { items, own, lower })
    }

    /// `Y'Y + l2 I`, shape `[factors * factors]`: the part of the equation that is the same for every listener.
    #[must_use]
    pub fn gram(items: &Matrix, l2: f64) -> Vec<f64> {
        let (n, padded) = (items.factors(), items.padded());
        let gram = items.exact_gram();
        let mut gram: Vec<f64> = (0..n)
            .flat_map(|row| gram[row * padded..][..n].to_vec())
            .collect();
        (0..n).for_each(|at| gram[at * n + at] += l2);
        gram
    }

    /// The listener's factors; shape `[factors]`.
    #[must_use]
    pub fn factors(&self) -> Vec<f64> {
        let mut right = vec![0.0; self.items.factors()];
        for &(item, weight) in self.own {
            for (sum, &factor) in right.iter_mut().zip(self.items.row(item as usize)) {
                *sum += (1.0 + weight) * f64::from(factor);
            }
        }
        self.solve(&mut right);
        right
    }

    /// What each of the listener's items, in their order, adds to the score of `item`; they sum up to it.
    #[must_use]
    pub fn contributions(&self, item: usize) -> Vec<f64> {
        let mut solved: Vec<f64> = self
            .items
            .row(item)
            .iter()
            .map(|&factor| factor.into())
            .collect();
        self.solve(&mut solved);
        let own = self.own.iter();
        own.map(|&(item, weight)| {
            (1.0 + weight) * dense::exact_dot(&solved, self.items.row(item as usize))
        })
        .collect()
    }

    /// Solves `A x = right` in place.
    fn solve(&self, right: &mut [f64]) {
        let n = right.len();
        let row = |at: usize| &self.lower[at * n..][..=at];
        for at in 0..n {
            let known: f64 = row(at)[..at].iter().zip(&*right).map(|(a, b)| a * b).sum();
            right[at] = (right[at] - known) / row(at)[at];
        }
        for at in (0..n).rev() {
            right[at] /= row(at)[at];
            let solved = right[at];
            for (value, factor) in right[..at].iter_mut().zip(row(at)) {
                *value -= factor * solved;
            }
        }
    }
}

/// Cholesky's decomposition of the lower triangle in place; `None` if it is not positive definite.
fn decompose(matrix: &mut [f64], n: usize) -> Option<()> {
    for row in 0..n {
        let (above, from) = matrix.split_at_mut(row * n);
        let own = &mut from[..=row];
        for column in 0..row {
            let other = &above[column * n..][..=column];
            let known: f64 = own[..column].iter().zip(other).map(|(a, b)| a * b).sum();
            own[column] = (own[column] - known) / other[column];
        }
        let known: f64 = own[..row].iter().map(|value| value * value).sum();
        let pivot = own[row] - known;
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        own[row] = pivot.sqrt();
    }
    Some(())
}
