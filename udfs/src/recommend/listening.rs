//! What is known of one listener, gathered in one pass over their plays; and what follows from it.
//!
//! "Now" is the listener's last play: nothing reads the clock. Figures of the profile are rounded to nine decimals, so
//! that the order in which plays are added up cannot change a ranking; `listening_profile` has the same figures in SQL.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::profile::{
    COMPLETED_WEIGHT, FEATURES, HALF_LIFE_DAYS, MOST_HALVINGS, N_FEATURES, PARTIAL_WEIGHT, Profile,
    REFERENCE_DAY, SKIPPED_WEIGHT, VALENCE, rounded,
};

/// Share of the listener's plays that have less valence than the coach's target.
const TARGET_PERCENTILE: f64 = 0.75;
/// The time of what never happened.
const NEVER: f64 = f64::NEG_INFINITY;

/// One play, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Play<'a> {
    pub(super) track_id: Option<&'a str>,
    pub(super) artist: Option<&'a str>,
    /// Its end, in days since 1970.
    pub(super) day: Option<f64>,
    /// The listener's own date, in days since 1970.
    pub(super) date: Option<f64>,
    /// When its session began, in days since 1970.
    pub(super) session: Option<f64>,
    pub(super) is_completed: bool,
    pub(super) is_skipped: bool,
    pub(super) is_in_context: bool,
    /// `None` where one of the features is unknown or not plausible.
    pub(super) features: Option<[f64; N_FEATURES]>,
}

impl Play<'_> {
    /// What the play counts for in the profile; `None` where it takes no part.
    fn weight(&self) -> Option<f64> {
        let day = self
            .day
            .filter(|_| self.is_in_context && self.features.is_some())?;
        let kind = if self.is_completed {
            COMPLETED_WEIGHT
        } else if self.is_skipped {
            SKIPPED_WEIGHT
        } else {
            PARTIAL_WEIGHT
        };
        let halvings =
            ((day - REFERENCE_DAY) / HALF_LIFE_DAYS).clamp(-MOST_HALVINGS, MOST_HALVINGS);
        Some(kind * halvings.exp2())
    }
}

/// What is kept of one track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TrackPlays {
    /// Plays behind the profile: known, in the context, not skipped.
    pub(super) counted: f64,
    /// When it was last skipped; infinity for a skip without a time.
    pub(super) last_skip: f64,
}

/// The plays of one session on one date.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Stretch {
    /// When the last of them ended.
    pub(super) latest: f64,
    /// Plays with known features, and the sum of their valence.
    pub(super) known: f64,
    pub(super) valence: f64,
    /// What they count for in the profile, and the sum of their weighted valence.
    pub(super) weight: f64,
    pub(super) weighted_valence: f64,
}

/// One listener's plays, added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Listening {
    /// The end of the last play.
    pub(super) last_day: Option<f64>,
    pub(super) weight: f64,
    /// Weighted sums of each feature and of its square; shapes `[n_features]`.
    pub(super) sums: [f64; N_FEATURES],
    pub(super) squares: [f64; N_FEATURES],
    pub(super) tracks: HashMap<String, TrackPlays>,
    pub(super) artists: BTreeSet<String>,
    /// Of every play with known features.
    pub(super) valences: Vec<f64>,
    /// By date and start of session, as bits that sort like the days since 1970.
    pub(super) stretches: BTreeMap<(u64, u64), Stretch>,
}

/// Days after 1970 as bits that sort alike.
pub(super) fn sortable(days: f64) -> u64 {
    let bits = days.to_bits();
    if days.is_sign_negative() {
        !bits
    } else {
        bits | (1 << 63)
    }
}

/// The days again.
pub(super) fn unsorted(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits & !(1 << 63)
    } else {
        !bits
    })
}

impl Listening {
    /// Takes in one play.
    pub(super) fn add(&mut self, play: &Play) {
        self.last_day = latest(self.last_day, play.day);
        let weight = play.weight();
        if let Some(track_id) = play.track_id {
            let is_counted = weight.is_some() && !play.is_skipped;
            let skipped_at = play.is_skipped.then(|| play.day.unwrap_or(f64::INFINITY));
            self.add_track(
                track_id,
                f64::from(u8::from(is_counted)),
                skipped_at.unwrap_or(NEVER),
            );
        }
        if let Some(artist) = play.artist.filter(|artist| !self.artists.contains(*artist)) {
            self.artists.insert(artist.to_owned());
        }
        let Some(features) = play.features else {
            return;
        };
        self.valences.push(features[VALENCE]);
        let Some(day) = play.day else {
            return;
        };
        let date = play.date.unwrap_or_else(|| day.floor());
        let key = (sortable(date), sortable(play.session.unwrap_or(date)));
        let counted = weight.unwrap_or(0.0);
        self.add_stretch(
            key,
            Stretch {
                latest: day,
                known: 1.0,
                valence: features[VALENCE],
                weight: counted,
                weighted_valence: counted * features[VALENCE],
            },
        );
        if let Some(weight) = weight {
            self.weight += weight;
            for (at, value) in features.into_iter().enumerate() {
                self.sums[at] += weight * value;
                self.squares[at] += weight * value * value;
            }
        }
    }

    pub(super) fn add_track(&mut self, track_id: &str, counted: f64, last_skip: f64) {
        if let Some(track) = self.tracks.get_mut(track_id) {
            track.counted += counted;
            track.last_skip = track.last_skip.max(last_skip);
        } else {
            let track = TrackPlays { counted, last_skip };
            self.tracks.insert(track_id.to_owned(), track);
        }
    }

    pub(super) fn add_stretch(&mut self, key: (u64, u64), more: Stretch) {
        let stretch = self.stretches.entry(key).or_insert(Stretch {
            latest: NEVER,
            ..Stretch::default()
        });
        stretch.latest = stretch.latest.max(more.latest);
        stretch.known += more.known;
        stretch.valence += more.valence;
        stretch.weight += more.weight;
        stretch.weighted_valence += more.weighted_valence;
    }

    /// Takes in what another pass gathered of the same listener.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.last_day = latest(self.last_day, other.last_day);
        self.weight += other.weight;
        for at in 0..N_FEATURES {
            self.sums[at] += other.sums[at];
            self.squares[at] += other.squares[at];
        }
        for (track_id, track) in &other.tracks {
            self.add_track(track_id, track.counted, track.last_skip);
        }
        self.artists.extend(other.artists.iter().cloned());
        self.valences.extend_from_slice(&other.valences);
        for (key, stretch) in &other.stretches {
            self.add_stretch(*key, *stretch);
        }
    }

    /// `None` where no play counts: none has known features, a time and is in the context.
    pub(super) fn profile(&self) -> Option<Profile> {
        let mean = |at: usize| self.sums[at] / self.weight;
        let spread = |at: usize| {
            let variance = (self.squares[at] / self.weight - mean(at) * mean(at)).max(0.0);
            rounded(variance.sqrt().max(FEATURES[at].least_spread))
        };
        let profile = Profile {
            typical: std::array::from_fn(|at| rounded(mean(at))),
            spread: std::array::from_fn(spread),
        };
        let figures = profile.typical.iter().chain(&profile.spread);
        (self.weight > 0.0 && figures.into_iter().all(|figure| figure.is_finite()))
            .then_some(profile)
    }

    /// The valence that the coach leads to: interpolated between plays, as SQL's `percentile_cont` does.
    pub(super) fn target(&self) -> Option<f64> {
        percentile(&self.valences, TARGET_PERCENTILE).map(rounded)
    }

    /// The typical valence as it was before the last session, and as it was before its date.
    pub(super) fn before(&self) -> Before {
        let last = self
            .stretches
            .iter()
            .max_by(|left, right| {
                left.1
                    .latest
                    .total_cmp(&right.1.latest)
                    .then_with(|| left.0.cmp(right.0))
            })
            .map(|(key, _)| *key);
        let Some((date, session)) = last else {
            return Before::default();
        };
        let typical = |earlier: &dyn Fn(&(u64, u64)) -> bool| {
            let chosen = self.stretches.iter().filter(|(key, _)| earlier(key));
            let (weight, valence) = chosen.fold((0.0, 0.0), |(weight, valence), (_, stretch)| {
                (weight + stretch.weight, valence + stretch.weighted_valence)
            });
            (weight > 0.0).then(|| rounded(valence / weight))
        };
        Before {
            session: typical(&|key| key.1 < session),
            date: typical(&|key| key.0 < date),
        }
    }

    /// Mean valence of each date with at least `plays` plays, in the order of dates.
    pub(super) fn daily_valence(&self, plays: f64) -> Vec<(f64, f64)> {
        let mut days: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
        for ((date, _), stretch) in &self.stretches {
            let day = days.entry(*date).or_default();
            day.0 += stretch.known;
            day.1 += stretch.valence;
        }
        let enough = days.into_iter().filter(|(_, (known, _))| *known >= plays);
        enough
            .map(|(date, (known, valence))| (unsorted(date), rounded(valence / known)))
            .collect()
    }
}

/// What was typical earlier; `None` where nothing counted before.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Before {
    /// Before the last session.
    pub(super) session: Option<f64>,
    /// Before the date of the last play.
    pub(super) date: Option<f64>,
}

fn latest(left: Option<f64>, right: Option<f64>) -> Option<f64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.max(right)),
        (left, right) => left.or(right),
    }
}

/// The value below which a share of the values lies, interpolated; `None` for no values.
pub(super) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a slice that fits in memory, from a share between 0 and 1"
    )]
    let (at, rest) = {
        let position = share * last as f64;
        (position.floor() as usize, position.fract())
    };
    let (low, high) = (values[at], values[(at + 1).min(last)]);
    Some(low + rest * (high - low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(day: f64, valence: f64) -> Play<'static> {
        let mut features = [0.5; N_FEATURES];
        features[VALENCE] = valence;
        Play {
            track_id: Some("t"),
            artist: None,
            day: Some(day),
            date: Some(day.floor()),
            session: Some(day.floor()),
            is_completed: true,
            is_skipped: false,
            is_in_context: true,
            features: Some(features),
        }
    }

    fn listening(plays: &[Play]) -> Listening {
        let mut listening = Listening::default();
        for play in plays {
            listening.add(play);
        }
        listening
    }

    #[test]
    fn parts_gathered_apart_are_the_whole() {
        let plays = [play(1.0, 0.25), play(1.5, 0.5), play(3.0, 0.75)];
        let mut parts = listening(&plays[..1]);
        parts.absorb(&listening(&plays[1..]));
        assert_eq!(parts, listening(&plays));
    }

    #[test]
    fn before_leaves_out_the_last_session_and_the_last_date() {
        let mut late = play(2.9, 1.0);
        late.session = Some(2.8);
        let both = listening(&[play(1.0, 0.2), play(2.1, 0.4), late]).before();
        assert_eq!(both.date, Some(0.2));
        // Weights differ by 1.1 days of a half-life of 14: nearly the mean of 0.2 and 0.4.
        let session = both.session.unwrap();
        assert!((0.300..0.306).contains(&session), "{session}");
        assert_eq!(listening(&[play(1.0, 0.2)]).before(), Before::default());
    }

    #[test]
    fn days_before_1970_sort_before_those_after() {
        let days = [-400.5, -1.0, 0.0, 0.25, 20_000.0];
        assert!(days.map(sortable).is_sorted());
        assert_eq!(
            days.map(sortable).map(unsorted).map(f64::to_bits),
            days.map(f64::to_bits)
        );
    }

    #[test]
    fn percentiles_lie_between_values() {
        assert_eq!(percentile(&[4.0, 1.0, 2.0, 3.0], 0.75), Some(3.25));
        assert_eq!(percentile(&[], 0.75), None);
    }
}
