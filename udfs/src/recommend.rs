//! `recommend(mode[, k][, user_id][, context][, new_artists_only][, pace])`: tracks for a listener, by audio profile.
//!
//! * `mode`: `'mirror'` (tracks that fit the present pattern) or `'coach'` (tracks that fit and lead one small step up
//!   in valence, within the hard caps of `gold.coach_policy`; no row rather than a broken cap).
//! * `k`: how many, 1 to 10,000; 20 if left out.
//! * `user_id`: for whom; may be left out where there is only one user.
//! * `context`: the part of the week that the profile is taken from, in words such as `'monday morning'`, `'weekend'`
//!   or `'friday evening night'`; or a kind of session, by its number in `gold.listening_modes`: `'mode 2'`.
//! * `new_artists_only`: whether to leave out artists that the listener has played, as far as the tracks, or a column
//!   `artist` of the plays, name them.
//! * `pace`: the coach's largest valence step, 0.05 to 0.15; the policy's own if left out.
//! * `plays`, `tracks`, `candidates`: relations instead of `silver.plays`, instead of `silver.tracks` with
//!   `silver.track_features`, and the only tracks to recommend, by `track_id`:
//!   `candidates => (select track_id from silver.track_genres where genre = 'jazz')`. They only choose: the
//!   coach's `match_percentile` is still one of all tracks.
//!
//! Columns: `rank, track_id, track_name, artist, score, match_score, improvement_score, valence_delta, energy_delta,
//! tempo_delta_pct, reason, because`. The deltas are the track's feature less the listener's typical one (tempo: per
//! cent of it). Scores are in `[0, 1]`; `improvement_score` is `NULL` in mirror. `because` names the listener's own
//! songs behind the row: of the plays that make the profile, skips left out, the three that sound most like it. Mirror
//! ranks the best first and then by `track_id`; coach ranks in the order in which the tracks are to be heard.
//!
//! What is chosen is varied: beside its score a track counts for being unlike those chosen before it (maximal marginal
//! relevance: Carbonell and Goldstein 1998, doi:10.1145/290941.291025) and for bringing the list near the listener's own
//! mix of genres, where `silver.track_genres` tells it (Steck 2018, doi:10.1145/3240323.3240372). An artist has at most a
//! tenth of a list, and two tracks of any, unless nothing else is left. The same data always gives the same list.
//!
//! ```sql
//! select rank, track_name, artist, reason from recommend('coach', k => 5, context => 'monday morning');
//! ```
//!
//! `recommend_all(mode[, k])` gives the same for every user, with `user_id` and `mode` in front.
//!
//! `recommend_status([mode][, user_id])` says for each user and mode (`user_id, mode, fits, status, reason`) how many songs
//! fit and, where none does or the coach leads nowhere, why. `status` is `ok`; `at_target` or `resting` (after skips or a
//! wish to stay: tracks stay within `valence_hold`); `session_cap` or `day_cap` (used up); `no_fit` (no track keeps every
//! cap), `no_start` (none is close enough to begin with), `no_features` (no play has any) or `no_policy` (a cap is missing).
//!
//! `listening_profile([context])` gives what tracks are matched against, for every user: `user_id, feature, typical,
//! spread, weight`. `typical` and `spread` are mean and standard deviation of the plays with known features, a play
//! counting half for every 14 days of age, a skip a fifth of a finished play, one without a time nothing. A track's
//! `match_score = sum(weight * match_similarity(value, typical, spread))`.
//!
//! What the coach does: `score = (1 - w) * match_score + w * improvement_score`, `w` from the policy, among the tracks
//! that keep every cap, match at least as well as `match_percentile` of the catalogue and were not skipped lately. The
//! target is the listener's own 75th percentile of valence; `improvement_score` is progress toward it over the allowed
//! step. The first quarter of a list (`iso_share`) stays within `valence_hold` of the listener, the rest rises in equal
//! parts to the step; where fewer tracks stay, the list is shorter. One skip halves the pace; so does a streak of days
//! lower in valence than usual (`streak_pace`). No step leads further than `session_cap` above what was typical before
//! the last session, or `day_cap` above what was before its date. Who is at the target, asked to stay, skipped two
//! recommendations in a row or skipped one after asking to stay is not led further than `valence_hold` either way. A
//! skip or an answer without a time counts as one of the last day. A track that was answered `less` is not offered
//! again in either mode; the same song under several ids appears once; what was played lately may appear. A track or a
//! play without known features takes no part.

mod because;
mod body;
mod call;
mod caps;
mod catalogue;
mod context;
mod gather;
mod genre_mix;
mod known_tracks;
mod listener;
mod listening;
mod match_similarity;
mod pick;
mod profile;
mod profile_rows;
#[cfg(test)]
mod properties;
mod provider;
mod ranking;
mod reason;
mod shortlist;
mod status;
mod streak;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::Result,
    logical_expr::{Expr, ScalarUDF},
};

use crate::relation::{Parameter, RelationSignature};
use call::Call;
pub use known_tracks::{RowsOfTable, TrackMemory};
use provider::{Body, CallProvider};

/// The columns of `recommend_all`; `recommend` has those from `rank` on.
const COLUMNS: [(&str, DataType); 14] = [
    ("user_id", DataType::Utf8),
    ("mode", DataType::Utf8),
    ("rank", DataType::Int64),
    ("track_id", DataType::Utf8),
    ("track_name", DataType::Utf8),
    ("artist", DataType::Utf8),
    ("score", DataType::Float64),
    ("match_score", DataType::Float64),
    ("improvement_score", DataType::Float64),
    ("valence_delta", DataType::Float64),
    ("energy_delta", DataType::Float64),
    ("tempo_delta_pct", DataType::Float64),
    ("reason", DataType::Utf8),
    ("because", DataType::Utf8),
];
/// How many of [`COLUMNS`] come before `rank`.
const BEFORE_RANK: usize = 2;

/// The columns of `recommend_status`.
const STATUS_COLUMNS: [(&str, DataType); 5] = [
    ("user_id", DataType::Utf8),
    ("mode", DataType::Utf8),
    ("fits", DataType::Int64),
    ("status", DataType::Utf8),
    ("reason", DataType::Utf8),
];

/// The columns of `listening_profile`.
const PROFILE_COLUMNS: [(&str, DataType); 5] = [
    ("user_id", DataType::Utf8),
    ("feature", DataType::Utf8),
    ("typical", DataType::Float64),
    ("spread", DataType::Float64),
    ("weight", DataType::Float64),
];

/// How the table functions are called, for named arguments and relation inputs.
pub(crate) const SIGNATURES: &[RelationSignature] = &[
    RelationSignature {
        function: "recommend",
        parameters: &[
            Parameter::Value("mode"),
            Parameter::Count("k"),
            Parameter::Value("user_id"),
            Parameter::Value("context"),
            Parameter::Flag("new_artists_only"),
            Parameter::Number("pace"),
            Parameter::Relation("plays"),
            Parameter::Relation("tracks"),
            Parameter::Relation("candidates"),
        ],
    },
    RelationSignature {
        function: "recommend_all",
        parameters: &[Parameter::Value("mode"), Parameter::Count("k")],
    },
    RelationSignature {
        function: "recommend_status",
        parameters: &[Parameter::Value("mode"), Parameter::Value("user_id")],
    },
    RelationSignature {
        function: "listening_profile",
        parameters: &[Parameter::Value("context")],
    },
];

/// The tables that each table function reads where it is given no relations instead.
pub(crate) const TABLES_READ: &[(&str, &[&str])] = &[
    ("recommend", RECOMMEND_READS),
    ("recommend_all", RECOMMEND_READS),
    ("recommend_status", RECOMMEND_READS),
    ("listening_profile", &["silver.plays"]),
];

const RECOMMEND_READS: &[&str] = &[
    "silver.plays",
    "silver.tracks",
    "silver.track_features",
    "silver.track_genres",
    "silver.responses",
    "gold.coach_policy",
];

/// The functions in `FROM`, with their names.
pub(crate) fn table_functions() -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    [
        TableFunction::Recommend,
        TableFunction::RecommendAll,
        TableFunction::RecommendStatus,
        TableFunction::ListeningProfile,
    ]
    .into_iter()
    .map(|function| {
        (
            function.name(),
            Arc::new(function) as Arc<dyn TableFunctionImpl>,
        )
    })
    .collect()
}

/// The function of one row that explanations are made with.
pub(crate) fn match_similarity() -> ScalarUDF {
    match_similarity::match_similarity()
}

#[derive(Debug, Clone, Copy)]
enum TableFunction {
    Recommend,
    RecommendAll,
    RecommendStatus,
    ListeningProfile,
}

impl TableFunction {
    fn name(self) -> &'static str {
        match self {
            Self::Recommend => "recommend",
            Self::RecommendAll => "recommend_all",
            Self::RecommendStatus => "recommend_status",
            Self::ListeningProfile => "listening_profile",
        }
    }

    fn provider(self, arguments: &[Expr]) -> Result<CallProvider> {
        let (body, columns) = match self {
            Self::Recommend => (
                Body::Recommendations(Call::recommend(arguments)?),
                &COLUMNS[BEFORE_RANK..],
            ),
            Self::RecommendAll => (
                Body::Recommendations(Call::recommend_all(arguments)?),
                &COLUMNS[..],
            ),
            Self::RecommendStatus => (
                Body::Status(Call::recommend_status(arguments)?),
                &STATUS_COLUMNS[..],
            ),
            Self::ListeningProfile => (
                Body::Profile(call::profile_context(arguments)?),
                &PROFILE_COLUMNS[..],
            ),
        };
        Ok(CallProvider {
            body,
            schema: schema(columns),
        })
    }
}

impl TableFunctionImpl for TableFunction {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        Ok(Arc::new(self.provider(arguments.exprs())?))
    }
}

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, data_type): &(&str, DataType)| Field::new(*name, data_type.clone(), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}
