//! How many clusters rows have: k-means for each number of clusters, held against rows that have none.
//!
//! For each `k` the mean silhouette is compared with that of a null, the same rows with each column shuffled by itself
//! (as in the gap statistic of Tibshirani, Walther and Hastie 2001, doi:10.1111/1467-9868.00293, whose null is drawn
//! evenly instead). A `k` counts if its clusters come back in bootstrap samples (mean adjusted Rand index of
//! [`LEAST_STABILITY`] or more; Fang and Wang 2012, doi:10.1016/j.csda.2011.09.003) and none is smaller than
//! [`LEAST_SHARE`] of the rows. Chosen is the smallest such `k` whose lead over the null lies within one standard error
//! of the largest lead of them all: fewer clusters unless more are plainly better.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_xoshiro::Xoshiro256Plus;

use super::{
    kmeans::{Clustering, Settings, Start, cluster, sample},
    lloyd::nearest,
    rand_index::adjusted_rand_index,
    rows::Rows,
    silhouette::{mean_and_error, silhouettes},
};

/// Silhouettes cost the square of this.
pub const SILHOUETTE_ROWS: usize = 2000;
/// Clusters that come back less well are not counted on.
pub const LEAST_STABILITY: f64 = 0.8;
/// A cluster with a smaller share of the rows is a handful of outliers.
pub const LEAST_SHARE: f64 = 0.03;
/// Rows that the choice is made on: silhouettes, nulls and bootstraps of more say the same.
pub const CHOICE_ROWS: usize = 10_000;

const SHUFFLES: u64 = 3;
const BOOTSTRAPS: u64 = 10;
/// Starts on rows that were shuffled or drawn, whose clusters are only looked at on average.
const RUNS_ON_COPIES: u64 = 3;

/// What one number of clusters comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Number of clusters.
    pub k: usize,
    /// Sum of squared distances to the own centroid.
    pub inertia: f64,
    /// Mean silhouette of a sample; none where only one cluster occurs.
    pub silhouette: Option<f64>,
    /// Mean silhouette of the shuffled rows.
    pub silhouette_null: Option<f64>,
    /// Standard error of the difference between the two.
    pub standard_error: f64,
    /// Mean adjusted Rand index with the clusters of bootstrap samples.
    pub stability: f64,
    /// Share of the smallest cluster.
    pub min_share: f64,
    /// Whether this is the `k` to take.
    pub is_chosen: bool,
}

impl Candidate {
    /// How much the silhouette exceeds that of the null.
    #[must_use]
    pub fn lead(&self) -> Option<f64> {
        Some(self.silhouette? - self.silhouette_null?)
    }

    /// Whether the lead is beyond chance: more than two standard errors.
    #[must_use]
    pub fn beats_null(&self) -> bool {
        self.lead()
            .is_some_and(|lead| lead > 2.0 * self.standard_error)
    }

    /// Whether its clusters come back and none is too small.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.stability >= LEAST_STABILITY && self.min_share >= LEAST_SHARE
    }
}

/// Tries each number of clusters from `least` to `settings.k` on at most [`CHOICE_ROWS`] of `rows`, and marks the one to
/// take: the smallest if no cluster is found anywhere. `None` when `stop` says so.
#[must_use]
pub fn sweep(
    rows: &Rows,
    least: usize,
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Candidate>> {
    let settings = &Settings {
        start: Start::PlusPlus,
        ..*settings
    };
    let rows = &rows.select(&sample(rows.len(), CHOICE_ROWS, settings.seed));
    let nulls: Vec<Rows> = (0..SHUFFLES)
        .map(|at| shuffled(rows, settings.seed.wrapping_add(at)))
        .collect();
    let mut candidates = (least..=settings.k)
        .map(|k| candidate(rows, &nulls, &Settings { k, ..*settings }, stop))
        .collect::<Option<Vec<_>>>()?;
    let chosen = choose(&candidates);
    if let Some(chosen) = candidates.get_mut(chosen) {
        chosen.is_chosen = true;
    }
    Some(candidates)
}

/// The position of the smallest sound `k` within one standard error of the best; among all where none is sound.
fn choose(candidates: &[Candidate]) -> usize {
    let is_any_sound = candidates.iter().any(Candidate::is_sound);
    let leads = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.is_sound() || !is_any_sound)
        .filter_map(|(at, candidate)| Some((at, candidate.lead()?)));
    let best = leads
        .clone()
        .reduce(|best, next| if next.1 > best.1 { next } else { best });
    let Some((best, lead)) = best else {
        return 0;
    };
    let enough = lead - candidates[best].standard_error;
    let mut good = leads.filter(|(_, lead)| *lead >= enough);
    good.next().map_or(best, |(at, _)| at)
}

fn candidate(
    rows: &Rows,
    nulls: &[Rows],
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Candidate> {
    let clustering = cluster(rows, settings, stop)?;
    let own = sampled_silhouette(rows, &clustering, settings.seed, stop)?;
    let null = null_silhouette(nulls, settings, stop)?;
    let error = |of: Option<(f64, f64)>| of.map_or(0.0, |(_, error)| error);
    let smallest = clustering.sizes.iter().min().copied().unwrap_or(0);
    Some(Candidate {
        k: settings.k,
        inertia: clustering.inertia,
        silhouette: own.map(|(mean, _)| mean),
        silhouette_null: null.map(|(mean, _)| mean),
        standard_error: error(own).hypot(error(null)),
        stability: stability(rows, &clustering, settings, stop)?,
        min_share: count(smallest) / count(rows.len() as u64),
        is_chosen: false,
    })
}

/// The mean silhouette of at most [`SILHOUETTE_ROWS`] rows and its standard error; `None` inside where there is none.
#[must_use]
pub fn sampled_silhouette(
    rows: &Rows,
    clustering: &Clustering,
    seed: u64,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Option<(f64, f64)>> {
    let sample = sample(rows.len(), SILHOUETTE_ROWS, seed);
    let clusters: Vec<u32> = sample.iter().map(|&row| clustering.of_row[row]).collect();
    let k = clustering.centroids.len();
    let widths = silhouettes(&rows.select(&sample), &clusters, k, stop)?;
    Some(mean_and_error(&widths))
}

/// The mean silhouette of clusters in shuffled rows, over the shuffles, and the standard error of that.
#[must_use]
#[expect(clippy::option_option, reason = "the outer one is for being stopped")]
fn null_silhouette(
    nulls: &[Rows],
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<Option<(f64, f64)>> {
    let mut means = Vec::new();
    let runs = settings.n_runs.min(RUNS_ON_COPIES);
    for null in nulls {
        let settings = Settings {
            n_runs: runs,
            ..*settings
        };
        let clustering = cluster(null, &settings, stop)?;
        let of_null = sampled_silhouette(null, &clustering, settings.seed, stop)?;
        means.extend(of_null.map(|(mean, _)| mean));
    }
    Some(mean_and_error(&means))
}

/// The same rows with each column in an order of its own, which leaves no clusters but keeps each column's values.
#[must_use]
pub fn shuffled(rows: &Rows, seed: u64) -> Rows {
    let (n_features, mut values) = (rows.n_features(), rows.to_vec());
    let mut rng = Xoshiro256Plus::seed_from_u64(seed);
    for feature in 0..n_features {
        let mut column: Vec<f64> = (0..rows.len())
            .map(|row| rows.value(row, feature))
            .collect();
        column.shuffle(&mut rng);
        for (row, value) in column.into_iter().enumerate() {
            values[row * n_features + feature] = value;
        }
    }
    Rows::new(&values, n_features)
}

/// How well clusters come back: those of as many rows drawn with replacement, laid over all rows.
#[must_use]
pub fn stability(
    rows: &Rows,
    clustering: &Clustering,
    settings: &Settings,
    stop: &(dyn Fn() -> bool + Sync),
) -> Option<f64> {
    let mut sum = 0.0;
    for bootstrap in 0..BOOTSTRAPS {
        let seed = settings.seed.wrapping_add(bootstrap);
        let mut rng = Xoshiro256Plus::seed_from_u64(seed);
        let drawn: Vec<usize> = (0..rows.len())
            .map(|_| rng.gen_range(0..rows.len()))
            .collect();
        let n_runs = settings.n_runs.min(RUNS_ON_COPIES);
        let settings = Settings {
            n_runs,
            seed,
            ..*settings
        };
        let of_drawn = cluster(&rows.select(&drawn), &settings, stop)?;
        let laid_over = nearest(rows, &of_drawn.centroids);
        sum += adjusted_rand_index(&clustering.of_row, &laid_over, settings.k);
    }
    Some(sum / count(BOOTSTRAPS))
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: fn() -> bool = || false;
    const SETTINGS: Settings = Settings {
        k: 8,
        n_runs: 5,
        max_iterations: 300,
        seed: 42,
        start: Start::PlusPlus,
    };

    /// `clusters` clouds of 100 rows each in three dimensions, evenly spread over `[0, 1)³` around their centres.
    fn clouds(clusters: u32) -> Rows {
        let mut rng = Xoshiro256Plus::seed_from_u64(7);
        let mut values = Vec::new();
        for row in 0..clusters * 100 {
            let centre = row % clusters;
            for feature in 0..3 {
                let place = f64::from(centre * (feature + 3) * 7 % 11);
                values.push(place + rng.r#gen::<f64>());
            }
        }
        Rows::new(&values, 3)
    }

    #[test]
    fn planted_clusters_are_counted() {
        for planted in [2, 4, 5] {
            let candidates = sweep(&clouds(planted), 2, &SETTINGS, &NEVER).unwrap();
            let ks: Vec<usize> = candidates.iter().map(|candidate| candidate.k).collect();
            assert_eq!(ks, [2, 3, 4, 5, 6, 7, 8]);
            let chosen: Vec<&Candidate> = candidates
                .iter()
                .filter(|candidate| candidate.is_chosen)
                .collect();
            assert_eq!(chosen.len(), 1);
            assert_eq!(chosen[0].k, planted as usize, "{candidates:?}");
            assert!(chosen[0].beats_null() && chosen[0].stability > 0.999);
        }
    }

    #[test]
    fn noise_beats_no_null() {
        let noise = clouds(1);
        for candidate in sweep(&noise, 2, &SETTINGS, &NEVER).unwrap() {
            assert!(candidate.lead().unwrap().abs() < 0.05, "{candidate:?}");
        }
    }

    #[test]
    fn shuffling_keeps_each_column() {
        let rows = clouds(3);
        let sorted = |rows: &Rows, feature| {
            let mut column: Vec<f64> = (0..rows.len())
                .map(|row| rows.value(row, feature))
                .collect();
            column.sort_by(f64::total_cmp);
            column
        };
        let other = shuffled(&rows, 1);
        assert_ne!(rows, other);
        (0..3).for_each(|feature| assert_eq!(sorted(&rows, feature), sorted(&other, feature)));
    }

    #[test]
    fn it_ends_when_told_so() {
        assert_eq!(sweep(&clouds(2), 2, &SETTINGS, &|| true), None);
    }
}
