//! The queries behind the table functions: everything that is not a kernel is SQL over the session's own tables.
//!
//! "Now" is a listener's last play: no query reads the clock. Figures of a profile are rounded to nine decimals, so
//! that the order in which plays are added up cannot change a ranking.

use arrow::datatypes::SchemaRef;

use super::{
    call::{Call, Listeners, Mode},
    caps::POLICY,
    context::Context,
    pick::PICK_TRACKS,
    profile::{
        COMPLETED_WEIGHT, FEATURES, Feature, HALF_LIFE_DAYS, PARTIAL_WEIGHT, SKIPPED_WEIGHT,
    },
};

/// Seconds in a day.
const DAY: u32 = 86_400;
/// Share of the listener's plays that have less valence than the coach's target.
const TARGET_PERCENTILE: f64 = 0.75;
/// 2024-01-01, counted from 1970. Ages are taken against it instead of against each listener's last play: that scales
/// all weights of a listener alike, which no mean notices, and spares a join.
const REFERENCE_DAY: f64 = 19_723.0;
/// Keeps the weights of plays 38 years from the reference inside the range of a double.
const MOST_HALVINGS: f64 = 1000.0;
/// Decimals that a profile's figures keep.
const DECIMALS: u32 = 9;

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
    let mut ctes = profiles(&sources.plays, only, &call.context);
    ctes.extend([
        format!("catalogue as ({})", catalogue(sources)),
        format!("policy as ({})", policy(mode)),
        format!("answers as ({})", answers(sources)),
        format!("refused as ({})", refused(mode)),
        format!("heard as ({})", heard(call.new_artists_only)),
        format!("targets as ({})", targets(mode)),
        format!("back_off as ({})", back_off(mode)),
        format!("listener_rows as ({})", listener_rows()),
    ]);
    format!("with {} {}", ctes.join(", "), picks(call, mode, columns))
}

/// The query of `listening_profile`.
pub(super) fn listening_profile(context: &Context, plays: &Table, only: Option<&str>) -> String {
    let ctes = profiles(plays, only, context).join(", ");
    let figures = per_feature(|Feature { name, weight, .. }| {
        format!(
            "named_struct('feature', '{name}', 'typical', typical_{name}, 'spread', spread_{name}, 'weight', cast({weight:?} as double))"
        )
    });
    format!(
        "with {ctes} select user_id, figure['feature'] as feature, figure['typical'] as typical, \
         figure['spread'] as spread, figure['weight'] as weight \
         from (select user_id, unnest([{figures}]) as figure from profiles) as figures"
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

fn features_as_double(table: &str) -> String {
    per_feature(|feature| format!("cast({table}.{0} as double) as {0}", feature.name))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `plays`, `listeners` (with their last day) and `profiles` (typical value and spread of each feature).
fn profiles(plays: &Table, only: Option<&str>, context: &Context) -> Vec<String> {
    let is_known = is_analysed();
    let moments = per_feature(|Feature { name, .. }| {
        format!(
            "sum(weight * {name}) / sum(weight) as mean_{name}, sum(weight * {name} * {name}) / sum(weight) as square_{name}"
        )
    });
    let figures = per_feature(
        |Feature {
             name, least_spread, ..
         }| {
            format!(
                "round(mean_{name}, {DECIMALS}) as typical_{name}, round(greatest(sqrt(greatest(square_{name} \
             - mean_{name} * mean_{name}, 0.0)), {least_spread:?}), {DECIMALS}) as spread_{name}"
            )
        },
    );
    let names = per_feature(|feature| feature.name.to_owned());
    vec![
        format!("plays as ({})", plays_in_days(plays, only, context)),
        "listeners as (select user_id, max(played_day) as last_day from plays group by user_id)"
            .to_owned(),
        format!(
            "weighted as (select user_id, {names}, \
             case when is_completed then {COMPLETED_WEIGHT:?} when is_skipped then {SKIPPED_WEIGHT:?} \
             else {PARTIAL_WEIGHT:?} end * power(2.0, greatest(least(\
             (played_day - {REFERENCE_DAY:?}) / {HALF_LIFE_DAYS:?}, {MOST_HALVINGS:?}), -{MOST_HALVINGS:?})) as weight \
             from plays where is_in_context and {is_known})"
        ),
        format!("moments as (select user_id, {moments} from weighted group by user_id)"),
        format!("profiles as (select user_id, {figures} from moments)"),
    ]
}

/// The plays with their time in days and with the types that the rest relies on.
fn plays_in_days(plays: &Table, only: Option<&str>, context: &Context) -> String {
    let user_id = plays.column_or("user_id", "'listener'");
    let filter = only
        .map(|only| format!(" where {user_id} = {}", quoted(only)))
        .unwrap_or_default();
    let features = features_as_double("plays");
    format!(
        "select arrow_cast({user_id}, 'Utf8') as user_id, arrow_cast(track_id, 'Utf8') as track_id, \
         date_part('epoch', arrow_cast(played_at, 'Timestamp(Microsecond, Some(\"UTC\"))')) / {DAY}.0 as played_day, \
         coalesce({}, false) as is_completed, coalesce({}, false) as is_skipped, \
         {context} as is_in_context, {features} from {} as plays{filter}",
        plays.column_or("is_completed", "false"),
        plays.column_or("is_skipped", "false"),
        plays.name,
    )
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
    let is_candidate = match &sources.candidates {
        Some(table) => format!("track_id in (select track_id from {})", table.name),
        None => "true".to_owned(),
    };
    format!(
        "select arrow_cast(track_id, 'Utf8') as track_id, arrow_cast(track_name, 'Utf8') as track_name, \
         arrow_cast(artist, 'Utf8') as artist, \
         coalesce(is_analysed and {is_candidate} and {}, false) as is_candidate, {features} from ({from}) as known \
         where track_id is not null",
        is_analysed()
    )
}

/// One row with a column for each cap, `NULL` where it is missing or there twice; no columns to read for the mirror.
fn policy(mode: Mode) -> String {
    let column = |name: &&str| match mode {
        Mode::Mirror => format!("cast(null as double) as {name}"),
        Mode::Coach => format!(
            "case when count(*) filter (where name = '{name}') = 1 \
             then max(cast(value as double)) filter (where name = '{name}') end as {name}"
        ),
    };
    let columns = POLICY.iter().map(column).collect::<Vec<_>>().join(", ");
    match mode {
        Mode::Mirror => format!("select {columns}"),
        Mode::Coach => format!("select {columns} from gold.coach_policy"),
    }
}

/// What listeners answered, with the day in the same count as the plays'.
fn answers(sources: &Sources) -> String {
    let (from, none) = if sources.has_responses {
        ("silver.responses", "")
    } else {
        (NO_RESPONSES, " where false")
    };
    format!(
        "select arrow_cast(answers.user_id, 'Utf8') as user_id, arrow_cast(answers.track_id, 'Utf8') as track_id, \
         answers.\"mode\" as answered_mode, answers.response, \
         date_part('epoch', arrow_cast(answers.responded_at, 'Timestamp(Microsecond, Some(\"UTC\"))')) / {DAY}.0 \
         as answered_day from {from} as answers{none}"
    )
}

/// Stands for `silver.responses` in a session without it.
const NO_RESPONSES: &str = "(select '' as user_id, '' as track_id, '' as \"mode\", '' as response, to_timestamp(0) as responded_at)";

/// The tracks that a listener is not offered: in both modes what they answered "less" to, by the coach also what
/// they skipped lately.
fn refused(mode: Mode) -> String {
    let mut tracks = "select user_id, track_id from answers where response = 'less'".to_owned();
    if mode == Mode::Coach {
        tracks += " union all select answers.user_id, answers.track_id from answers \
             inner join listeners on answers.user_id = listeners.user_id cross join policy \
             where answers.response = 'skip' and answers.answered_day >= listeners.last_day - policy.skip_memory \
             union all select plays.user_id, plays.track_id from plays \
             inner join listeners on plays.user_id = listeners.user_id cross join policy \
             where plays.is_skipped and plays.played_day >= listeners.last_day - policy.skip_memory";
    }
    format!(
        "select user_id, array_agg(track_id) as refused_tracks from ({tracks}) as tracks \
         where track_id is not null group by user_id"
    )
}

/// The tracks that a listener knows, where only new artists are wanted.
fn heard(new_artists_only: bool) -> String {
    format!(
        "select user_id, array_agg(distinct track_id) as heard_tracks from plays \
         where {new_artists_only} and track_id is not null group by user_id"
    )
}

/// The valence that the coach leads to.
fn targets(mode: Mode) -> String {
    match mode {
        Mode::Mirror => "select user_id, cast(null as double) as target from listeners".to_owned(),
        Mode::Coach => format!(
            "select user_id, percentile_cont({TARGET_PERCENTILE}) within group (order by valence) as target \
             from plays where {} group by user_id",
            is_analysed()
        ),
    }
}

/// The last two answers to the coach, if they are recent.
fn back_off(mode: Mode) -> String {
    if mode == Mode::Mirror {
        return "select user_id, cast(null as varchar) as latest, cast(null as varchar) as previous from listeners"
            .to_owned();
    }
    "select user_id, max(response) filter (where recency = 1) as latest, \
     max(response) filter (where recency = 2) as previous from ( \
     select answers.user_id, answers.response, row_number() over ( \
     partition by answers.user_id order by answers.answered_day desc, answers.track_id, answers.response) as recency \
     from answers inner join listeners on answers.user_id = listeners.user_id cross join policy \
     where answers.answered_mode = 'coach' \
     and answers.answered_day >= listeners.last_day - policy.back_off_memory) as recent \
     where recency <= 2 group by user_id"
        .to_owned()
}

/// One row for each listener with everything that the kernel wants to know.
fn listener_rows() -> String {
    let figures = per_feature(|Feature { name, .. }| {
        format!(
            "profiles.typical_{name} as typical_{name}, profiles.spread_{name} as spread_{name}"
        )
    });
    format!(
        "select listeners.user_id, {figures}, targets.target, arrow_cast(back_off.latest, 'Utf8') as latest, \
         arrow_cast(back_off.previous, 'Utf8') as previous, refused.refused_tracks, heard.heard_tracks from listeners \
         left join profiles on listeners.user_id = profiles.user_id \
         left join targets on listeners.user_id = targets.user_id \
         left join back_off on listeners.user_id = back_off.user_id \
         left join refused on listeners.user_id = refused.user_id \
         left join heard on listeners.user_id = heard.user_id"
    )
}

/// A struct of columns of one relation.
fn structure(columns: &[String]) -> String {
    let fields = columns
        .iter()
        .map(|column| format!("'{column}', {column}"))
        .collect::<Vec<_>>()
        .join(", ");
    format!("named_struct({fields})")
}

/// The kernel over all listeners and all tracks at once, one row each side, and its picks as rows.
fn picks(call: &Call, mode: Mode, columns: &SchemaRef) -> String {
    let whom = match &call.listeners {
        Listeners::All => "all".to_owned(),
        Listeners::Only => "only".to_owned(),
        Listeners::Named(user_id) => format!("named {user_id}"),
    };
    let pace = call.pace.map_or("cast(null as double)".to_owned(), |pace| {
        format!("cast({pace:?} as double)")
    });
    let policy: Vec<String> = POLICY.iter().map(ToString::to_string).collect();
    let columns = columns
        .fields()
        .iter()
        .map(|column| format!("pick['{0}'] as \"{0}\"", column.name()));
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!(
        "select {columns} from (select unnest({PICK_TRACKS}('{}', {}, {pace}, {}, {}, one.listeners, every.tracks, caps.policy)) \
         as pick from (select array_agg({}) as listeners from listener_rows) as one \
         cross join (select array_agg({}) as tracks from catalogue) as every \
         cross join (select {} as policy from policy) as caps) as picks",
        mode.name(),
        call.k,
        quoted(&whom),
        quoted(call.context.label()),
        structure(&listener_columns()),
        structure(&track_columns()),
        structure(&policy),
    )
}

fn listener_columns() -> Vec<String> {
    let mut columns = vec!["user_id".to_owned()];
    columns.extend(
        FEATURES
            .iter()
            .map(|feature| format!("typical_{}", feature.name)),
    );
    columns.extend(
        FEATURES
            .iter()
            .map(|feature| format!("spread_{}", feature.name)),
    );
    columns.extend(
        [
            "target",
            "latest",
            "previous",
            "refused_tracks",
            "heard_tracks",
        ]
        .map(ToOwned::to_owned),
    );
    columns
}

fn track_columns() -> Vec<String> {
    let mut columns = ["track_id", "track_name", "artist", "is_candidate"]
        .map(ToOwned::to_owned)
        .to_vec();
    columns.extend(FEATURES.iter().map(|feature| feature.name.to_owned()));
    columns
}
