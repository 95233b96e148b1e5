//! k-means by Lloyd's algorithm (Lloyd 1982, "Least squares quantization in PCM", doi:10.1109/TIT.1982.1056489), from
//! several starts, the best of which is kept.
//!
//! A step finds each row's nearest centroid as the smallest of `|c|² / 2 - x·c`, eight rows at once, and ends when no
//! row changes its cluster, as scikit-learn's does. Sums are kept from step to step: only a row that moves is taken from
//! one and added to another; when nothing moves any more they are added up afresh, so that what is returned carries no
//! rounding of the way there. Of many rows the starts see a sample, and only the best one is finished on all of them
//! (Bradley and Fayyad 1998, "Refining initial points for k-means clustering").

use rand::{SeedableRng, seq::index};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use super::{
    CHUNK_ROWS,
    kmeans_starts::{over_sampled, plus_plus},
    rows::{Chunk, LANES, Lane, Rows},
};

/// The cluster of a row that has none yet.
const NO_CLUSTER: u32 = u32::MAX;
/// Starts see so many rows: what they find does not change with more.
pub const START_ROWS: usize = 10_000;

/// How rows are to be clustered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Number of clusters, at least 1 and at most the number of different rows.
    pub k: usize,
    /// Independent starts.
    pub n_runs: u64,
    /// Most steps of one start.
    pub max_iterations: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where a run starts.
    pub start: Start,
}

/// How the centroids of a start are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// k-means++, on a sample where rows are many.
    PlusPlus,
    /// k-means||, on all rows.
    OverSampled,
}

/// Rows dealt to clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Clustering {
    /// Cluster centres; shape `[k][n_features]`.
    pub centroids: Vec<Vec<f64>>,
    /// Cluster of each row; shape `[n_rows]`.
    pub of_row: Vec<u32>,
    /// Rows of each cluster; shape `[k]`.
    pub sizes: Vec<u64>,
    /// Sum of squared distances to the own centroid.
    pub inertia: f64,
    /// Steps that were taken.
    pub iterations: u64,
    /// Whether another step would change nothing.
    pub is_settled: bool,
}

/// Clusters `rows`, at least one; the largest cluster comes first, of equal ones that with the smaller coordinates.
/// `None` when `stop` says so.
#[must_use]
pub fn cluster(
    rows: &Rows,
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Clustering> {
    if settings.start == Start::PlusPlus && rows.len() > START_ROWS {
        let sample = rows.select(&sample(rows.len(), START_ROWS, settings.seed));
        let best = best_run(&sample, settings, stop)?;
        let finished = settle(rows, best.centroids, settings.max_iterations, stop)?;
        // A sample can miss what is rare, and then leaves a cluster without rows.
        if finished.sizes.iter().all(|size| *size > 0) {
            return Some(finished.ordered());
        }
        let start = Start::OverSampled;
        return Some(best_run(rows, &Settings { start, ..*settings }, stop)?.ordered());
    }
    Some(best_run(rows, settings, stop)?.ordered())
}

/// At most `most` of `0..rows`, in rising order.
#[must_use]
pub fn sample(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    let mut sampled = index::sample(&mut rng, rows, most).into_vec();
    sampled.sort_unstable();
    sampled
}

/// The run with the smallest inertia, the first of equals.
fn best_run(
    rows: &Rows,
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Clustering> {
    let run = |run: u64| {
        let seed = settings.seed.wrapping_add(run);
        let centroids = match settings.start {
            Start::PlusPlus => plus_plus(rows, None, settings.k, seed, stop)?,
            Start::OverSampled => over_sampled(rows, settings.k, seed, stop)?,
        };
        settle(rows, centroids, settings.max_iterations, stop)
    };
    let runs: Vec<Option<Clustering>> = (0..settings.n_runs.max(1))
        .into_par_iter()
        .map(run)
        .collect();
    let runs: Vec<Clustering> = runs.into_iter().collect::<Option<_>>()?;
    runs.into_iter().reduce(|best, next| {
        if next.inertia < best.inertia {
            next
        } else {
            best
        }
    })
}

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

impl Clustering {
    /// The same clusters numbered by falling size, then by coordinates.
    #[must_use]
    pub fn ordered(self) -> Self {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        let coordinates = |a: usize, b: usize| {
            let pairs = self.centroids[a].iter().zip(&self.centroids[b]);
            let mut differing = pairs.map(|(a, b)| a.total_cmp(b));
            differing.find(|order| order.is_ne())
        };
        order.sort_by(|&a, &b| {
            let by_size = self.sizes[b].cmp(&self.sizes[a]);
            by_size.then(coordinates(a, b).unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut new_number = vec![0; order.len()];
        for (number, &old) in (0_u32..).zip(&order) {
            new_number[old] = number;
        }
        let of_row = self.of_row.iter().map(|&old| new_number[old as usize]);
        Self {
            centroids: order
                .iter()
                .map(|&old| self.centroids[old].clone())
                .collect(),
            of_row: of_row.collect(),
            sizes: order.iter().map(|&old| self.sizes[old]).collect(),
            ..self
        }
    }
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

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::kernels::scaler::Scaler;

    /// z-scores of 120 rows that any language makes alike: `[(i * 37 % 101) / 10, (i * 53 % 97) / 7, (i * 29 % 89) / 3 - 10]`.
    pub(crate) fn rows() -> Rows {
        let row = |i: u32| {
            let first = f64::from(i * 37 % 101) / 10.0;
            [
                first,
                f64::from(i * 53 % 97) / 7.0,
                f64::from(i * 29 % 89) / 3.0 - 10.0,
            ]
        };
        let values: Vec<f64> = (0..120).flat_map(row).collect();
        Rows::scaled(&values, &Scaler::fit(&values, 3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn() -> bool = || false;

    fn settings(k: usize) -> Settings {
        Settings {
            k,
            n_runs: 10,
            max_iterations: 300,
            seed: 42,
            start: Start::PlusPlus,
        }
    }

    #[test]
    fn the_best_run_has_the_inertia_that_scikit_learn_finds() {
        let many = Settings {
            n_runs: 300,
            ..settings(3)
        };
        let clustering = cluster(&fixture::rows(), &many, &NEVER).unwrap();
        // scikit-learn 1.9.1, the best of 600 times KMeans(3, n_init=1, tol=0).
        assert!((clustering.inertia - 208.987_646_296_450_98).abs() < 1e-9);
        assert_eq!(clustering.sizes, [46, 37, 37]);
        assert!(clustering.is_settled);
        let expected = [
            -0.203_186_480_750_097_76,
            0.985_797_254_309_851_1,
            -0.077_567_851_048_578_77,
        ];
        for (ours, expected) in clustering.centroids[0].iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-9, "{ours} is not {expected}");
        }
    }

    #[test]
    fn the_same_start_leads_where_scikit_learn_comes_to() {
        let rows = fixture::rows();
        let start = (0..5).map(|row| rows.row(row)).collect();
        let clustering = settle(&rows, start, 300, &NEVER).unwrap();
        // scikit-learn 1.9.1, KMeans(5, init=the first five rows, n_init=1, tol=0).
        assert!(
            (clustering.inertia - 139.185_850_225_438_12).abs() < 1e-9,
            "{}",
            clustering.inertia
        );
        assert_eq!(clustering.sizes, [19, 30, 25, 26, 20]);
        assert_eq!(clustering.iterations, 7);
    }

    #[test]
    fn one_thread_and_two_give_the_same_bits() {
        let values: Vec<f64> = (0..60_000_u32)
            .map(|at| f64::from(at * 7919 % 10_007))
            .collect();
        let rows = Rows::new(&values, 3);
        for start in [Start::PlusPlus, Start::OverSampled] {
            let with_threads = |threads| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                let settings = Settings {
                    start,
                    n_runs: 2,
                    ..settings(6)
                };
                pool.install(|| cluster(&rows, &settings, &NEVER)).unwrap()
            };
            assert_eq!(with_threads(1), with_threads(2));
        }
    }

    #[test]
    fn rows_too_rare_for_a_sample_have_their_clusters() {
        let rare = |row| match row {
            5 => 1.0,
            77 => 2.0,
            _ => 0.0,
        };
        let values: Vec<f64> = (0..2 * START_ROWS).map(rare).collect();
        let clustering = cluster(&Rows::new(&values, 1), &settings(3), &NEVER).unwrap();
        assert_eq!(clustering.sizes, [2 * START_ROWS as u64 - 2, 1, 1]);
        assert!(clustering.inertia < 1e-12);
    }

    #[test]
    fn a_cluster_without_rows_gets_the_farthest_row() {
        let rows = Rows::new(&[0.0, 1.0, 2.0, 10.0], 1);
        let start = vec![vec![1.0], vec![-100.0]];
        let clustering = settle(&rows, start, 300, &NEVER).unwrap();
        assert_eq!(clustering.of_row, [0, 0, 0, 1]);
        assert_eq!(clustering.centroids, [[1.0], [10.0]]);
        assert!(clustering.is_settled);
    }

    #[test]
    fn equal_sizes_are_ordered_by_coordinates() {
        let rows = Rows::new(&[2.0, 1.0, 3.0], 1);
        let start = vec![vec![3.0], vec![1.0], vec![2.0]];
        let ordered = settle(&rows, start, 300, &NEVER).unwrap().ordered();
        assert_eq!(ordered.centroids, [[1.0], [2.0], [3.0]]);
        assert_eq!(ordered.of_row, [1, 0, 2]);
    }

    #[test]
    fn it_ends_when_told_so() {
        assert_eq!(cluster(&fixture::rows(), &settings(3), &|| true), None);
    }
}
