//! The queries behind the table functions: everything that is not a kernel is SQL over the session's own tables.
//!
//! "Now" is a listener's last play: no query reads the clock. Figures of a profile are rounded to nine decimals, so
//! that the order in which plays are added up cannot change a ranking.

mod answers;
mod profiles;

use arrow::datatypes::SchemaRef;

use super::{
    call::{Call, Mode, Whom},
    pick::PICK_TRACKS,
    profile::{FEATURES, Feature},
};
use answers::Fact;

pub(super) use profiles::listening_profile;

/// Seconds in a day.
const DAY: u32 = 86_400;

/// Where the queries read from, and what is there.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// A table with the columns of `silver.plays`, or at least `track_id`, `played_at` and the features.
    pub(super) plays: Table,
    /// A table with names and features together, or `None` for `silver.tracks` with `silver.track_features`.
    pub(super) tracks: Option<Table>,
    /// A table whose `track_id`s are the only ones to recommend.
    pub(super) candidates: Option<Table>,
    /// Whether the session has `silver.responses`.
    pub(super) has_responses: bool,
}

/// A relation by name and columns.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
}

impl Table {
    /// `column` where the table has it, else what stands for it.
    fn column_or<'a>(&self, column: &'a str, otherwise: &'a str) -> &'a str {
        if self.has(column) { column } else { otherwise }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|own| own == column)
    }
}

/// The query of `recommend` and `recommend_all`: of `only` one listener's plays, with the columns of the function.
pub(super) fn recommendations(
    call: &Call,
    mode: Mode,
    sources: &Sources,
    only: Option<&str>,
    columns: &SchemaRef,
) -> String {
    let facts = answers::facts(call, mode);
    let mut ctes = profiles::profiles(&sources.plays, only, &call.context, &facts);
    if sources.has_responses {
        ctes.push(format!("answers as ({})", answers::answers(only)));
    }
    ctes.push(format!("catalogue as ({})", catalogue(sources)));
    format!(
        "with {} {}",
        ctes.join(", "),
        picks(
            call,
            mode,
            &listeners(&facts, sources.has_responses),
            columns
        )
    )
}

/// The expressions of `each` for every feature, separated by commas.
fn per_feature(each: impl Fn(&Feature) -> String) -> String {
    FEATURES.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// True for a row whose features are all known and plausible.
fn is_analysed() -> String {
    let bounds = |feature: &Feature| {
        format!(
            "{} between {:?} and {:?}",
            feature.name, feature.low, feature.high
        )
    };
    FEATURES
        .iter()
        .map(bounds)
        .collect::<Vec<_>>()
        .join(" and ")
}

/// A time as days since 1970.
fn days(time: &str) -> String {
    format!(
        "date_part('epoch', arrow_cast({time}, 'Timestamp(Microsecond, Some(\"UTC\"))')) / {DAY}.0"
    )
}

fn features_as_double(table: &str) -> String {
    per_feature(|feature| format!("cast({table}.{0} as double) as {0}", feature.name))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Every track with its names and, where they are known, its features.
fn catalogue(sources: &Sources) -> String {
    let features = per_feature(|feature| feature.name.to_owned());
    let from = match &sources.tracks {
        Some(table) => {
            let unknown = table.column_or("is_analysed", "true");
            format!(
                "select track_id, track_name, artist, {unknown} as is_analysed, {} from {} as given",
                features_as_double("given"),
                table.name
            )
        }
        None => format!(
            "select tracks.track_id, tracks.track_name, tracks.artist, track_features.is_analysed, {} \
             from silver.tracks as tracks \
             left join silver.track_features as track_features on tracks.track_id = track_features.track_id",
            features_as_double("track_features")
        ),
    };
    let (candidates, is_wanted) = match &sources.candidates {
        Some(table) => (
            format!(
                " left join (select distinct arrow_cast(track_id, 'Utf8') as wanted_id from {}) as wanted \
                 on arrow_cast(known.track_id, 'Utf8') = wanted.wanted_id",
                table.name
            ),
            "wanted_id is not null",
        ),
        None => (String::new(), "true"),
    };
    format!(
        "select arrow_cast(track_id, 'Utf8') as track_id, arrow_cast(track_name, 'Utf8') as track_name, \
         arrow_cast(artist, 'Utf8') as artist, \
         coalesce(is_analysed and {}, false) as is_candidate, {is_wanted} as is_wanted, {features} \
         from ({from}) as known{candidates} where track_id is not null",
        is_analysed()
    )
}

/// One row with a list of all listeners, each with everything that the kernel wants to know.
fn listeners(facts: &[Fact], has_responses: bool) -> String {
    let figures = per_feature(|Feature { name, .. }| {
        format!("'typical_{name}', typical_{name}, 'spread_{name}', spread_{name}")
    });
    let facts: Vec<String> = facts
        .iter()
        .map(|Fact { name, .. }| format!(", '{name}', {name}"))
        .collect();
    let facts = facts.concat();
    let (answers, join) = if has_responses {
        (
            ", 'answers', answers.answers",
            " left join answers on profiles.user_id = answers.user_id",
        )
    } else {
        ("", "")
    };
    format!(
        "select array_agg(named_struct('user_id', profiles.user_id, 'last_day', last_day, \
         {figures}{facts}{answers})) as listeners from profiles{join}"
    )
}

/// The kernel over all listeners and all tracks at once, one row each side, and its picks as rows.
fn picks(call: &Call, mode: Mode, listeners: &str, columns: &SchemaRef) -> String {
    let whom = match &call.whom {
        Whom::All => "all".to_owned(),
        Whom::Only => "only".to_owned(),
        Whom::Named(user_id) => format!("named {user_id}"),
    };
    let pace = call
        .pace
        .map_or("null".to_owned(), |pace| format!("{pace:?}"));
    let policy = match mode {
        Mode::Mirror => "select null as policy",
        Mode::Coach => {
            "select array_agg(named_struct('name', arrow_cast(name, 'Utf8'), 'value', cast(value as double))) as policy \
             from gold.coach_policy"
        }
    };
    let names = columns
        .fields()
        .iter()
        .map(|column| format!("pick['{0}'] as \"{0}\"", column.name()));
    format!(
        "select {} from (select unnest({PICK_TRACKS}('{}', {}, cast({pace} as double), {}, {}, \
         one.listeners, every.tracks, caps.policy)) as pick \
         from ({listeners}) as one \
         cross join (select array_agg({}) as tracks from catalogue) as every \
         cross join ({policy}) as caps) as picks",
        names.collect::<Vec<_>>().join(", "),
        mode.name(),
        call.k,
        quoted(&whom),
        quoted(call.context.label()),
        track_struct(),
    )
}

fn track_struct() -> String {
    let features = per_feature(|Feature { name, .. }| format!("'{name}', {name}"));
    format!(
        "named_struct('track_id', track_id, 'track_name', track_name, 'artist', artist, \
         'is_candidate', is_candidate, 'is_wanted', is_wanted, {features})"
    )
}
