//! `pick_tracks`: the kernel behind `recommend`, all listeners against all tracks in one call.
//!
//! Not for use by hand: `recommend`'s query makes its arguments. A join of users and tracks would build and sort
//! millions of rows; here a listener costs one pass over a few columns and a partial sort.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Builder, Int64Builder, ListArray, StringBuilder,
        StructArray,
    },
    buffer::OffsetBuffer,
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
        let mut output = Output::default();
        let mut lengths = Vec::with_capacity(rows);
        for row in 0..rows {
            let before = output.rank.len();
            Picking::read(&arrays, row)?.write(&mut output)?;
            lengths.push(output.rank.len() - before);
        }
        let list = ListArray::try_new(
            item(),
            OffsetBuffer::from_lengths(lengths),
            output.finish()?,
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
        let mentioned = listeners
            .as_ref()
            .map(Listeners::mentioned)
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
            caps: read_caps(policy, row)?,
        })
    }

    /// Appends the picks of every listener.
    fn write(&self, output: &mut Output) -> Result<()> {
        let (Some(listeners), Some(catalogue)) = (&self.listeners, &self.catalogue) else {
            return Ok(());
        };
        if let (Mode::Coach, Some(caps), Some(pace)) = (self.mode, &self.caps, self.pace) {
            check_pace(caps, pace)?;
        }
        for row in listeners.by_name() {
            self.write_listener(listeners, row, catalogue, output);
        }
        Ok(())
    }

    fn write_listener(
        &self,
        listeners: &Listeners,
        row: usize,
        catalogue: &Catalogue,
        output: &mut Output,
    ) {
        let Some(profile) = listeners.profile(row) else {
            return;
        };
        let refused = listeners.refused(row);
        let exclusions = Exclusions {
            songs: catalogue.songs_of(&refused),
            track_ids: refused,
            artists: catalogue.artists_of(&listeners.heard(row)),
        };
        let mut write = |picks: &[Pick], reason: &dyn Fn(&Pick) -> String| {
            for (at, pick) in picks.iter().enumerate() {
                output.push(
                    listeners.user_id(row),
                    self.mode,
                    at,
                    pick,
                    catalogue,
                    &reason(pick),
                );
            }
        };
        if self.mode == Mode::Mirror {
            let picks = ranking::mirror(catalogue, profile, &exclusions, self.k);
            return write(&picks, &|pick| {
                reason::mirror(profile, &catalogue.features(pick.candidate), &self.label)
            });
        }
        let (Some(caps), Some(target)) = (&self.caps, listeners.target(row)) else {
            return;
        };
        let coaching = Coaching {
            caps,
            target,
            pace: self.pace,
            back_off: listeners.back_off(row),
        };
        let picks = ranking::coach(catalogue, profile, &exclusions, &coaching, self.k);
        let step = coaching.step(profile);
        write(&picks, &|pick| {
            reason::coach(profile, &catalogue.features(pick.candidate), pick, step)
        });
    }
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

/// The returned rows, in the order of [`COLUMNS`].
#[derive(Debug, Default)]
struct Output {
    user_id: StringBuilder,
    mode: StringBuilder,
    rank: Vec<i64>,
    track_id: StringBuilder,
    track_name: StringBuilder,
    artist: StringBuilder,
    score: Float64Builder,
    match_score: Float64Builder,
    improvement_score: Float64Builder,
    valence_delta: Float64Builder,
    energy_delta: Float64Builder,
    tempo_delta_pct: Float64Builder,
    reason: StringBuilder,
}

impl Output {
    fn push(
        &mut self,
        user_id: &str,
        mode: Mode,
        at: usize,
        pick: &Pick,
        catalogue: &Catalogue,
        reason: &str,
    ) {
        self.user_id.append_value(user_id);
        self.mode.append_value(mode.name());
        self.rank.push(i64::try_from(at + 1).unwrap_or(i64::MAX));
        self.track_id
            .append_value(catalogue.track_id(pick.candidate));
        self.track_name
            .append_option(catalogue.track_name(pick.candidate));
        self.artist.append_option(catalogue.artist(pick.candidate));
        self.score.append_value(pick.score);
        self.match_score.append_value(pick.match_score);
        self.improvement_score.append_option(pick.improvement_score);
        self.valence_delta.append_value(pick.deltas.valence);
        self.energy_delta.append_value(pick.deltas.energy);
        self.tempo_delta_pct.append_value(pick.deltas.tempo_pct);
        self.reason.append_value(reason);
    }

    fn finish(mut self) -> Result<ArrayRef> {
        let mut rank = Int64Builder::with_capacity(self.rank.len());
        rank.append_slice(&self.rank);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.user_id.finish()),
            Arc::new(self.mode.finish()),
            Arc::new(rank.finish()),
            Arc::new(self.track_id.finish()),
            Arc::new(self.track_name.finish()),
            Arc::new(self.artist.finish()),
            Arc::new(self.score.finish()),
            Arc::new(self.match_score.finish()),
            Arc::new(self.improvement_score.finish()),
            Arc::new(self.valence_delta.finish()),
            Arc::new(self.energy_delta.finish()),
            Arc::new(self.tempo_delta_pct.finish()),
            Arc::new(self.reason.finish()),
        ];
        Ok(Arc::new(StructArray::try_new(fields(), columns, None)?))
    }
}
