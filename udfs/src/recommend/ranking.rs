//! Chooses and orders the tracks for one listener.
//!
//! Mirror: the best matches. Coach: hard caps first, then the best mixture of match and improvement. Equal scores are
//! ordered by `track_id`, and the same song under several ids appears once, under its best. A track that was played
//! lately may appear in both modes: to hear a liked song again is no fault.

use std::{cmp::Ordering, collections::HashSet};

use super::{
    caps::{BackOff, Caps, Deltas, ValenceStep},
    catalogue::Catalogue,
    profile::{Profile, VALENCE},
};

/// One recommended track.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pick {
    /// Its number among the catalogue's candidates.
    pub(super) candidate: usize,
    pub(super) score: f64,
    pub(super) match_score: f64,
    /// `None` in mirror.
    pub(super) improvement_score: Option<f64>,
    pub(super) deltas: Deltas,
}

/// What is not to be offered to a listener.
#[derive(Debug, Default)]
pub(super) struct Exclusions<'a> {
    pub(super) track_ids: HashSet<&'a str>,
    /// The same as songs, which may be there under other ids too.
    pub(super) songs: HashSet<String>,
    /// Artists in lower case.
    pub(super) artists: HashSet<String>,
}

impl Exclusions<'_> {
    fn cover(&self, catalogue: &Catalogue, candidate: usize, song: &str) -> bool {
        let is_known = |artist: &str| self.artists.contains(&artist.to_lowercase());
        self.songs.contains(song)
            || self.track_ids.contains(catalogue.track_id(candidate))
            || (!self.artists.is_empty() && catalogue.artist(candidate).is_none_or(is_known))
    }
}

/// What the coach needs beside the profile.
#[derive(Debug)]
pub(super) struct Coaching<'a> {
    pub(super) caps: &'a Caps,
    pub(super) target: f64,
    pub(super) pace: Option<f64>,
    pub(super) back_off: BackOff,
}

impl Coaching<'_> {
    pub(super) fn step(&self, profile: &Profile) -> ValenceStep {
        self.caps.valence_step(
            self.pace,
            profile.typical[VALENCE],
            self.target,
            self.back_off,
        )
    }
}

/// The `k` tracks that match best.
pub(super) fn mirror(
    catalogue: &Catalogue,
    profile: &Profile,
    exclusions: &Exclusions,
    k: usize,
) -> Vec<Pick> {
    let scores = profile.match_scores(&catalogue.columns, catalogue.n_candidates());
    let wanted = (0..scores.len())
        .filter(|candidate| catalogue.is_wanted(*candidate))
        .collect();
    best_songs(catalogue, exclusions, &scores, wanted, k)
        .into_iter()
        .map(|candidate| Pick {
            candidate,
            score: scores[candidate],
            match_score: scores[candidate],
            improvement_score: None,
            deltas: catalogue.deltas(profile, candidate),
        })
        .collect()
}

/// The `k` tracks that keep within every cap and score best.
pub(super) fn coach(
    catalogue: &Catalogue,
    profile: &Profile,
    exclusions: &Exclusions,
    coaching: &Coaching,
    k: usize,
) -> Vec<Pick> {
    let match_scores = profile.match_scores(&catalogue.columns, catalogue.n_candidates());
    let least_match = percentile(&match_scores, coaching.caps.match_percentile);
    let step = coaching.step(profile);
    let deltas = |candidate| catalogue.deltas(profile, candidate);
    let allowed: Vec<usize> = (0..match_scores.len())
        .filter(|candidate| {
            catalogue.is_wanted(*candidate)
                && match_scores[*candidate] >= least_match
                && coaching.caps.allow(step, &deltas(*candidate))
        })
        .collect();
    let weight = coaching.caps.improvement_weight;
    let mut scores = match_scores.clone();
    for candidate in &allowed {
        let improvement = step.improvement(deltas(*candidate).valence);
        scores[*candidate] = (1.0 - weight) * match_scores[*candidate] + weight * improvement;
    }
    best_songs(catalogue, exclusions, &scores, allowed, k)
        .into_iter()
        .map(|candidate| {
            let deltas = deltas(candidate);
            Pick {
                candidate,
                score: scores[candidate],
                match_score: match_scores[candidate],
                improvement_score: Some(step.improvement(deltas.valence)),
                deltas,
            }
        })
        .collect()
}

/// The least value that is at least as great as a share of the values (nearest rank); infinity for no values.
fn percentile(values: &[f64], share: f64) -> f64 {
    if values.is_empty() {
        return f64::INFINITY;
    }
    let mut values = values.to_vec();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a slice that fits in memory, from a share between 0 and 1"
    )]
    let rank = (values.len() as f64 * share).ceil() as usize;
    *values
        .select_nth_unstable_by(rank.saturating_sub(1), f64::total_cmp)
        .1
}

/// The best `k` songs among some candidates, best first, without sorting them all.
fn best_songs(
    catalogue: &Catalogue,
    exclusions: &Exclusions,
    scores: &[f64],
    mut among: Vec<usize>,
    k: usize,
) -> Vec<usize> {
    let better = |left: &usize, right: &usize| -> Ordering {
        scores[*right]
            .total_cmp(&scores[*left])
            .then_with(|| catalogue.track_id(*left).cmp(catalogue.track_id(*right)))
    };
    // Some are dropped as excluded or double, so more than k are sorted; if they do not do, twice as many.
    let mut sorted = 2 * k + 16;
    loop {
        let head = sorted.min(among.len());
        if head < among.len() {
            among.select_nth_unstable_by(head, better);
        }
        among[..head].sort_unstable_by(better);
        let chosen = distinct_songs(catalogue, exclusions, &among[..head], k);
        if chosen.len() == k || head == among.len() {
            return chosen;
        }
        sorted *= 2;
    }
}

fn distinct_songs(
    catalogue: &Catalogue,
    exclusions: &Exclusions,
    ordered: &[usize],
    k: usize,
) -> Vec<usize> {
    let (mut songs, mut track_ids) = (HashSet::new(), HashSet::new());
    let is_welcome = |candidate: &&usize| {
        let song = catalogue.song(**candidate);
        !exclusions.cover(catalogue, **candidate, &song)
            && track_ids.insert(catalogue.track_id(**candidate))
            && songs.insert(song)
    };
    ordered.iter().filter(is_welcome).take(k).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_no_less_than_its_share_of_the_values() {
        let values = [0.3, 0.1, 0.5, 0.2, 0.4];
        for (share, expected) in [
            (0.0, 0.1),
            (0.2, 0.1),
            (0.4, 0.2),
            (0.5, 0.3),
            (0.81, 0.5),
            (1.0, 0.5),
        ] {
            assert!(
                (percentile(&values, share) - expected).abs() < f64::EPSILON,
                "{share}"
            );
        }
        assert!(percentile(&[], 0.4).is_infinite());
    }
}
