//! `pick_tracks`: the kernel behind `recommend`, all listeners against all tracks in one call.
//!
//! Not for use by hand: `recommend`'s query makes its arguments. A join of users and tracks would build and sort
//! millions of rows; here a listener costs one pass over a few columns and a partial sort, many listeners on as many
//! threads as the session has partitions.

use std::{collections::HashSet, panic::resume_unwind, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
        new_empty_array,
    },
    buffer::OffsetBuffer,
    compute::concat,
    datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Int64Type},
};
use datafusion::{
    common::{Result, exec_err, internal_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    COLUMNS,
    call::Mode,
    caps::Caps,
    catalogue::{Catalogue, double, structs_at, text},
    listener::Listeners,
    ranking::{self, Coaching, Exclusions, Pick},
    reason,
};

/// The name that the query of `recommend` calls it by.
pub(super) const PICK_TRACKS: &str = "pick_tracks";

/// The scalar function.
pub(super) fn pick_tracks() -> ScalarUDF {
    ScalarUDF::from(PickTracks {
        signature: Signature::any(8, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PickTracks {
    signature: Signature,
}

impl ScalarUDFImpl for PickTracks {
    fn name(&self) -> &str {
        PICK_TRACKS
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(item()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let arrays = arguments
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let threads = arguments.config_options.execution.target_partitions;
        let picks = (0..rows)
            .map(|row| Picking::read(&arrays, row)?.rows(threads))
            .collect::<Result<Vec<_>>>()?;
        let all: Vec<&dyn Array> = picks.iter().map(|picks| picks as &dyn Array).collect();
        let list = ListArray::try_new(
            item(),
            OffsetBuffer::from_lengths(picks.iter().map(StructArray::len)),
            if all.is_empty() {
                new_empty_array(&DataType::Struct(fields()))
            } else {
                concat(&all)?
            },
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

/// The item of the returned list: the columns of `recommend_all`.
fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

fn fields() -> Fields {
    COLUMNS
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect()
}

/// One call's arguments.
struct Picking {
    mode: Mode,
    k: usize,
    pace: Option<f64>,
    label: String,
    listeners: Option<Listeners>,
    catalogue: Option<Catalogue>,
    caps: Option<Caps>,
}

impl Picking {
    fn read(arrays: &[ArrayRef], row: usize) -> Result<Self> {
        let [mode, k, pace, whom, label, listeners, tracks, policy] = arrays else {
            return internal_err!("{PICK_TRACKS}: expected 8 arguments, got {}", arrays.len());
        };
        let listeners = structs_at(listeners, row)?
            .map(|rows| Listeners::read(&rows))
            .transpose()?;
        check_listeners(
            text_at(whom, row)?,
            listeners.as_ref().map_or(0, Listeners::len),
        )?;
        let caps = read_caps(policy, row)?;
        let mentioned = listeners
            .as_ref()
            .map(|listeners| mentioned(listeners, caps.as_ref()))
            .unwrap_or_default();
        let catalogue = structs_at(tracks, row)?
            .map(|rows| Catalogue::read(&rows, &mentioned))
            .transpose()?;
        let pace = pace
            .as_primitive_opt::<Float64Type>()
            .filter(|pace| pace.is_valid(row));
        let Some(k) = k
            .as_primitive_opt::<Int64Type>()
            .and_then(|k| usize::try_from(k.value(row)).ok())
        else {
            return internal_err!("{PICK_TRACKS}: k must be a count");
        };
        Ok(Self {
            mode: Mode::parse(PICK_TRACKS, text_at(mode, row)?)?,
            k,
            pace: pace.map(|pace| pace.value(row)),
            label: text_at(label, row)?.to_owned(),
            listeners,
            catalogue,
            caps,
        })
    }

    /// The recommendations for every listener, in the order of their names, in the columns of `recommend_all`.
    fn rows(&self, threads: usize) -> Result<StructArray> {
        let (Some(listeners), Some(catalogue)) = (&self.listeners, &self.catalogue) else {
            return Ok(StructArray::new_null(fields(), 0));
        };
        if let (Mode::Coach, Some(caps), Some(pace)) = (self.mode, &self.caps, self.pace) {
            check_pace(caps, pace)?;
        }
        let by_name = listeners.by_name();
        let share = by_name.len().div_ceil(threads.max(1)).max(1);
        let recommendations: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = by_name
                .chunks(share)
                .map(|rows| {
                    let recommend = |row: &usize| self.recommend(listeners, *row, catalogue);
                    scope.spawn(move || rows.iter().flat_map(recommend).collect::<Vec<_>>())
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        self.columns(listeners, catalogue, &recommendations)
    }

    fn recommend(
        &self,
        listeners: &Listeners,
        row: usize,
        catalogue: &Catalogue,
    ) -> Vec<Recommendation> {
        let Some(profile) = listeners.profile(row) else {
            return vec![];
        };
        let exclusions = self.exclusions(listeners, row, catalogue);
        let track = |pick: &Pick| catalogue.features(pick.candidate);
        let picks: Vec<(String, Pick)> = match (self.mode, &self.caps, listeners.target(row)) {
            (Mode::Mirror, ..) => ranking::mirror(catalogue, profile, &exclusions, self.k)
                .into_iter()
                .map(|pick| (reason::mirror(profile, &track(&pick), &self.label), pick))
                .collect(),
            (Mode::Coach, Some(caps), Some(target)) => {
                let coaching = Coaching {
                    caps,
                    target,
                    pace: self.pace,
                    back_off: listeners.back_off(row, caps.back_off_memory),
                };
                let step = coaching.step(profile);
                ranking::coach(catalogue, profile, &exclusions, &coaching, self.k)
                    .into_iter()
                    .map(|pick| (reason::coach(profile, &track(&pick), &pick, step), pick))
                    .collect()
            }
            (Mode::Coach, ..) => vec![],
        };
        (1..)
            .zip(picks)
            .map(|(rank, (reason, pick))| Recommendation {
                listener: row,
                rank,
                pick,
                reason,
            })
            .collect()
    }

    fn exclusions<'a>(
        &self,
        listeners: &'a Listeners,
        row: usize,
        catalogue: &Catalogue,
    ) -> Exclusions<'a> {
        let refused = listeners.refused(row, skip_memory(self.caps.as_ref()));
        let heard = catalogue.artists_of(listeners.heard_tracks(row));
        let named = listeners.heard_artists(row).map(str::to_lowercase);
        Exclusions {
            songs: catalogue.songs_of(&refused),
            track_ids: refused,
            artists: heard.chain(named).collect(),
        }
    }

    /// In the order of [`COLUMNS`].
    fn columns(
        &self,
        listeners: &Listeners,
        catalogue: &Catalogue,
        rows: &[Recommendation],
    ) -> Result<StructArray> {
        let double = |value: fn(&Pick) -> f64| -> ArrayRef {
            let values = rows.iter().map(|row| value(&row.pick));
            Arc::new(Float64Array::from_iter_values(values))
        };
        let user_ids = rows.iter().map(|row| listeners.user_id(row.listener));
        let modes = rows.iter().map(|_| self.mode.name());
        let tracks = || rows.iter().map(|row| row.pick.candidate);
        let track_ids = tracks().map(|candidate| catalogue.track_id(candidate));
        let track_names = tracks().map(|candidate| catalogue.track_name(candidate));
        let artists = tracks().map(|candidate| catalogue.artist(candidate));
        let improvements = rows.iter().map(|row| row.pick.improvement_score);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(user_ids)),
            Arc::new(StringArray::from_iter_values(modes)),
            Arc::new(Int64Array::from_iter_values(
                rows.iter().map(|row| row.rank),
            )),
            Arc::new(StringArray::from_iter_values(track_ids)),
            Arc::new(track_names.collect::<StringArray>()),
            Arc::new(artists.collect::<StringArray>()),
            double(|pick| pick.score),
            double(|pick| pick.match_score),
            Arc::new(improvements.collect::<Float64Array>()),
            double(|pick| pick.deltas.valence),
            double(|pick| pick.deltas.energy),
            double(|pick| pick.deltas.tempo_pct),
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| &row.reason),
            )),
        ];
        Ok(StructArray::try_new(fields(), columns, None)?)
    }
}

/// A row of the result.
#[derive(Debug)]
struct Recommendation {
    /// The row among the listeners.
    listener: usize,
    rank: i64,
    pick: Pick,
    reason: String,
}

/// The ids that are asked for in the catalogue: what listeners refuse, and what they heard.
fn mentioned<'a>(listeners: &'a Listeners, caps: Option<&Caps>) -> HashSet<&'a str> {
    (0..listeners.len())
        .flat_map(|row| {
            let refused = listeners.refused(row, skip_memory(caps));
            refused.into_iter().chain(listeners.heard_tracks(row))
        })
        .collect()
}

fn skip_memory(caps: Option<&Caps>) -> Option<f64> {
    caps.map(|caps| caps.skip_memory)
}

/// Refuses to guess whom the recommendations are for: `all`, `only` or `named …`.
fn check_listeners(whom: &str, found: usize) -> Result<()> {
    match (whom.split_once(' '), whom, found) {
        (Some((_, user_id)), _, 0) => {
            exec_err!(
                "recommend: no plays of user '{user_id}', select user_id from silver.users lists the users"
            )
        }
        (None, "only", 0) => exec_err!("recommend: nobody has plays yet, import a history first"),
        (None, "only", 2..) => exec_err!(
            "recommend: there are {found} users, name one with user_id => 'NAME' \
             (select user_id from silver.users lists them)"
        ),
        _ => Ok(()),
    }
}

fn check_pace(caps: &Caps, pace: f64) -> Result<()> {
    let (least, most) = caps.pace_range();
    if (least..=most).contains(&pace) {
        return Ok(());
    }
    exec_err!("recommend: 'pace' must be from {least} to {most} (gold.coach_policy), got {pace}")
}

/// The caps of the policy's rows; `None` where there is no policy, as in mirror, or an unusable one.
fn read_caps(policy: &ArrayRef, row: usize) -> Result<Option<Caps>> {
    if policy.data_type().is_null() {
        return Ok(None);
    }
    let Some(rows) = structs_at(policy, row)? else {
        return Ok(None);
    };
    let (names, values) = (text(&rows, "name")?, double(&rows, "value")?);
    let names = names.iter().map(|name| name.unwrap_or_default().to_owned());
    Caps::from_policy(&names.zip(&values).collect::<Vec<_>>())
}

fn text_at(texts: &ArrayRef, row: usize) -> Result<&str> {
    if let Some(texts) = texts.as_string_opt::<i32>() {
        return Ok(texts.value(row));
    }
    let Some(texts) = texts.as_string_view_opt() else {
        return internal_err!("{PICK_TRACKS}: expected text, got {}", texts.data_type());
    };
    Ok(texts.value(row))
}
