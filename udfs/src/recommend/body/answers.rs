//! The queries of what a listener wants and does not want: the coach's target, skips, and answers to recommendations.
//!
//! They read the tables of the same query: `plays` and `listeners` (see [`super::profiles`]) and `answers`.

use super::{DAY, is_analysed};
use crate::recommend::call::Mode;

/// Share of the listener's plays that have less valence than the coach's target.
const TARGET_PERCENTILE: f64 = 0.75;

/// What listeners answered, with the day in the same count as the plays'.
pub(super) fn answers() -> String {
    format!(
        "select arrow_cast(given.user_id, 'Utf8') as user_id, arrow_cast(given.track_id, 'Utf8') as track_id, \
         given.\"mode\" as answered_mode, arrow_cast(given.response, 'Utf8') as response, \
         date_part('epoch', arrow_cast(given.responded_at, 'Timestamp(Microsecond, Some(\"UTC\"))')) / {DAY}.0 \
         as answered_day from silver.responses as given"
    )
}

/// The tracks that a listener is not offered: in both modes what they answered `less` to, by the coach also what
/// they skipped lately. `None` where there is nothing to read.
pub(super) fn refused(mode: Mode, has_answers: bool) -> Option<String> {
    let is_coach = mode == Mode::Coach;
    let mut tracks = vec![];
    if has_answers {
        tracks.push("select user_id, track_id from answers where response = 'less'".to_owned());
    }
    if has_answers && is_coach {
        let recent = recent("answers", "answered_day", "skip_memory");
        tracks.push(format!(
            "select answers.user_id, answers.track_id from {recent} and answers.response = 'skip'"
        ));
    }
    if is_coach {
        let recent = recent("plays", "played_day", "skip_memory");
        tracks.push(format!(
            "select plays.user_id, plays.track_id from {recent} and plays.is_skipped"
        ));
    }
    let tracks = tracks.join(" union all ");
    (!tracks.is_empty()).then(|| {
        format!(
            "select user_id, array_agg(track_id) as refused_tracks from ({tracks}) as tracks \
             where track_id is not null group by user_id"
        )
    })
}

/// The rows of `from` of the days before a listener's last that the policy names; all of them later than that too.
///
/// Without the name in the policy there are none, and the kernel then coaches nobody.
fn recent(from: &str, day: &str, memory: &str) -> String {
    format!(
        "{from} inner join listeners on {from}.user_id = listeners.user_id \
         cross join (select max(cast(value as double)) as days from gold.coach_policy where name = '{memory}') as memory \
         where {from}.{day} >= listeners.last_day - memory.days"
    )
}

/// The tracks that a listener knows.
pub(super) fn heard() -> String {
    "select user_id, array_agg(distinct track_id) as heard_tracks from plays \
     where track_id is not null group by user_id"
        .to_owned()
}

/// The valence that the coach leads to.
pub(super) fn targets() -> String {
    format!(
        "select user_id, percentile_cont({TARGET_PERCENTILE}) within group (order by valence) as target \
         from plays where {} group by user_id",
        is_analysed()
    )
}

/// The last two answers to the coach, if they are recent.
pub(super) fn back_off() -> String {
    let recent = recent("answers", "answered_day", "back_off_memory");
    format!(
        "select user_id, max(response) filter (where recency = 1) as latest, \
         max(response) filter (where recency = 2) as previous from ( \
         select answers.user_id, answers.response, row_number() over (partition by answers.user_id \
         order by answers.answered_day desc, answers.track_id, answers.response) as recency \
         from {recent} and answers.answered_mode = 'coach') as latest_first where recency <= 2 group by user_id"
    )
}
