//! The parameters of models, read when somebody asks for them first: versions that nobody names cost nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::DataType,
};
use datafusion::execution::SessionState;
use moodlake_udfs::Model;

use super::super::registry::{Registry, Version};
use crate::error::{Error, Result};

/// What tells a version's parameters from all others: model, number and checksum.
type Key = (String, i64, String);

/// The models that were read so far; shared by all states of the registry.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<Key, Arc<Model>>>);

/// Reads parameters from `ml.models`.
#[derive(Clone)]
pub(super) struct Artifacts {
    /// A session that may read the registry.
    pub(super) state: Arc<SessionState>,
    pub(super) loaded: Arc<Loaded>,
}

impl Loaded {
    /// Forgets versions that are not there any more.
    pub(super) fn retain(&self, registry: &Registry) {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.retain(|key, _| registry.versions().any(|version| key_of(version) == *key));
    }

    fn get(&self, key: &Key) -> Option<Arc<Model>> {
        let loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(key).cloned()
    }

    fn keep(&self, key: Key, model: &Arc<Model>) {
        let mut loaded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.insert(key, Arc::clone(model));
    }
}

impl Artifacts {
    /// The model of a version, from memory or else from the registry.
    pub(super) fn model(&self, version: &Version) -> Result<Arc<Model>> {
        let key = key_of(version);
        if let Some(model) = self.loaded.get(&key) {
            return Ok(model);
        }
        version.check_format()?;
        let model = version.load(&self.read(version)?)?;
        self.loaded.keep(key, &model);
        Ok(model)
    }

    /// Reads where nothing can be awaited: planning looks models up, and it is not asynchronous. The thread has a
    /// runtime of its own, so that no worker of the server's waits for another.
    fn read(&self, version: &Version) -> Result<String> {
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|error| Error::Internal(format!("reading a model: {error}")))?;
                runtime.block_on(self.artifact(version))
            });
            let outcome = reader.join();
            outcome.map_err(|_| Error::Internal("reading a model ended early".into()))?
        })
    }

    async fn artifact(&self, version: &Version) -> Result<String> {
        let (model, number) = (&version.model, version.version);
        let sql = format!(
            "select artifact from ml.models where model = '{}' and version = {number} and artifact is not null",
            model.replace('\'', "''")
        );
        let plan = self.state.create_logical_plan(&sql).await?;
        let plan = self.state.create_physical_plan(&plan).await?;
        let batches = datafusion::physical_plan::collect(plan, self.state.task_ctx()).await?;
        for batch in batches {
            let artifacts = cast(batch.column(0), &DataType::Utf8)?;
            if !artifacts.is_empty() {
                return Ok(artifacts.as_string::<i32>().value(0).to_owned());
            }
        }
        Err(Error::Lake(format!(
            "model '{model}@{number}' has no parameters in ml.models"
        )))
    }
}

fn key_of(version: &Version) -> Key {
    (
        version.model.clone(),
        version.version,
        version.checksum.clone(),
    )
}
