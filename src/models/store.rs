//! The models that exist now, ready for the functions: read from the registry's tables once a version of `ml.models`.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use chrono::Utc;
use datafusion::execution::SessionState;
use moodlake_udfs::ModelSource;

use super::{Trained, registry};
use crate::{
    engine::Engine,
    error::Result,
    lake::{CommitNote, Disposition, NewTable, Object, TableName},
};

const SCHEMA: &str = "ml";
const MODELS: &str = "models";
const METRICS: &str = "metrics";
const ALIASES: &str = "aliases";

/// All models of one state of the registry.
#[derive(Debug, Default)]
pub(crate) struct Models {
    /// The state of `ml.models` and `ml.aliases` that this was read from.
    registry: Option<[Option<String>; 2]>,
    /// What the functions look models up in.
    pub(crate) source: Arc<ModelSource>,
    /// The models as rows of `system.tables`.
    pub(crate) objects: Vec<Object>,
    /// The session whose functions are bound to these models, made on first use.
    pub(crate) session: OnceLock<Arc<SessionState>>,
}

impl Models {
    /// The state of a model: changes with every version.
    pub(crate) fn state_of(&self, name: &str) -> Option<String> {
        self.objects
            .iter()
            .find(|object| object.name == name)?
            .state
            .clone()
    }
}

impl Engine {
    /// Makes the registry's tables where they are missing.
    pub(crate) async fn create_registry(&self) -> Result<()> {
        let tables = [
            (MODELS, registry::models_schema()),
            (METRICS, registry::metrics_schema()),
            (ALIASES, registry::aliases_schema()),
        ];
        for (table, schema) in tables {
            let name = registry_table(table)?;
            if !self.lake().has_table(&name) {
                let new = NewTable {
                    schema,
                    partition_by: Vec::new(),
                    checks: Vec::new(),
                    replace: false,
                };
                let state = self.bare_scope().state;
                self.lake()
                    .create_table(&name, new, state, &CommitNote::default())
                    .await?;
            }
        }
        Ok(())
    }

    /// The models as the registry has them now.
    pub(crate) async fn newest_models(&self) -> Result<Arc<Models>> {
        let known = self.known_models();
        let newest = [
            self.lake().state(&registry_table(MODELS)?).await?,
            self.lake().state(&registry_table(ALIASES)?).await?,
        ];
        if known.registry.as_ref() == Some(&newest) {
            return Ok(known);
        }
        let (rows, aliases) = self.registry_rows().await?;
        let source = Arc::new(ModelSource::new());
        let mut objects: BTreeMap<String, Object> = BTreeMap::new();
        for live in registry::live(&rows)? {
            source.insert(registry::load(
                &rows,
                &aliases,
                &format!("{}@{}", live.model, live.version),
            )?)?;
        }
        for live in registry::live(&rows)? {
            // The plain name means the version inserted last: the champion, else the newest.
            let chosen = registry::resolve(&rows, &aliases, &live.model)?;
            if chosen.version == live.version {
                source.insert(registry::load(&rows, &aliases, &live.model)?)?;
                objects.insert(live.model.clone(), object(&rows, &chosen)?);
            }
        }
        let objects = objects.into_values().collect();
        let models = Arc::new(Models {
            registry: Some(newest),
            source,
            objects,
            session: OnceLock::new(),
        });
        self.remember_models(Arc::clone(&models));
        Ok(models)
    }

    /// The rows of `ml.models` and `ml.aliases`.
    pub(crate) async fn registry_rows(&self) -> Result<(Vec<RecordBatch>, Vec<RecordBatch>)> {
        Ok((
            self.read_registry(MODELS).await?,
            self.read_registry(ALIASES).await?,
        ))
    }

    async fn read_registry(&self, table: &str) -> Result<Vec<RecordBatch>> {
        let state = self.bare_scope().state;
        let plan = state
            .create_logical_plan(&format!("select * from {SCHEMA}.{table}"))
            .await?;
        let plan = state.create_physical_plan(&plan).await?;
        Ok(datafusion::physical_plan::collect(plan, state.task_ctx()).await?)
    }

    /// Adds a trained model's next version to the registry. The model is there once its row is: metrics go first.
    pub(crate) async fn register_model(
        &self,
        trained: &Trained,
        replace: bool,
        reads: &BTreeMap<String, String>,
    ) -> Result<i64> {
        let (rows, _) = self.registry_rows().await?;
        let version = registry::next_version(&rows, &trained.model.name, replace)?;
        self.append_registry(METRICS, registry::metric_rows(trained, version)?)
            .await?;
        self.append_registry(MODELS, registry::row(trained, version, Utc::now(), reads)?)
            .await?;
        Ok(version)
    }

    /// Marks a model's versions as dropped.
    pub(crate) async fn unregister_model(&self, name: &str, statement: &str) -> Result<()> {
        let (rows, aliases) = self.registry_rows().await?;
        let dropped = registry::drop_rows(&rows, &aliases, name, Utc::now(), statement)?;
        self.append_registry(MODELS, dropped).await
    }

    async fn append_registry(&self, table: &str, rows: RecordBatch) -> Result<()> {
        let state = self.bare_scope().state;
        let plan = crate::statement::batch_plan("rows", rows)?;
        let name = registry_table(table)?;
        self.lake()
            .insert(
                &name,
                &plan,
                Disposition::Append,
                state,
                &CommitNote::default(),
            )
            .await?;
        Ok(())
    }
}

fn registry_table(table: &str) -> Result<TableName> {
    TableName::new(SCHEMA, table)
}

/// A model's row of `system.tables`.
fn object(rows: &[RecordBatch], live: &registry::Live) -> Result<Object> {
    let mut object = Object {
        schema: SCHEMA.to_string(),
        name: live.model.clone(),
        kind: "model",
        version: Some(live.version),
        ..Object::default()
    };
    for batch in rows {
        let text = |name: &str| -> Result<_> {
            let column = batch
                .column_by_name(name)
                .map(|column| cast(column, &DataType::Utf8))
                .transpose()?;
            Ok(column.map(|column| column.as_string::<i32>().clone()))
        };
        let (Some(models), Some(versions), Some(checksums)) =
            (text("model")?, text("version")?, text("artifact_blake3")?)
        else {
            continue;
        };
        let (statements, reads) = (text("statement")?, text("reads")?);
        for row in 0..batch.num_rows() {
            let checksum = checksums.value(row);
            if models.value(row) == live.model
                && versions.value(row) == live.version.to_string()
                && !checksum.is_empty()
            {
                object.state = Some(format!(
                    "{}@{}",
                    live.version,
                    &checksum[..checksum.len().min(8)]
                ));
                object.statement = statements
                    .as_ref()
                    .map(|column| column.value(row).to_string());
                object.reads = reads.as_ref().map(|column| column.value(row).to_string());
            }
        }
    }
    Ok(object)
}
