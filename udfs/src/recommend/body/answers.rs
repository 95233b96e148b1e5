//! The queries of what a listener wants and does not want: the coach's target, skips, artists heard, answers given.
//!
//! They only gather: which of it counts, and for how long, the policy says and the kernel decides.

use super::{days, profiles::DECIMALS, quoted};
use crate::recommend::call::{Call, Mode};

/// Share of the listener's plays that have less valence than the coach's target.
const TARGET_PERCENTILE: f64 = 0.75;

/// Something about a listener beside the profile: an aggregate of their plays.
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) aggregate: String,
}

/// What the mode and the call want to know of a listener.
pub(super) fn facts(call: &Call, mode: Mode) -> Vec<Fact> {
    let mut facts = vec![];
    if mode == Mode::Coach {
        facts.push(Fact {
            name: "target",
            aggregate: format!(
                "round(percentile_cont({TARGET_PERCENTILE}) within group (order by valence) \
                 filter (where is_known), {DECIMALS})"
            ),
        });
        facts.push(Fact {
            name: "skips",
            aggregate: "array_agg(named_struct('track_id', track_id, 'day', played_day)) \
                        filter (where is_skipped and track_id is not null)"
                .to_owned(),
        });
    }
    if call.new_artists_only {
        let heard =
            |column| format!("array_agg(distinct {column}) filter (where {column} is not null)");
        facts.push(Fact {
            name: "heard_tracks",
            aggregate: heard("track_id"),
        });
        facts.push(Fact {
            name: "heard_artists",
            aggregate: heard("artist"),
        });
    }
    facts
}

/// Everything that listeners answered, a list for each; of `only` one listener.
pub(super) fn answers(only: Option<&str>) -> String {
    let filter = only
        .map(|only| format!(" where given.user_id = {}", quoted(only)))
        .unwrap_or_default();
    format!(
        "select arrow_cast(given.user_id, 'Utf8') as user_id, array_agg(named_struct(\
         'track_id', arrow_cast(given.track_id, 'Utf8'), 'mode', arrow_cast(given.\"mode\", 'Utf8'), \
         'response', arrow_cast(given.response, 'Utf8'), 'day', {})) as answers \
         from silver.responses as given{filter} group by 1",
        days("given.responded_at")
    )
}
