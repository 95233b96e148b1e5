//! The query of what listeners' profiles are: their plays, weighted, as a mean and a spread of each feature.

use super::{Fact, Table, days, features_as_double, is_analysed, per_feature, quoted};
use crate::recommend::{
    context::Context,
    profile::{COMPLETED_WEIGHT, Feature, HALF_LIFE_DAYS, PARTIAL_WEIGHT, SKIPPED_WEIGHT},
};

/// 2024-01-01, counted from 1970. Ages are taken against it instead of against each listener's last play: that scales
/// all weights of a listener alike, which no mean notices, and spares a join.
const REFERENCE_DAY: f64 = 19_723.0;
/// Keeps the weights of plays 38 years from the reference inside the range of a double.
const MOST_HALVINGS: f64 = 1000.0;
/// Decimals that a profile's figures keep.
pub(super) const DECIMALS: u32 = 9;

/// The query of `listening_profile`.
pub(in crate::recommend) fn listening_profile(
    context: &Context,
    plays: &Table,
    only: Option<&str>,
) -> String {
    let ctes = profiles(plays, only, context, &[]).join(", ");
    let figures = per_feature(|Feature { name, weight, .. }| {
        format!(
            "named_struct('feature', '{name}', 'typical', typical_{name}, 'spread', spread_{name}, 'weight', cast({weight:?} as double))"
        )
    });
    format!(
        "with {ctes} select user_id, figure['feature'] as feature, figure['typical'] as typical, \
         figure['spread'] as spread, figure['weight'] as weight \
         from (select user_id, unnest([{figures}]) as figure from profiles where total_weight > 0) as figures"
    )
}

/// `profiles`: a row for every listener with their last day, the typical value and spread of each feature, and facts.
///
/// Plays are read once: whatever is wanted of them is an aggregate of the same query.
pub(super) fn profiles(
    plays: &Table,
    only: Option<&str>,
    context: &Context,
    facts: &[Fact],
) -> Vec<String> {
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
    let aggregates: Vec<String> = facts
        .iter()
        .map(|Fact { name, aggregate }| format!(", {aggregate} as {name}"))
        .collect();
    let aggregates = aggregates.concat();
    let facts: Vec<String> = facts
        .iter()
        .map(|Fact { name, .. }| format!(", {name}"))
        .collect();
    let facts = facts.concat();
    vec![
        format!("plays as ({})", plays_in_days(plays, only, context)),
        format!("known as (select *, {is_known} as is_known from plays)"),
        format!(
            "weighted as (select *, case when is_known and is_in_context and played_day is not null then \
             case when is_completed then {COMPLETED_WEIGHT:?} when is_skipped then {SKIPPED_WEIGHT:?} \
             else {PARTIAL_WEIGHT:?} end * power(2.0, greatest(least(\
             (played_day - {REFERENCE_DAY:?}) / {HALF_LIFE_DAYS:?}, {MOST_HALVINGS:?}), -{MOST_HALVINGS:?})) \
             end as weight from known)"
        ),
        format!(
            "moments as (select user_id, max(played_day) as last_day, sum(weight) as total_weight, \
             {moments}{aggregates} from weighted group by user_id)"
        ),
        format!(
            "profiles as (select user_id, last_day, total_weight, {figures}{facts} from moments)"
        ),
    ]
}

/// The plays with their time in days and with the types that the rest relies on.
fn plays_in_days(plays: &Table, only: Option<&str>, context: &Context) -> String {
    let user_id = plays.column_or("user_id", "'listener'");
    let filter = only
        .map(|only| format!(" and {user_id} = {}", quoted(only)))
        .unwrap_or_default();
    let features = features_as_double("plays");
    format!(
        "select arrow_cast({user_id}, 'Utf8') as user_id, arrow_cast(track_id, 'Utf8') as track_id, \
         arrow_cast({}, 'Utf8') as artist, {} as played_day, \
         coalesce(cast({} as boolean), false) as is_completed, \
         coalesce(cast({} as boolean), false) as is_skipped, \
         {context} as is_in_context, {features} from {} as plays where {user_id} is not null{filter}",
        plays.column_or("artist", "null"),
        days("played_at"),
        plays.column_or("is_completed", "false"),
        plays.column_or("is_skipped", "false"),
        plays.name,
    )
}
