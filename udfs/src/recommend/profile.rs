//! The audio profile that recommendations are matched against, and the one formula of the match.
//!
//! `match_score = sum over features of weight * similarity`, with
//! `similarity = exp(-(value - typical)^2 / (2 * spread^2))`: additive, so that every score splits exactly into what
//! each feature gave. `typical` and `spread` are the listener's own weighted mean and standard deviation. The weights
//! are a product choice, not science: valence and energy span the plane that moods are drawn on (Russell 1980, A
//! circumplex model of affect, doi:10.1037/h0077714), so they weigh most. `key`, `mode` and `time_signature` are
//! names, not quantities, and have no distance to a mean: they take no part.

use rayon::prelude::*;

/// One audio feature of the match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Feature {
    /// Its column, as Spotify spells it.
    pub(super) name: &'static str,
    /// Share of the match score; all weights sum to 1.
    pub(super) weight: f64,
    /// Least spread, in the feature's unit: a listener of one song still likes songs a little different.
    pub(super) least_spread: f64,
    /// Least plausible value; a track outside the bounds was not analysed.
    pub(super) low: f64,
    /// Greatest plausible value.
    pub(super) high: f64,
}

/// The features of the match, in the order of every array of figures in this module.
pub(super) const FEATURES: [Feature; 9] = [
    share("danceability", 0.125, 0.10),
    share("energy", 0.20, 0.10),
    Feature {
        name: "loudness",
        weight: 0.075,
        least_spread: 2.0,
        low: -100.0,
        high: 20.0,
    },
    share("speechiness", 0.05, 0.05),
    share("acousticness", 0.125, 0.15),
    share("instrumentalness", 0.075, 0.15),
    share("liveness", 0.05, 0.10),
    share("valence", 0.20, 0.10),
    Feature {
        name: "tempo",
        weight: 0.10,
        least_spread: 10.0,
        low: 1.0,
        high: 1000.0,
    },
];

/// Positions in [`FEATURES`] of those that the coach's caps name.
pub(super) const ENERGY: usize = 1;
pub(super) const LOUDNESS: usize = 2;
pub(super) const VALENCE: usize = 7;
pub(super) const TEMPO: usize = 8;

/// Tracks that one thread scores at a time: their scores fit in the nearest cache. Each score has its own sum, so
/// threads change none.
const BLOCK: usize = 4096;

/// How many features a profile has.
pub(super) const N_FEATURES: usize = FEATURES.len();

/// Days after which a play counts half, beside one of the listener's last day: short enough to follow a changing mood,
/// long enough that one evening does not set it.
pub(super) const HALF_LIFE_DAYS: f64 = 14.0;

/// What a play counts for before its age: a finished one says more than one broken off, a skip says little.
pub(super) const COMPLETED_WEIGHT: f64 = 1.0;
/// A play that was neither finished nor skipped.
pub(super) const PARTIAL_WEIGHT: f64 = 0.5;
/// A play that the listener skipped.
pub(super) const SKIPPED_WEIGHT: f64 = 0.2;

/// 2024-01-01, counted from 1970. Ages are taken against it instead of against each listener's last play: that scales
/// all weights of a listener alike, which no mean notices, and spares a pass.
pub(super) const REFERENCE_DAY: f64 = 19_723.0;
/// Keeps the weights of plays 38 years from the reference inside the range of a double.
pub(super) const MOST_HALVINGS: f64 = 1000.0;
/// Decimals that a profile's figures keep.
pub(super) const DECIMALS: i32 = 9;

/// A figure with the decimals that it keeps, as SQL's `round` makes it.
pub(super) fn rounded(figure: f64) -> f64 {
    let scale = 10_f64.powi(DECIMALS);
    (figure * scale).round() / scale
}

/// A feature that runs from 0 to 1.
const fn share(name: &'static str, weight: f64, least_spread: f64) -> Feature {
    Feature {
        name,
        weight,
        least_spread,
        low: 0.0,
        high: 1.0,
    }
}

/// How alike a track and the listener's usual are in one feature: 1 at the typical value, falling to 0.
///
/// `spread` is positive and in the feature's unit.
pub(super) fn similarity(value: f64, typical: f64, spread: f64) -> f64 {
    let distance = (value - typical) / spread;
    (-0.5 * distance * distance).exp()
}

/// The listener's present profile; shapes `[n_features]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// Weighted means, in the features' units.
    pub(super) typical: [f64; N_FEATURES],
    /// Weighted standard deviations, at least [`Feature::least_spread`].
    pub(super) spread: [f64; N_FEATURES],
}

impl Profile {
    /// How alike two tracks are to this listener, in `[0, 1]`: the formula of the match, with the other track's values
    /// in the place of the typical ones.
    pub(super) fn closeness(&self, left: &[f64; N_FEATURES], right: &[f64; N_FEATURES]) -> f64 {
        let parts = FEATURES
            .iter()
            .enumerate()
            .map(|(at, feature)| feature.weight * similarity(left[at], right[at], self.spread[at]));
        parts.sum()
    }

    /// How far two tracks are apart: the weighted sum of squared differences, in the listener's spreads.
    pub(super) fn distance(&self, left: &[f64; N_FEATURES], right: &[f64; N_FEATURES]) -> f64 {
        let parts = FEATURES.iter().enumerate().map(|(at, feature)| {
            let apart = (left[at] - right[at]) / self.spread[at];
            feature.weight * apart * apart
        });
        parts.sum()
    }

    /// Match scores of many tracks, in `[0, 1]`; `columns` has one slice of equal length for each feature.
    pub(super) fn match_scores(
        &self,
        columns: &[Vec<f64>; N_FEATURES],
        n_tracks: usize,
    ) -> Vec<f64> {
        let mut scores = vec![0.0; n_tracks];
        let blocks = scores.par_chunks_mut(BLOCK).enumerate();
        blocks.for_each(|(block, scores)| {
            for (at, feature) in FEATURES.iter().enumerate() {
                let (typical, spread) = (self.typical[at], self.spread[at]);
                for (score, value) in scores.iter_mut().zip(&columns[at][block * BLOCK..]) {
                    *score += feature.weight * similarity(*value, typical, spread);
                }
            }
        });
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one_and_positions_are_right() {
        let total: f64 = FEATURES.iter().map(|feature| feature.weight).sum();
        assert!((total - 1.0).abs() < 1e-12, "{total}");
        let named = [
            (ENERGY, "energy"),
            (LOUDNESS, "loudness"),
            (VALENCE, "valence"),
            (TEMPO, "tempo"),
        ];
        assert!(named.iter().all(|(at, name)| FEATURES[*at].name == *name));
    }

    #[test]
    fn similarity_is_one_at_the_typical_value_and_falls_on_both_sides() {
        assert!((similarity(0.5, 0.5, 0.1) - 1.0).abs() < f64::EPSILON);
        assert!((similarity(0.6, 0.5, 0.1) - (-0.5_f64).exp()).abs() < 1e-12);
        assert!((similarity(0.4, 0.5, 0.1) - similarity(0.6, 0.5, 0.1)).abs() < 1e-12);
    }

    #[test]
    fn a_track_at_the_typical_values_scores_one() {
        let profile = Profile {
            typical: [0.5; N_FEATURES],
            spread: [0.1; N_FEATURES],
        };
        let columns = std::array::from_fn(|_| vec![0.5, 0.9]);
        let scores = profile.match_scores(&columns, 2);
        assert!(
            (scores[0] - 1.0).abs() < 1e-12 && scores[1] < 0.01,
            "{scores:?}"
        );
    }
}
