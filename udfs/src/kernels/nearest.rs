//! The nearest centroid of each row, in standardised Euclidean distance.

use super::BLOCK_ROWS;
use crate::models::KMeans;

/// Rows compared side by side: eight doubles fill four of the sixteen vector registers of any x86-64.
const LANES: usize = 8;

/// Which cluster each row belongs to and how far its centroid is.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    /// Index of the nearest centroid, the lowest one on a tie; shape `[n_rows]`.
    pub cluster: Vec<i32>,
    /// Euclidean distance to it, in standard deviations of the training rows; shape `[n_rows]`.
    pub distance: Vec<f64>,
}

/// Finds the nearest centroid of each row.
///
/// Distances are sums of squared differences rather than `|c|² - 2xc`, which loses the digits of a small distance.
#[must_use]
pub fn nearest_centroids(model: &KMeans, columns: &[&[f64]]) -> Nearest {
    let rows = columns.first().map_or(0, |column| column.len());
    let mut cluster = vec![0; rows];
    let mut distance = vec![0.0; rows];
    let mut standardised = vec![[[0.0; LANES]; BLOCK_ROWS / LANES]; columns.len()];
    let blocks = cluster
        .chunks_mut(BLOCK_ROWS)
        .zip(distance.chunks_mut(BLOCK_ROWS));
    for (block, (clusters, distances)) in blocks.enumerate() {
        let from = block * BLOCK_ROWS;
        for (feature, column) in columns.iter().enumerate() {
            // Multiplying costs an eighth of dividing and at most the last bit.
            let (mean, inverse_scale) = (model.means[feature], model.scales[feature].recip());
            let targets = standardised[feature].as_flattened_mut();
            for (target, value) in targets.iter_mut().zip(&column[from..]) {
                *target = (value - mean) * inverse_scale;
            }
        }
        let lanes = clusters.chunks_mut(LANES).zip(distances.chunks_mut(LANES));
        for (at, (clusters, distances)) in lanes.enumerate() {
            let (winners, squared) = nearest_in_lanes(model, &standardised, at);
            clusters.copy_from_slice(&winners[..clusters.len()]);
            for (distance, squared) in distances.iter_mut().zip(squared) {
                *distance = squared.sqrt();
            }
        }
    }
    Nearest { cluster, distance }
}

/// The nearest centroid and the squared distance to it, of [`LANES`] rows that stay in registers.
fn nearest_in_lanes(
    model: &KMeans,
    rows: &[[[f64; LANES]; BLOCK_ROWS / LANES]],
    at: usize,
) -> ([i32; LANES], [f64; LANES]) {
    let mut winners = [0; LANES];
    let mut nearest = [f64::INFINITY; LANES];
    for (index, centroid) in (0_i32..).zip(&model.centroids) {
        let mut squared = [0.0; LANES];
        for (column, centre) in rows.iter().zip(centroid) {
            for (total, value) in squared.iter_mut().zip(&column[at]) {
                let difference = value - centre;
                *total += difference * difference;
            }
        }
        for lane in 0..LANES {
            let closer = squared[lane] < nearest[lane];
            winners[lane] = if closer { index } else { winners[lane] };
            nearest[lane] = if closer { squared[lane] } else { nearest[lane] };
        }
    }
    (winners, nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::iris;

    /// scikit-learn 1.9.1: `KMeans.predict` and the smallest of `KMeans.transform`.
    const CLUSTERS: [i32; 4] = [1, 0, 2, 0];
    const DISTANCES: [f64; 4] = [
        0.212_958_768_619_474_33,
        1.971_949_218_008_98,
        0.520_502_431_092_525_9,
        1.005_086_575_083_454_8,
    ];

    #[test]
    fn clusters_and_distances_agree_with_scikit_learn() {
        let nearest = nearest_centroids(&iris::clusters(), &iris::columns());
        assert_eq!(nearest.cluster, CLUSTERS);
        iris::assert_close(&nearest.distance, &DISTANCES);
    }

    #[test]
    fn every_row_of_several_blocks_is_assigned_alike() {
        let columns: Vec<Vec<f64>> = iris::COLUMNS
            .iter()
            .map(|column| column.repeat(150))
            .collect();
        let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let nearest = nearest_centroids(&iris::clusters(), &slices);
        assert_eq!(nearest.cluster, CLUSTERS.repeat(150));
        iris::assert_close(&nearest.distance, &DISTANCES.repeat(150));
    }

    #[test]
    fn a_tie_goes_to_the_first_centroid_and_no_rows_to_none() {
        let model = KMeans {
            means: vec![0.0],
            scales: vec![1.0],
            centroids: vec![vec![-1.0], vec![1.0], vec![1.0]],
            sizes: vec![1; 3],
        };
        assert_eq!(nearest_centroids(&model, &[&[0.0, 2.0]]).cluster, [0, 1]);
        assert!(nearest_centroids(&model, &[&[]]).cluster.is_empty());
    }
}
