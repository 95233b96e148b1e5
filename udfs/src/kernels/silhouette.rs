//! Silhouettes (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7): how much nearer a row is to its own cluster than to
//! the next one, from -1 to 1, by Euclidean distance. Exact over the rows given, which costs n² distances; a row that is
//! alone in its cluster counts 0, as in the paper and in scikit-learn.

use rayon::prelude::*;

use super::{lloyd::squared_distances, rows::Rows};

/// Rows that a thread takes at a time.
const CHUNK_ROWS: usize = 64;

/// The silhouette of each row, none at all when fewer than two of the `k` clusters occur; `None` when `stop` says so.
#[must_use]
pub fn silhouettes(
    rows: &Rows,
    clusters: &[u32],
    k: usize,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<f64>> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); k];
    for (row, &cluster) in clusters.iter().enumerate() {
        members[cluster as usize].push(row);
    }
    if members.iter().filter(|rows| !rows.is_empty()).count() < 2 {
        return Some(Vec::new());
    }
    // A cluster's rows lie together, so that their distances add up lane by lane.
    let members: Vec<Rows> = members.iter().map(|of| rows.select(of)).collect();
    let of_chunk = |(chunk, clusters): (usize, &[u32])| {
        if stop() {
            return None;
        }
        let of_row = |(at, &own): (usize, &u32)| {
            let point = rows.row(chunk * CHUNK_ROWS + at);
            let sums: Vec<f64> = members
                .iter()
                .map(|rows| distance_sum(rows, &point))
                .collect();
            silhouette(&sums, own as usize, &members)
        };
        Some(
            clusters
                .iter()
                .enumerate()
                .map(of_row)
                .collect::<Vec<f64>>(),
        )
    };
    let chunks: Vec<Option<Vec<f64>>> = clusters
        .par_chunks(CHUNK_ROWS)
        .enumerate()
        .map(of_chunk)
        .collect();
    Some(chunks.into_iter().collect::<Option<Vec<_>>>()?.concat())
}

/// The sum of the distances of `rows` from a point.
fn distance_sum(rows: &Rows, point: &[f64]) -> f64 {
    let mut sum = 0.0;
    for chunk in rows.chunks() {
        let mut left = chunk.n_rows;
        for tile in chunk.tiles() {
            let distances = squared_distances(tile, point).map(f64::sqrt);
            let counted = &distances[..left.min(distances.len())];
            sum += counted.iter().sum::<f64>();
            left -= counted.len();
        }
    }
    sum
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn silhouette(sums: &[f64], own: usize, members: &[Rows]) -> f64 {
    if members[own].len() == 1 {
        return 0.0;
    }
    let within = sums[own] / (members[own].len() - 1) as f64;
    let nearest = (0..members.len())
        .filter(|&cluster| cluster != own && !members[cluster].is_empty())
        .map(|cluster| sums[cluster] / members[cluster].len() as f64)
        .fold(f64::INFINITY, f64::min);
    let larger = within.max(nearest);
    if larger > 0.0 {
        (nearest - within) / larger
    } else {
        0.0
    }
}

/// The mean of some numbers, and the standard error of that mean: none of fewer than two.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((mean, (squares / (n - 1.0) / n).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{kmeans::fixture::rows, rows::LANES};

    #[test]
    fn silhouettes_are_those_of_scikit_learn() {
        let cluster = |row: u32| u32::from(row >= 40) + u32::from(row == 119);
        let clusters: Vec<u32> = (0..120).map(cluster).collect();
        let widths = silhouettes(&rows(), &clusters, 3, &|| false).unwrap();
        // scikit-learn 1.9.1, silhouette_samples; row 119 is alone in its cluster.
        let expected = [
            (0, 0.005_888_612_995_446_484),
            (60, -0.003_706_688_858_705_499),
            (119, 0.0),
        ];
        for (row, expected) in expected {
            let ours = widths[row];
            assert!((ours - expected).abs() < 1e-12, "row {row}: {ours}");
        }
        let (mean, _) = mean_and_error(&widths).unwrap();
        assert!((mean + 0.118_827_585_718_605_06).abs() < 1e-12, "{mean}");
    }

    #[test]
    fn one_cluster_has_none_and_equal_rows_have_zero() {
        assert_eq!(silhouettes(&rows(), &[1; 120], 3, &|| false), Some(vec![]));
        let equal = Rows::new(&[2.0; LANES + 1], 1);
        let clusters = [0, 1, 0, 1, 0, 1, 0, 1, 0];
        assert_eq!(
            silhouettes(&equal, &clusters, 2, &|| false),
            Some(vec![0.0; 9])
        );
        assert_eq!(silhouettes(&equal, &clusters, 2, &|| true), None);
    }
}
