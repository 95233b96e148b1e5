//! Factors in rows: 32 bits each, which is more than the data know.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use super::LANES;

/// Standard deviation of the first factors times the root of their number (Rendle et al. 2021, "Revisiting the performance
/// of iALS on item recommendation benchmarks", arXiv:2110.14037): the first scores are near 0 for any number of factors.
const FIRST_DEVIATION: f32 = 0.1;
/// Rows whose products are summed in 32 bits before they are added to a sum in 64 bits.
const GRAM_ROWS: usize = 128;

/// A matrix of factors, each row padded with zeros to a whole number of vector registers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    factors: usize,
    padded: usize,
    values: Vec<f32>,
}

impl Matrix {
    /// The rows of `values`, shape `[n_rows * factors]`.
    #[must_use]
    pub fn new(factors: usize, values: &[f32]) -> Self {
        let padded = factors.next_multiple_of(LANES);
        let rows = values.len() / factors.max(1);
        let mut matrix = Self {
            factors,
            padded,
            values: vec![0.0; rows * padded],
        };
        let rows = matrix.values.chunks_exact_mut(padded.max(1));
        for (row, values) in rows.zip(values.chunks_exact(factors.max(1))) {
            row[..factors].copy_from_slice(values);
        }
        matrix
    }

    /// Small numbers around 0; a row depends on the seed and its place alone.
    pub(super) fn random(rows: usize, factors: usize, seed: u64) -> Self {
        let padded = factors.next_multiple_of(LANES);
        let mut values = vec![0.0; rows * padded];
        // A uniform variable on -a..a has the standard deviation a / sqrt(3).
        #[expect(clippy::cast_precision_loss, reason = "at most a few thousand factors")]
        let most = FIRST_DEVIATION * (3.0 / factors as f32).sqrt();
        for (row, values) in (0_u64..).zip(values.chunks_exact_mut(padded)) {
            let mut rng = Xoshiro256Plus::seed_from_u64(seed.rotate_left(32) ^ row);
            for value in &mut values[..factors] {
                *value = rng.gen_range(-most..most);
            }
        }
        Self {
            factors,
            padded,
            values,
        }
    }

    /// Numbers in a row.
    #[must_use]
    pub fn factors(&self) -> usize {
        self.factors
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.padded.max(1)
    }

    /// One row; shape `[factors]`.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f32] {
        &self.padded_row(row)[..self.factors]
    }

    /// All rows, one after another; shape `[n_rows * factors]`.
    #[must_use]
    pub fn to_values(&self) -> Vec<f32> {
        (0..self.rows())
            .flat_map(|row| self.row(row).iter().copied())
            .collect()
    }

    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    pub(super) fn padded_row(&self, row: usize) -> &[f32] {
        &self.values[row * self.padded..][..self.padded]
    }

    pub(super) fn padded_values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// `Y'Y + l2 I` in 32 bits; shape `[padded * padded]`, 0 wherever there is padding.
    pub(super) fn gram(&self, l2: f32) -> Vec<f32> {
        let mut gram = self.exact_gram();
        for factor in 0..self.factors {
            gram[factor * self.padded + factor] += f64::from(l2);
        }
        #[expect(clippy::cast_possible_truncation, reason = "factors have 32 bits")]
        gram.iter().map(|&value| value as f32).collect()
    }

    /// `Y'Y`; shape `[padded * padded]`.
    pub(super) fn exact_gram(&self) -> Vec<f64> {
        let n = self.padded;
        let blocks = self.values.par_chunks((GRAM_ROWS * n).max(1));
        let sums: Vec<Vec<f32>> = blocks.map(|rows| gram_of(rows, n)).collect();
        let mut gram = vec![0.0; n * n];
        for sum in sums {
            for (total, value) in gram.iter_mut().zip(sum) {
                *total += f64::from(value);
            }
        }
        gram
    }
}

fn gram_of(rows: &[f32], n: usize) -> Vec<f32> {
    let mut gram = vec![0.0; n * n];
    for row in rows.chunks_exact(n) {
        for (sums, &factor) in gram.chunks_exact_mut(n).zip(row) {
            super::scaled_add(factor, row, sums);
        }
    }
    gram
}
