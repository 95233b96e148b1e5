//! The planted effects are found again, by their definitions in the contract.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts and durations of tests are far below 2^53"
)]

use std::collections::BTreeMap;

use super::history::{Item, Play};
use super::listener::INSTRUMENTAL_COMPLETION_RATIO;
use super::taste::{
    HIGH_ENERGY, INSTRUMENTAL, LOW_VALENCE, LOW_VALENCE_RATE_RATIO, MORNING_ODDS_RATIO, rate_ratio,
};
use super::tracks::Track;
use super::*;

pub(super) const SEEDS: std::ops::Range<u64> = 40..52;
/// The quantile of the normal distribution for intervals of 95 %.
const Z: f64 = 1.959_963_985;

fn options(seed: u64) -> Options {
    Options {
        out: PathBuf::new(),
        users: 1,
        days: 365,
        tracks: 5_000,
        seed,
        catalog: None,
    }
}

pub(super) fn simulate(seed: u64) -> (Vec<Track>, History) {
    let options = options(seed);
    let tracks = invent::invent(options.tracks as usize, &mut stream(seed, 0));
    let history = listen(&Shelves::new(&tracks), &options, 1).unwrap();
    (tracks, history)
}

/// An estimate of a ratio with the standard error of its logarithm.
#[derive(Debug)]
struct Estimate {
    ratio: f64,
    error: f64,
}

impl Estimate {
    fn covers(&self, truth: f64) -> bool {
        (self.ratio.ln() - truth.ln()).abs() <= Z * self.error
    }
}

fn listed<'a>(
    tracks: &'a [Track],
    history: &'a History,
) -> impl Iterator<Item = (&'a Play, &'a Track)> {
    history.plays.iter().filter_map(|play| match play.item {
        Item::Track(track) => Some((play, &tracks[track])),
        _ => None,
    })
}

/// Wald's interval of an odds ratio.
fn morning_odds_ratio(tracks: &[Track], history: &History) -> Estimate {
    let mut counts = [[0.0_f64; 2]; 2];
    for (play, track) in listed(tracks, history) {
        let hour = play.ended_at / 3_600_000 % 24;
        let row = match hour {
            6..=11 => 0,
            17..=21 => 1,
            _ => continue,
        };
        counts[row][usize::from(track.features.energy > HIGH_ENERGY)] += 1.0;
    }
    let [[a, b], [c, d]] = counts;
    Estimate {
        ratio: b * c / (a * d),
        error: (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt(),
    }
}

/// The rate ratio of Mantel and Haenszel; its variance (Greenland and Robins 1985) is widened by
/// the dispersion of plays per track.
fn low_valence_rate_ratio(tracks: &[Track], history: &History) -> Estimate {
    let mut plays: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, track) in listed(tracks, history) {
        *plays.entry(&track.id).or_default() += 1.0;
    }
    // Plays and tracks of each genre: others, and those of low valence.
    let mut genres: BTreeMap<&str, [[f64; 2]; 2]> = BTreeMap::new();
    for track in tracks {
        let low = usize::from(track.features.valence < LOW_VALENCE);
        let [sums, sizes] = genres.entry(&track.genre).or_default();
        sums[low] += plays.get(track.id.as_str()).unwrap_or(&0.0);
        sizes[low] += 1.0;
    }
    let (sums, sizes): (Vec<_>, Vec<_>) =
        genres.values().map(|[sums, sizes]| (*sums, *sizes)).unzip();
    let (mut variance, mut low_part, mut other_part) = (0.0, 0.0, 0.0);
    for (sums, sizes) in sums.iter().zip(&sizes) {
        let all = sizes[0] + sizes[1];
        variance += (sums[0] + sums[1]) * sizes[0] * sizes[1] / (all * all);
        low_part += sums[1] * sizes[0] / all;
        other_part += sums[0] * sizes[1] / all;
    }
    let mean = |track: &Track| {
        let low = usize::from(track.features.valence < LOW_VALENCE);
        let [sums, sizes] = genres[track.genre.as_str()];
        sums[low] / sizes[low]
    };
    let squares = tracks
        .iter()
        .filter(|track| mean(track) > 0.0)
        .map(|track| {
            (plays.get(track.id.as_str()).unwrap_or(&0.0) - mean(track)).powi(2) / mean(track)
        });
    let dispersion = squares.sum::<f64>() / tracks.len() as f64;
    Estimate {
        ratio: rate_ratio(&sums, &sizes),
        error: (dispersion.max(1.0) * variance / (low_part * other_part)).sqrt(),
    }
}

/// The ratio of two shares, with the interval on the log scale (Katz et al. 1978).
fn instrumental_completion_ratio(tracks: &[Track], history: &History) -> Estimate {
    let mut counts = [[0.0_f64; 2]; 2];
    for (play, track) in listed(tracks, history) {
        let completion = (play.ended_at - play.started_at) as f64 / track.duration_ms as f64;
        let group = usize::from(track.features.instrumentalness > INSTRUMENTAL);
        counts[group][usize::from(completion >= 0.9)] += 1.0;
    }
    let share = |group: usize| counts[group][1] / (counts[group][0] + counts[group][1]);
    let part = |group: usize| (1.0 - share(group)) / counts[group][1];
    Estimate {
        ratio: share(1) / share(0),
        error: (part(0) + part(1)).sqrt(),
    }
}

type Estimator = fn(&[Track], &History) -> Estimate;

#[test]
fn planted_effects_are_recovered() {
    let effects: [(&str, f64, Estimator); 3] = [
        ("morning odds ratio", MORNING_ODDS_RATIO, morning_odds_ratio),
        (
            "low valence rate ratio",
            LOW_VALENCE_RATE_RATIO,
            low_valence_rate_ratio,
        ),
        (
            "instrumental completion",
            INSTRUMENTAL_COMPLETION_RATIO,
            instrumental_completion_ratio,
        ),
    ];
    let worlds: Vec<_> = SEEDS.map(simulate).collect();
    for (name, truth, estimate) in effects {
        let estimates: Vec<_> = worlds
            .iter()
            .map(|(tracks, history)| estimate(tracks, history))
            .collect();
        let outside: Vec<_> = estimates
            .iter()
            .filter(|estimate| !estimate.covers(truth))
            .collect();
        assert!(
            outside.is_empty(),
            "{name}: {truth} is outside of {outside:?}"
        );
        let mean = estimates
            .iter()
            .map(|estimate| estimate.ratio.ln())
            .sum::<f64>()
            / estimates.len() as f64;
        assert!(
            (mean - f64::ln(truth)).abs() < 0.02,
            "{name}: {} instead of {truth}",
            mean.exp()
        );
    }
}

#[test]
fn a_year_has_about_ten_thousand_plays_in_plausible_sessions() {
    let (tracks, history) = simulate(42);
    let plays = history.plays.len();
    assert!((9_000..11_500).contains(&plays), "{plays} plays");
    for pair in history.plays.windows(2) {
        assert!(
            pair[0].ended_at <= pair[1].started_at,
            "plays overlap: {pair:?}"
        );
    }
    let music: Vec<_> = history
        .plays
        .iter()
        .filter(|play| matches!(play.item, Item::Track(_) | Item::Unlisted(_)))
        .collect();
    let breaks = music
        .windows(2)
        .filter(|pair| pair[1].started_at - pair[0].ended_at > 30 * 60_000);
    assert_eq!(breaks.count() + 1, history.sessions.len());
    let count = music
        .iter()
        .filter(|play| matches!(play.item, Item::Track(_)))
        .count();
    let coverage = count as f64 / music.len() as f64;
    assert!((0.91..0.95).contains(&coverage), "coverage {coverage}");
    let played: std::collections::BTreeSet<_> = listed(&tracks, &history)
        .map(|(_, track)| &track.id)
        .collect();
    assert!(
        (1_000..4_500).contains(&played.len()),
        "{} tracks played",
        played.len()
    );
    let podcasts = history
        .plays
        .iter()
        .filter(|play| matches!(play.item, Item::Episode(_)));
    assert!(podcasts.count() > 5);
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, seed: u64| {
        let out = folder.path().join(name);
        let options = Options {
            out,
            users: 2,
            days: 20,
            tracks: 300,
            seed,
            catalog: None,
        };
        let made = generate(&options).unwrap();
        assert_eq!(made.users, ["listener_1", "listener_2"]);
        let mut files = vec![made.catalog.unwrap(), made.planted];
        for history in made.histories {
            files.push(history.join("Streaming_History_Audio_2025_0.json"));
        }
        files
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let first = run("first", 7);
    assert_eq!(first, run("second", 7));
    assert_ne!(first, run("third", 8));
    assert_ne!(first[2], first[3]);
}

#[test]
fn a_given_catalogue_is_listened_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_path_buf();
    let options = Options {
        out,
        users: 1,
        days: 10,
        tracks: 400,
        seed: 1,
        catalog: None,
    };
    let made = generate(&options).unwrap();
    let over = Options {
        out: folder.path().join("over"),
        catalog: made.catalog,
        ..options
    };
    let again = generate(&over).unwrap();
    assert_eq!(again.catalog, None);
    let history =
        fs::read_to_string(again.histories[0].join("Streaming_History_Audio_2025_0.json"));
    let tracks = tracks::read(over.catalog.as_ref().unwrap()).unwrap();
    assert_eq!(tracks.len(), 400);
    assert!(
        tracks
            .iter()
            .any(|track| history.as_ref().unwrap().contains(&track.id))
    );
    let planted = fs::read_to_string(again.planted).unwrap();
    assert!(planted.contains("\"moods\":null") && planted.contains("\"odds_ratio\":2.3"));
}
