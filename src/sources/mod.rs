//! Where data comes from: Spotify's exports, catalogues of tracks, and generated examples.
//!
//! Everything here reads files and yields Arrow batches; `import` alone writes, and only through
//! a [`Client`](crate::client::Client). No Web API is called. Personal fields of an export
//! (`username`, `ip_addr*`, `user_agent*`, `city`, `region`, all of `platform` but the family) end in the
//! parser.

mod catalogue;
mod file_function;
mod files;
pub mod generate;
pub mod import;
mod kind;
mod report;
mod row_hash;
mod spotify_export;
mod spotify_history;
mod tracks_csv;

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use moodlake_udfs::RelationFunctions;

use self::file_function::FileFunction;
use crate::engine::FileAccess;
use crate::error::Result;

/// Takes batches while files are read; an error ends the reading.
type Sink<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<()>;

/// Gives a session the table functions that read files, with named arguments.
pub(crate) fn register(ctx: &SessionContext, access: &FileAccess) {
    let functions: [&'static FileFunction; 2] = [&spotify_history::FUNCTION, &tracks_csv::FUNCTION];
    for function in functions {
        ctx.register_udtf(function.name, function.provider(access));
    }
    let signatures = functions.map(FileFunction::signature).to_vec();
    // Only a session that parses no SQL refuses a planner.
    let _ = ctx.register_relation_planner(Arc::new(RelationFunctions::new(signatures)));
}
