//! Where the functions find models: by name, version and alias.
//!
//! `'mood'` is the version in force, `'mood@7'` that version, `'mood@champion'` the one that the alias means. A version
//! may be announced without its parameters, which are fetched when somebody asks for it first.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use datafusion::common::{DataFusionError, Result, plan_err};

use super::Model;

/// A thread-safe map from name and version to model.
#[derive(Default)]
pub struct ModelSource {
    entries: Arc<RwLock<HashMap<String, Versions>>>,
    check: Option<ModelCheck>,
}

/// Refuses the name of a model, without its version.
pub type ModelCheck = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// Fetches the version that it was made for.
type ModelLoader = Box<dyn Fn() -> Result<Arc<Model>> + Send + Sync>;

#[derive(Debug, Default)]
struct Versions {
    current: i64,
    by_number: BTreeMap<i64, Arc<Slot>>,
    aliases: BTreeMap<String, i64>,
}

/// A version: there already, or to be fetched.
#[derive(Default)]
struct Slot {
    model: OnceLock<Arc<Model>>,
    load: Option<ModelLoader>,
}

impl Slot {
    fn model(&self) -> Result<Arc<Model>> {
        if let Some(model) = self.model.get() {
            return Ok(Arc::clone(model));
        }
        let Some(load) = &self.load else {
            return plan_err!("a model was announced and never made");
        };
        let model = load()?;
        model.validate()?;
        Ok(Arc::clone(self.model.get_or_init(|| model)))
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelSource")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

impl ModelSource {
    /// An empty source.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same models, but a name is looked up only if `check` has nothing against it.
    #[must_use]
    pub fn checked(&self, check: ModelCheck) -> Self {
        Self {
            entries: Arc::clone(&self.entries),
            check: Some(check),
        }
    }

    /// Adds a model and puts it in force for its name; earlier versions stay available by number.
    ///
    /// # Errors
    /// When the model's parts do not fit together (see [`Model::validate`]).
    pub fn insert(&self, model: Arc<Model>) -> Result<()> {
        model.validate()?;
        let (name, version) = (model.name.clone(), model.version);
        let slot = Slot {
            model: OnceLock::from(model),
            load: None,
        };
        self.put(&name, version, slot);
        Ok(())
    }

    /// Adds a version that `load` fetches when somebody asks for it first, and puts it in force for its name.
    pub fn announce(
        &self,
        name: &str,
        version: i64,
        load: impl Fn() -> Result<Arc<Model>> + Send + Sync + 'static,
    ) {
        let slot = Slot {
            model: OnceLock::new(),
            load: Some(Box::new(load)),
        };
        self.put(name, version, slot);
    }

    fn put(&self, name: &str, version: i64, slot: Slot) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let versions = entries.entry(name.to_owned()).or_default();
        versions.current = version;
        versions.by_number.insert(version, Arc::new(slot));
    }

    /// Puts a version in force for its name.
    pub fn put_in_force(&self, name: &str, version: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.entry(name.to_owned()).or_default().current = version;
    }

    /// Makes `name@alias` mean a version.
    pub fn set_alias(&self, name: &str, alias: &str, version: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let versions = entries.entry(name.to_owned()).or_default();
        versions.aliases.insert(alias.to_owned(), version);
    }

    /// Forgets every version of a model; whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.remove(name).is_some()
    }

    /// The model called `name`, which may end in a version or an alias: `mood`, `mood@7` or `mood@champion`.
    ///
    /// # Errors
    /// When there is no such model, version or alias; the message says how to make one. Those of the check and of
    /// fetching it.
    pub fn get(&self, name: &str) -> Result<Arc<Model>> {
        let (base, selector) = match name.split_once('@') {
            None => (name, None),
            Some((base, selector)) => (base, Some(selector)),
        };
        if let Some(check) = &self.check {
            check(base)?;
        }
        self.slot(base, selector)?.model()
    }

    fn slot(&self, name: &str, selector: Option<&str>) -> Result<Arc<Slot>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let Some(versions) = entries.get(name) else {
            return plan_err!(
                "no model '{name}': make one with CREATE MODEL {name} OPTIONS (type = '…', …) AS SELECT …"
            );
        };
        let wanted = match selector {
            None => versions.current,
            Some(selector) => versions.number(name, selector)?,
        };
        if let Some(slot) = versions.by_number.get(&wanted) {
            return Ok(Arc::clone(slot));
        }
        plan_err!(
            "model '{name}' has no version {wanted}, the current one is {}",
            versions.current
        )
    }
}

impl Versions {
    fn number(&self, name: &str, selector: &str) -> Result<i64> {
        if let Ok(version) = selector.parse() {
            return Ok(version);
        }
        let alias = selector.to_lowercase();
        if let Some(version) = self.aliases.get(&alias) {
            Ok(*version)
        } else {
            plan_err!(
                "model '{name}' has no alias '{selector}', the current version is {}: give one with ALTER MODEL {name} SET ALIAS {alias} = {}",
                self.current,
                self.current
            )
        }
    }
}

impl TryFrom<Vec<Model>> for ModelSource {
    type Error = DataFusionError;

    fn try_from(models: Vec<Model>) -> Result<Self> {
        let source = Self::new();
        models
            .into_iter()
            .try_for_each(|model| source.insert(Arc::new(model)))?;
        Ok(source)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::ModelKind;
    use super::*;

    fn model(version: i64) -> Arc<Model> {
        Arc::new(Model {
            version,
            ..Model::new("mood", vec!["x".into()], ModelKind::Untrained)
        })
    }

    #[test]
    fn a_version_is_fetched_when_it_is_asked_for_and_then_never_again() {
        static FETCHED: AtomicU32 = AtomicU32::new(0);
        let source = ModelSource::new();
        for version in 1..=3 {
            let load = move || {
                FETCHED.fetch_add(1, Ordering::Relaxed);
                Ok(model(version))
            };
            source.announce("mood", version, load);
        }
        source.set_alias("mood", "champion", 1);
        assert_eq!(FETCHED.load(Ordering::Relaxed), 0);
        for _ in 0..2 {
            assert_eq!(source.get("mood@champion").unwrap().version, 1);
            assert_eq!(source.get("mood@1").unwrap().version, 1);
        }
        assert_eq!(FETCHED.load(Ordering::Relaxed), 1);
        assert_eq!(source.get("mood").unwrap().version, 3);
        source.put_in_force("mood", 2);
        assert_eq!(source.get("mood").unwrap().version, 2);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let source = ModelSource::try_from(vec![Arc::unwrap_or_clone(model(1))]).unwrap();
        let refusal = |name: &str| source.get(name).unwrap_err().strip_backtrace();
        assert!(
            refusal("mood@best")
                .contains("model 'mood' has no alias 'best', the current version is 1")
        );
        assert!(refusal("mood@2").contains("model 'mood' has no version 2, the current one is 1"));
        assert!(refusal("sad").contains("no model 'sad': make one with CREATE MODEL sad"));
    }
}
