//! Trains a factorisation of who played what (`moodlake_udfs::kernels::als`), measured on what was played after a cut in
//! time and then fitted again to all plays.

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use moodlake_udfs::{
    Als, Model, ModelKind,
    kernels::als::{self, Interactions, Settings},
};

use super::{
    Fitted, TOO_FEW_ROWS,
    options::{AlsOptions, SplitKind},
    stop,
};
use crate::error::{Error, Result};
use plays::{Play, Plays};

mod held_out;
mod plays;

/// With fewer users or items there is nothing that one could be told from the others.
const LEAST: usize = 10;

/// Trains the model called `name` on the rows of its query.
pub(super) fn train(
    name: &str,
    options: &AlsOptions,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<Fitted> {
    let plays = Plays::read(name, options, schema, batches)?;
    for (role, count) in [("users", plays.users), ("items", plays.items.len())] {
        if count < LEAST {
            return Err(Error::Input(format!(
                "model '{name}': {TOO_FEW_ROWS}: it needs at least {LEAST} {role}, the query has {count}"
            )));
        }
    }
    let mut warnings = plays.warnings.clone();
    let metrics = if options.split == SplitKind::Time {
        held_out::metrics(&plays, options, &mut warnings)?
    } else {
        warnings.push("split = 'none': nothing is held out, so nothing is measured".into());
        Vec::new()
    };
    let als = fit(&plays.rows, &plays, options)?;
    if als
        .factors
        .to_values()
        .iter()
        .any(|factor| !factor.is_finite())
    {
        return Err(Error::Input(format!(
            "model '{name}': plays times alpha are beyond what 32 bits hold: lower alpha, or use confidence = 'log'"
        )));
    }
    let columns = schema.fields().iter();
    let columns = columns.map(|field| field.name().clone()).collect();
    Ok(Fitted {
        model: Model::new(name, columns, ModelKind::Als(als)),
        label: None,
        classes: Vec::new(),
        metrics,
        n_train: plays.rows.len() as u64,
        warnings,
    })
}

/// Factorises some of the plays; an item that has none of them keeps no factors.
fn fit(rows: &[Play], plays: &Plays, options: &AlsOptions) -> Result<Als> {
    let pairs = pairs(rows, options);
    let interactions = Interactions::new(plays.users, plays.items.len(), &pairs);
    #[expect(clippy::cast_possible_truncation, reason = "factors have 32 bits")]
    let settings = Settings {
        factors: options.factors,
        iterations: options.iterations,
        l2: options.l2 as f32,
        seed: options.seed,
    };
    let trained = als::train(&interactions, settings, &stop::watch());
    let Some((_, items)) = trained else {
        stop::check()?;
        return Err(Error::Internal("als: ended without being told".into()));
    };
    let (l2, alpha) = (options.l2, options.alpha);
    let names = plays.items.clone();
    Ok(Als::new(names, items, l2, alpha, options.confidence))
}

/// Each pair of user and item once, with the weight of its plays together.
#[expect(clippy::cast_possible_truncation, reason = "weights have 32 bits")]
fn pairs(rows: &[Play], options: &AlsOptions) -> Vec<(u32, u32, f32)> {
    let weight = |plays: f64| options.confidence.weight(options.alpha, plays) as f32;
    let pairs = rows.chunk_by(|a, b| (a.user, a.item) == (b.user, b.item));
    pairs
        .map(|rows| (rows[0].user, rows[0].item, weight(together(rows))))
        .collect()
}

fn together(rows: &[Play]) -> f64 {
    rows.iter().map(|row| row.plays).sum()
}
