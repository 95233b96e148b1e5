//! The tracks to choose from, as columns: what the kernel reads for every listener, prepared once.

use std::collections::{HashMap, HashSet};

use arrow::array::{
    Array, AsArray, BooleanArray, Float64Array, ListArray, StringArray, StructArray,
};
use arrow::datatypes::Float64Type;
use datafusion::common::{Result, internal_err};

use super::{
    caps::Deltas,
    profile::{FEATURES, N_FEATURES, Profile},
};

/// Every track of the session; those that can be matched have features.
#[derive(Debug)]
pub(super) struct Catalogue {
    track_id: StringArray,
    track_name: StringArray,
    artist: StringArray,
    /// What each row is filed under, by its place among the names; `None` where it is under nothing.
    genres: Vec<Option<usize>>,
    n_genres: usize,
    /// Analysed rows, ascending: what a percentile is taken of.
    candidates: Vec<usize>,
    /// Features of the candidates; shape `[n_features][n_candidates]`.
    pub(super) columns: [Vec<f64>; N_FEATURES],
    row_of: HashMap<String, usize>,
}

impl Catalogue {
    /// Reads a list of structs, one for each track.
    pub(super) fn read(tracks: &StructArray) -> Result<Self> {
        let is_candidate = boolean(tracks, "is_candidate")?;
        let candidates: Vec<usize> = (0..tracks.len())
            .filter(|row| is_candidate.value(*row))
            .collect();
        let mut columns = [const { Vec::new() }; N_FEATURES];
        for (column, feature) in columns.iter_mut().zip(FEATURES) {
            let values = double(tracks, feature.name)?;
            column.extend(candidates.iter().map(|row| values.value(*row)));
        }
        let track_id = text(tracks, "track_id")?;
        let row_of = (0..track_id.len())
            .map(|row| (track_id.value(row).to_owned(), row))
            .collect();
        let (genres, n_genres) = numbered(&text(tracks, "genre")?);
        Ok(Self {
            track_name: text(tracks, "track_name")?,
            artist: text(tracks, "artist")?,
            track_id,
            genres,
            n_genres,
            candidates,
            columns,
            row_of,
        })
    }

    pub(super) fn n_candidates(&self) -> usize {
        self.candidates.len()
    }

    pub(super) fn features(&self, candidate: usize) -> [f64; N_FEATURES] {
        std::array::from_fn(|feature| self.columns[feature][candidate])
    }

    /// The candidate with that id.
    pub(super) fn candidate(&self, track_id: &str) -> Option<usize> {
        self.candidates
            .binary_search(self.row_of.get(track_id)?)
            .ok()
    }

    /// How a candidate differs from a listener's typical values.
    pub(super) fn deltas(&self, profile: &Profile, candidate: usize) -> Deltas {
        Deltas::between(&profile.typical, |feature| self.columns[feature][candidate])
    }

    pub(super) fn track_id(&self, candidate: usize) -> &str {
        self.track_id.value(self.candidates[candidate])
    }

    pub(super) fn track_name(&self, candidate: usize) -> Option<&str> {
        present(&self.track_name, self.candidates[candidate])
    }

    pub(super) fn artist(&self, candidate: usize) -> Option<&str> {
        present(&self.artist, self.candidates[candidate])
    }

    pub(super) fn n_genres(&self) -> usize {
        self.n_genres
    }

    pub(super) fn genre(&self, candidate: usize) -> Option<usize> {
        self.genres[self.candidates[candidate]]
    }

    /// Artist and title in lower case, the same for a song under whatever id; a track that lacks either is a song of its
    /// own. Made when it is asked for: few tracks of a catalogue ever come near the top.
    pub(super) fn song(&self, candidate: usize) -> String {
        self.song_at(self.candidates[candidate])
    }

    /// The songs behind these tracks.
    pub(super) fn songs_of(&self, track_ids: &HashSet<&str>) -> HashSet<String> {
        track_ids
            .iter()
            .filter_map(|id| Some(self.song_at(*self.row_of.get(*id)?)))
            .collect()
    }

    fn song_at(&self, row: usize) -> String {
        match (present(&self.artist, row), present(&self.track_name, row)) {
            (Some(artist), Some(track_name)) => {
                format!("{}\n{}", artist.to_lowercase(), track_name.to_lowercase())
            }
            _ => self.track_id.value(row).to_owned(),
        }
    }

    /// The artists of these tracks, in lower case.
    pub(super) fn artists_of<'a>(
        &'a self,
        track_ids: impl Iterator<Item = &'a str>,
    ) -> impl Iterator<Item = String> {
        let artist = |id| present(&self.artist, *self.row_of.get(id)?);
        track_ids.filter_map(artist).map(str::to_lowercase)
    }
}

/// Each text as its place among the different ones, and how many there are.
fn numbered(texts: &StringArray) -> (Vec<Option<usize>>, usize) {
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let numbered = texts
        .iter()
        .map(|text| {
            let next = numbers.len();
            text.map(|text| *numbers.entry(text).or_insert(next))
        })
        .collect();
    (numbered, numbers.len())
}

fn present(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

/// The rows of the list in row `row`, or `None` for `NULL`.
pub(super) fn structs_at(list: &dyn Array, row: usize) -> Result<Option<StructArray>> {
    let Some(list) = list.as_list_opt::<i32>() else {
        return internal_err!("pick_tracks: expected a list, got {}", list.data_type());
    };
    if list.is_null(row) {
        return Ok(None);
    }
    let Some(rows) = list.value(row).as_struct_opt().cloned() else {
        return internal_err!("pick_tracks: expected a list of structs");
    };
    Ok(Some(rows))
}

fn field<'a, T: Clone + 'a>(
    rows: &'a StructArray,
    name: &str,
    read: impl Fn(&'a dyn Array) -> Option<&'a T>,
) -> Result<T> {
    let Some(column) = rows
        .column_by_name(name)
        .and_then(|column| read(column.as_ref()))
    else {
        return internal_err!(
            "pick_tracks: no usable field {name} in {}",
            rows.data_type()
        );
    };
    Ok(column.clone())
}

/// A field of text.
pub(super) fn text(rows: &StructArray, name: &str) -> Result<StringArray> {
    field(rows, name, |column| column.as_string_opt::<i32>())
}

/// A field of doubles.
pub(super) fn double(rows: &StructArray, name: &str) -> Result<Float64Array> {
    field(rows, name, |column| {
        column.as_primitive_opt::<Float64Type>()
    })
}

/// A field of lists.
pub(super) fn list(rows: &StructArray, name: &str) -> Result<ListArray> {
    field(rows, name, |column| column.as_list_opt::<i32>())
}

/// A field of structs.
pub(super) fn structs(rows: &StructArray, name: &str) -> Result<StructArray> {
    field(rows, name, |column| column.as_struct_opt())
}

fn boolean(rows: &StructArray, name: &str) -> Result<BooleanArray> {
    field(rows, name, |column| column.as_boolean_opt())
}
