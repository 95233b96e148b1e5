//! k-means from several starts, the best of which is kept; the largest cluster comes first.
//!
//! Of many rows the starts see a sample, and only the best one is finished on all of them (Bradley and Fayyad 1998,
//! "Refining initial points for k-means clustering").

use rand::{SeedableRng, seq::index};
use rand_xoshiro::Xoshiro256Plus;
use rayon::prelude::*;

use super::{
    kmeans_starts::{over_sampled, plus_plus},
    lloyd::settle,
    rows::Rows,
};

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
