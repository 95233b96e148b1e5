//! What a listener chooses: chances of tracks, set so that the planted effects hold exactly in
//! expectation and do not get into each other's way.
//!
//! Tracks fall into cells by three properties: energy above 0.8, valence below 0.3,
//! instrumentalness above 0.7. A play is drawn in two steps. First a cell: its chance depends on
//! the daypart alone, so that the odds of high energy among plays are planned and every play is
//! independent of its session. Then a track in the cell, as the session's mode leans. Low valence
//! is held back by a factor for each genre, found by iteration: plays per track of low valence are
//! then 0.6 of plays per other track in every genre, tracks never played included.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand_distr::{Distribution, StandardNormal};

use super::Rng;
use super::modes::{self, MODES};
use super::tracks::Track;

/// Odds of high energy among morning plays over those among evening plays.
pub(super) const MORNING_ODDS_RATIO: f64 = 2.3;
/// Plays per track of low valence over plays per other track.
pub(super) const LOW_VALENCE_RATE_RATIO: f64 = 0.6;
/// Above it energy is high.
pub(super) const HIGH_ENERGY: f64 = 0.8;
/// Below it valence is low.
pub(super) const LOW_VALENCE: f64 = 0.3;
/// Above it a track is instrumental.
pub(super) const INSTRUMENTAL: f64 = 0.7;

/// Morning, afternoon, evening, night.
pub(super) const DAYPARTS: usize = 4;
/// Roughly the share of plays in each daypart.
const DAYPART_SHARES: [f64; DAYPARTS] = [0.31, 0.21, 0.37, 0.11];
/// The share of high energy among evening plays.
const EVENING_HIGH_ENERGY: f64 = 0.26;
/// Odds of high energy in each daypart over those in the evening.
const ODDS_RATIOS: [f64; DAYPARTS] = [MORNING_ODDS_RATIO, 1.5, 1.0, 0.8];

/// Combinations of the three properties.
const CELLS: usize = 8;
const ENERGY_BIT: usize = 1;
const VALENCE_BIT: usize = 2;
const INSTRUMENTAL_BIT: usize = 4;

/// Tracks that a listener keeps coming back to: one for so many plays, and at least so many.
const PLAYS_PER_FAMILIAR_TRACK: usize = 5;
const MIN_FAMILIAR: usize = 400;
/// The share of plays outside them.
const EXPLORING: f64 = 0.12;
/// Spread of the liking of tracks, on the log scale.
const LIKING_SPREAD: f64 = 1.0;
/// The share of familiar tracks that a listener knows from the first day.
const KNOWN_AT_FIRST: f64 = 0.55;
/// How much more a track is played while it is new.
const NOVELTY: f64 = 4.0;
/// Rounds in which the factors are found, and the bounds they keep.
const ROUNDS: usize = 40;
const FACTOR_BOUNDS: (f64, f64) = (0.02, 10.0);

/// A catalogue with what the choice needs to know of each track.
pub(super) struct Shelves<'a> {
    pub(super) tracks: &'a [Track],
    cells: Vec<usize>,
    genres: Vec<usize>,
    /// Tracks of each genre: others, and those of low valence.
    genre_sizes: Vec<[f64; 2]>,
    leanings: Vec<[f64; MODES]>,
}

impl<'a> Shelves<'a> {
    pub(super) fn new(tracks: &'a [Track]) -> Self {
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for track in tracks {
            let next = names.len();
            names.entry(&track.genre).or_insert(next);
        }
        let genres: Vec<usize> = tracks
            .iter()
            .map(|track| names[track.genre.as_str()])
            .collect();
        let cells: Vec<usize> = tracks.iter().map(cell_of).collect();
        let mut genre_sizes = vec![[0.0; 2]; names.len()];
        for (genre, cell) in genres.iter().zip(&cells) {
            genre_sizes[*genre][low_valence(*cell)] += 1.0;
        }
        Self {
            tracks,
            cells,
            genres,
            genre_sizes,
            leanings: modes::leanings(tracks),
        }
    }

    pub(super) fn is_instrumental(&self, track: usize) -> bool {
        self.cells[track] & INSTRUMENTAL_BIT != 0
    }
}

fn cell_of(track: &Track) -> usize {
    let features = &track.features;
    usize::from(features.energy > HIGH_ENERGY) * ENERGY_BIT
        + usize::from(features.valence < LOW_VALENCE) * VALENCE_BIT
        + usize::from(features.instrumentalness > INSTRUMENTAL) * INSTRUMENTAL_BIT
}

fn low_valence(cell: usize) -> usize {
    usize::from(cell & VALENCE_BIT != 0)
}

/// How much a listener likes each track in one stretch of time.
pub(super) fn likings(
    shelves: &Shelves<'_>,
    plays: usize,
    epochs: usize,
    rng: &mut Rng,
) -> Vec<Vec<f64>> {
    let count = shelves.tracks.len();
    let familiar = (plays / PLAYS_PER_FAMILIAR_TRACK)
        .max(MIN_FAMILIAR)
        .min(count);
    let familiar_share = ratio(familiar, count);
    let mut likings = vec![vec![0.0; count]; epochs];
    let mut sums = vec![[0.0; 2]; epochs];
    let mut is_familiar = Vec::with_capacity(count);
    for track in 0..count {
        let spread: f64 = StandardNormal.sample(rng);
        let liking = (LIKING_SPREAD * spread).exp();
        is_familiar.push(rng.gen_bool(familiar_share));
        let is_known = rng.gen_bool(KNOWN_AT_FIRST) || epochs == 1;
        let since = if is_known {
            0
        } else {
            rng.gen_range(1..epochs)
        };
        for epoch in 0..epochs {
            let novelty = if epoch == since && !is_known {
                NOVELTY
            } else {
                1.0
            };
            // Outside the familiar tracks anything may come at any time.
            let weight = if !is_familiar[track] {
                liking
            } else if epoch < since {
                0.0
            } else {
                liking * novelty
            };
            likings[epoch][track] = weight;
            sums[epoch][usize::from(is_familiar[track])] += weight;
        }
    }
    for (weights, [unknown, known]) in likings.iter_mut().zip(sums) {
        let scale = if known > 0.0 && unknown > 0.0 {
            EXPLORING / (1.0 - EXPLORING) * known / unknown
        } else {
            1.0
        };
        for (weight, is_familiar) in weights.iter_mut().zip(&is_familiar) {
            *weight *= if *is_familiar { 1.0 } else { scale };
        }
    }
    likings
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of tracks are far below 2^53"
)]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// The chances of everything that can be played in one stretch of time.
pub(super) struct Taste {
    /// By daypart.
    pub(super) cell_chances: [Vec<f64>; DAYPARTS],
    /// By mode and cell: the tracks with the sums of their chances up to and including each.
    choices: Vec<Vec<(f64, usize)>>,
}

impl Taste {
    /// The taste that comes from how much each track is liked.
    pub(super) fn new(shelves: &Shelves<'_>, likings: &[f64]) -> Self {
        let weights = hold_back(shelves, likings);
        let mut choices = vec![Vec::new(); MODES * CELLS];
        for (track, weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0.0)
        {
            for (mode, leaning) in shelves.leanings[track].iter().enumerate() {
                let choice = &mut choices[mode * CELLS + shelves.cells[track]];
                let reached = choice.last().map_or(0.0, |(sum, _)| *sum);
                choice.push((reached + weight * leaning, track));
            }
        }
        let totals = Totals::of(shelves, &weights);
        Self {
            cell_chances: totals.cell_chances.map(Vec::from),
            choices,
        }
    }

    /// A track of a cell, as a mode leans.
    pub(super) fn choose(&self, mode: usize, cell: usize, rng: &mut Rng) -> Option<usize> {
        let choice = &self.choices[mode * CELLS + cell];
        let (total, _) = choice.last()?;
        let mark = rng.gen_range(0.0..*total);
        let place = choice.partition_point(|(reached, _)| *reached <= mark);
        choice.get(place).map(|(_, track)| *track)
    }
}

/// Sums over all tracks that the chance of each depends on.
struct Totals {
    cell_chances: [[f64; CELLS]; DAYPARTS],
    /// By cell and mode: what a track's weight times its leaning has to be multiplied with to
    /// give its expected share of all plays.
    shares: [[f64; MODES]; CELLS],
}

impl Totals {
    fn of(shelves: &Shelves<'_>, weights: &[f64]) -> Self {
        let mut cells = [0.0; CELLS];
        let mut leaned = [[0.0; MODES]; CELLS];
        for ((cell, leanings), weight) in shelves.cells.iter().zip(&shelves.leanings).zip(weights) {
            cells[*cell] += weight;
            for (sum, leaning) in leaned[*cell].iter_mut().zip(leanings) {
                *sum += weight * leaning;
            }
        }
        let cell_chances =
            std::array::from_fn(|daypart| cell_chances(&cells, ODDS_RATIOS[daypart]));
        let shares = std::array::from_fn(|cell| {
            std::array::from_fn(|mode| {
                let chance: f64 = (0..DAYPARTS)
                    .map(|daypart| {
                        let chances: &[f64; CELLS] = &cell_chances[daypart];
                        DAYPART_SHARES[daypart] * modes::ALL[mode].chances[daypart] * chances[cell]
                    })
                    .sum();
                if leaned[cell][mode] > 0.0 {
                    chance / leaned[cell][mode]
                } else {
                    0.0
                }
            })
        });
        Self {
            cell_chances,
            shares,
        }
    }
}

/// The chances of the cells in a daypart: in proportion to their weights, but for high energy.
fn cell_chances(cells: &[f64; CELLS], odds_ratio: f64) -> [f64; CELLS] {
    let all: f64 = cells.iter().sum();
    let high: f64 = (0..CELLS)
        .filter(|cell| cell & ENERGY_BIT != 0)
        .map(|cell| cells[cell])
        .sum();
    let odds = EVENING_HIGH_ENERGY / (1.0 - EVENING_HIGH_ENERGY) * odds_ratio;
    let planned = odds / (1.0 + odds);
    std::array::from_fn(|cell| {
        if high <= 0.0 || high >= all {
            cells[cell] / all
        } else if cell & ENERGY_BIT != 0 {
            planned * cells[cell] / high
        } else {
            (1.0 - planned) * cells[cell] / (all - high)
        }
    })
}

/// Scales the likings of low valence, genre by genre, until its tracks are played as planned.
fn hold_back(shelves: &Shelves<'_>, likings: &[f64]) -> Vec<f64> {
    let mut factors = vec![LOW_VALENCE_RATE_RATIO; shelves.genre_sizes.len()];
    let mut weights = Vec::new();
    for _ in 0..ROUNDS {
        weights = scaled(shelves, likings, &factors);
        let plays = genre_plays(shelves, &weights);
        let mut farthest = 0.0_f64;
        for ((factor, plays), sizes) in factors.iter_mut().zip(&plays).zip(&shelves.genre_sizes) {
            let ratio = (plays[1] / sizes[1]) / (plays[0] / sizes[0]);
            if ratio.is_finite() && ratio > 0.0 {
                let step = LOW_VALENCE_RATE_RATIO / ratio;
                let (least, most) = FACTOR_BOUNDS;
                *factor = (*factor * step).clamp(least, most);
                farthest = farthest.max(step.ln().abs());
            }
        }
        // What the bounds keep a genre from is made up by all of them together.
        let common = LOW_VALENCE_RATE_RATIO / rate_ratio(&plays, &shelves.genre_sizes);
        if farthest > 1e-3 && common.is_finite() && common > 0.0 {
            for factor in &mut factors {
                *factor *= common.sqrt().clamp(0.5, 2.0);
            }
        } else {
            break;
        }
    }
    weights
}

fn scaled(shelves: &Shelves<'_>, likings: &[f64], factors: &[f64]) -> Vec<f64> {
    let factor = |cell: usize, genre: usize| {
        if low_valence(cell) == 1 {
            factors[genre]
        } else {
            1.0
        }
    };
    let places = shelves.cells.iter().zip(&shelves.genres);
    likings
        .iter()
        .zip(places)
        .map(|(liking, (cell, genre))| liking * factor(*cell, *genre))
        .collect()
}

/// The expected share of plays of each genre: of others, and of low valence.
fn genre_plays(shelves: &Shelves<'_>, weights: &[f64]) -> Vec<[f64; 2]> {
    let totals = Totals::of(shelves, weights);
    let mut plays = vec![[0.0; 2]; shelves.genre_sizes.len()];
    for (track, weight) in weights
        .iter()
        .enumerate()
        .filter(|(_, weight)| **weight > 0.0)
    {
        let cell = shelves.cells[track];
        let leaned = shelves.leanings[track].iter().zip(&totals.shares[cell]);
        let share: f64 = leaned.map(|(leaning, share)| leaning * share).sum();
        plays[shelves.genres[track]][low_valence(cell)] += weight * share;
    }
    plays
}

/// The rate ratio of Mantel and Haenszel over genres, tracks taking the place of person-time
/// (Greenland and Robins 1985, Estimation of a common effect parameter from sparse follow-up
/// data, Biometrics 41, doi:10.2307/2530643).
pub(super) fn rate_ratio(plays: &[[f64; 2]], sizes: &[[f64; 2]]) -> f64 {
    let (mut low, mut others) = (0.0, 0.0);
    for (plays, sizes) in plays.iter().zip(sizes) {
        let all = sizes[0] + sizes[1];
        low += plays[1] * sizes[0] / all;
        others += plays[0] * sizes[1] / all;
    }
    low / others
}
