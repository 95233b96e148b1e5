//! Options of `type = 'kmeans'`.

use serde::Serialize;

use super::reader::Reader;
use crate::error::Result;

const DEFAULT_RUNS: u64 = 10;
const DEFAULT_ITERATIONS: u64 = 300;
const MAX_CLUSTERS: u64 = 1000;

/// Options of `type = 'kmeans'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KMeansOptions {
    /// Number of clusters, at least 2.
    pub k: usize,
    /// Independent starts, the best of which is kept.
    pub n_runs: u64,
    /// Most iterations of one start.
    pub max_iterations: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether too few rows give a model that answers null, not an error.
    pub allow_untrained: bool,
}

impl KMeansOptions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let Some(k) = reader.whole("k", 2, MAX_CLUSTERS)? else {
            return Err(
                reader.error("option 'k' is missing, give the number of clusters, such as k = 5")
            );
        };
        if !matches!(reader.text("split")?.as_deref(), None | Some("none")) {
            return Err(reader.error("a 'kmeans' model holds no rows out, leave 'split' away"));
        }
        Ok(Self {
            k: usize::try_from(k).unwrap_or(usize::MAX),
            n_runs: reader.whole("n_runs", 1, 1000)?.unwrap_or(DEFAULT_RUNS),
            max_iterations: reader
                .whole("max_iterations", 1, 100_000)?
                .unwrap_or(DEFAULT_ITERATIONS),
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        })
    }
}
