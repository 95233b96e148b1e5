//! Silhouettes (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7): how much nearer a row is to its own cluster than to the
//! next one, from -1 to 1, by Euclidean distance. Exact over the rows given, which costs n² distances; a row that is
//! alone in its cluster counts 0, as in the paper and in scikit-learn.

use ndarray::ArrayView2;

/// The silhouette of each row of `values` `[n_rows][n_features]`; none when fewer than two of the `k` clusters occur.
pub(super) fn silhouettes(
    values: ArrayView2<'_, f64>,
    clusters: &[usize],
    k: usize,
) -> Option<Vec<f64>> {
    let mut sizes = vec![0_u32; k];
    for &cluster in clusters {
        sizes[cluster] += 1;
    }
    if sizes.iter().filter(|&&size| size > 0).count() < 2 {
        return None;
    }
    let rows = clusters.len();
    let points: Vec<f64> = values.iter().copied().collect();
    let points: Vec<&[f64]> = points.chunks_exact(values.ncols()).collect();
    // Sum of distances from each row to each cluster; every pair is measured once.
    let mut sums = vec![0.0; rows * k];
    for a in 0..rows {
        for b in a + 1..rows {
            let squares = points[a]
                .iter()
                .zip(points[b])
                .map(|(a, b)| (a - b) * (a - b));
            let distance = squares.sum::<f64>().sqrt();
            sums[a * k + clusters[b]] += distance;
            sums[b * k + clusters[a]] += distance;
        }
    }
    let of_row = |(sums, &own): (&[f64], &usize)| silhouette(sums, own, &sizes);
    Some(sums.chunks_exact(k).zip(clusters).map(of_row).collect())
}

fn silhouette(sums: &[f64], own: usize, sizes: &[u32]) -> f64 {
    if sizes[own] == 1 {
        return 0.0;
    }
    let within = sums[own] / f64::from(sizes[own] - 1);
    let others = (0..sizes.len()).filter(|&cluster| cluster != own && sizes[cluster] > 0);
    let nearest = others
        .map(|cluster| sums[cluster] / f64::from(sizes[cluster]))
        .fold(f64::INFINITY, f64::min);
    let larger = within.max(nearest);
    if larger > 0.0 {
        (nearest - within) / larger
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{fixtures::features, scaler::Scaler};
    use super::*;

    #[test]
    fn silhouettes_are_those_of_scikit_learn() {
        let scaled = Scaler::fit(features().view()).transform(features().view());
        let cluster = |row: usize| usize::from(row >= 40) + usize::from(row == 119);
        let clusters: Vec<usize> = (0..scaled.nrows()).map(cluster).collect();
        let widths = silhouettes(scaled.view(), &clusters, 3).unwrap();
        // scikit-learn 1.9.1, silhouette_samples; row 119 is alone in its cluster.
        let expected = [
            (0, 0.005_888_612_995_446_484),
            (60, -0.003_706_688_858_705_499),
            (119, 0.0),
        ];
        for (row, expected) in expected {
            assert!(
                (widths[row] - expected).abs() < 1e-12,
                "row {row}: {}",
                widths[row]
            );
        }
        let mean = widths.iter().sum::<f64>() / 120.0;
        assert!((mean + 0.118_827_585_718_605_06).abs() < 1e-12, "{mean}");
        assert_eq!(silhouettes(scaled.view(), &[1; 120], 3), None);
    }
}
