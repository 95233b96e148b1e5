//! z-scores: each feature less its mean, divided by its standard deviation (of the population, as scikit-learn's
//! `StandardScaler` does). A constant feature keeps scale 1, so that it becomes 0 everywhere.

use ndarray::{Array2, ArrayView2, Axis};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scaler {
    /// `[n_features]`
    pub(super) means: Vec<f64>,
    /// `[n_features]`, positive
    pub(super) scales: Vec<f64>,
}

impl Scaler {
    /// Learns from `values` of shape `[n_rows][n_features]`, at least one row.
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    pub(super) fn fit(values: ArrayView2<'_, f64>) -> Self {
        let rows = values.nrows() as f64;
        let (mut means, mut scales) = (Vec::new(), Vec::new());
        for column in values.columns() {
            let mean = column.iter().sum::<f64>() / rows;
            let variance = column
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / rows;
            let deviation = variance.sqrt();
            // Rounding leaves a constant column a deviation of a few units in the last place of its mean.
            let is_constant = deviation <= 10.0 * f64::EPSILON * mean.abs();
            means.push(mean);
            scales.push(if is_constant { 1.0 } else { deviation });
        }
        Self { means, scales }
    }

    pub(super) fn transform(&self, values: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut scaled = values.to_owned();
        for (mut column, (mean, scale)) in scaled
            .axis_iter_mut(Axis(1))
            .zip(self.means.iter().zip(&self.scales))
        {
            column.mapv_inplace(|value| (value - mean) / scale);
        }
        scaled
    }
}
