//! The mathematics behind the functions: slices in, numbers out, no Arrow and no SQL.
//!
//! Features come as columns (`columns[feature][row]`, shape `[n_features][n_rows]`) in the model's training order.
//! Callers have checked the shapes (see [`Model::validate`](crate::Model::validate)) and passed finite values.

pub mod als;
mod cholesky;
pub mod kmeans;
pub mod kmeans_choice;
mod kmeans_starts;
pub mod lloyd;
pub mod logistic;
pub mod logistic_fit;
mod logistic_hessian;
mod logistic_sums;
pub mod moments;
pub mod nearest;
pub mod normal;
pub mod p_value;
pub mod rand_index;
pub mod ranks;
pub mod roc;
pub mod rows;
pub mod scaler;
pub mod shapley;
pub mod silhouette;
pub mod sliding;
pub mod tree_game;
pub mod tree_shap;
pub mod trees;

/// Rows worked on together: a block of a dozen features in f64 fits the first-level cache (256 × 12 × 8 B = 24 KiB).
pub(crate) const BLOCK_ROWS: usize = 256;

/// Rows that a thread takes at a time. Sums are made for each chunk and combined in order, so that they do not depend
/// on the number of threads.
pub(crate) const CHUNK_ROWS: usize = 4096;

/// Models fitted to Fisher's iris by scikit-learn 1.9.1 (`StandardScaler` and default `LogisticRegression`, `KMeans(3)`),
/// their parameters rounded to six digits and set back before its predictions were taken.
#[cfg(test)]
pub(crate) mod iris {
    use crate::models::{KMeans, Logistic};

    /// Rows 0, 60, 77 and 149 as columns; shape `[4][4]`.
    pub(crate) const COLUMNS: [[f64; 4]; 4] = [
        [5.1, 5.0, 6.7, 5.9],
        [3.5, 2.0, 3.0, 3.0],
        [1.4, 3.5, 5.0, 5.1],
        [0.2, 1.0, 1.7, 1.8],
    ];

    const MEANS: [f64; 4] = [5.843_333, 3.057_333, 3.758, 1.199_333];
    const SCALES: [f64; 4] = [0.825_301, 0.434_411, 1.759_404, 0.759_693];

    pub(crate) fn columns() -> Vec<&'static [f64]> {
        COLUMNS.iter().map(<[f64; 4]>::as_slice).collect()
    }

    pub(crate) fn row(at: usize) -> Vec<f64> {
        COLUMNS.iter().map(|column| column[at]).collect()
    }

    pub(crate) fn multinomial() -> Logistic {
        Logistic {
            classes: ["setosa", "versicolor", "virginica"]
                .map(str::to_owned)
                .to_vec(),
            means: MEANS.to_vec(),
            scales: SCALES.to_vec(),
            weights: vec![
                vec![-1.076_592, 1.159_776, -1.928_141, -1.812_273],
                vec![0.589_924, -0.362_636, -0.364_613, -0.827_002],
                vec![0.486_668, -0.797_141, 2.292_755, 2.639_275],
            ],
            intercepts: vec![-0.204_639, 2.074_558, -1.869_919],
            std_errors: Vec::new(),
        }
    }

    /// Virginica against the rest.
    pub(crate) fn binary() -> Logistic {
        Logistic {
            classes: ["other", "virginica"].map(str::to_owned).to_vec(),
            means: MEANS.to_vec(),
            scales: SCALES.to_vec(),
            weights: vec![vec![0.140_174, -0.514_64, 2.480_683, 3.140_668]],
            intercepts: vec![-3.801_861],
            std_errors: Vec::new(),
        }
    }

    pub(crate) fn clusters() -> KMeans {
        KMeans {
            means: MEANS.to_vec(),
            scales: SCALES.to_vec(),
            centroids: vec![
                vec![-0.050_22, -0.883_376, 0.347_738, 0.281_528],
                vec![-1.014_579, 0.853_263, -1.304_987, -1.254_892],
                vec![1.135_971, 0.088_422, 0.996_155, 1.017_526],
            ],
            sizes: vec![53, 50, 47],
        }
    }

    pub(crate) fn assert_close(actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len());
        for (actual, expected) in actual.iter().zip(expected) {
            assert!(
                (actual - expected).abs() < 1e-12,
                "{actual} is not {expected}"
            );
        }
    }
}
