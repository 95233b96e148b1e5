//! What holds of every list of the coach, tried on listeners and catalogues that are drawn at random.

use std::{collections::HashSet, sync::Arc};

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, StringArray, StructArray};
use arrow::datatypes::Field;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256Plus;

use super::{
    caps::{BackOff, Caps, Standing},
    catalogue::Catalogue,
    listening::Before,
    profile::{ENERGY, FEATURES, LOUDNESS, N_FEATURES, Profile, TEMPO, VALENCE},
    ranking::{Coaching, Exclusions, Ground, Pick, coach, mirror},
};

const CASES: u64 = 600;
/// The caps of `gold.coach_policy` as it is shipped.
const POLICY: [(&str, f64); 12] = [
    ("pace", 0.10),
    ("pace_min", 0.05),
    ("pace_max", 0.15),
    ("valence_drop", 0.02),
    ("valence_hold", 0.03),
    ("energy_step", 0.15),
    ("tempo_change", 12.0),
    ("loudness_step", 4.0),
    ("match_percentile", 0.4),
    ("improvement_weight", 0.4),
    ("skip_memory", 30.0),
    ("back_off_memory", 7.0),
];
/// Rounding of sums and differences of features.
const ROUNDING: f64 = 1e-12;

struct Case {
    catalogue: Catalogue,
    /// Whether each track has features.
    analysed: HashSet<String>,
    profile: Profile,
    standing: Standing,
    pace: Option<f64>,
    k: usize,
}

fn case(seed: u64) -> Case {
    let mut random = Xoshiro256Plus::seed_from_u64(seed);
    let n_tracks = random.gen_range(1..250);
    let width = random.gen_range(0.05..0.8);
    let usual = [
        0.6,
        0.6,
        -8.0,
        0.1,
        0.3,
        0.1,
        0.2,
        random.gen_range(0.1..0.9),
        120.0,
    ];
    let unit = [1.0, 1.0, 30.0, 1.0, 1.0, 1.0, 1.0, 1.0, 120.0];
    let mut columns = vec![vec![]; N_FEATURES];
    for _ in 0..n_tracks {
        for (at, column) in columns.iter_mut().enumerate() {
            let value: f64 = usual[at] + width * unit[at] * (random.r#gen::<f64>() - 0.5);
            column.push(value.clamp(FEATURES[at].low, FEATURES[at].high));
        }
    }
    let is_analysed: Vec<bool> = (0..n_tracks).map(|_| random.gen_bool(0.9)).collect();
    let names: Vec<String> = (0..n_tracks).map(|at| format!("t{at:03}")).collect();
    let songs: Vec<String> = (0..n_tracks)
        .map(|_| format!("song {}", random.gen_range(0..n_tracks)))
        .collect();
    let artists: Vec<String> = songs
        .iter()
        .map(|song| format!("by {}", song.len()))
        .collect();
    let mut fields: Vec<(Arc<Field>, ArrayRef)> = vec![];
    let mut add = |name: &str, column: ArrayRef| {
        let field = Field::new(name, column.data_type().clone(), true);
        fields.push((Arc::new(field), column));
    };
    add("track_id", Arc::new(StringArray::from(names.clone())));
    add("track_name", Arc::new(StringArray::from(songs)));
    add("artist", Arc::new(StringArray::from(artists)));
    add("genre", Arc::new(StringArray::new_null(n_tracks)));
    add(
        "is_candidate",
        Arc::new(BooleanArray::from(is_analysed.clone())),
    );
    for (feature, column) in FEATURES.iter().zip(columns) {
        add(feature.name, Arc::new(Float64Array::from(column)));
    }
    let earlier = |random: &mut Xoshiro256Plus| {
        random
            .gen_bool(0.6)
            .then(|| usual[VALENCE] + random.gen_range(-0.4..0.4))
    };
    let back_off = [BackOff::None, BackOff::None, BackOff::Half, BackOff::Hold];
    Case {
        catalogue: Catalogue::read(&StructArray::from(fields)).unwrap(),
        analysed: names
            .into_iter()
            .zip(is_analysed)
            .filter(|(_, is)| *is)
            .map(|(name, _)| name)
            .collect(),
        profile: Profile {
            typical: usual,
            spread: FEATURES.map(|feature| feature.least_spread * random.gen_range(1.0..3.0)),
        },
        standing: Standing {
            target: usual[VALENCE] + random.gen_range(-0.1..0.4),
            back_off: back_off[random.gen_range(0..4)],
            has_streak: random.gen_bool(0.3),
            before: Before {
                session: earlier(&mut random),
                date: earlier(&mut random),
            },
        },
        pace: random.gen_bool(0.5).then(|| random.gen_range(0.05..=0.15)),
        k: random.gen_range(1..60),
    }
}

impl Case {
    fn coached(&self, caps: &Caps) -> Vec<Pick> {
        let exclusions = Exclusions::default();
        let coaching = Coaching {
            caps,
            pace: self.pace,
            standing: self.standing,
        };
        coach(&self.ground(&exclusions), &coaching, self.k)
    }

    fn ground<'a>(&'a self, exclusions: &'a Exclusions) -> Ground<'a> {
        Ground {
            catalogue: &self.catalogue,
            profile: &self.profile,
            exclusions,
            wanted: None,
            mix: None,
        }
    }

    /// The furthest that the case allows a step to lead, by the words of the policy.
    fn furthest(&self) -> f64 {
        let present = self.profile.typical[VALENCE];
        let mut pace = self.pace.unwrap_or(0.10);
        if self.standing.back_off != BackOff::None {
            pace /= 2.0;
        }
        if self.standing.has_streak {
            pace /= 2.0;
        }
        let before = self.standing.before;
        let in_session = before
            .session
            .map_or(f64::INFINITY, |before| before + 0.25 - present);
        let in_day = before
            .date
            .map_or(f64::INFINITY, |before| before + 0.30 - present);
        let still = if self.leads() { f64::INFINITY } else { 0.03 };
        pace.min(in_session).min(in_day).min(still)
    }

    fn leads(&self) -> bool {
        self.standing.target > self.profile.typical[VALENCE]
            && self.standing.back_off != BackOff::Hold
    }

    /// What one row breaks, by features read from the catalogue again.
    fn broken(&self, pick: &Pick) -> Option<&'static str> {
        let track = self.catalogue.features(pick.candidate);
        let usual = &self.profile.typical;
        let valence = track[VALENCE] - usual[VALENCE];
        let scores = self
            .profile
            .match_scores(&self.catalogue.columns, self.catalogue.n_candidates());
        let at_most = scores
            .iter()
            .filter(|score| **score <= scores[pick.candidate])
            .count();
        let matched = f64::from(u32::try_from(at_most).unwrap())
            / f64::from(u32::try_from(scores.len()).unwrap());
        let checks = [
            (
                self.analysed
                    .contains(self.catalogue.track_id(pick.candidate)),
                "features",
            ),
            (valence >= -0.02 - ROUNDING, "valence_drop"),
            (valence <= self.furthest() + ROUNDING, "pace"),
            (valence <= 0.15 + ROUNDING, "pace_max"),
            (
                (track[ENERGY] - usual[ENERGY]).abs() <= 0.15 + ROUNDING,
                "energy_step",
            ),
            (
                (track[TEMPO] / usual[TEMPO] - 1.0).abs() <= 0.12 + ROUNDING,
                "tempo_change",
            ),
            (
                (track[LOUDNESS] - usual[LOUDNESS]).abs() <= 4.0 + ROUNDING,
                "loudness_step",
            ),
            (matched >= 0.4 - ROUNDING, "match_percentile"),
            (
                pick.improvement_score
                    .is_some_and(|score| (0.0..=1.0).contains(&score)),
                "improvement_score",
            ),
        ];
        checks.iter().find(|(holds, _)| !holds).map(|(_, cap)| *cap)
    }
}

fn caps() -> Caps {
    let rows = POLICY.map(|(name, value)| (name.to_owned(), Some(value)));
    Caps::from_policy(&rows).unwrap().unwrap()
}

#[test]
fn no_row_is_outside_the_caps_ever() {
    let caps = caps();
    let (mut rows, mut led) = (0, 0);
    for seed in 0..CASES {
        let case = case(seed);
        let picks = case.coached(&caps);
        assert!(picks.len() <= case.k, "seed {seed}");
        for pick in &picks {
            assert_eq!(case.broken(pick), None, "seed {seed}: {pick:?}");
        }
        let songs: HashSet<String> = picks
            .iter()
            .map(|pick| case.catalogue.song(pick.candidate))
            .collect();
        assert_eq!(songs.len(), picks.len(), "seed {seed}: a song twice");
        rows += picks.len();
        led += usize::from(picks.iter().any(|pick| pick.deltas.valence > 0.03));
    }
    assert!(
        rows > 2000 && led > 50,
        "{rows} rows, {led} lists that lead"
    );
}

#[test]
fn a_list_begins_where_the_listener_is_and_rises_in_equal_parts() {
    let caps = caps();
    for seed in 0..CASES {
        let case = case(seed);
        let deltas: Vec<f64> = case
            .coached(&caps)
            .iter()
            .map(|pick| pick.deltas.valence)
            .collect();
        let start = deltas.len().div_ceil(4);
        assert!(
            deltas[..start].iter().all(|delta| delta.abs() <= 0.03),
            "seed {seed}: {deltas:?}"
        );
        let rising = f64::from(u32::try_from(deltas.len() - start).unwrap());
        for (place, delta) in (1..).map(f64::from).zip(&deltas[start..]) {
            let ceiling = (case.furthest() * place / rising).max(0.03);
            assert!(
                *delta <= ceiling + ROUNDING,
                "seed {seed}: {delta} at {place} of {deltas:?}"
            );
        }
        let risen: Vec<&f64> = deltas.iter().filter(|delta| **delta > 0.03).collect();
        assert!(risen.is_sorted(), "seed {seed}: {deltas:?}");
    }
}

#[test]
fn the_mirror_ranks_by_match_and_gives_what_there_is() {
    for seed in 0..CASES {
        let case = case(seed);
        let exclusions = Exclusions::default();
        let ground = case.ground(&exclusions);
        let picks = mirror(&ground, case.k);
        assert_eq!(
            picks.len(),
            case.k.min(ground.n_songs(&ground.mirrored())),
            "seed {seed}"
        );
        let scores: Vec<f64> = picks.iter().map(|pick| -pick.match_score).collect();
        assert!(scores.is_sorted(), "seed {seed}: {scores:?}");
        assert_eq!(picks, mirror(&ground, case.k), "seed {seed}");
    }
}
