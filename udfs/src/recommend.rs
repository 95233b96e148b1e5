//! `recommend(mode[, k][, user_id][, context][, new_artists_only][, pace])`: tracks for a listener, by audio profile.
//!
//! * `mode`: `'mirror'` (tracks that fit the present pattern) or `'coach'` (tracks that fit and lead one small step up
//!   in valence, within the hard caps of `gold.coach_policy`; no row rather than a broken cap).
//! * `k`: how many, 1 to 10,000; 20 if left out.
//! * `user_id`: for whom; may be left out where there is only one user.
//! * `context`: the part of the week that the profile is taken from, in words such as `'monday morning'`, `'weekend'`
//!   or `'friday evening night'`.
//! * `new_artists_only`: whether to leave out artists that the listener has played, as far as the tracks, or a column
//!   `artist` of the plays, name them.
//! * `pace`: the coach's largest valence step, 0.05 to 0.15; the policy's own if left out.
//! * `plays`, `tracks`, `candidates`: relations instead of `silver.plays`, instead of `silver.tracks` with
//!   `silver.track_features`, and the only tracks to recommend, by `track_id`:
//!   `candidates => (select track_id from silver.track_genres where genre = 'jazz')`. They only choose: the
//!   coach's `match_percentile` is still one of all tracks.
//!
//! Columns: `rank, track_id, track_name, artist, score, match_score, improvement_score, valence_delta, energy_delta,
//! tempo_delta_pct, reason`. The deltas are the track's feature less the listener's typical one (tempo: per cent of
//! it). Scores are in `[0, 1]`, best first and then by `track_id`; `improvement_score` is `NULL` in mirror.
//!
//! ```sql
//! select rank, track_name, artist, reason from recommend('coach', k => 5, context => 'monday morning');
//! ```
//!
//! `recommend_all(mode[, k])` gives the same for every user, with `user_id` and `mode` in front.
//!
//! `listening_profile([context])` gives what tracks are matched against, for every user: `user_id, feature, typical,
//! spread, weight`. `typical` and `spread` are mean and standard deviation of the plays with known features, a play
//! counting half for every 14 days of age, a skip a fifth of a finished play, one without a time nothing. A track's
//! `match_score = sum(weight * match_similarity(value, typical, spread))`.
//!
//! What the coach does: `score = (1 - w) * match_score + w * improvement_score`, `w` from the policy, among the tracks
//! that keep every cap, match at least as well as `match_percentile` of the catalogue and were not skipped lately. The
//! target is the listener's own 75th percentile of valence; `improvement_score` is progress toward it over the allowed
//! step. One skip halves the pace. Who is at the target, asked to stay, skipped two recommendations in a row or skipped
//! one after asking to stay is not led further than `valence_hold` either way. A skip or an answer without a time counts
//! as one of the last day. A track that was answered `less` is not offered again in either mode; the same song under
//! several ids appears once; what was played lately may appear. A track or a play without known features takes no part.

mod body;
mod call;
mod caps;
mod catalogue;
mod context;
mod listener;
mod match_similarity;
mod pick;
mod profile;
mod provider;
mod ranking;
mod reason;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::Result,
    logical_expr::{Expr, ScalarUDF},
};

use crate::relation::{Parameter, RelationSignature};
use call::Call;
use provider::{Body, CallProvider};

/// The columns of `recommend_all`; `recommend` has those from `rank` on.
const COLUMNS: [(&str, DataType); 13] = [
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
];
/// How many of [`COLUMNS`] come before `rank`.
const BEFORE_RANK: usize = 2;

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
        function: "listening_profile",
        parameters: &[Parameter::Value("context")],
    },
];

/// The tables that each table function reads where it is given no relations instead.
pub(crate) const TABLES_READ: &[(&str, &[&str])] = &[
    ("recommend", RECOMMEND_READS),
    ("recommend_all", RECOMMEND_READS),
    ("listening_profile", &["silver.plays"]),
];

const RECOMMEND_READS: &[&str] = &[
    "silver.plays",
    "silver.tracks",
    "silver.track_features",
    "silver.responses",
    "gold.coach_policy",
];

/// The functions in `FROM`, with their names.
pub(crate) fn table_functions() -> Vec<(&'static str, Arc<dyn TableFunctionImpl>)> {
    [
        TableFunction::Recommend,
        TableFunction::RecommendAll,
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
    ListeningProfile,
}

impl TableFunction {
    fn name(self) -> &'static str {
        match self {
            Self::Recommend => "recommend",
            Self::RecommendAll => "recommend_all",
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
