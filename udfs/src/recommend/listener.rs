//! The listeners that recommendations are for, as the kernel sees them.

use std::{collections::HashSet, ops::Range};

use arrow::array::{Array, AsArray, Float64Array, ListArray, StringArray, StructArray};
use datafusion::common::{Result, internal_err};

use super::{
    caps::BackOff,
    catalogue::{double, list, text},
    profile::{FEATURES, N_FEATURES, Profile},
};

/// Everybody with plays, as columns of one row each.
#[derive(Debug)]
pub(super) struct Listeners {
    user_id: StringArray,
    last_day: Float64Array,
    profiles: Vec<Option<Profile>>,
    targets: Option<Float64Array>,
    skips: Option<Skips>,
    answers: Option<Answers>,
    heard_tracks: Option<ListArray>,
    heard_artists: Option<ListArray>,
}

/// The plays that listeners broke off.
#[derive(Debug)]
struct Skips {
    whose: ListArray,
    track_id: StringArray,
    day: Float64Array,
}

/// What listeners answered to recommendations.
#[derive(Debug)]
struct Answers {
    whose: ListArray,
    track_id: StringArray,
    mode: StringArray,
    response: StringArray,
    day: Float64Array,
}

impl Listeners {
    /// Reads a list of structs, one for each listener.
    pub(super) fn read(rows: &StructArray) -> Result<Self> {
        let figures = |prefix: &str| -> Result<Vec<_>> {
            FEATURES
                .iter()
                .map(|feature| double(rows, &format!("{prefix}_{}", feature.name)))
                .collect()
        };
        let (typical, spread) = (figures("typical")?, figures("spread")?);
        let profile = |row: usize| {
            let is_known =
                |column: &Float64Array| column.is_valid(row) && column.value(row).is_finite();
            (typical.iter().all(is_known) && spread.iter().all(is_known)).then(|| Profile {
                typical: std::array::from_fn::<_, N_FEATURES, _>(|feature| {
                    typical[feature].value(row)
                }),
                spread: std::array::from_fn::<_, N_FEATURES, _>(|feature| {
                    spread[feature].value(row)
                }),
            })
        };
        Ok(Self {
            user_id: text(rows, "user_id")?,
            last_day: double(rows, "last_day")?,
            profiles: (0..rows.len()).map(profile).collect(),
            targets: optional(rows, "target", double)?,
            skips: optional(rows, "skips", Skips::read)?,
            answers: optional(rows, "answers", Answers::read)?,
            heard_tracks: optional(rows, "heard_tracks", list)?,
            heard_artists: optional(rows, "heard_artists", list)?,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.profiles.len()
    }

    /// Row numbers in the order of names, so that the output has one order.
    pub(super) fn by_name(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.sort_by_key(|row| self.user_id.value(*row));
        rows
    }

    pub(super) fn user_id(&self, row: usize) -> &str {
        self.user_id.value(row)
    }

    /// `None` where no play of the listener has features (in the context asked for).
    pub(super) fn profile(&self, row: usize) -> Option<&Profile> {
        self.profiles[row].as_ref()
    }

    /// The valence that the coach leads to.
    pub(super) fn target(&self, row: usize) -> Option<f64> {
        self.targets
            .as_ref()
            .filter(|targets| targets.is_valid(row))
            .map(|targets| targets.value(row))
    }

    /// What the last two answers to the coach ask for, of those of the last days that the policy names.
    pub(super) fn back_off(&self, row: usize, back_off_memory: f64) -> BackOff {
        let Some(answers) = &self.answers else {
            return BackOff::None;
        };
        let since = self.last_day.value(row) - back_off_memory;
        let mut recent: Vec<usize> = rows_of(&answers.whose, row)
            .filter(|at| answers.mode.value(*at) == "coach" && day(&answers.day, *at) >= since)
            .collect();
        recent.sort_by(|left, right| {
            day(&answers.day, *right)
                .total_cmp(&day(&answers.day, *left))
                .then_with(|| answers.order(*left).cmp(&answers.order(*right)))
        });
        let response = |nth: usize| recent.get(nth).map(|at| answers.response.value(*at));
        BackOff::from_answers(response(0), response(1))
    }

    /// The tracks that are not to be offered: what was answered `less` to and, where there is a memory for skips, what
    /// was skipped in the last days.
    pub(super) fn refused(&self, row: usize, skip_memory: Option<f64>) -> HashSet<&str> {
        let since = skip_memory.map(|days| self.last_day.value(row) - days);
        let is_recent = |days, at| since.is_some_and(|since| day(days, at) >= since);
        let skipped = self.skips.iter().flat_map(|skips| {
            rows_of(&skips.whose, row)
                .filter(move |at| is_recent(&skips.day, *at))
                .map(|at| skips.track_id.value(at))
        });
        let answered = self.answers.iter().flat_map(|answers| {
            let is_refusal = move |at: &usize| match answers.response.value(*at) {
                "less" => true,
                "skip" => is_recent(&answers.day, *at),
                _ => false,
            };
            rows_of(&answers.whose, row)
                .filter(is_refusal)
                .map(|at| answers.track_id.value(at))
        });
        skipped.chain(answered).collect()
    }

    /// Tracks that were played, where the call asked for new artists only.
    pub(super) fn heard_tracks(&self, row: usize) -> impl Iterator<Item = &str> {
        texts_at(self.heard_tracks.as_ref(), row)
    }

    /// Artists that were played, where the call asked for new artists only and plays name them.
    pub(super) fn heard_artists(&self, row: usize) -> impl Iterator<Item = &str> {
        texts_at(self.heard_artists.as_ref(), row)
    }
}

impl Skips {
    fn read(rows: &StructArray, name: &str) -> Result<Self> {
        let (whose, items) = list_of_structs(rows, name)?;
        Ok(Self {
            whose,
            track_id: text(&items, "track_id")?,
            day: double(&items, "day")?,
        })
    }
}

impl Answers {
    fn read(rows: &StructArray, name: &str) -> Result<Self> {
        let (whose, items) = list_of_structs(rows, name)?;
        Ok(Self {
            whose,
            track_id: text(&items, "track_id")?,
            mode: text(&items, "mode")?,
            response: text(&items, "response")?,
            day: double(&items, "day")?,
        })
    }

    /// The order of answers of one time.
    fn order(&self, at: usize) -> (&str, &str) {
        (self.track_id.value(at), self.response.value(at))
    }
}

/// A field that is only there where the mode or the call needs it.
fn optional<T>(
    rows: &StructArray,
    name: &str,
    read: impl Fn(&StructArray, &str) -> Result<T>,
) -> Result<Option<T>> {
    rows.column_by_name(name)
        .map(|_| read(rows, name))
        .transpose()
}

/// A field of lists of structs, and the structs of all of them.
fn list_of_structs(rows: &StructArray, name: &str) -> Result<(ListArray, StructArray)> {
    let lists = list(rows, name)?;
    let Some(items) = lists.values().as_struct_opt().cloned() else {
        return internal_err!("pick_tracks: {name} is no list of structs");
    };
    Ok((lists, items))
}

/// The items of the list in row `row`, none for `NULL`.
fn rows_of(lists: &ListArray, row: usize) -> Range<usize> {
    if lists.is_null(row) {
        return 0..0;
    }
    let at = |row: usize| usize::try_from(lists.value_offsets()[row]).unwrap_or_default();
    at(row)..at(row + 1)
}

/// When something happened. What has no time counts as the latest: to hold back too long does no harm.
fn day(days: &Float64Array, at: usize) -> f64 {
    if days.is_valid(at) {
        days.value(at)
    } else {
        f64::INFINITY
    }
}

fn texts_at(lists: Option<&ListArray>, row: usize) -> impl Iterator<Item = &str> {
    lists.into_iter().flat_map(move |lists| {
        let texts = lists.values().as_string_opt::<i32>();
        texts
            .into_iter()
            .flat_map(move |texts| rows_of(lists, row).map(|at| texts.value(at)))
    })
}
