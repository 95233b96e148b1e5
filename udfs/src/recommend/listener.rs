//! The listeners that recommendations are for, as the kernel sees them.

use std::{collections::HashSet, ops::Range};

use arrow::array::{Array, AsArray, Float64Array, ListArray, StringArray, StructArray};
use datafusion::common::{Result, internal_err};

use super::{
    caps::{BackOff, Caps, Standing},
    catalogue::{double, list, structs, text},
    gather::listening_at,
    listening::Listening,
    profile::Profile,
    streak,
};

/// Everybody with plays.
#[derive(Debug)]
pub(super) struct Listeners {
    listeners: Vec<Listener>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) user_id: String,
    pub(super) listening: Listening,
    /// `None` where no play has features (in the context asked for).
    pub(super) profile: Option<Profile>,
    answers: Vec<Answer>,
}

/// What a listener answered to a recommendation.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    track_id: String,
    mode: String,
    response: String,
    /// When, in days since 1970. What has no time counts as the latest: to hold back too long does no harm.
    day: f64,
}

impl Listeners {
    /// Reads a list of structs, one for each listener; they come out in the order of their names.
    pub(super) fn read(rows: &StructArray) -> Result<Self> {
        let user_id = text(rows, "user_id")?;
        let listening = structs(rows, "listening")?;
        let answers = rows
            .column_by_name("answers")
            .map(|_| Answers::read(rows))
            .transpose()?;
        let mut listeners = (0..rows.len())
            .map(|row| {
                let listening = listening_at(&listening, row)?;
                Ok(Listener {
                    user_id: user_id.value(row).to_owned(),
                    profile: listening.profile(),
                    listening,
                    answers: answers
                        .as_ref()
                        .map_or_else(Vec::new, |answers| answers.of(row)),
                })
            })
            .collect::<Result<Vec<_>>>()?;
        listeners.sort_unstable_by(|left, right| left.user_id.cmp(&right.user_id));
        Ok(Self { listeners })
    }

    pub(super) fn all(&self) -> &[Listener] {
        &self.listeners
    }
}

impl Listener {
    fn since(&self, days: f64) -> f64 {
        self.listening.last_day.unwrap_or(f64::NEG_INFINITY) - days
    }

    /// Where the coach finds the listener; `None` where no play has features.
    pub(super) fn standing(&self, caps: &Caps) -> Option<Standing> {
        Some(Standing {
            target: self.listening.target()?,
            back_off: self.back_off(caps.back_off_memory),
            has_streak: streak::is_low(&self.listening.daily_valence(streak::PLAYS_OF_A_DAY)),
            before: self.listening.before(),
        })
    }

    /// What the last two answers to the coach ask for, of those of the last days that the policy names.
    fn back_off(&self, back_off_memory: f64) -> BackOff {
        let since = self.since(back_off_memory);
        let mut recent: Vec<&Answer> = self
            .answers
            .iter()
            .filter(|answer| answer.mode == "coach" && answer.day >= since)
            .collect();
        recent.sort_by(|left, right| {
            let order = |answer: &Answer| (answer.track_id.clone(), answer.response.clone());
            right
                .day
                .total_cmp(&left.day)
                .then_with(|| order(left).cmp(&order(right)))
        });
        let response = |nth: usize| recent.get(nth).map(|answer| answer.response.as_str());
        BackOff::from_answers(response(0), response(1))
    }

    /// The tracks that are not to be offered: what was answered `less` to and, where there is a memory for skips, what
    /// was skipped in the last days.
    pub(super) fn refused(&self, skip_memory: Option<f64>) -> HashSet<&str> {
        let since = skip_memory.map(|days| self.since(days));
        let is_recent =
            |day: f64| since.is_some_and(|since| day >= since && day > f64::NEG_INFINITY);
        let tracks = self.listening.tracks.iter();
        let skipped = tracks
            .filter(|(_, track)| is_recent(track.last_skip))
            .map(|(track_id, _)| track_id.as_str());
        let answered = self
            .answers
            .iter()
            .filter(|answer| match answer.response.as_str() {
                "less" => true,
                "skip" => is_recent(answer.day),
                _ => false,
            });
        skipped
            .chain(answered.map(|answer| answer.track_id.as_str()))
            .collect()
    }
}

/// The answers of all listeners, as columns.
struct Answers {
    whose: ListArray,
    track_id: StringArray,
    mode: StringArray,
    response: StringArray,
    day: Float64Array,
}

impl Answers {
    fn read(rows: &StructArray) -> Result<Self> {
        let whose = list(rows, "answers")?;
        let Some(items) = whose.values().as_struct_opt().cloned() else {
            return internal_err!("pick_tracks: answers are no list of structs");
        };
        Ok(Self {
            whose,
            track_id: text(&items, "track_id")?,
            mode: text(&items, "mode")?,
            response: text(&items, "response")?,
            day: double(&items, "day")?,
        })
    }

    fn of(&self, row: usize) -> Vec<Answer> {
        let answer = |at: usize| Answer {
            track_id: self.track_id.value(at).to_owned(),
            mode: self.mode.value(at).to_owned(),
            response: self.response.value(at).to_owned(),
            day: if self.day.is_valid(at) {
                self.day.value(at)
            } else {
                f64::INFINITY
            },
        };
        rows_of(&self.whose, row).map(answer).collect()
    }
}

/// The items of the list in row `row`, none for `NULL`.
fn rows_of(lists: &ListArray, row: usize) -> Range<usize> {
    if lists.is_null(row) {
        return 0..0;
    }
    let at = |row: usize| usize::try_from(lists.value_offsets()[row]).unwrap_or_default();
    at(row)..at(row + 1)
}
