//! Options of `type = 'logistic'`.

use arrow::datatypes::Schema;
use serde::Serialize;

use super::{ClassWeight, labelled::Labelled, reader::Reader};
use crate::error::Result;

const DEFAULT_ITERATIONS: u64 = 300;
/// scikit-learn's default, `C = 1`.
const DEFAULT_L2: f64 = 1.0;

/// Options of `type = 'logistic'`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogisticOptions {
    /// The label, and how rows are held out.
    #[serde(flatten)]
    pub labelled: Labelled,
    /// Weight of the L2 penalty on standardised coefficients: `1 / C` of scikit-learn.
    pub l2: f64,
    /// Most iterations of the solver.
    pub max_iterations: u64,
    /// Whether all classes together weigh the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
}

impl LogisticOptions {
    pub(super) fn read(reader: &mut Reader<'_>, schema: &Schema) -> Result<Self> {
        Ok(Self {
            labelled: Labelled::read(reader, schema)?,
            l2: reader.positive("l2")?.unwrap_or(DEFAULT_L2),
            max_iterations: reader
                .whole("max_iterations", 1, 100_000)?
                .unwrap_or(DEFAULT_ITERATIONS),
            class_weight: class_weight(reader)?,
        })
    }
}

fn class_weight(reader: &mut Reader<'_>) -> Result<Option<ClassWeight>> {
    match reader.text("class_weight")?.as_deref() {
        None => Ok(None),
        Some("balanced") => Ok(Some(ClassWeight::Balanced)),
        Some(other) => Err(reader.error(&format!(
            "unknown class_weight '{other}', expected 'balanced'"
        ))),
    }
}
