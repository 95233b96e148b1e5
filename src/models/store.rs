//! The models that exist now, ready for the functions: what there is is read once a version of the registry's tables,
//! parameters when they are asked for.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use arrow::array::RecordBatch;
use chrono::Utc;
use datafusion::execution::SessionState;
use moodlake_udfs::{ModelKind, ModelSource};

use super::{
    Trained,
    champion::{self, Contender, Estimate},
    registry::{self, Registry, Version},
};
use crate::{
    engine::Engine,
    error::{Error, Result},
    lake::{CommitNote, Disposition, NewTable, Object, TableName, Target},
};

use artifacts::{Artifacts, Loaded};

mod artifacts;

const SCHEMA: &str = "ml";
const MODELS: &str = "models";
const METRICS: &str = "metrics";
const ALIASES: &str = "aliases";
/// The tables of the schema in which models stand too.
pub(crate) const REGISTRY_TABLES: [&str; 3] = [MODELS, METRICS, ALIASES];
/// What [`Registry::read`] reads: a file for each version, so the fewer columns the better.
const MODEL_COLUMNS: &str = "model, version, type, status, created_at, label, split, classes, statement, reads, artifact_blake3, format_version";
/// How often a new version looks for a number that no other process has taken meanwhile.
const MOST_ATTEMPTS: u32 = 10;

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
    /// What the registry holds.
    pub(crate) versions: Registry,
    loaded: Arc<Loaded>,
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
            let target = self.registry_target(table).await?;
            if !target.exists() {
                let new = NewTable {
                    schema,
                    partition_by: Vec::new(),
                    checks: Vec::new(),
                    replace: false,
                };
                let note = CommitNote::default();
                match self.lake().create_table(&target, new, &note).await {
                    // Another process opened the new lake at the same time.
                    Err(Error::Conflict(_)) if self.lake().has_table(&target.name) => {}
                    made => made?,
                }
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
        let registry = self.registry().await?;
        let loaded = Arc::clone(&known.loaded);
        loaded.retain(&registry);
        let models = Arc::new(Models {
            registry: Some(newest),
            source: self.source(&registry, &loaded)?,
            objects: registry
                .names()
                .map(|name| registry.resolve(name).map(object))
                .collect::<Result<_>>()?,
            session: OnceLock::new(),
            versions: registry,
            loaded,
        });
        self.remember_models(Arc::clone(&models));
        Ok(models)
    }

    /// What the functions look models up in: every version, its parameters to be read on first use.
    fn source(&self, registry: &Registry, loaded: &Arc<Loaded>) -> Result<Arc<ModelSource>> {
        let artifacts = Artifacts {
            state: Arc::new(self.bare_scope()?.state),
            loaded: Arc::clone(loaded),
        };
        let source = ModelSource::new();
        for version in registry.versions() {
            let (artifacts, wanted) = (artifacts.clone(), version.clone());
            let load = move || Ok(artifacts.model(&wanted)?);
            source.announce(&version.model, version.version, load);
        }
        for name in registry.names() {
            source.put_in_force(name, registry.resolve(name)?.version);
            for (alias, version) in registry.aliases_of(name) {
                source.set_alias(name, alias, version);
            }
        }
        Ok(Arc::new(source))
    }

    async fn registry(&self) -> Result<Registry> {
        let models = self.read_registry(MODELS).await?;
        Registry::read(&models, &self.read_registry(ALIASES).await?)
    }

    /// The rows of one of the registry's tables, as far as finding a model needs them.
    async fn read_registry(&self, table: &str) -> Result<Vec<RecordBatch>> {
        let columns = match table {
            MODELS => MODEL_COLUMNS,
            METRICS => "model, version, split, metric, value, ci_low",
            _ => "*",
        };
        let state = self.bare_scope()?.state;
        let plan = state
            .create_logical_plan(&format!("select {columns} from {SCHEMA}.{table}"))
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
        registry::check_readable(&trained.model)?;
        let mut attempt = 0;
        loop {
            match self.try_register(trained, replace, reads).await {
                Err(Error::Conflict(_)) if attempt < MOST_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// One attempt: a conflict if another process has registered a model since the number was chosen.
    async fn try_register(
        &self,
        trained: &Trained,
        replace: bool,
        reads: &BTreeMap<String, String>,
    ) -> Result<i64> {
        let name = &trained.model.name;
        let models_target = self.registry_target(MODELS).await?;
        let metrics_target = self.registry_target(METRICS).await?;
        let models = self.read_registry(MODELS).await?;
        let registered = Registry::read(&models, &self.read_registry(ALIASES).await?)?;
        if !replace && registered.resolve(name).is_ok() {
            return Err(exists(name));
        }
        let metrics = self.read_registry(METRICS).await?;
        let version = registry::next_version(&models, &metrics, name)?;
        let mut trained = trained.clone();
        let champion = registered.champion(name);
        let refusal = match champion {
            Some(champion) => {
                let to_beat = contender(champion, &metrics)?;
                champion::refusal(
                    Some((champion.version, &to_beat)),
                    &trained_contender(&trained)?,
                )
            }
            None => None,
        };
        let is_champion = refusal.is_none();
        trained.warnings.extend(refusal);
        if !trained.metrics.is_empty() {
            let rows = registry::metric_rows(&trained, version)?;
            self.append_registry(&metrics_target, rows).await?;
        }
        let row = registry::row(&trained, version, Utc::now(), reads)?;
        self.append_registry(&models_target, row).await?;
        if is_champion {
            self.append_alias(name, registry::CHAMPION, Some(version))
                .await?;
        }
        Ok(version)
    }

    async fn append_alias(&self, name: &str, alias: &str, version: Option<i64>) -> Result<()> {
        let target = self.registry_target(ALIASES).await?;
        let row = registry::alias_row(name, alias, version, Utc::now())?;
        // Rows of aliases need nothing of each other: a conflict here would make the version a second time.
        self.append_to(&target, row, Disposition::Append).await
    }

    /// Makes `name@alias` mean a version that there is, or nothing any more.
    pub(crate) async fn set_model_alias(
        &self,
        name: &str,
        alias: &str,
        version: Option<i64>,
    ) -> Result<()> {
        let registry = self.registry().await?;
        let wanted = match version {
            Some(version) => format!("{name}@{version}"),
            None => format!("{name}@{alias}"),
        };
        registry.resolve(&wanted)?;
        self.append_alias(name, alias, version).await
    }

    /// Marks a model's versions as dropped.
    pub(crate) async fn unregister_model(&self, name: &str, statement: &str) -> Result<()> {
        let target = self.registry_target(MODELS).await?;
        let dropped = self
            .registry()
            .await?
            .drop_rows(name, Utc::now(), statement)?;
        self.append_registry(&target, dropped).await
    }

    async fn registry_target(&self, table: &str) -> Result<Target> {
        self.lake().target(&registry_table(table)?).await
    }

    /// Appends rows that depend on what the table holds.
    async fn append_registry(&self, target: &Target, rows: RecordBatch) -> Result<()> {
        self.append_to(target, rows, Disposition::Extend).await
    }

    async fn append_to(
        &self,
        target: &Target,
        rows: RecordBatch,
        disposition: Disposition,
    ) -> Result<()> {
        let state = self.bare_scope()?.state;
        let plan = crate::statement::batch_plan("rows", rows)?;
        let note = CommitNote::default();
        self.lake()
            .insert(target, plan, disposition, state, &note)
            .await?;
        Ok(())
    }
}

fn registry_table(table: &str) -> Result<TableName> {
    TableName::new(SCHEMA, table)
}

/// The refusal of `CREATE MODEL` for a model that there is.
pub(crate) fn exists(name: &str) -> Error {
    Error::Exists(format!(
        "model '{name}' exists already; CREATE OR REPLACE MODEL {name} adds a version"
    ))
}

/// A version with its figures in the rows of `ml.metrics`.
fn contender(version: &Version, metrics: &[RecordBatch]) -> Result<Contender> {
    let estimates = registry::estimates(metrics, version)?;
    Ok(Contender {
        task: [&version.label, &version.split, &version.classes].map(Clone::clone),
        estimate: Estimate::of(&estimates.into_iter()),
        is_trained: version.is_trained,
    })
}

fn trained_contender(trained: &Trained) -> Result<Contender> {
    Ok(Contender {
        task: [
            trained.label.clone().unwrap_or_default(),
            trained.options.split().name().to_owned(),
            registry::json(&trained.classes)?,
        ],
        estimate: Estimate::of(&trained.metrics.iter().map(Estimate::from)),
        is_trained: trained.model.kind != ModelKind::Untrained,
    })
}

/// A model's row of `system.tables`.
fn object(version: &Version) -> Object {
    Object {
        schema: SCHEMA.to_string(),
        name: version.model.clone(),
        kind: "model",
        version: Some(version.version),
        state: Some(version.state()),
        statement: Some(version.statement.clone()),
        reads: Some(version.reads.clone()),
        fault: None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::{array::AsArray, datatypes::Int64Type};
    use futures::future::try_join_all;

    use super::*;
    use crate::engine::{FileAccess, Settings};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn versions_differ_however_many_processes_train_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let settings = || Settings {
            dir: folder.path().to_owned(),
            files: FileAccess::Anywhere,
        };
        let one = Engine::open(settings()).await.unwrap();
        let other = Engine::open(settings()).await.unwrap();
        let create = "create or replace model km options (type = 'kmeans', k = 2) as \
                      select value as x, value % 3 as y from generate_series(0, 29) as t (value)";
        let runs = [&one, &other, &one, &other].map(|engine| engine.run(create, &[]));
        try_join_all(runs).await.unwrap();

        let versions = |batches: &[RecordBatch]| {
            let mut versions: Vec<i64> = Vec::new();
            for batch in batches {
                let column = batch.column_by_name("version").unwrap();
                versions.extend(column.as_primitive::<Int64Type>().values());
            }
            versions.sort_unstable();
            versions
        };
        let models = versions(&one.read_registry(MODELS).await.unwrap());
        assert!(
            models.is_sorted_by(|a, b| a < b) && models.len() == 4,
            "{models:?}"
        );
        let metrics = versions(&one.read_registry(METRICS).await.unwrap());
        for version in models {
            let of_version = metrics.iter().filter(|other| **other == version);
            assert_eq!(of_version.count(), 3, "{metrics:?}");
        }
    }
}
