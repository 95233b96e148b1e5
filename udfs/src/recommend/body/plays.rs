//! The query that gathers what listeners played, a row for each of them.

use super::{Table, days, features_as_double, per_feature, quoted};
use crate::recommend::{
    context::{Context, IS_IN_MODE},
    gather::GATHER_LISTENING,
};

/// `plays` and `listening`: a row for every listener, of `only` one listener, with everything known of their plays.
pub(super) fn listening(plays: &Table, only: Option<&str>, context: &Context) -> Vec<String> {
    let features = per_feature(|feature| feature.name.to_owned());
    vec![
        format!("plays as ({})", plays_in_days(plays, only, context)),
        format!(
            "listening as (select user_id, {GATHER_LISTENING}(track_id, artist, played_day, local_day, session_day, \
             is_completed, is_skipped, is_in_context, {features}) as listening from plays group by user_id)"
        ),
    ]
}

/// The plays with their times in days and with the types that the rest relies on.
///
/// Where no date is given it is that of UTC; where no start of a session is, all plays of a date are one session.
fn plays_in_days(plays: &Table, only: Option<&str>, context: &Context) -> String {
    let user_id = plays.column_or("user_id", "'listener'");
    let filter = only
        .map(|only| format!(" and {user_id} = {}", quoted(only)))
        .unwrap_or_default();
    let features = features_as_double("plays");
    let played_day = days("played_at");
    let local_day = if plays.has("local_date") {
        "cast(arrow_cast(arrow_cast(local_date, 'Date32'), 'Int32') as double)".to_owned()
    } else {
        format!("floor({played_day})")
    };
    let session_day = if plays.has("session_started_at") {
        days("session_started_at")
    } else {
        local_day.clone()
    };
    let (from, condition) = of_modes(&plays.name, context);
    format!(
        "select arrow_cast({user_id}, 'Utf8') as user_id, arrow_cast(track_id, 'Utf8') as track_id, \
         arrow_cast({}, 'Utf8') as artist, {played_day} as played_day, {local_day} as local_day, \
         {session_day} as session_day, cast({} as boolean) as is_completed, cast({} as boolean) as is_skipped, \
         {condition} as is_in_context, {features} from {from} where {user_id} is not null{filter}",
        plays.column_or("artist", "null"),
        plays.column_or("is_completed", "false"),
        plays.column_or("is_skipped", "false"),
    )
}

/// The plays, beside the sessions of the modes that a context names, and the context's condition.
fn of_modes(plays: &str, context: &Context) -> (String, String) {
    let condition = context.to_string();
    if context.modes().is_empty() {
        return (format!("{plays} as plays"), condition);
    }
    let modes: Vec<String> = context.modes().iter().map(ToString::to_string).collect();
    let from = format!(
        "{plays} as plays left join (select distinct session_id as session_of_mode from gold.listening_modes \
         where \"mode\" in ({})) as sessions on plays.session_id = sessions.session_of_mode",
        modes.join(", ")
    );
    (
        from,
        condition.replace(IS_IN_MODE, "(session_of_mode is not null)"),
    )
}
