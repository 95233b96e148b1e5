//! The listener's own mix of genres, and how far a list is from it.
//!
//! Source: Steck 2018, Calibrated recommendations, `RecSys`, doi:10.1145/3240323.3240372, equations 5 and 6, with one genre
//! for each track and his alpha of 0.01.

use super::{catalogue::Catalogue, listening::Listening};

/// How much of the listener's mix is taken into a list's before the two are compared: keeps the logarithm finite.
const SMOOTHING: f64 = 0.01;

/// A listener's shares of plays by genre, and a list as it grows.
#[derive(Debug, Clone)]
pub(super) struct GenreMix {
    /// The listener's shares, by genre; they sum to 1.
    shares: Vec<f64>,
    /// Tracks of each genre in the list.
    chosen: Vec<f64>,
    /// Tracks in the list, those without a genre included.
    length: f64,
}

impl GenreMix {
    /// `None` where no play behind the profile has a genre.
    pub(super) fn of(listening: &Listening, catalogue: &Catalogue) -> Option<Self> {
        let mut shares = vec![0.0; catalogue.n_genres()];
        for (track_id, track) in &listening.tracks {
            let candidate = catalogue.candidate(track_id);
            if let Some(genre) = candidate.and_then(|candidate| catalogue.genre(candidate)) {
                // Whole numbers of plays: their sum is the same in any order.
                shares[genre] += track.counted;
            }
        }
        let total: f64 = shares.iter().sum();
        if total <= 0.0 {
            return None;
        }
        for share in &mut shares {
            *share /= total;
        }
        Some(Self {
            chosen: vec![0.0; shares.len()],
            shares,
            length: 0.0,
        })
    }

    pub(super) fn add(&mut self, genre: Option<usize>) {
        self.length += 1.0;
        if let Some(genre) = genre {
            self.chosen[genre] += 1.0;
        }
    }

    /// The Kullback-Leibler divergence of the list with one track more, without that track's genre counted.
    pub(super) fn rest(&self) -> f64 {
        let genres = self.shares.iter().zip(&self.chosen);
        genres
            .map(|(share, chosen)| self.part(*share, *chosen))
            .sum()
    }

    /// The divergence with a track of that genre, from what [`Self::rest`] gave.
    pub(super) fn with(&self, rest: f64, genre: Option<usize>) -> f64 {
        let Some(genre) = genre else {
            return rest;
        };
        let (share, chosen) = (self.shares[genre], self.chosen[genre]);
        rest - self.part(share, chosen) + self.part(share, chosen + 1.0)
    }

    fn part(&self, share: f64, chosen: f64) -> f64 {
        if share <= 0.0 {
            return 0.0;
        }
        let of_list = chosen / (self.length + 1.0);
        share * (share / ((1.0 - SMOOTHING) * of_list + SMOOTHING * share)).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mix() -> GenreMix {
        GenreMix {
            shares: vec![0.75, 0.25, 0.0],
            chosen: vec![0.0; 3],
            length: 0.0,
        }
    }

    #[test]
    fn the_genre_that_is_missing_most_brings_the_list_nearest() {
        let mut mix = mix();
        let after = |mix: &GenreMix, genre| mix.with(mix.rest(), genre);
        assert!(after(&mix, Some(0)) < after(&mix, Some(1)));
        assert!(after(&mix, Some(1)) < after(&mix, Some(2)));
        assert!((after(&mix, Some(2)) - after(&mix, None)).abs() < 1e-12);
        for _ in 0..3 {
            mix.add(Some(0));
        }
        assert!(after(&mix, Some(1)) < after(&mix, Some(0)));
        // Three of the one and one of the other are the mix itself.
        assert!(after(&mix, Some(1)).abs() < 1e-12);
    }
}
