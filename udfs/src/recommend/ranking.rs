//! Chooses and orders the tracks for one listener.
//!
//! Mirror: the best matches, best first. Coach: hard caps first, then the best mixture of match and improvement, in the
//! order in which they are to be heard. By the iso principle (Altshuler 1948; Starcke, Mayr and von Georgi 2021,
//! doi:10.3390/ijerph182312486) a list begins where the listener is: its first quarter stays within `valence_hold`, and
//! the rest rises in equal parts to the step's goal. Where fewer tracks than a quarter stay, the whole list is shorter.
//!
//! Equal scores are ordered by `track_id`, and the same song under several ids appears once. A track that was played
//! lately may appear in both modes: to hear a liked song again is no fault.

use std::collections::HashSet;

use super::{
    caps::{Caps, Deltas, Standing, ValenceStep},
    catalogue::Catalogue,
    genre_mix::GenreMix,
    profile::{Profile, VALENCE},
    shortlist::Shortlist,
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
    pub(super) fn cover(&self, catalogue: &Catalogue, candidate: usize, song: &str) -> bool {
        let is_known = |artist: &str| self.artists.contains(&artist.to_lowercase());
        self.songs.contains(song)
            || self.track_ids.contains(catalogue.track_id(candidate))
            || (!self.artists.is_empty() && catalogue.artist(candidate).is_none_or(is_known))
    }
}

/// Whom tracks are chosen for, and among which.
pub(super) struct Ground<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) profile: &'a Profile,
    pub(super) exclusions: &'a Exclusions<'a>,
    /// Whether a call lets a candidate be recommended; `None` where it lets all.
    pub(super) wanted: Option<&'a [bool]>,
    pub(super) mix: Option<GenreMix>,
}

/// What the coach needs beside the profile.
#[derive(Debug)]
pub(super) struct Coaching<'a> {
    pub(super) caps: &'a Caps,
    pub(super) pace: Option<f64>,
    pub(super) standing: Standing,
}

impl Coaching<'_> {
    pub(super) fn step(&self, profile: &Profile) -> ValenceStep {
        self.caps
            .valence_step(self.pace, profile.typical[VALENCE], &self.standing)
    }
}

impl<'a> Ground<'a> {
    fn match_scores(&self) -> Vec<f64> {
        self.profile
            .match_scores(&self.catalogue.columns, self.catalogue.n_candidates())
    }

    fn is_wanted(&self, candidate: usize) -> bool {
        self.wanted.is_none_or(|wanted| wanted[candidate])
    }

    fn shortlist(&self, k: usize) -> Shortlist<'a> {
        Shortlist::new(
            self.catalogue,
            self.profile,
            self.exclusions,
            self.mix.clone(),
            k,
        )
    }

    /// Best first and then by `track_id`.
    fn sort_by_score(&self, candidates: &mut [usize], scores: &[f64]) {
        candidates.sort_unstable_by(|left, right| {
            let by_id = || {
                self.catalogue
                    .track_id(*left)
                    .cmp(self.catalogue.track_id(*right))
            };
            scores[*right].total_cmp(&scores[*left]).then_with(by_id)
        });
    }

    /// Songs among some candidates that the listener does not refuse.
    pub(super) fn n_songs(&self, candidates: &[usize]) -> usize {
        let songs = candidates
            .iter()
            .map(|candidate| (candidate, self.catalogue.song(*candidate)));
        let welcome = songs
            .filter(|(candidate, song)| !self.exclusions.cover(self.catalogue, **candidate, song));
        welcome.map(|(_, song)| song).collect::<HashSet<_>>().len()
    }

    /// The candidates that the mirror chooses among.
    pub(super) fn mirrored(&self) -> Vec<usize> {
        (0..self.catalogue.n_candidates())
            .filter(|candidate| self.is_wanted(*candidate))
            .collect()
    }
}

/// The `k` tracks that match best.
pub(super) fn mirror(ground: &Ground, k: usize) -> Vec<Pick> {
    let scores = ground.match_scores();
    let mut shortlist = ground.shortlist(k);
    shortlist.offer(ground.mirrored().into_iter(), &scores);
    let mut chosen: Vec<usize> = std::iter::from_fn(|| shortlist.choose()).take(k).collect();
    ground.sort_by_score(&mut chosen, &scores);
    chosen
        .into_iter()
        .map(|candidate| Pick {
            candidate,
            score: scores[candidate],
            match_score: scores[candidate],
            improvement_score: None,
            deltas: ground.catalogue.deltas(ground.profile, candidate),
        })
        .collect()
}

/// What the coach may choose from, with its scores by candidate.
pub(super) struct Allowed {
    pub(super) candidates: Vec<usize>,
    match_scores: Vec<f64>,
    scores: Vec<f64>,
}

/// The tracks that keep every cap and match well enough.
pub(super) fn allowed(ground: &Ground, coaching: &Coaching) -> Allowed {
    let match_scores = ground.match_scores();
    let least_match = percentile(&match_scores, coaching.caps.match_percentile);
    let step = coaching.step(ground.profile);
    let deltas = |candidate| ground.catalogue.deltas(ground.profile, candidate);
    let candidates: Vec<usize> = (0..match_scores.len())
        .filter(|candidate| {
            ground.is_wanted(*candidate)
                && match_scores[*candidate] >= least_match
                && coaching.caps.allow(step, &deltas(*candidate))
        })
        .collect();
    let weight = coaching.caps.improvement_weight;
    let mut scores = match_scores.clone();
    for candidate in &candidates {
        let improvement = step.improvement(deltas(*candidate).valence);
        scores[*candidate] = (1.0 - weight) * match_scores[*candidate] + weight * improvement;
    }
    Allowed {
        candidates,
        match_scores,
        scores,
    }
}

/// At most `k` tracks that keep within every cap, in the order in which they are to be heard.
pub(super) fn coach(ground: &Ground, coaching: &Coaching, k: usize) -> Vec<Pick> {
    let allowed = allowed(ground, coaching);
    let step = coaching.step(ground.profile);
    let chosen = if step.is_a_step() {
        ramp(ground, &allowed, step, coaching.caps.iso_share, k)
    } else {
        let mut shortlist = ground.shortlist(k);
        shortlist.offer(allowed.candidates.iter().copied(), &allowed.scores);
        let mut chosen = std::iter::from_fn(|| shortlist.choose())
            .take(k)
            .collect::<Vec<_>>();
        ground.sort_by_score(&mut chosen, &allowed.scores);
        chosen
    };
    chosen
        .into_iter()
        .map(|candidate| {
            let deltas = ground.catalogue.deltas(ground.profile, candidate);
            Pick {
                candidate,
                score: allowed.scores[candidate],
                match_score: allowed.match_scores[candidate],
                improvement_score: Some(step.improvement(deltas.valence)),
                deltas,
            }
        })
        .collect()
}

/// The tracks that stay where the listener is, best first, and then those that rise, lowest first.
///
/// The place `j` of the `m` that rise is filled by a track of at most `ceiling(j / m)`; where there is none for a place
/// the list is shorter, and what would then rise too early is left out.
fn ramp(
    ground: &Ground,
    allowed: &Allowed,
    step: ValenceStep,
    iso_share: f64,
    k: usize,
) -> Vec<usize> {
    let valence = |candidate: usize| ground.catalogue.deltas(ground.profile, candidate).valence;
    let mut shortlist = ground.shortlist(k);
    let staying = allowed
        .candidates
        .iter()
        .copied()
        .filter(|candidate| step.stays(valence(*candidate)));
    shortlist.offer(staying, &allowed.scores);
    let wanted = whole((count(k) * iso_share).ceil());
    let mut start: Vec<usize> = std::iter::from_fn(|| shortlist.choose())
        .take(wanted)
        .collect();
    let longest = if iso_share > 0.0 {
        whole(count(start.len()) / iso_share)
    } else {
        k
    };
    let rising = longest.min(k).saturating_sub(start.len());
    shortlist.withdraw();
    let mut by_valence = allowed.candidates.clone();
    by_valence.sort_unstable_by(|left, right| valence(*left).total_cmp(&valence(*right)));
    let mut rest = by_valence.into_iter().peekable();
    let mut rises = vec![];
    for place in 1..=rising {
        let ceiling = step.ceiling(count(place) / count(rising));
        let more = std::iter::from_fn(|| rest.next_if(|candidate| valence(*candidate) <= ceiling));
        shortlist.offer(more, &allowed.scores);
        rises.extend(shortlist.choose());
    }
    ground.sort_by_score(&mut start, &allowed.scores);
    rises.sort_unstable_by(|left, right| {
        let by_id = || {
            ground
                .catalogue
                .track_id(*left)
                .cmp(ground.catalogue.track_id(*right))
        };
        valence(*left).total_cmp(&valence(*right)).then_with(by_id)
    });
    let valences: Vec<f64> = rises.iter().map(|&candidate| valence(candidate)).collect();
    let places = places(&valences, |share| step.ceiling(share));
    start
        .into_iter()
        .chain(places.into_iter().map(|at| rises[at]))
        .collect()
}

/// Which of some rising `valences` to keep, so that as many as can be stand in places that allow them: place `j` of `m`
/// at most `ceiling(j / m)`. The shorter a list, the earlier its places allow much; of lists of one length the one that
/// leads furthest is taken.
fn places(valences: &[f64], ceiling: impl Fn(f64) -> f64) -> Vec<usize> {
    let allows =
        |at: usize, length: usize, valence: f64| valence <= ceiling(count(at + 1) / count(length));
    let fits = |length: &usize| (0..*length).all(|at| allows(at, *length, valences[at]));
    let length = (0..=valences.len()).rev().find(fits).unwrap_or_default();
    let mut left = valences.len();
    let mut kept: Vec<usize> = (0..length)
        .rev()
        .filter_map(|at| {
            left = (0..left).rfind(|&other| allows(at, length, valences[other]))?;
            Some(left)
        })
        .collect();
    kept.reverse();
    kept
}

#[expect(
    clippy::cast_precision_loss,
    reason = "places in a list of at most 10,000"
)]
fn count(places: usize) -> f64 {
    places as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of places, never negative; one beyond the greatest is capped"
)]
fn whole(places: f64) -> usize {
    places as usize
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rise_as_have_a_place_and_the_last_is_the_furthest() {
        let kept = |valences: &[f64]| places(valences, |share| 0.10 * share);
        assert_eq!(kept(&[0.025, 0.05, 0.075, 0.1]), [0, 1, 2, 3]);
        assert_eq!(kept(&[0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]), [1, 6]);
        assert_eq!(kept(&[0.09, 0.095]), [1]);
        assert_eq!(kept(&[]), [0; 0]);
    }

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
