//! The queries behind the table functions: everything that is not a kernel is SQL over the session's own tables.
//!
//! "Now" is a listener's last play: no query reads the clock.

mod answers;
mod plays;

use arrow::datatypes::SchemaRef;

use super::{
    call::{Call, Mode, Whom},
    context::Context,
    pick::PICK_TRACKS,
    profile::{FEATURES, Feature},
    profile_rows::PROFILE_ROWS,
    status::RECOMMENDATION_STATUS,
};

/// Seconds in a day.
const DAY: u32 = 86_400;

/// Where the queries read from, and what is there.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    /// A table with the columns of `silver.plays`, or at least `track_id`, `played_at` and the features.
    pub(super) plays: Table,
    /// Where the tracks come from.
    pub(super) tracks: Tracks,
    /// A table whose `track_id`s are the only ones to recommend.
    pub(super) candidates: Option<Table>,
    /// Whether the session has `silver.responses`.
    pub(super) has_responses: bool,
}

/// Where the tracks come from.
#[derive(Debug, Clone)]
pub(super) enum Tracks {
    /// A table with names and features together.
    Given(Table),
    /// `silver.tracks` with `silver.track_features` and, where the session has it, `silver.track_genres`.
    Session { genres: Option<Table> },
    /// They are in memory from an earlier call.
    Known,
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

/// What the kernel is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// Which tracks.
    Tracks(Mode),
    /// How many there are and why; in one mode, or in each.
    Status(Option<Mode>),
}

impl Question {
    /// Whether the coach is in it.
    pub(super) fn is_of_coach(self) -> bool {
        !matches!(
            self,
            Self::Tracks(Mode::Mirror) | Self::Status(Some(Mode::Mirror))
        )
    }

    fn function(self) -> &'static str {
        match self {
            Self::Tracks(_) => PICK_TRACKS,
            Self::Status(_) => RECOMMENDATION_STATUS,
        }
    }

    fn mode(self) -> &'static str {
        match self {
            Self::Tracks(mode) | Self::Status(Some(mode)) => mode.name(),
            Self::Status(None) => "",
        }
    }
}

/// The query of `listening_profile`.
pub(super) fn listening_profile(context: &Context, plays: &Table, only: Option<&str>) -> String {
    format!(
        "with {} select user_id, figure['feature'] as feature, figure['typical'] as typical, \
         figure['spread'] as spread, figure['weight'] as weight \
         from (select user_id, unnest({PROFILE_ROWS}(listening)) as figure from listening) as figures",
        plays::listening(plays, only, context).join(", ")
    )
}

/// The query of `recommend`, `recommend_all` and `recommend_status`: of `only` one listener's plays, with the columns
/// of the function.
pub(super) fn recommendations(
    call: &Call,
    question: Question,
    sources: &Sources,
    only: Option<&str>,
    columns: &SchemaRef,
) -> String {
    let mut ctes = plays::listening(&sources.plays, only, &call.context);
    if sources.has_responses {
        ctes.push(format!("answers as ({})", answers::answers(only)));
    }
    format!(
        "with {} {}",
        ctes.join(", "),
        picks(call, question, sources, columns)
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

/// Every track in one list, with its names and, where they are known, its genre and features.
fn catalogue(tracks: &Tracks) -> String {
    let features = per_feature(|feature| feature.name.to_owned());
    let from = match tracks {
        Tracks::Known => return "select null as tracks".to_owned(),
        Tracks::Given(table) => format!(
            "select track_id, track_name, artist, {} as genre, {} as is_analysed, {} from {} as given",
            table.column_or("genre", "null"),
            table.column_or("is_analysed", "true"),
            features_as_double("given"),
            table.name
        ),
        Tracks::Session { genres } => {
            let (genre, join) = genres.as_ref().map_or(("null", String::new()), genre_join);
            format!(
                "select tracks.track_id, tracks.track_name, tracks.artist, {genre} as genre, \
                 track_features.is_analysed, {} from silver.tracks as tracks \
                 left join silver.track_features as track_features on tracks.track_id = track_features.track_id{join}",
                features_as_double("track_features")
            )
        }
    };
    let track = format!(
        "named_struct('track_id', track_id, 'track_name', track_name, 'artist', artist, 'genre', genre, \
         'is_candidate', is_candidate, {})",
        per_feature(|Feature { name, .. }| format!("'{name}', {name}"))
    );
    format!(
        "select array_agg({track}) as tracks from (select arrow_cast(track_id, 'Utf8') as track_id, \
         arrow_cast(track_name, 'Utf8') as track_name, arrow_cast(artist, 'Utf8') as artist, \
         arrow_cast(genre, 'Utf8') as genre, coalesce(is_analysed and {}, false) as is_candidate, {features} \
         from ({from}) as known where track_id is not null) as catalogue",
        is_analysed()
    )
}

/// The genre that a track is filed under first, or the first by name.
fn genre_join(genres: &Table) -> (&'static str, String) {
    let from = if genres.has("is_first") {
        format!("select track_id, genre from {} where is_first", genres.name)
    } else {
        format!(
            "select track_id, min(genre) as genre from {} group by track_id",
            genres.name
        )
    };
    (
        "filed.genre",
        format!(" left join ({from}) as filed on tracks.track_id = filed.track_id"),
    )
}

/// The kernel over all listeners and all tracks at once, one row each side, and its answers as rows.
fn picks(call: &Call, question: Question, sources: &Sources, columns: &SchemaRef) -> String {
    let whom = match &call.whom {
        Whom::All => "all".to_owned(),
        Whom::Only => "only".to_owned(),
        Whom::Named(user_id) => format!("named {user_id}"),
    };
    let pace = call
        .pace
        .map_or("null".to_owned(), |pace| format!("{pace:?}"));
    let policy = if question.is_of_coach() {
        "select array_agg(named_struct('name', arrow_cast(name, 'Utf8'), 'value', cast(value as double))) as policy \
         from gold.coach_policy"
    } else {
        "select null as policy"
    };
    let wanted = sources.candidates.as_ref().map_or_else(
        || "select null as track_ids".to_owned(),
        |table| {
            format!(
                "select array_agg(arrow_cast(track_id, 'Utf8')) as track_ids from {}",
                table.name
            )
        },
    );
    let (answers, join) = if sources.has_responses {
        (
            ", 'answers', answers.answers",
            " left join answers on listening.user_id = answers.user_id",
        )
    } else {
        ("", "")
    };
    let names = columns
        .fields()
        .iter()
        .map(|column| format!("pick['{0}'] as \"{0}\"", column.name()));
    format!(
        "select {} from (select unnest({}('{}', {}, cast({pace} as double), {}, {}, {}, \
         one.listeners, every.tracks, wanted.track_ids, caps.policy)) as pick \
         from (select array_agg(named_struct('user_id', listening.user_id, 'listening', listening{answers})) \
         as listeners from listening{join}) as one \
         cross join ({}) as every cross join ({wanted}) as wanted cross join ({policy}) as caps) as picks",
        names.collect::<Vec<_>>().join(", "),
        question.function(),
        question.mode(),
        call.k,
        quoted(&whom),
        quoted(call.context.label()),
        call.new_artists_only,
        catalogue(&sources.tracks),
    )
}
