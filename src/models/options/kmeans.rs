//! Options of `type = 'kmeans'`.

use serde::{Serialize, Serializer};

use super::reader::Reader;
use crate::error::Result;

const DEFAULT_RUNS: u64 = 10;
const DEFAULT_ITERATIONS: u64 = 300;
const MAX_CLUSTERS: u64 = 1000;
/// What leaves the number of clusters to the rows.
const AUTO: &str = "auto";
const DEFAULT_K_MAX: u64 = 12;
/// Each number of clusters is tried, so there are fewer than may be asked for.
const HIGHEST_K_MAX: u64 = 50;

/// Options of `type = 'kmeans'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KMeansOptions {
    /// Number of clusters, at least 2; chosen from the rows when absent.
    #[serde(serialize_with = "number_or_auto")]
    pub k: Option<usize>,
    /// The most clusters that are tried when the number is chosen.
    pub k_max: usize,
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
        let Some(k) = reader.whole_or("k", AUTO, 2, MAX_CLUSTERS)? else {
            return Err(reader.error(
                "option 'k' is missing, give the number of clusters, such as k = 5, or k = 'auto'",
            ));
        };
        let k_max = reader.whole("k_max", 2, HIGHEST_K_MAX)?;
        if k.is_some() && k_max.is_some() {
            return Err(reader
                .error("option 'k_max' goes with k = 'auto', leave it away or write k = 'auto'"));
        }
        if !matches!(reader.text("split")?.as_deref(), None | Some("none")) {
            return Err(reader.error("a 'kmeans' model holds no rows out, leave 'split' away"));
        }
        let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            k: k.map(size),
            k_max: size(k_max.or(k).unwrap_or(DEFAULT_K_MAX)),
            n_runs: reader.whole("n_runs", 1, 1000)?.unwrap_or(DEFAULT_RUNS),
            max_iterations: reader
                .whole("max_iterations", 1, 100_000)?
                .unwrap_or(DEFAULT_ITERATIONS),
            seed: reader.seed()?,
            allow_untrained: reader.flag("allow_untrained")?,
        })
    }
}

#[expect(clippy::ref_option, reason = "serde hands out the field")]
fn number_or_auto<S: Serializer>(
    k: &Option<usize>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match k {
        Some(k) => k.serialize(serializer),
        None => AUTO.serialize(serializer),
    }
}
