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
    let values = tracks.iter().map(|track| value(&track.features));
    let mut order: Vec<(f64, usize)> = values.zip(0..).collect();
    order.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
    let mut scores = vec![0.0; tracks.len()];
    for (rank, (_, track)) in order.into_iter().enumerate() {
        let place = (rank as f64 + 0.5) / tracks.len() as f64;
        // The standard deviation of a uniform variable is its width over the root of 12.
        scores[track] = (place - 0.5) * 12.0_f64.sqrt();
    }
    scores
}

#[cfg(test)]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of tests are far below 2^53"
)]
mod tests {
    use rand::seq::SliceRandom;

    use super::*;
    use crate::sources::generate::history::{History, Item};
    use crate::sources::generate::tests::{SEEDS, simulate};
    use crate::sources::generate::{Rng, stream};

    #[test]
    fn every_daypart_has_its_modes() {
        for daypart in 0..4 {
            let sum: f64 = ALL.iter().map(|mode| mode.chances[daypart]).sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    /// The features that the model `modes` is trained on, in their units.
    fn values(features: &Features) -> [f64; 9] {
        let f = features;
        [
            f.danceability,
            f.energy,
            f.loudness,
            f.speechiness,
            f.acousticness,
            f.instrumentalness,
            f.liveness,
            f.valence,
            f.tempo,
        ]
    }

    /// Means of each session, every feature scaled to mean 0 and standard deviation 1.
    fn session_means(tracks: &[Track], history: &History) -> (Vec<[f64; 9]>, Vec<usize>) {
        let (mut means, mut modes, mut plays) = (Vec::new(), Vec::new(), history.plays.iter());
        for session in &history.sessions {
            let (mut sum, mut count) = ([0.0; 9], 0.0);
            let music = plays
                .by_ref()
                .skip_while(|play| play.started_at < session.started_at);
            for play in music.take(session.plays) {
                let Item::Track(track) = play.item else {
                    continue;
                };
                for (sum, value) in sum.iter_mut().zip(values(&tracks[track].features)) {
                    *sum += value;
                }
                count += 1.0;
            }
            if count > 0.0 {
                means.push(sum.map(|sum| sum / count));
                modes.push(session.mode);
            }
        }
        for feature in 0..9 {
            let mean = means.iter().map(|row| row[feature]).sum::<f64>() / means.len() as f64;
            let variance = means
                .iter()
                .map(|row| (row[feature] - mean).powi(2))
                .sum::<f64>()
                / means.len() as f64;
            for row in &mut means {
                row[feature] = (row[feature] - mean) / variance.sqrt();
            }
        }
        (means, modes)
    }

    fn distance(a: &[f64; 9], b: &[f64; 9]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
    }

    /// Lloyd's algorithm from several random starts; the clusters of the best run.
    fn k_means(rows: &[[f64; 9]], rng: &mut Rng) -> Vec<usize> {
        let run = |rng: &mut Rng| {
            let mut centres: Vec<[f64; 9]> = rows.choose_multiple(rng, MODES).copied().collect();
            let mut clusters = vec![0; rows.len()];
            for _ in 0..50 {
                for (row, cluster) in rows.iter().zip(&mut clusters) {
                    let nearest = |a: &usize, b: &usize| {
                        distance(row, &centres[*a]).total_cmp(&distance(row, &centres[*b]))
                    };
                    *cluster = (0..MODES).min_by(nearest).unwrap();
                }
                for (number, centre) in centres.iter_mut().enumerate() {
                    let members: Vec<_> = rows
                        .iter()
                        .zip(&clusters)
                        .filter(|(_, cluster)| **cluster == number)
                        .collect();
                    if !members.is_empty() {
                        *centre = std::array::from_fn(|feature| {
                            members.iter().map(|(row, _)| row[feature]).sum::<f64>()
                                / members.len() as f64
                        });
                    }
                }
            }
            let inertia: f64 = rows
                .iter()
                .zip(&clusters)
                .map(|(row, cluster)| distance(row, &centres[*cluster]))
                .sum();
            (inertia, clusters)
        };
        let runs = (0..10).map(|_| run(rng));
        runs.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1
    }

    /// The adjusted Rand index (Hubert and Arabie 1985, Comparing partitions).
    fn adjusted_rand(left: &[usize], right: &[usize]) -> f64 {
        let pairs = |count: f64| count * (count - 1.0) / 2.0;
        let mut table = [[0.0; MODES]; MODES];
        for (left, right) in left.iter().zip(right) {
            table[*left][*right] += 1.0;
        }
        let both: f64 = table.iter().flatten().map(|count| pairs(*count)).sum();
        let rows: f64 = table.iter().map(|row| pairs(row.iter().sum())).sum();
        let columns: f64 = (0..MODES)
            .map(|column| pairs(table.iter().map(|row| row[column]).sum()))
            .sum();
        let expected = rows * columns / pairs(left.len() as f64);
        (both - expected) / (0.5 * (rows + columns) - expected)
    }

    #[test]
    fn modes_are_recovered_by_k_means() {
        let index = |seed: u64| {
            let (tracks, history) = simulate(seed);
            let (means, modes) = session_means(&tracks, &history);
            adjusted_rand(&modes, &k_means(&means, &mut stream(seed, 99)))
        };
        let indices: Vec<f64> = SEEDS.map(index).collect();
        assert!(
            indices.iter().all(|index| *index > 0.8),
            "adjusted Rand indices {indices:?}"
        );
    }
}
