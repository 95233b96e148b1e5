//! The listeners that recommendations are for, as the kernel sees them.

use std::collections::HashSet;

use arrow::array::{Array, AsArray, Float64Array, ListArray, StringArray, StructArray};
use datafusion::common::Result;

use super::{
    caps::BackOff,
    catalogue::{double, list, text},
    profile::{FEATURES, N_FEATURES, Profile},
};

/// Everybody with plays, as columns of one row each.
#[derive(Debug)]
pub(super) struct Listeners {
    user_id: StringArray,
    profiles: Vec<Option<Profile>>,
    targets: Option<Float64Array>,
    latest: Option<StringArray>,
    previous: Option<StringArray>,
    refused: Option<ListArray>,
    heard: Option<ListArray>,
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
            profiles: (0..rows.len()).map(profile).collect(),
            targets: optional(rows, "target", double)?,
            latest: optional(rows, "latest", text)?,
            previous: optional(rows, "previous", text)?,
            refused: optional(rows, "refused_tracks", list)?,
            heard: optional(rows, "heard_tracks", list)?,
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

    pub(super) fn back_off(&self, row: usize) -> BackOff {
        BackOff::from_answers(
            text_at(self.latest.as_ref(), row),
            text_at(self.previous.as_ref(), row),
        )
    }

    /// Tracks that are not to be offered.
    pub(super) fn refused(&self, row: usize) -> HashSet<String> {
        texts_at(self.refused.as_ref(), row)
    }

    /// Every track that some listener refused or heard.
    pub(super) fn mentioned(&self) -> HashSet<&str> {
        all_texts(self.refused.as_ref())
            .chain(all_texts(self.heard.as_ref()))
            .collect()
    }

    /// Tracks that were played, where the call asked for new artists only.
    pub(super) fn heard(&self, row: usize) -> HashSet<String> {
        texts_at(self.heard.as_ref(), row)
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

fn text_at(texts: Option<&StringArray>, row: usize) -> Option<&str> {
    texts
        .filter(|texts| texts.is_valid(row))
        .map(|texts| texts.value(row))
}

fn texts_at(lists: Option<&ListArray>, row: usize) -> HashSet<String> {
    let Some(lists) = lists.filter(|lists| lists.is_valid(row)) else {
        return HashSet::new();
    };
    let texts = lists.value(row);
    let texts = texts.as_string_opt::<i32>().into_iter().flatten().flatten();
    texts.map(ToOwned::to_owned).collect()
}

/// Every text in a column of lists.
fn all_texts(lists: Option<&ListArray>) -> impl Iterator<Item = &str> {
    let texts = lists.and_then(|lists| lists.values().as_string_opt::<i32>());
    texts.into_iter().flatten().flatten()
}
