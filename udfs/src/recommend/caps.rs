//! The coach's caps: what `gold.coach_policy` allows, as hard limits on every track.
//!
//! A cap that is `NULL`, doubled, negative or not a number allows nothing: never an unlimited step. So does one that is
//! missing, but for the caps of [`OPTIONAL_POLICY`], which hold as promised. One that the coach does not know is an error. The tempo cap compares beats per minute as they are: half and double time do not
//! count as the same tempo, so that a cap can be audited from `tempo_delta_pct` alone.

use datafusion::common::{Result, exec_err};

use super::{
    listening::Before,
    profile::{ENERGY, LOUDNESS, N_FEATURES, TEMPO, VALENCE},
};

/// The rows that `gold.coach_policy` must have.
const POLICY: [&str; 12] = [
    "pace",
    "pace_min",
    "pace_max",
    "valence_drop",
    "valence_hold",
    "energy_step",
    "tempo_change",
    "loudness_step",
    "match_percentile",
    "improvement_weight",
    "skip_memory",
    "back_off_memory",
];

/// The rows that `gold.coach_policy` may have, and what holds where it does not: what the product promises.
const OPTIONAL_POLICY: [(&str, f64); 4] = [
    ("session_cap", 0.25),
    ("day_cap", 0.30),
    ("iso_share", 0.25),
    ("streak_pace", 0.50),
];

/// The widest `pace` that a call may ask for, in valence; the policy may narrow it.
pub(super) const PACE_RANGE: std::ops::RangeInclusive<f64> = 0.05..=0.15;

/// What the policy allows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Caps {
    pace: f64,
    pace_min: f64,
    pace_max: f64,
    valence_drop: f64,
    valence_hold: f64,
    energy_step: f64,
    tempo_change_pct: f64,
    loudness_step: f64,
    /// A track must match at least as well as this share of the catalogue, `0..=1`.
    pub(super) match_percentile: f64,
    /// Share of the score that the improvement has, `0..=1`.
    pub(super) improvement_weight: f64,
    /// Days for which a skipped track is not offered.
    pub(super) skip_memory: f64,
    /// Days for which an answer slows the coach down.
    pub(super) back_off_memory: f64,
    /// How far all steps of one session, and of one date, may lead together, in valence.
    session_cap: f64,
    day_cap: f64,
    /// Share of a list that comes before the step: as close to the listener as `valence_hold`.
    pub(super) iso_share: f64,
    /// What the pace is multiplied by in a streak of low valence.
    streak_pace: f64,
}

/// What the listener's last answers to the coach ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackOff {
    /// Nothing: go on.
    None,
    /// The last answer was a skip: half the pace.
    Half,
    /// "stay", two skips in a row or a skip after "stay": no step.
    Hold,
}

impl BackOff {
    /// Reads the last answer and the one before it.
    pub(super) fn from_answers(latest: Option<&str>, previous: Option<&str>) -> Self {
        let declined = |answer| matches!(answer, Some("skip" | "less"));
        match latest {
            Some("stay") => Self::Hold,
            _ if !declined(latest) => Self::None,
            _ if declined(previous) || previous == Some("stay") => Self::Hold,
            _ => Self::Half,
        }
    }
}

/// How a listener is placed beside their profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Standing {
    /// The valence that the coach leads to.
    pub(super) target: f64,
    pub(super) back_off: BackOff,
    /// Whether the last days were lower in valence than usual.
    pub(super) has_streak: bool,
    /// What was typical before the last session, and before its date.
    pub(super) before: Before,
}

/// The valence steps that one listener may be offered now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ValenceStep {
    low: f64,
    high: f64,
    /// The step that counts as full progress; 0 where none is wanted.
    goal: f64,
    /// Furthest from the present that still counts as staying there.
    hold: f64,
    /// Why no step may be offered, though one is wanted.
    used_up: Option<UsedUp>,
}

/// A cap over several steps that leaves no room for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UsedUp {
    /// That of a session.
    Session,
    /// That of a date.
    Day,
}

/// How a track differs from the listener's present.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Deltas {
    pub(super) valence: f64,
    pub(super) energy: f64,
    pub(super) tempo_pct: f64,
    pub(super) loudness: f64,
}

impl Deltas {
    /// `track` gives a track's features by their position.
    pub(super) fn between(typical: &[f64; N_FEATURES], track: impl Fn(usize) -> f64) -> Self {
        Self {
            valence: track(VALENCE) - typical[VALENCE],
            energy: track(ENERGY) - typical[ENERGY],
            tempo_pct: 100.0 * (track(TEMPO) / typical[TEMPO] - 1.0),
            loudness: track(LOUDNESS) - typical[LOUDNESS],
        }
    }
}

impl Caps {
    /// Reads names and values; `None` where one is unusable.
    ///
    /// # Errors
    /// When there is a name that the coach does not know: it could not keep that cap.
    pub(super) fn from_policy(rows: &[(String, Option<f64>)]) -> Result<Option<Self>> {
        let names = || {
            POLICY
                .into_iter()
                .chain(OPTIONAL_POLICY.map(|(name, _)| name))
        };
        match rows
            .iter()
            .find(|(given, _)| names().all(|name| name != given))
        {
            Some((name, _)) => exec_err!(
                "recommend: gold.coach_policy has '{name}', a cap that coach cannot keep, expected only {}",
                names().collect::<Vec<_>>().join(", ")
            ),
            None => Ok(Self::from_known_names(rows)),
        }
    }

    fn from_known_names(rows: &[(String, Option<f64>)]) -> Option<Self> {
        let value = |name: &str| {
            let mut found = rows.iter().filter(|(known, _)| known == name);
            let value = found
                .next()?
                .1
                .filter(|value| value.is_finite() && *value >= 0.0);
            value.filter(|_| found.next().is_none())
        };
        let share = |name| value(name).filter(|share| *share <= 1.0);
        let optional = |at: usize| {
            let (name, promised) = OPTIONAL_POLICY[at];
            if rows.iter().any(|(known, _)| known == name) {
                value(name)
            } else {
                Some(promised)
            }
        };
        Some(Self {
            pace: value("pace")?,
            pace_min: value("pace_min")?,
            pace_max: value("pace_max")?,
            valence_drop: value("valence_drop")?,
            valence_hold: value("valence_hold")?,
            energy_step: value("energy_step")?,
            tempo_change_pct: value("tempo_change")?,
            loudness_step: value("loudness_step")?,
            match_percentile: share("match_percentile")?,
            improvement_weight: share("improvement_weight")?,
            skip_memory: value("skip_memory")?,
            back_off_memory: value("back_off_memory")?,
            session_cap: optional(0)?,
            day_cap: optional(1)?,
            iso_share: optional(2).filter(|share| *share <= 1.0)?,
            streak_pace: optional(3).filter(|share| *share <= 1.0)?,
        })
    }

    /// The paces that the policy lets a call ask for.
    pub(super) fn pace_range(&self) -> (f64, f64) {
        (
            self.pace_min.max(*PACE_RANGE.start()),
            self.pace_max.min(*PACE_RANGE.end()),
        )
    }

    /// The valence steps for a listener at `present`.
    ///
    /// A step leads no further than the target, except within `valence_hold` of the present. Who is there, or is held,
    /// is led no further than that either way. Together with what the last session, and its date, have moved already no
    /// step leads further than the caps on them.
    pub(super) fn valence_step(
        &self,
        pace: Option<f64>,
        present: f64,
        standing: &Standing,
    ) -> ValenceStep {
        let pace = self.pace_of(pace, standing);
        let gap = standing.target - present;
        let steps = gap > 0.0 && standing.back_off != BackOff::Hold;
        let low = if steps {
            -self.valence_drop
        } else {
            -self.valence_drop.min(self.valence_hold)
        };
        let furthest = if steps {
            gap.max(self.valence_hold)
        } else {
            self.valence_hold
        };
        let room = |before: Option<f64>, cap: f64| {
            before.map_or(f64::INFINITY, |before| cap - (present - before))
        };
        let in_session = room(standing.before.session, self.session_cap);
        let in_day = room(standing.before.date, self.day_cap);
        let high = pace.min(furthest).min(in_session).min(in_day);
        let leaves_none = |room: f64| room < low || (steps && room <= 0.0);
        ValenceStep {
            low,
            high,
            goal: if steps { high.min(gap).max(0.0) } else { 0.0 },
            hold: self.valence_hold,
            used_up: if leaves_none(in_session) {
                Some(UsedUp::Session)
            } else {
                leaves_none(in_day).then_some(UsedUp::Day)
            },
        }
    }

    fn pace_of(&self, pace: Option<f64>, standing: &Standing) -> f64 {
        let widest = self.pace_max.min(*PACE_RANGE.end());
        let mut pace = pace.unwrap_or(self.pace).min(widest);
        if standing.back_off != BackOff::None {
            pace /= 2.0;
        }
        if standing.has_streak {
            pace *= self.streak_pace;
        }
        pace
    }

    /// Whether a track keeps within every cap on a single feature.
    pub(super) fn allow(&self, step: ValenceStep, deltas: &Deltas) -> bool {
        (step.low..=step.high).contains(&deltas.valence)
            && deltas.energy.abs() <= self.energy_step
            && deltas.tempo_pct.abs() <= self.tempo_change_pct
            && deltas.loudness.abs() <= self.loudness_step
    }
}

impl ValenceStep {
    /// Progress toward the target over the allowed step, in `[0, 1]`.
    pub(super) fn improvement(self, valence_delta: f64) -> f64 {
        if self.goal > 0.0 {
            (valence_delta / self.goal).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Whether a valence difference counts as staying where the listener is.
    pub(super) fn stays(self, valence_delta: f64) -> bool {
        valence_delta.abs() <= self.hold
    }

    /// The furthest that a place in a list may lead: it rises in equal parts from the present to the goal, and is never
    /// nearer than what counts as staying.
    pub(super) fn ceiling(self, share: f64) -> f64 {
        (self.goal * share).max(self.hold)
    }

    /// The cap over several steps that leaves no room for this one, if one does.
    pub(super) fn used_up(self) -> Option<UsedUp> {
        self.used_up
    }

    /// Whether the listener is led anywhere.
    pub(super) fn is_a_step(self) -> bool {
        self.goal > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Vec<(String, Option<f64>)> {
        let values = [
            0.10, 0.05, 0.15, 0.02, 0.03, 0.15, 12.0, 4.0, 0.4, 0.4, 30.0, 7.0,
        ];
        POLICY
            .iter()
            .zip(values)
            .map(|(name, value)| ((*name).to_owned(), Some(value)))
            .collect()
    }

    fn at(target: f64, back_off: BackOff) -> Standing {
        Standing {
            target,
            back_off,
            has_streak: false,
            before: Before::default(),
        }
    }

    fn caps() -> Caps {
        Caps::from_policy(&policy()).unwrap().unwrap()
    }

    #[test]
    fn an_unusable_cap_allows_nothing() {
        for at in 0..POLICY.len() {
            for broken in [None, Some(f64::NAN), Some(-0.01), Some(f64::INFINITY)] {
                let mut rows = policy();
                rows[at].1 = broken;
                assert_eq!(
                    Caps::from_policy(&rows).unwrap(),
                    None,
                    "{} = {broken:?}",
                    POLICY[at]
                );
            }
            let mut rows = policy();
            rows.push(rows[at].clone());
            assert_eq!(
                Caps::from_policy(&rows).unwrap(),
                None,
                "{} twice",
                POLICY[at]
            );
            rows.retain(|(name, _)| name != POLICY[at]);
            assert_eq!(Caps::from_policy(&rows).unwrap(), None, "no {}", POLICY[at]);
        }
        assert_eq!(Caps::from_policy(&[]).unwrap(), None);
    }

    #[test]
    fn an_unknown_cap_is_refused() {
        let mut rows = policy();
        rows.push(("energy_stepp".to_owned(), Some(0.1)));
        let message = Caps::from_policy(&rows).unwrap_err().to_string();
        assert!(
            message.contains("gold.coach_policy has 'energy_stepp'"),
            "{message}"
        );
    }

    #[test]
    fn steps_shrink_with_answers_and_near_the_target() {
        let caps = caps();
        let high = |target, back_off| caps.valence_step(None, 0.4, &at(target, back_off)).high;
        assert!((high(0.8, BackOff::None) - 0.10).abs() < 1e-12);
        assert!((high(0.8, BackOff::Half) - 0.05).abs() < 1e-12);
        assert!((high(0.8, BackOff::Hold) - 0.03).abs() < 1e-12);
        assert!((high(0.46, BackOff::None) - 0.06).abs() < 1e-12);
        assert!((high(0.41, BackOff::None) - 0.03).abs() < 1e-12);
        assert!((high(0.3, BackOff::None) - 0.03).abs() < 1e-12);
    }

    #[test]
    fn who_is_held_or_there_steps_down_no_further_than_up() {
        let mut rows = policy();
        rows[3].1 = Some(0.05);
        rows[4].1 = Some(0.01);
        let caps = Caps::from_policy(&rows).unwrap().unwrap();
        let low = |target, back_off| caps.valence_step(None, 0.4, &at(target, back_off)).low;
        assert!((low(0.8, BackOff::None) + 0.05).abs() < 1e-12);
        assert!((low(0.8, BackOff::Hold) + 0.01).abs() < 1e-12);
        assert!((low(0.4, BackOff::None) + 0.01).abs() < 1e-12);
    }

    #[test]
    fn a_second_skip_never_leads_further_than_the_first() {
        let high = |back_off| {
            caps()
                .valence_step(Some(0.05), 0.4, &at(0.8, back_off))
                .high
        };
        assert!((high(BackOff::Half) - 0.025).abs() < 1e-12);
        assert!((high(BackOff::Hold) - 0.025).abs() < 1e-12);
    }

    #[test]
    fn a_streak_of_low_valence_halves_the_pace_and_a_skip_halves_it_again() {
        let high = |back_off| {
            let standing = Standing {
                has_streak: true,
                ..at(0.8, back_off)
            };
            caps().valence_step(None, 0.4, &standing).high
        };
        assert!((high(BackOff::None) - 0.05).abs() < 1e-12);
        assert!((high(BackOff::Half) - 0.025).abs() < 1e-12);
    }

    #[test]
    fn what_a_session_and_a_day_have_moved_counts_against_their_caps() {
        let step = |session, date| {
            let standing = Standing {
                before: Before { session, date },
                ..at(0.9, BackOff::None)
            };
            caps().valence_step(None, 0.5, &standing)
        };
        assert!((step(Some(0.5), Some(0.5)).high - 0.10).abs() < 1e-12);
        assert!((step(Some(0.29), Some(0.5)).high - 0.04).abs() < 1e-12);
        assert!((step(Some(0.5), Some(0.27)).high - 0.07).abs() < 1e-12);
        assert_eq!(step(Some(0.2), None).used_up(), Some(UsedUp::Session));
        assert_eq!(step(None, Some(0.1)).used_up(), Some(UsedUp::Day));
        assert_eq!(step(Some(0.29), Some(0.27)).used_up(), None);
    }

    #[test]
    fn caps_that_a_policy_leaves_out_hold_as_promised() {
        let mut rows = policy();
        rows.push(("session_cap".to_owned(), Some(0.10)));
        let narrow = Caps::from_policy(&rows).unwrap().unwrap();
        assert!((narrow.session_cap - 0.10).abs() < 1e-12);
        assert!((caps().session_cap - 0.25).abs() < 1e-12);
        rows.last_mut().unwrap().1 = None;
        assert_eq!(Caps::from_policy(&rows).unwrap(), None);
    }

    #[test]
    fn improvement_is_progress_over_the_allowed_step() {
        let caps = caps();
        let step = caps.valence_step(None, 0.4, &at(0.8, BackOff::None));
        assert!((step.improvement(0.05) - 0.5).abs() < 1e-12);
        assert!(step.improvement(-0.01).abs() < f64::EPSILON);
        let there = caps.valence_step(None, 0.8, &at(0.8, BackOff::None));
        assert!(there.improvement(0.03).abs() < f64::EPSILON && !there.is_a_step());
    }

    #[test]
    fn answers_back_off() {
        assert_eq!(BackOff::from_answers(None, None), BackOff::None);
        assert_eq!(
            BackOff::from_answers(Some("skip"), Some("like")),
            BackOff::Half
        );
        assert_eq!(
            BackOff::from_answers(Some("skip"), Some("skip")),
            BackOff::Hold
        );
        assert_eq!(BackOff::from_answers(Some("stay"), None), BackOff::Hold);
        assert_eq!(
            BackOff::from_answers(Some("skip"), Some("stay")),
            BackOff::Hold
        );
        assert_eq!(
            BackOff::from_answers(Some("play"), Some("skip")),
            BackOff::None
        );
    }
}
