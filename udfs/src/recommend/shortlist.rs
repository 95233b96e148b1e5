//! Chooses tracks one by one: good ones, of many artists, unlike those chosen already, near the listener's mix of genres.
//!
//! Each time the best few by score are looked at, and the one with the greatest
//! `(1 - d) * score - d * closeness - c * divergence` is taken: `closeness` is how alike the track is to the nearest one
//! chosen (maximal marginal relevance: Carbonell and Goldstein 1998, The use of MMR, diversity-based reranking,
//! doi:10.1145/290941.291025), `divergence` how far the list with it is from the listener's genres (Steck 2018, see
//! [`super::genre_mix`]). An artist has at most a tenth of the list, and two tracks of any, unless nothing else is left.
//! Ties go to the better score and then by `track_id`, so the same data gives the same list.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, HashSet},
};

use super::{
    catalogue::Catalogue,
    genre_mix::GenreMix,
    profile::{N_FEATURES, Profile},
    ranking::Exclusions,
};

/// What unlikeness to the tracks chosen before weighs, beside the score.
const DIVERSITY: f64 = 0.3;
/// What a divergence of 1 from the listener's mix of genres weighs.
const CALIBRATION: f64 = 0.1;
/// The best by score among which one is chosen.
const WINDOW: usize = 64;
/// Tracks that are chosen so; later ones go by score alone: nobody hears the difference.
const CHOSEN_WITH_CARE: usize = 100;
/// Tracks of one artist that a list may have however short it is.
const LEAST_PER_ARTIST: usize = 2;
/// The inverse of the share of a list that one artist may have.
const ARTISTS: usize = 10;

/// A track and its score, the best the greatest.
#[derive(Debug, Clone, Copy)]
struct Scored<'a> {
    score: f64,
    candidate: usize,
    track_id: &'a str,
}

impl Ord for Scored<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| other.track_id.cmp(self.track_id))
            .then_with(|| other.candidate.cmp(&self.candidate))
    }
}

impl PartialOrd for Scored<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scored<'_> {}

/// Where tracks are chosen from, and what was chosen.
pub(super) struct Shortlist<'a> {
    catalogue: &'a Catalogue,
    profile: &'a Profile,
    exclusions: &'a Exclusions<'a>,
    mix: Option<GenreMix>,
    open: BinaryHeap<Scored<'a>>,
    /// Tracks of artists that have their share.
    put_off: BinaryHeap<Scored<'a>>,
    per_artist: usize,
    artists: HashMap<String, usize>,
    songs: HashSet<String>,
    track_ids: HashSet<&'a str>,
    features: Vec<[f64; N_FEATURES]>,
    /// For a track that was looked at: how close the nearest of the first so many chosen is.
    closeness: HashMap<usize, (f64, usize)>,
}

impl<'a> Shortlist<'a> {
    /// An empty list that will have at most `k` tracks.
    pub(super) fn new(
        catalogue: &'a Catalogue,
        profile: &'a Profile,
        exclusions: &'a Exclusions<'a>,
        mix: Option<GenreMix>,
        k: usize,
    ) -> Self {
        Self {
            catalogue,
            profile,
            exclusions,
            mix,
            open: BinaryHeap::new(),
            put_off: BinaryHeap::new(),
            per_artist: k.div_ceil(ARTISTS).max(LEAST_PER_ARTIST),
            artists: HashMap::new(),
            songs: HashSet::new(),
            track_ids: HashSet::new(),
            features: vec![],
            closeness: HashMap::new(),
        }
    }

    /// Offers more tracks.
    pub(super) fn offer(&mut self, candidates: impl Iterator<Item = usize>, scores: &[f64]) {
        let on_offer = |candidate: usize| Scored {
            score: scores[candidate],
            candidate,
            track_id: self.catalogue.track_id(candidate),
        };
        let more: BinaryHeap<Scored<'a>> = candidates.map(on_offer).collect();
        if self.open.is_empty() {
            self.open = more;
        } else {
            self.open.extend(more);
        }
    }

    /// Takes back what is on offer, but not what was chosen.
    pub(super) fn withdraw(&mut self) {
        self.open.clear();
        self.put_off.clear();
    }

    /// Chooses one more; `None` where nothing is left.
    pub(super) fn choose(&mut self) -> Option<usize> {
        let width = if self.features.len() < CHOSEN_WITH_CARE {
            WINDOW
        } else {
            1
        };
        let window = self.window(width);
        let best = if window.is_empty() {
            self.best_put_off()?
        } else {
            self.best_of(&window)
        };
        self.open.extend(
            window
                .into_iter()
                .filter(|other| other.candidate != best.candidate),
        );
        self.take(best);
        Some(best.candidate)
    }

    /// The best by score that may be chosen, best first, taken off the open ones.
    fn window(&mut self, width: usize) -> Vec<Scored<'a>> {
        let mut window: Vec<Scored<'a>> = vec![];
        while window.len() < width {
            let Some(next) = self.open.pop() else {
                break;
            };
            if !self.may_be_chosen(&next) {
                continue;
            }
            if self.has_its_share(next.candidate) {
                self.put_off.push(next);
            } else {
                window.push(next);
            }
        }
        window
    }

    fn best_put_off(&mut self) -> Option<Scored<'a>> {
        loop {
            let next = self.put_off.pop()?;
            if self.may_be_chosen(&next) {
                return Some(next);
            }
        }
    }

    fn may_be_chosen(&self, track: &Scored) -> bool {
        let song = self.catalogue.song(track.candidate);
        !self
            .exclusions
            .cover(self.catalogue, track.candidate, &song)
            && !self.track_ids.contains(track.track_id)
            && !self.songs.contains(&song)
    }

    fn has_its_share(&self, candidate: usize) -> bool {
        self.catalogue.artist(candidate).is_some_and(|artist| {
            let tracks = self.artists.get(&artist.to_lowercase());
            tracks.is_some_and(|tracks| *tracks >= self.per_artist)
        })
    }

    /// The first of the greatest worth; `window` has at least one.
    fn best_of(&mut self, window: &[Scored<'a>]) -> Scored<'a> {
        let rest = self.mix.as_ref().map(GenreMix::rest);
        let mut best = (window[0], f64::NEG_INFINITY);
        for track in window {
            let worth = self.worth(track, rest);
            if worth > best.1 {
                best = (*track, worth);
            }
        }
        best.0
    }

    fn worth(&mut self, track: &Scored, rest: Option<f64>) -> f64 {
        let relevance =
            (1.0 - DIVERSITY) * track.score - DIVERSITY * self.closeness_of(track.candidate);
        let Some((mix, rest)) = self.mix.as_ref().zip(rest) else {
            return relevance;
        };
        relevance - CALIBRATION * mix.with(rest, self.catalogue.genre(track.candidate))
    }

    /// How close the nearest chosen track is; 0 for none.
    fn closeness_of(&mut self, candidate: usize) -> f64 {
        let features = self.catalogue.features(candidate);
        let (closeness, seen) = self.closeness.entry(candidate).or_insert((0.0, 0));
        for chosen in &self.features[*seen..] {
            *closeness = closeness.max(self.profile.closeness(&features, chosen));
        }
        *seen = self.features.len();
        *closeness
    }

    fn take(&mut self, track: Scored<'a>) {
        let candidate = track.candidate;
        self.songs.insert(self.catalogue.song(candidate));
        self.track_ids.insert(track.track_id);
        self.features.push(self.catalogue.features(candidate));
        if let Some(artist) = self.catalogue.artist(candidate) {
            *self.artists.entry(artist.to_lowercase()).or_default() += 1;
        }
        if let Some(mix) = &mut self.mix {
            mix.add(self.catalogue.genre(candidate));
        }
    }
}
