//! Where data comes from: Spotify's exports, catalogues of tracks, and generated examples.
//!
//! Everything here reads files and yields Arrow batches; `import` alone writes, and only through
//! a [`Client`](crate::client::Client). No Web API is called. Personal fields of an export
//! (`username`, `ip_addr*`, `user_agent*`, `city`, `region`) end in the parser.

pub(crate) mod catalogue;
pub(crate) mod files;
pub mod generate;
pub mod import;
pub(crate) mod kind;
pub(crate) mod report;
pub(crate) mod row_hash;
pub(crate) mod spotify_export;
pub(crate) mod table_functions;

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use moodlake_udfs::RelationFunctions;

use crate::engine::FileAccess;

/// Gives a session the table functions that read files, with named arguments.
pub(crate) fn register(ctx: &SessionContext, access: &FileAccess) {
    for (name, function) in table_functions::table_functions(access) {
        ctx.register_udtf(name, function);
    }
    let planner = RelationFunctions::new(table_functions::SIGNATURES.to_vec());
    // Only a session that parses no SQL refuses a planner.
    let _ = ctx.register_relation_planner(Arc::new(planner));
}
