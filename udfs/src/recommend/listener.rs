//! The listeners that recommendations are for, as the kernel sees them.

use std::collections::HashSet;

use arrow::array::{Array, AsArray, ListArray, StringArray, StructArray};
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
    targets: Vec<Option<f64>>,
    latest: StringArray,
    previous: StringArray,
    refused: ListArray,
    heard: ListArray,
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
        let target = double(rows, "target")?;
        let profile = |row: usize| {
            let is_known = |column: &arrow::array::Float64Array| {
                column.is_valid(row) && column.value(row).is_finite()
            };
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
            targets: target.iter().collect(),
            latest: text(rows, "latest")?,
            previous: text(rows, "previous")?,
            refused: list(rows, "refused_tracks")?,
            heard: list(rows, "heard_tracks")?,
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
        self.targets[row]
    }

    pub(super) fn back_off(&self, row: usize) -> BackOff {
        let answer =
            |answers: &StringArray| answers.is_valid(row).then(|| answers.value(row).to_owned());
        BackOff::from_answers(
            answer(&self.latest).as_deref(),
            answer(&self.previous).as_deref(),
        )
    }

    /// Tracks that are not to be offered.
    pub(super) fn refused(&self, row: usize) -> HashSet<String> {
        texts_at(&self.refused, row)
    }

    /// Tracks that were played, where the call asked for new artists only.
    pub(super) fn heard(&self, row: usize) -> HashSet<String> {
        texts_at(&self.heard, row)
    }
}

fn texts_at(lists: &ListArray, row: usize) -> HashSet<String> {
    if lists.is_null(row) {
        return HashSet::new();
    }
    let texts = lists.value(row);
    let texts = texts.as_string_opt::<i32>().into_iter().flatten().flatten();
    texts.map(ToOwned::to_owned).collect()
}
