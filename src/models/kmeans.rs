//! k-means on z-scored features: linfa-clustering's k-means++ starts, one at a time, the best of which is kept here.
//!
//! linfa 0.8.1 stops on an absolute shift of its centroids, pulls each towards its old place, reports the inertia of the
//! centroids before the last update, and with several runs counts cluster sizes of the last run, not of the best. So
//! each run is finished by plain Lloyd steps (Lloyd 1982, doi:10.1109/TIT.1982.1056489) until no row changes its
//! cluster, and inertia and sizes are counted from that. Of many rows the runs see a sample, and only the best one is
//! finished on all of them (Bradley and Fayyad 1998, "Refining initial points for k-means clustering").
//!
//! Quality is the mean silhouette of a seeded sample, beside the same figure for data whose columns were shuffled
//! independently: structure shows only in what exceeds that null.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use linfa::{DatasetBase, traits::Fit as _};
use linfa_clustering::KMeans as LinfaKMeans;
use moodlake_udfs::{KMeans, Model, ModelKind};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rand::{SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256Plus;

use super::{
    Fitted, Metric, TOO_FEW_ROWS,
    dataset::{Dataset, Roles},
    options::KMeansOptions,
    scaler::Scaler,
    silhouette::silhouettes,
    stop,
};
use crate::error::{Error, Result};

/// linfa's own stops: it finds where to start; the Lloyd steps, several times as fast, do what is left.
const TOLERANCE: f64 = 1e-4;
const STARTING_STEPS: u64 = 5;
/// Runs see so many rows: what they start from does not change with more.
const RUN_ROWS: usize = 10_000;
/// Silhouettes cost the square of this.
const SILHOUETTE_ROWS: usize = 2000;
/// The normal distribution's 97.5 % quantile.
const Z: f64 = 1.959_963_984_540_054;

/// Trains the model called `name` on the rows of its query.
pub(super) fn train(
    name: &str,
    options: &KMeansOptions,
    roles: Roles<'_>,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Fitted> {
    let dataset = Dataset::read(name, schema, batches, roles)?;
    let distinct = 1
        + (1..dataset.rows())
            .filter(|&row| !dataset.same_features(row - 1, row))
            .count();
    if distinct < options.k {
        let k = options.k;
        let message = format!(
            "model '{name}': {TOO_FEW_ROWS}: {k} clusters need at least {k} different rows, the query has {distinct}"
        );
        return Err(Error::Input(message));
    }
    let scaler = Scaler::fit(dataset.values.view());
    let values = scaler.transform(dataset.values.view());
    let clustering = Clustering::best_of_runs(&values, options)?;
    let mut warnings = dataset.warnings;
    if !clustering.is_settled {
        let iterations = options.max_iterations;
        warnings.push(format!(
            "rows still change clusters after {iterations} iterations, raise max_iterations"
        ));
    }
    let metrics = metrics(&values, &clustering, options)?;
    Ok(Fitted {
        model: Model::new(
            name,
            dataset.features,
            ModelKind::KMeans(KMeans {
                means: scaler.means,
                scales: scaler.scales,
                sizes: clustering.sizes(),
                centroids: clustering
                    .centroids
                    .rows()
                    .into_iter()
                    .map(|row| row.to_vec())
                    .collect(),
            }),
        ),
        label: None,
        classes: Vec::new(),
        metrics,
        n_train: values.nrows() as u64,
        warnings,
    })
}

/// Rows dealt to clusters.
#[derive(Clone, Debug, PartialEq)]
struct Clustering {
    /// `[k][n_features]`, the largest cluster first
    centroids: Array2<f64>,
    /// Cluster of each row.
    of_row: Vec<usize>,
    /// Sum of squared distances to the own centroid.
    inertia: f64,
    /// Whether another step would change nothing.
    is_settled: bool,
}

impl Clustering {
    fn best_of_runs(scaled: &Array2<f64>, options: &KMeansOptions) -> Result<Self> {
        let mut rng = Xoshiro256Plus::seed_from_u64(options.seed);
        let rows = sample(scaled.nrows(), RUN_ROWS, &mut rng);
        if rows.len() < scaled.nrows() {
            let sampled = Self::best_start(&scaled.select(Axis(0), &rows), options)?;
            let best = Self::settle(scaled, sampled.centroids, options.max_iterations);
            // A sample can miss what is rare, and then leaves a cluster without rows.
            if !best.sizes().contains(&0) {
                return Ok(best.ordered());
            }
        }
        Ok(Self::best_start(scaled, options)?.ordered())
    }

    fn best_start(scaled: &Array2<f64>, options: &KMeansOptions) -> Result<Self> {
        let rows = DatasetBase::from(scaled.view());
        let mut best: Option<Self> = None;
        for run in 0..options.n_runs {
            stop::check()?;
            let rng = Xoshiro256Plus::seed_from_u64(options.seed.wrapping_add(run));
            let fitted = LinfaKMeans::params_with_rng(options.k, rng)
                .n_runs(1)
                .max_n_iterations(STARTING_STEPS.min(options.max_iterations))
                .tolerance(TOLERANCE)
                .fit(&rows)
                .map_err(|error| Error::Internal(format!("k-means: {error}")))?;
            let clustering =
                Self::settle(scaled, fitted.centroids().clone(), options.max_iterations);
            if best
                .as_ref()
                .is_none_or(|best| clustering.inertia < best.inertia)
            {
                best = Some(clustering);
            }
        }
        best.ok_or_else(|| Error::Internal("k-means: no run".into()))
    }

    /// Lloyd steps from `centroids` until no row changes its cluster.
    fn settle(scaled: &Array2<f64>, mut centroids: Array2<f64>, max_iterations: u64) -> Self {
        let scaled = scaled.as_standard_layout();
        let (mut of_row, mut inertia) = assign(scaled.view(), &centroids);
        for _ in 0..max_iterations {
            if stop::is_stopped() {
                break;
            }
            centroids = means(scaled.view(), &of_row, centroids);
            let (assigned, sum) = assign(scaled.view(), &centroids);
            inertia = sum;
            if assigned == of_row {
                return Self {
                    centroids,
                    of_row,
                    inertia,
                    is_settled: true,
                };
            }
            of_row = assigned;
        }
        Self {
            centroids,
            of_row,
            inertia,
            is_settled: false,
        }
    }

    /// The same clusters numbered by falling size, then by coordinates.
    fn ordered(self) -> Self {
        let sizes = self.sizes();
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|&a, &b| {
            let coordinates = |cluster: usize| self.centroids.row(cluster);
            let differing = coordinates(a)
                .into_iter()
                .zip(coordinates(b))
                .map(|(a, b)| a.total_cmp(b));
            sizes[b]
                .cmp(&sizes[a])
                .then(differing.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then))
        });
        let mut new_number = vec![0; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(number, &old)| new_number[old] = number);
        Self {
            centroids: self.centroids.select(Axis(0), &order),
            of_row: self.of_row.iter().map(|&old| new_number[old]).collect(),
            ..self
        }
    }

    fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0; self.centroids.nrows()];
        self.of_row.iter().for_each(|&cluster| sizes[cluster] += 1);
        sizes
    }
}

/// The nearest centroid of each row (the first of equals) and the sum of squared distances.
fn assign(scaled: ArrayView2<'_, f64>, centroids: &Array2<f64>) -> (Vec<usize>, f64) {
    let mut inertia = 0.0;
    let centroids = centroids.as_standard_layout();
    let nearest = |row: ArrayView1<'_, f64>| {
        let mut best = (0, f64::INFINITY);
        for (cluster, centroid) in centroids.rows().into_iter().enumerate() {
            let distance = squared_distance(row, centroid);
            if distance < best.1 {
                best = (cluster, distance);
            }
        }
        inertia += best.1;
        best.0
    };
    (scaled.rows().into_iter().map(nearest).collect(), inertia)
}

/// The mean of each cluster's rows; a cluster without rows stays where it was.
fn means(scaled: ArrayView2<'_, f64>, of_row: &[usize], mut centroids: Array2<f64>) -> Array2<f64> {
    let mut sums = Array2::<f64>::zeros(centroids.raw_dim());
    let mut sizes = vec![0.0; centroids.nrows()];
    for (row, &cluster) in scaled.rows().into_iter().zip(of_row) {
        for (sum, value) in sums.row_mut(cluster).iter_mut().zip(row) {
            *sum += value;
        }
        sizes[cluster] += 1.0;
    }
    for (cluster, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 0.0) {
        centroids
            .row_mut(cluster)
            .assign(&(&sums.row(cluster) / size));
    }
    centroids
}

/// Of rows that lie in one piece each: over slices this is several times as fast as over views.
fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let (Some(a), Some(b)) = (a.as_slice(), b.as_slice()) else {
        return a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    };
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn metrics(
    scaled: &Array2<f64>,
    clustering: &Clustering,
    options: &KMeansOptions,
) -> Result<Vec<Metric>> {
    let mut rng = Xoshiro256Plus::seed_from_u64(options.seed);
    let own = sampled_silhouette("silhouette", scaled, clustering, &mut rng);
    let mut shuffled = scaled.select(Axis(0), &sample(scaled.nrows(), RUN_ROWS, &mut rng));
    for mut column in shuffled.columns_mut() {
        let mut values = column.to_vec();
        values.shuffle(&mut rng);
        column
            .iter_mut()
            .zip(values)
            .for_each(|(place, value)| *place = value);
    }
    let of_null = Clustering::best_of_runs(&shuffled, options)?;
    let null = sampled_silhouette("silhouette_null", &shuffled, &of_null, &mut rng);
    Ok(own.into_iter().chain(null).collect())
}

/// The mean silhouette over a sample, with the interval of a mean of that many rows given the clusters.
#[expect(clippy::cast_precision_loss, reason = "at most SILHOUETTE_ROWS rows")]
fn sampled_silhouette(
    metric: &'static str,
    scaled: &Array2<f64>,
    clustering: &Clustering,
    rng: &mut Xoshiro256Plus,
) -> Option<Metric> {
    let rows = sample(scaled.nrows(), SILHOUETTE_ROWS, rng);
    let clusters: Vec<usize> = rows.iter().map(|&row| clustering.of_row[row]).collect();
    let widths = silhouettes(
        scaled.select(Axis(0), &rows).view(),
        &clusters,
        clustering.centroids.nrows(),
    )?;
    let n = widths.len() as f64;
    let value = widths.iter().sum::<f64>() / n;
    let variance = widths
        .iter()
        .map(|width| (width - value).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    let margin = Some(Z * (variance / n).sqrt()).filter(|margin| margin.is_finite());
    Some(Metric {
        split: "train",
        metric,
        value,
        ci_low: margin.map(|margin| (value - margin).max(-1.0)),
        ci_high: margin.map(|margin| (value + margin).min(1.0)),
        n: widths.len() as u64,
    })
}

/// At most `most` of `0..rows`, in rising order.
fn sample(rows: usize, most: usize, rng: &mut Xoshiro256Plus) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut sampled = rand::seq::index::sample(rng, rows, most).into_vec();
    sampled.sort_unstable();
    sampled
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::features;
    use super::*;

    #[test]
    fn the_best_run_has_the_inertia_that_scikit_learn_finds() {
        let scaled = Scaler::fit(features().view()).transform(features().view());
        let options = KMeansOptions {
            k: 3,
            n_runs: 100,
            max_iterations: 300,
            seed: 42,
            allow_untrained: false,
        };
        let clustering = Clustering::best_of_runs(&scaled, &options).unwrap();
        // scikit-learn 1.9.1, the best of 300 times KMeans(3, n_init=1, tol=0).
        assert!(
            (clustering.inertia - 209.025_024_334_495_16).abs() < 1e-9,
            "{}",
            clustering.inertia
        );
        assert_eq!(clustering.sizes(), [46, 39, 35]);
        assert!(clustering.is_settled);
        let expected = [
            -0.203_186_480_750_097_76,
            0.985_797_254_309_851_1,
            -0.077_567_851_048_578_77,
        ];
        for (ours, expected) in clustering.centroids.row(0).iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-9, "{ours} is not {expected}");
        }
    }

    #[test]
    fn equal_sizes_are_ordered_by_coordinates() {
        let scaled = ndarray::array![[2.0], [1.0], [3.0]];
        let clustering = Clustering {
            centroids: ndarray::array![[3.0], [1.0], [2.0]],
            of_row: vec![2, 1, 0],
            inertia: 0.0,
            is_settled: true,
        };
        let ordered = clustering.ordered();
        assert_eq!(ordered.centroids, ndarray::array![[1.0], [2.0], [3.0]]);
        assert_eq!(assign(scaled.view(), &ordered.centroids).0, ordered.of_row);
    }

    #[test]
    fn rows_too_rare_for_a_sample_have_their_clusters() {
        let rare = |row| match row {
            5 => 1.0,
            77 => 2.0,
            _ => 0.0,
        };
        let scaled = Array2::from_shape_fn((2 * RUN_ROWS, 1), |(row, _)| rare(row));
        let options = KMeansOptions {
            k: 3,
            n_runs: 10,
            max_iterations: 300,
            seed: 42,
            allow_untrained: false,
        };
        let clustering = Clustering::best_of_runs(&scaled, &options).unwrap();
        assert_eq!(clustering.sizes(), [2 * RUN_ROWS as u64 - 2, 1, 1]);
        assert!(clustering.inertia < 1e-12);
    }
}
