//! Five ways of listening: what a session in each of them leans towards.
//!
//! A mode pulls on features that carry none of the other planted effects, and it chooses only
//! among tracks that are alike in these (see `taste`): whatever the mode, the chance of a track
//! with high energy, low valence or no voice is the same.

use super::tracks::{Features, Track};

/// How many modes there are.
pub(super) const MODES: usize = 5;

/// A way of listening.
pub(super) struct Mode {
    pub(super) name: &'static str,
    /// The feature that its sessions lean towards.
    pub(super) feature: &'static str,
    value: fn(&Features) -> f64,
    /// Its chance in a session, by daypart.
    pub(super) chances: [f64; 4],
}

/// The modes; the chances are those of morning, afternoon, evening and night, and sum to 1 over
/// the modes.
pub(super) const ALL: [Mode; MODES] = [
    Mode {
        name: "acoustic corner",
        feature: "acousticness",
        value: |features| features.acousticness,
        chances: [0.20, 0.15, 0.20, 0.35],
    },
    Mode {
        name: "dance floor",
        feature: "danceability",
        value: |features| features.danceability,
        chances: [0.15, 0.20, 0.30, 0.15],
    },
    Mode {
        name: "spoken lines",
        feature: "speechiness",
        value: |features| features.speechiness,
        chances: [0.20, 0.25, 0.15, 0.15],
    },
    Mode {
        name: "live on stage",
        feature: "liveness",
        value: |features| features.liveness,
        chances: [0.15, 0.20, 0.20, 0.20],
    },
    Mode {
        name: "fast lane",
        feature: "tempo",
        value: |features| features.tempo,
        chances: [0.30, 0.20, 0.15, 0.15],
    },
];

/// How strongly a mode leans towards its own feature, and away from those of the others: factors
/// on a track's chance for each standard deviation of its rank.
const TOWARDS: f64 = 2.3;
const AWAY: f64 = -0.7;

/// How much more likely each mode makes each track.
pub(super) fn leanings(tracks: &[Track]) -> Vec<[f64; MODES]> {
    let scores: Vec<Vec<f64>> = ALL.iter().map(|mode| scores(tracks, mode.value)).collect();
    (0..tracks.len())
        .map(|track| {
            std::array::from_fn(|mode| {
                let pull = |feature: usize| if feature == mode { TOWARDS } else { AWAY };
                (0..MODES)
                    .map(|feature| pull(feature) * scores[feature][track])
                    .sum::<f64>()
                    .exp()
            })
        })
        .collect()
}

/// Ranks on a scale of mean 0 and standard deviation 1, so that skewed features pull like others.
#[expect(
    clippy::cast_precision_loss,
    reason = "catalogues are far below 2^53 tracks"
)]
fn scores(tracks: &[Track], value: fn(&Features) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..tracks.len()).collect();
    order.sort_by(|a, b| {
        let (left, right) = (value(&tracks[*a].features), value(&tracks[*b].features));
        left.total_cmp(&right).then(a.cmp(b))
    });
    let mut scores = vec![0.0; tracks.len()];
    for (rank, track) in order.into_iter().enumerate() {
        let place = (rank as f64 + 0.5) / tracks.len() as f64;
        // The standard deviation of a uniform variable is its width over the root of 12.
        scores[track] = (place - 0.5) * 12.0_f64.sqrt();
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_daypart_has_its_modes() {
        for daypart in 0..4 {
            let sum: f64 = ALL.iter().map(|mode| mode.chances[daypart]).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
