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
    common::{DataFusionError, Result, exec_err, internal_err},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    COLUMNS, STATUS_COLUMNS,
    because::OwnTracks,
    call::Mode,
    caps::Caps,
    catalogue::{Catalogue, double, structs_at, text},
    genre_mix::GenreMix,
    known_tracks::KnownTracks,
    listener::{Listener, Listeners},
    profile::Profile,
    ranking::{self, Coaching, Exclusions, Ground, Pick},
    reason,
    status::{self, RECOMMENDATION_STATUS, Status},
};

/// The name that the query of `recommend` calls it by.
pub(super) const PICK_TRACKS: &str = "pick_tracks";
/// How many arguments the kernel has.
const ARGUMENTS: usize = 10;

/// The kernel's two functions: the tracks, and how many there are.
pub(super) fn kernels(known_tracks: &Arc<KnownTracks>) -> [ScalarUDF; 2] {
    [PICK_TRACKS, RECOMMENDATION_STATUS].map(|name| {
        ScalarUDF::from(PickTracks {
            name,
            signature: Signature::any(ARGUMENTS, Volatility::Immutable),
            known_tracks: Arc::clone(known_tracks),
        })
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PickTracks {
    name: &'static str,
    signature: Signature,
    known_tracks: Arc<KnownTracks>,
}

impl ScalarUDFImpl for PickTracks {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(self.item()))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let arrays = arguments
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let threads = arguments.config_options.execution.target_partitions;
        let answers = (0..rows)
            .map(|row| {
                let picking = Picking::read(&arrays, row, &self.known_tracks)?;
                match self.name {
                    RECOMMENDATION_STATUS => picking.statuses(self.fields()),
                    _ => picking.rows(self.fields(), threads),
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let all: Vec<&dyn Array> = answers.iter().map(|rows| rows as &dyn Array).collect();
        let list = ListArray::try_new(
            self.item(),
            OffsetBuffer::from_lengths(answers.iter().map(StructArray::len)),
            if all.is_empty() {
                new_empty_array(&DataType::Struct(self.fields()))
            } else {
                concat(&all)?
            },
            None,
        )?;
        Ok(ColumnarValue::Array(Arc::new(list)))
    }
}

impl PickTracks {
    /// The item of the returned list: the columns of `recommend_all`, or of `recommend_status`.
    fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(DataType::Struct(self.fields()), true))
    }

    fn fields(&self) -> Fields {
        let columns = match self.name {
            RECOMMENDATION_STATUS => &STATUS_COLUMNS[..],
            _ => &COLUMNS[..],
        };
        columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
            .collect()
    }
}

/// One call's arguments.
struct Picking {
    /// `mirror`, `coach` or, for a status in each, nothing.
    mode: String,
    k: usize,
    pace: Option<f64>,
    label: String,
    new_artists_only: bool,
    listeners: Option<Listeners>,
    catalogue: Option<Arc<Catalogue>>,
    /// Whether the call lets a candidate be recommended, where it says so.
    wanted: Option<Vec<bool>>,
    caps: Option<Caps>,
}

impl Picking {
    fn read(arrays: &[ArrayRef], row: usize, known_tracks: &KnownTracks) -> Result<Self> {
        let [
            mode,
            k,
            pace,
            whom,
            label,
            new_artists_only,
            listeners,
            tracks,
            wanted,
            policy,
        ] = arrays
        else {
            return internal_err!(
                "{PICK_TRACKS}: expected {ARGUMENTS} arguments, got {}",
                arrays.len()
            );
        };
        let listeners = structs_at(listeners, row)?
            .map(|rows| Listeners::read(&rows))
            .transpose()?;
        let found = listeners.as_ref().map_or(0, |found| found.all().len());
        check_listeners(text_at(whom, row)?, found)?;
        let catalogue = if tracks.data_type().is_null() {
            known_tracks.found()
        } else {
            structs_at(tracks, row)?
                .map(|rows| {
                    Ok::<_, DataFusionError>(known_tracks.remember(Catalogue::read(&rows)?))
                })
                .transpose()?
        };
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
            mode: text_at(mode, row)?.to_owned(),
            k,
            pace: pace.map(|pace| pace.value(row)),
            label: text_at(label, row)?.to_owned(),
            new_artists_only: new_artists_only
                .as_boolean_opt()
                .is_some_and(|flag| flag.value(row)),
            wanted: wanted_candidates(wanted, row, catalogue.as_deref()),
            listeners,
            catalogue,
            caps: read_caps(policy, row)?,
        })
    }

    /// The recommendations for every listener, in the order of their names, in the columns of `recommend_all`.
    fn rows(&self, fields: Fields, threads: usize) -> Result<StructArray> {
        let mode = Mode::parse(PICK_TRACKS, &self.mode)?;
        let (Some(listeners), Some(catalogue)) = (&self.listeners, &self.catalogue) else {
            return Ok(StructArray::new_null(fields, 0));
        };
        if let (Mode::Coach, Some(caps), Some(pace)) = (mode, &self.caps, self.pace) {
            check_pace(caps, pace)?;
        }
        let all = listeners.all();
        let share = all.len().div_ceil(threads.max(1)).max(1);
        let recommendations: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = all
                .chunks(share)
                .map(|listeners| {
                    let recommend = |listener: &Listener| self.recommend(mode, listener, catalogue);
                    scope.spawn(move || listeners.iter().map(recommend).collect::<Vec<_>>())
                })
                .collect();
            workers
                .into_iter()
                .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .zip(all)
                .flat_map(|(rows, listener)| rows.into_iter().map(move |row| (listener, row)))
                .collect()
        });
        columns(fields, mode, catalogue, &recommendations)
    }

    fn recommend(
        &self,
        mode: Mode,
        listener: &Listener,
        catalogue: &Catalogue,
    ) -> Vec<Recommendation> {
        let Some(profile) = &listener.profile else {
            return vec![];
        };
        let exclusions = self.exclusions(listener, catalogue);
        let ground = self.ground(listener, profile, catalogue, &exclusions);
        let track = |pick: &Pick| catalogue.features(pick.candidate);
        let picks: Vec<(String, Pick)> = match (mode, self.coaching(listener)) {
            (Mode::Mirror, _) => ranking::mirror(&ground, self.k)
                .into_iter()
                .map(|pick| (reason::mirror(profile, &track(&pick), &self.label), pick))
                .collect(),
            (Mode::Coach, Some(coaching)) => {
                let step = coaching.step(profile);
                ranking::coach(&ground, &coaching, self.k)
                    .into_iter()
                    .map(|pick| (reason::coach(profile, &track(&pick), &pick, step), pick))
                    .collect()
            }
            (Mode::Coach, None) => vec![],
        };
        let own = OwnTracks::of(&listener.listening, catalogue);
        (1..)
            .zip(picks)
            .map(|(rank, (reason, pick))| Recommendation {
                rank,
                because: own.behind(catalogue, profile, pick.candidate),
                pick,
                reason,
            })
            .collect()
    }

    fn coaching(&self, listener: &Listener) -> Option<Coaching<'_>> {
        let caps = self.caps.as_ref()?;
        Some(Coaching {
            caps,
            pace: self.pace,
            standing: listener.standing(caps)?,
        })
    }

    fn ground<'a>(
        &'a self,
        listener: &Listener,
        profile: &'a Profile,
        catalogue: &'a Catalogue,
        exclusions: &'a Exclusions<'a>,
    ) -> Ground<'a> {
        Ground {
            catalogue,
            profile,
            exclusions,
            wanted: self.wanted.as_deref(),
            mix: GenreMix::of(&listener.listening, catalogue),
        }
    }

    fn exclusions<'a>(&self, listener: &'a Listener, catalogue: &Catalogue) -> Exclusions<'a> {
        let refused = listener.refused(self.caps.as_ref().map(|caps| caps.skip_memory));
        let artists = if self.new_artists_only {
            let heard = listener.listening.tracks.keys().map(String::as_str);
            let named = listener.listening.artists.iter();
            catalogue
                .artists_of(heard)
                .chain(named.map(|artist| artist.to_lowercase()))
                .collect()
        } else {
            HashSet::new()
        };
        Exclusions {
            songs: catalogue.songs_of(&refused),
            track_ids: refused,
            artists,
        }
    }

    /// A row for every listener and mode, in the columns of `recommend_status`.
    fn statuses(&self, fields: Fields) -> Result<StructArray> {
        let (Some(listeners), Some(catalogue)) = (&self.listeners, &self.catalogue) else {
            return Ok(StructArray::new_null(fields, 0));
        };
        let mut rows: Vec<(&str, Mode, Status)> = vec![];
        for listener in listeners.all() {
            for mode in status::modes(&self.mode) {
                let status = self.status(*mode, listener, catalogue);
                rows.push((&listener.user_id, *mode, status));
            }
        }
        let texts = |text: fn(&(&str, Mode, Status)) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
        };
        let fits = rows
            .iter()
            .map(|(_, _, status)| i64::try_from(status.fits).ok());
        let columns: Vec<ArrayRef> = vec![
            texts(|(user_id, ..)| (*user_id).to_owned()),
            texts(|(_, mode, _)| mode.name().to_owned()),
            Arc::new(fits.collect::<Int64Array>()),
            texts(|(.., status)| status.name.to_owned()),
            texts(|(.., status)| status.reason.to_owned()),
        ];
        Ok(StructArray::try_new(fields, columns, None)?)
    }

    fn status(&self, mode: Mode, listener: &Listener, catalogue: &Catalogue) -> Status {
        let Some(profile) = &listener.profile else {
            return status::without_profile();
        };
        let exclusions = self.exclusions(listener, catalogue);
        let ground = self.ground(listener, profile, catalogue, &exclusions);
        match mode {
            Mode::Mirror => status::of_mirror(&ground),
            Mode::Coach => status::of_coach(&ground, listener, self.caps.as_ref(), self.pace),
        }
    }
}

/// In the order of [`COLUMNS`].
fn columns(
    fields: Fields,
    mode: Mode,
    catalogue: &Catalogue,
    rows: &[(&Listener, Recommendation)],
) -> Result<StructArray> {
    let picks = || rows.iter().map(|(_, row)| &row.pick);
    let double = |value: fn(&Pick) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(picks().map(value)))
    };
    let user_ids = rows.iter().map(|(listener, _)| &listener.user_id);
    let modes = rows.iter().map(|_| mode.name());
    let tracks = || picks().map(|pick| pick.candidate);
    let track_ids = tracks().map(|candidate| catalogue.track_id(candidate));
    let track_names = tracks().map(|candidate| catalogue.track_name(candidate));
    let artists = tracks().map(|candidate| catalogue.artist(candidate));
    let improvements = picks().map(|pick| pick.improvement_score);
    let reasons = rows.iter().map(|(_, row)| &row.reason);
    let because = rows.iter().map(|(_, row)| row.because.as_deref());
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(user_ids)),
        Arc::new(StringArray::from_iter_values(modes)),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|(_, row)| row.rank),
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
        Arc::new(StringArray::from_iter_values(reasons)),
        Arc::new(because.collect::<StringArray>()),
    ];
    Ok(StructArray::try_new(fields, columns, None)?)
}

/// A row of the result.
#[derive(Debug)]
struct Recommendation {
    rank: i64,
    pick: Pick,
    reason: String,
    because: Option<String>,
}

/// Which candidates a call names; `None` where it names none.
fn wanted_candidates(
    wanted: &ArrayRef,
    row: usize,
    catalogue: Option<&Catalogue>,
) -> Option<Vec<bool>> {
    if wanted.data_type().is_null() {
        return None;
    }
    let mut is_wanted = vec![false; catalogue?.n_candidates()];
    let lists = wanted
        .as_list_opt::<i32>()
        .filter(|lists| lists.is_valid(row));
    let items = lists.map(|lists| lists.value(row));
    let track_ids = items
        .as_ref()
        .and_then(|items| items.as_string_opt::<i32>());
    for track_id in track_ids.into_iter().flatten().flatten() {
        if let Some(candidate) = catalogue?.candidate(track_id) {
            is_wanted[candidate] = true;
        }
    }
    Some(is_wanted)
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
