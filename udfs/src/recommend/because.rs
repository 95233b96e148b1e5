//! `because`: the listener's own plays behind a recommendation.
//!
//! They are the songs among the plays of the profile (known features, in the context, not skipped) that sound most like
//! the recommended one: by the weighted squared differences of the features in the listener's spreads. A song that was
//! played itself stands first, for nothing is nearer.

use std::{cmp::Ordering, collections::HashSet};

use super::{
    catalogue::Catalogue,
    listening::Listening,
    profile::{N_FEATURES, Profile},
};

/// How many songs are named.
const NAMED: usize = 3;

/// A listener's own tracks, in the order of their ids.
#[derive(Debug)]
pub(super) struct OwnTracks {
    tracks: Vec<OwnTrack>,
}

#[derive(Debug)]
struct OwnTrack {
    candidate: usize,
    features: [f64; N_FEATURES],
    plays: f64,
}

impl OwnTracks {
    pub(super) fn of(listening: &Listening, catalogue: &Catalogue) -> Self {
        let counted = listening
            .tracks
            .iter()
            .filter(|(_, track)| track.counted > 0.0);
        let mut tracks: Vec<OwnTrack> = counted
            .filter_map(|(track_id, track)| {
                let candidate = catalogue.candidate(track_id)?;
                Some(OwnTrack {
                    candidate,
                    features: catalogue.features(candidate),
                    plays: track.counted,
                })
            })
            .collect();
        tracks.sort_unstable_by_key(|track| catalogue.track_id(track.candidate));
        Self { tracks }
    }

    /// `Song by Artist (4 plays); …`, nearest first; `None` where no play of a known track is behind the profile.
    pub(super) fn behind(
        &self,
        catalogue: &Catalogue,
        profile: &Profile,
        recommended: usize,
    ) -> Option<String> {
        let features = catalogue.features(recommended);
        let distances: Vec<f64> = self
            .tracks
            .iter()
            .map(|track| profile.distance(&track.features, &features))
            .collect();
        let nearer = |left: &usize, right: &usize| -> Ordering {
            distances[*left]
                .total_cmp(&distances[*right])
                .then_with(|| {
                    self.tracks[*right]
                        .plays
                        .total_cmp(&self.tracks[*left].plays)
                })
                .then_with(|| left.cmp(right))
        };
        let mut order: Vec<usize> = (0..self.tracks.len()).collect();
        // A song under several ids is named once, so a few more than are named are sorted.
        let head = (4 * NAMED).min(order.len());
        if head < order.len() {
            order.select_nth_unstable_by(head, nearer);
        }
        order[..head].sort_unstable_by(nearer);
        let mut songs = HashSet::new();
        let named: Vec<String> = order[..head]
            .iter()
            .map(|at| &self.tracks[*at])
            .filter(|track| songs.insert(catalogue.song(track.candidate)))
            .take(NAMED)
            .map(|track| named(catalogue, track))
            .collect();
        (!named.is_empty()).then(|| named.join("; "))
    }
}

/// `Song by Artist (4 plays)`
fn named(catalogue: &Catalogue, track: &OwnTrack) -> String {
    let name = catalogue
        .track_name(track.candidate)
        .unwrap_or_else(|| catalogue.track_id(track.candidate));
    let artist = catalogue.artist(track.candidate);
    let by = artist
        .map(|artist| format!(" by {artist}"))
        .unwrap_or_default();
    let unit = if track.plays > 1.0 { "plays" } else { "play" };
    format!("{name}{by} ({} {unit})", track.plays)
}
