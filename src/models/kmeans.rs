//! k-means on z-scored features, by the kernels that `kmeans_sweep` uses too.
//!
//! linfa-clustering 0.8.1 served here before: it stops on an absolute shift of its centroids and reports the inertia of
//! the step before, and with several runs the cluster sizes of the last run, not of the best. It is an oracle in the
//! tests: what is found here must be no worse.
//!
//! Quality is the mean silhouette of a seeded sample, beside the same figure for data whose columns were shuffled
//! independently: structure shows only in what exceeds that null. Stability says how well the clusters come back in
//! bootstrap samples. With `k = 'auto'` these decide how many clusters there are.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::{
    KMeans, Model, ModelKind,
    kernels::{
        kmeans::{Clustering, Settings, Start, cluster, sample},
        kmeans_choice::{
            CHOICE_ROWS, LEAST_SHARE, LEAST_STABILITY, SILHOUETTE_ROWS, sampled_silhouette,
            shuffled, stability, sweep,
        },
        rows::Rows,
        scaler::Scaler,
    },
};
use ndarray::Array2;

use super::{
    Fitted, Metric, TOO_FEW_ROWS,
    dataset::{Dataset, Roles},
    options::KMeansOptions,
    stop,
};
use crate::error::{Error, Result};

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
    let distinct = distinct_rows(&dataset);
    let least = options.k.unwrap_or(2);
    if distinct < least {
        let message = format!(
            "model '{name}': {TOO_FEW_ROWS}: {least} clusters need at least {least} different rows, the query has {distinct}"
        );
        return Err(Error::Input(message));
    }
    let statistics = Some(dataset.statistics());
    let (features, mut warnings) = (dataset.features, dataset.warnings);
    let values = row_by_row(dataset.values);
    let scaler = Scaler::fit(&values, features.len());
    let rows = Rows::scaled(&values, &scaler);
    drop(values);
    let mut metrics = Vec::new();
    let k = match options.k {
        Some(k) => k,
        None => choose(&rows, options, distinct, &mut metrics, &mut warnings)?,
    };
    let settings = settings(options, k);
    let clustering = finished(cluster(&rows, &settings, &stop::watch()))?;
    metrics.extend(quality(&rows, &clustering, &settings)?);
    warnings.extend(doubts(&clustering, &metrics, options));
    let kmeans = KMeans {
        means: scaler.means,
        scales: scaler.scales,
        sizes: clustering.sizes,
        centroids: clustering.centroids,
    };
    Ok(Fitted {
        model: Model {
            statistics,
            ..Model::new(name, features, ModelKind::KMeans(kmeans))
        },
        label: None,
        classes: Vec::new(),
        metrics,
        n_train: rows.len() as u64,
        warnings,
    })
}

/// The same numbers in one piece, a row after the other; they are moved, not copied, where they lie like that.
fn row_by_row(values: Array2<f64>) -> Vec<f64> {
    if values.is_standard_layout() {
        let len = values.len();
        let (mut numbers, first) = values.into_raw_vec_and_offset();
        numbers.drain(..first.unwrap_or(0));
        numbers.truncate(len);
        return numbers;
    }
    values.into_iter().collect()
}

/// Rows that are not the same as the one before, which in sorted rows are all different ones.
fn distinct_rows(dataset: &Dataset) -> usize {
    let is_new = |row: &usize| !dataset.same_features(row - 1, *row);
    1 + (1..dataset.rows()).filter(is_new).count()
}

fn settings(options: &KMeansOptions, k: usize) -> Settings {
    Settings {
        k,
        n_runs: options.n_runs,
        max_iterations: options.max_iterations,
        seed: options.seed,
        start: Start::PlusPlus,
    }
}

/// What a kernel found, unless it was ended.
fn finished<T>(found: Option<T>) -> Result<T> {
    found.ok_or_else(stop::ended)
}

/// The number of clusters for `k = 'auto'`.
#[expect(clippy::cast_precision_loss, reason = "at most 1000 clusters")]
fn choose(
    rows: &Rows,
    options: &KMeansOptions,
    distinct: usize,
    metrics: &mut Vec<Metric>,
    warnings: &mut Vec<String>,
) -> Result<usize> {
    let most = options.k_max.min(distinct);
    let settings = settings(options, most);
    let candidates = finished(sweep(rows, 2, &settings, &stop::watch()))?;
    let Some(chosen) = candidates.iter().find(|candidate| candidate.is_chosen) else {
        return Err(Error::Internal("k-means: no number of clusters".into()));
    };
    if !candidates
        .iter()
        .any(moodlake_udfs::kernels::kmeans_choice::Candidate::is_sound)
    {
        let least = LEAST_SHARE * 100.0;
        warnings.push(format!(
            "no number of clusters from 2 to {most} has clusters that come back in bootstrap samples (stability of {LEAST_STABILITY}) and {least} % of the rows each: the choice of {} is weak",
            chosen.k
        ));
    }
    metrics.push(Metric {
        split: "train",
        metric: "k",
        value: chosen.k as f64,
        ci_low: None,
        ci_high: None,
        n: rows.len().min(CHOICE_ROWS) as u64,
    });
    Ok(chosen.k)
}

fn quality(rows: &Rows, clustering: &Clustering, settings: &Settings) -> Result<Vec<Metric>> {
    let (seed, watch) = (settings.seed, stop::watch());
    let own = finished(sampled_silhouette(rows, clustering, seed, &watch))?;
    let sampled = rows.select(&sample(rows.len(), CHOICE_ROWS, seed));
    let shuffled = shuffled(&sampled, seed);
    let of_null = finished(cluster(&shuffled, settings, &watch))?;
    let null = finished(sampled_silhouette(&shuffled, &of_null, seed, &watch))?;
    let of_sample = finished(cluster(&sampled, settings, &watch))?;
    let stable = finished(stability(&sampled, &of_sample, settings, &watch))?;
    let metrics = [
        own.map(|of| silhouette("silhouette", of, rows.len())),
        null.map(|of| silhouette("silhouette_null", of, sampled.len())),
        Some(Metric {
            split: "train",
            metric: "stability",
            value: stable,
            ci_low: None,
            ci_high: None,
            n: sampled.len() as u64,
        }),
    ];
    Ok(metrics.into_iter().flatten().collect())
}

/// A mean silhouette over a sample, with the interval of a mean of that many rows given the clusters.
fn silhouette(metric: &'static str, (mean, error): (f64, f64), rows: usize) -> Metric {
    Metric {
        split: "train",
        metric,
        value: mean,
        ci_low: Some((mean - Z * error).max(-1.0)),
        ci_high: Some((mean + Z * error).min(1.0)),
        n: rows.min(SILHOUETTE_ROWS) as u64,
    }
}

fn doubts(clustering: &Clustering, metrics: &[Metric], options: &KMeansOptions) -> Vec<String> {
    let mut doubts = Vec::new();
    if !clustering.is_settled {
        let iterations = options.max_iterations;
        doubts.push(format!(
            "rows still change clusters after {iterations} iterations, raise max_iterations"
        ));
    }
    let find = |name| metrics.iter().find(|metric| metric.metric == name);
    if let (Some(own), Some(null)) = (find("silhouette"), find("silhouette_null"))
        && own.ci_low <= null.ci_high
    {
        doubts.push(format!(
            "the clusters are no clearer than in the same rows with each column shuffled (silhouette {:.3}, shuffled {:.3}): there may be none",
            own.value, null.value
        ));
    }
    doubts
}

#[cfg(test)]
mod tests {
    use linfa::{DatasetBase, traits::Fit as _};
    use linfa_clustering::KMeans as LinfaKMeans;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256Plus;

    use super::super::fixtures::features;
    use super::*;

    #[test]
    fn clusters_are_no_worse_than_those_of_linfa() {
        let values: Vec<f64> = features().into_iter().collect();
        let rows = Rows::scaled(&values, &Scaler::fit(&values, 3));
        let for_linfa = Array2::from_shape_vec((rows.len(), 3), rows.to_vec()).unwrap();
        for k in 2..8 {
            let rng = Xoshiro256Plus::seed_from_u64(42);
            let linfa = LinfaKMeans::params_with_rng(k, rng)
                .n_runs(10)
                .tolerance(1e-9)
                .fit(&DatasetBase::from(for_linfa.view()))
                .unwrap();
            // Its inertia is the mean over the rows.
            let theirs = linfa.inertia() * 120.0;
            let settings = Settings {
                k,
                n_runs: 10,
                max_iterations: 300,
                seed: 42,
                start: Start::PlusPlus,
            };
            let ours = cluster(&rows, &settings, &|| false).unwrap().inertia;
            assert!(ours <= 1.01 * theirs, "{k} clusters: {ours}, {theirs}");
        }
    }
}
