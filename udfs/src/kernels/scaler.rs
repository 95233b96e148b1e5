//! z-scores: each feature less its mean, divided by its standard deviation (of the population, as scikit-learn's
//! `StandardScaler` does). A constant feature keeps scale 1, so that it becomes 0 everywhere.

use rayon::prelude::*;

use super::CHUNK_ROWS;

/// What makes z-scores of raw features.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaler {
    /// Mean of each feature; shape `[n_features]`.
    pub means: Vec<f64>,
    /// What each centred feature is divided by, positive; shape `[n_features]`.
    pub scales: Vec<f64>,
}

impl Scaler {
    /// Learns from `values` of shape `[n_rows][n_features]`, at least one row.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub fn fit(values: &[f64], n_features: usize) -> Self {
        let rows = (values.len() / n_features.max(1)) as f64;
        let means = column_sums(values, n_features, |_, value| value)
            .into_iter()
            .map(|sum| sum / rows)
            .collect::<Vec<_>>();
        let squares = column_sums(values, n_features, |feature, value| {
            (value - means[feature]).powi(2)
        });
        let scale = |(sum, mean): (f64, &f64)| {
            let deviation = (sum / rows).sqrt();
            // Rounding leaves a constant column a deviation of a few units in the last place of its mean.
            let is_constant = deviation <= 10.0 * f64::EPSILON * mean.abs();
            if is_constant { 1.0 } else { deviation }
        };
        let scales = squares.into_iter().zip(&means).map(scale).collect();
        Self { means, scales }
    }
}

/// The sum of `of(feature, value)` over the rows, for each feature.
fn column_sums(
    values: &[f64],
    n_features: usize,
    of: impl Fn(usize, f64) -> f64 + Sync,
) -> Vec<f64> {
    let sums_of_chunk = |chunk: &[f64]| {
        let mut sums = vec![0.0; n_features];
        for row in chunk.chunks_exact(n_features) {
            for (feature, (sum, value)) in sums.iter_mut().zip(row).enumerate() {
                *sum += of(feature, *value);
            }
        }
        sums
    };
    let chunks: Vec<Vec<f64>> = values
        .par_chunks(CHUNK_ROWS * n_features)
        .map(sums_of_chunk)
        .collect();
    let mut sums = vec![0.0; n_features];
    for chunk in &chunks {
        sums.iter_mut()
            .zip(chunk)
            .for_each(|(sum, part)| *sum += part);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations_are_those_of_the_population() {
        let scaler = Scaler::fit(&[1.0, 0.1, 2.0, 0.1, 6.0, 0.1], 2);
        assert!((scaler.means[0] - 3.0).abs() < 1e-15);
        assert!((scaler.scales[0] - (14.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert!((scaler.scales[1] - 1.0).abs() < 1e-15, "a constant feature");
    }
}
