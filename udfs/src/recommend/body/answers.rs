//! The query of what listeners answered to recommendations.
//!
//! It only gathers: which of it counts, and for how long, the policy says and the kernel decides.

use super::{days, quoted};

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
