//! Lloyd's algorithm (Lloyd 1982, "Least squares quantization in PCM", doi:10.1109/TIT.1982.1056489).
//!
//! A step finds each row's nearest centroid as the smallest of `|c|² / 2 - x·c`, eight rows at once, and ends when no
//! row changes its cluster, as scikit-learn's does. Sums are kept from step to step: only a row that moves is taken from
//! one and added to another; when nothing moves any more they are added up afresh, so that what is returned carries no
//! rounding of the way there.

use rayon::prelude::*;

use super::{
    CHUNK_ROWS,
    kmeans::Clustering,
    rows::{Chunk, LANES, Lane, Rows},
};

/// The cluster of a row that has none yet.
const NO_CLUSTER: u32 = u32::MAX;

/// Lloyd's steps from `centroids`, `[k][n_features]`, until no row changes its cluster; `None` when `stop` says so.
#[must_use]
pub fn settle(
    rows: &Rows,
    centroids: Vec<Vec<f64>>,
    max_iterations: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Clustering> {
    let mut steps = Steps::new(rows, centroids);
    let (mut iterations, mut is_settled) = (0, false);
    // Whether the sums come from adding each row once.
    let mut is_fresh = true;
    loop {
        if stop() {
            return None;
        }
        let moved = steps.assign();
        if moved == 0 && is_fresh {
            is_settled = iterations > 0;
        }
        if is_settled || iterations == max_iterations {
            break;
        }
        if moved == 0 {
            steps.sum_up();
        }
        is_fresh = moved == 0 || iterations == 0;
        steps.move_centroids();
        iterations += 1;
    }
    Some(Clustering {
        inertia: inertia(rows, &steps.centroids, &steps.of_row),
        centroids: steps.centroids,
        of_row: steps.of_row,
        sizes: steps.sizes.iter().map(|size| size.unsigned_abs()).collect(),
        iterations,
        is_settled,
    })
}

/// The nearest of `centroids`, `[k][n_features]`, of each row, the first of equals.
#[must_use]
pub fn nearest(rows: &Rows, centroids: &[Vec<f64>]) -> Vec<u32> {
    let mut steps = Steps::new(rows, centroids.to_vec());
    steps.assign();
    steps.of_row
}

/// What Lloyd's steps work on.
struct Steps<'a> {
    rows: &'a Rows,
    centroids: Vec<Vec<f64>>,
    of_row: Vec<u32>,
    /// Sum of each cluster's rows; shape `[k * n_features]`.
    sums: Vec<f64>,
    sizes: Vec<i64>,
}

/// What a step changes in the clusters, by the rows of a chunk.
struct Moves {
    sums: Vec<f64>,
    sizes: Vec<i64>,
    rows: usize,
}

impl<'a> Steps<'a> {
    fn new(rows: &'a Rows, centroids: Vec<Vec<f64>>) -> Self {
        let k = centroids.len();
        Self {
            rows,
            centroids,
            of_row: vec![NO_CLUSTER; rows.len()],
            sums: vec![0.0; k * rows.n_features()],
            sizes: vec![0; k],
        }
    }

    /// Deals each row to its nearest centroid; the number of rows that moved.
    fn assign(&mut self) -> usize {
        let centroids = Halved::new(&self.centroids);
        let chunks = self.rows.chunks();
        let parts: Vec<Moves> = chunks
            .into_par_iter()
            .zip(self.of_row.par_chunks_mut(CHUNK_ROWS))
            .map(|(chunk, of_row)| assign_chunk(chunk, of_row, &centroids))
            .collect();
        for part in &parts {
            self.sums
                .iter_mut()
                .zip(&part.sums)
                .for_each(|(sum, part)| *sum += part);
            self.sizes
                .iter_mut()
                .zip(&part.sizes)
                .for_each(|(size, part)| *size += part);
        }
        parts.iter().map(|part| part.rows).sum()
    }

    /// Adds up each cluster's rows afresh.
    fn sum_up(&mut self) {
        let (k, n_features) = (self.centroids.len(), self.rows.n_features());
        let chunks: Vec<Vec<f64>> = self
            .rows
            .chunks()
            .into_par_iter()
            .zip(self.of_row.par_chunks(CHUNK_ROWS))
            .map(|(chunk, of_row)| {
                let mut sums = vec![0.0; k * n_features];
                for (tile, of_row) in chunk.tiles().zip(of_row.chunks(LANES)) {
                    for (lane, &cluster) in of_row.iter().enumerate() {
                        add(&mut sums, cluster, tile, lane, 1.0);
                    }
                }
                sums
            })
            .collect();
        self.sums.fill(0.0);
        for chunk in &chunks {
            self.sums
                .iter_mut()
                .zip(chunk)
                .for_each(|(sum, part)| *sum += part);
        }
    }

    /// Each centroid becomes the mean of its rows; a cluster without rows gets the row that lies farthest from its own
    /// centroid, as in scikit-learn.
    fn move_centroids(&mut self) {
        let n_features = self.rows.n_features();
        for empty in 0..self.sizes.len() {
            if self.sizes[empty] == 0 {
                self.fill(empty);
            }
        }
        let sums = self.sums.chunks_exact(n_features.max(1));
        for ((centroid, sums), &size) in self.centroids.iter_mut().zip(sums).zip(&self.sizes) {
            if size > 0 {
                let size = as_f64(size);
                centroid
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(mean, sum)| *mean = sum / size);
            }
        }
    }

    /// Gives a cluster without rows the farthest row of all clusters that have another one.
    fn fill(&mut self, empty: usize) {
        let mut farthest: Option<(usize, f64)> = None;
        for (row, &cluster) in self.of_row.iter().enumerate() {
            let own = cluster as usize;
            if own == empty || self.sizes[own] < 2 {
                continue;
            }
            let distance: f64 = self.centroids[own]
                .iter()
                .enumerate()
                .map(|(feature, centre)| (self.rows.value(row, feature) - centre).powi(2))
                .sum();
            if distance > farthest.map_or(0.0, |(_, distance)| distance) {
                farthest = Some((row, distance));
            }
        }
        let Some((row, _)) = farthest else {
            return;
        };
        let (own, n_features) = (self.of_row[row] as usize, self.rows.n_features());
        for (feature, value) in self.rows.row(row).into_iter().enumerate() {
            self.sums[own * n_features + feature] -= value;
            self.sums[empty * n_features + feature] += value;
            // Another empty cluster is not to get the same row.
            self.centroids[empty][feature] = value;
        }
        self.sizes[own] -= 1;
        self.sizes[empty] += 1;
        self.of_row[row] = u32::try_from(empty).unwrap_or(NO_CLUSTER);
    }
}

/// Centroids with half their squared norms.
struct Halved {
    /// `[k * n_features]`
    centroids: Vec<f64>,
    /// `[k]`
    half_norms: Vec<f64>,
}

impl Halved {
    fn new(centroids: &[Vec<f64>]) -> Self {
        let norm = |centroid: &Vec<f64>| centroid.iter().map(|value| value * value).sum::<f64>();
        Self {
            half_norms: centroids
                .iter()
                .map(|centroid| norm(centroid) / 2.0)
                .collect(),
            centroids: centroids.concat(),
        }
    }

    /// The nearest centroid of each lane of a tile, as numbers that are whole: so they are as wide as what is compared.
    #[inline]
    fn nearest(&self, tile: &[Lane]) -> Lane {
        let (mut winners, mut least) = ([0.0; LANES], [f64::INFINITY; LANES]);
        let mut number = 0.0;
        let centroids = self.centroids.chunks_exact(tile.len());
        for (centroid, half_norm) in centroids.zip(&self.half_norms) {
            let mut score = [*half_norm; LANES];
            for (centre, values) in centroid.iter().zip(tile) {
                for lane in 0..LANES {
                    score[lane] -= centre * values[lane];
                }
            }
            for lane in 0..LANES {
                let is_nearer = score[lane] < least[lane];
                winners[lane] = if is_nearer { number } else { winners[lane] };
                least[lane] = if is_nearer { score[lane] } else { least[lane] };
            }
            number += 1.0;
        }
        winners
    }
}

fn assign_chunk(chunk: Chunk<'_>, of_row: &mut [u32], centroids: &Halved) -> Moves {
    let mut moves = Moves {
        sums: vec![0.0; centroids.centroids.len()],
        sizes: vec![0; centroids.half_norms.len()],
        rows: 0,
    };
    for (tile, of_row) in chunk.tiles().zip(of_row.chunks_mut(LANES)) {
        let winners = centroids.nearest(tile);
        for (lane, (cluster, winner)) in of_row.iter_mut().zip(winners).enumerate() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "counted up from 0 by 1"
            )]
            let winner = winner as u32;
            if *cluster == winner {
                continue;
            }
            if *cluster != NO_CLUSTER {
                add(&mut moves.sums, *cluster, tile, lane, -1.0);
                moves.sizes[*cluster as usize] -= 1;
            }
            add(&mut moves.sums, winner, tile, lane, 1.0);
            moves.sizes[winner as usize] += 1;
            moves.rows += 1;
            *cluster = winner;
        }
    }
    moves
}

/// Adds one row of a tile, times `sign`, to a cluster's sums.
fn add(sums: &mut [f64], cluster: u32, tile: &[Lane], lane: usize, sign: f64) {
    let first = cluster as usize * tile.len();
    for (sum, values) in sums[first..first + tile.len()].iter_mut().zip(tile) {
        *sum += sign * values[lane];
    }
}

/// The sum of squared distances to the own centroid, by differences, which lose no digits of a small one.
fn inertia(rows: &Rows, centroids: &[Vec<f64>], of_row: &[u32]) -> f64 {
    let of_chunk = |(chunk, of_row): (Chunk<'_>, &[u32])| {
        let mut sum = 0.0;
        for (tile, of_row) in chunk.tiles().zip(of_row.chunks(LANES)) {
            for (lane, &cluster) in of_row.iter().enumerate() {
                let centroid = &centroids[cluster as usize];
                let squares = tile.iter().zip(centroid);
                sum += squares
                    .map(|(values, centre)| (values[lane] - centre).powi(2))
                    .sum::<f64>();
            }
        }
        sum
    };
    let chunks: Vec<f64> = rows
        .chunks()
        .into_par_iter()
        .zip(of_row.par_chunks(CHUNK_ROWS))
        .map(of_chunk)
        .collect();
    chunks.iter().sum()
}

/// Squared distances of a tile's rows to a point.
#[inline]
pub(crate) fn squared_distances(tile: &[Lane], point: &[f64]) -> Lane {
    let mut sums = [0.0; LANES];
    for (values, centre) in tile.iter().zip(point) {
        for lane in 0..LANES {
            let difference = values[lane] - centre;
            sums[lane] += difference * difference;
        }
    }
    sums
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
