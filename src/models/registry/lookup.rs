//! From a name to a version, and from a version to its model.
//!
//! `mood` means the version that the alias `champion` points to, if there is one that was not dropped, else the latest
//! version that was not dropped; `mood@7` means that version; `mood@champion` what that alias points to.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use chrono::{DateTime, Utc};
use moodlake_udfs::Model;

use super::{DROPPED, FORMAT_VERSION, checksum, dropped_row, models_schema};
use crate::{
    error::{Error, Result},
    models::options::types,
};

const CHAMPION: &str = "champion";
/// Characters of a checksum that tell two versions of the same number apart.
const TAG_LENGTH: usize = 8;

/// The rows of `ml.models` and `ml.aliases`, read once: every version that was not dropped, and what aliases mean.
#[derive(Debug, Default)]
pub struct Registry {
    /// By model and number.
    versions: BTreeMap<String, BTreeMap<i64, Version>>,
    /// By model and alias: when it was set, and to which version.
    aliases: BTreeMap<(String, String), (i64, i64)>,
}

/// A version that was not dropped.
#[derive(Debug)]
pub struct Version {
    /// The model's name.
    pub model: String,
    /// Its number, counted from 1.
    pub version: i64,
    /// `kmeans` or `logistic`.
    pub kind: String,
    /// The statement that made it.
    pub statement: String,
    /// The state of each table that it was trained on, as JSON.
    pub reads: String,
    artifact: String,
    checksum: String,
    format: i64,
}

impl Registry {
    /// Reads the rows of both tables.
    ///
    /// # Errors
    /// [`Error::Lake`] when they are not those of the registry.
    pub fn read(models: &[RecordBatch], aliases: &[RecordBatch]) -> Result<Self> {
        let mut registry = Self::default();
        let mut dropped = Vec::new();
        for batch in models {
            let text = |name| texts(batch, name);
            let (names, statuses, kinds) = (text("model")?, text("status")?, text("type")?);
            let (statements, reads) = (text("statement")?, text("reads")?);
            let (artifacts, checksums) = (text("artifact")?, text("artifact_blake3")?);
            let numbers = integers(batch, "version")?;
            let formats = integers(batch, "format_version")?;
            for row in 0..batch.num_rows() {
                let (model, version) = (names[row].clone(), numbers[row]);
                if statuses[row] == DROPPED {
                    dropped.push((model, version));
                    continue;
                }
                let row = Version {
                    model: model.clone(),
                    version,
                    kind: kinds[row].clone(),
                    statement: statements[row].clone(),
                    reads: reads[row].clone(),
                    artifact: artifacts[row].clone(),
                    checksum: checksums[row].clone(),
                    format: formats[row],
                };
                let versions = registry.versions.entry(model).or_default();
                versions.insert(version, row);
            }
        }
        for (model, version) in dropped {
            if let Some(versions) = registry.versions.get_mut(&model) {
                versions.remove(&version);
            }
        }
        registry.versions.retain(|_, versions| !versions.is_empty());
        registry.read_aliases(aliases)?;
        Ok(registry)
    }

    /// Of several rows for one alias the newest counts.
    fn read_aliases(&mut self, aliases: &[RecordBatch]) -> Result<()> {
        for batch in aliases {
            let (models, names) = (texts(batch, "model")?, texts(batch, "alias")?);
            let (versions, set_at) = (integers(batch, "version")?, integers(batch, "set_at")?);
            for row in 0..batch.num_rows() {
                let alias = (models[row].clone(), names[row].clone());
                let newest = self.aliases.entry(alias).or_default();
                *newest = (*newest).max((set_at[row], versions[row]));
            }
        }
        Ok(())
    }

    /// The models that there are, by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// Every version of every model.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.values().flat_map(BTreeMap::values)
    }

    /// The version that `wanted` means.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such model, version or alias, or it was dropped.
    pub fn resolve(&self, wanted: &str) -> Result<&Version> {
        let (name, selector) = match wanted.split_once('@') {
            Some((name, selector)) => (name, Some(selector)),
            None => (wanted, None),
        };
        let versions = self.versions.get(name);
        let Some((versions, (latest, newest))) =
            versions.and_then(|versions| Some((versions, versions.last_key_value()?)))
        else {
            return Err(Error::NotFound(format!(
                "no model '{name}': make one with CREATE MODEL {name} OPTIONS (type = {types}, …) AS SELECT …",
                types = types()
            )));
        };
        let Some(selector) = selector else {
            let champion = self.alias(name, CHAMPION);
            return Ok(champion
                .and_then(|version| versions.get(&version))
                .unwrap_or(newest));
        };
        let number = selector.parse().ok();
        let version = number
            .or_else(|| self.alias(name, selector))
            .ok_or_else(|| {
                Error::NotFound(format!(
                    "model '{name}' has no alias '{selector}', its latest version is {latest}"
                ))
            })?;
        versions.get(&version).ok_or_else(|| {
            Error::NotFound(format!(
                "model '{name}' has no version {version}, its latest is {latest}"
            ))
        })
    }

    fn alias(&self, model: &str, alias: &str) -> Option<i64> {
        let alias = (model.to_owned(), alias.to_owned());
        self.aliases.get(&alias).map(|(_, version)| *version)
    }

    /// The rows of `ml.models` that drop `wanted`: every version of `mood`, one of `mood@7` or `mood@champion`.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is nothing to drop.
    pub fn drop_rows(
        &self,
        wanted: &str,
        dropped_at: DateTime<Utc>,
        statement: &str,
    ) -> Result<RecordBatch> {
        let chosen = self.resolve(wanted)?;
        let is_dropped = |version: &&Version| {
            version.model == chosen.model
                && (!wanted.contains('@') || version.version == chosen.version)
        };
        let rows = self
            .versions()
            .filter(is_dropped)
            .map(|version| dropped_row(version, dropped_at, statement))
            .collect::<Result<Vec<_>>>()?;
        Ok(arrow::compute::concat_batches(&models_schema(), &rows)?)
    }
}

impl Version {
    /// The model itself.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a format of another Moodlake; [`Error::Lake`] for a damaged artifact.
    pub fn load(&self) -> Result<Arc<Model>> {
        let described = format!("model '{}@{}'", self.model, self.version);
        if self.format != i64::from(FORMAT_VERSION) {
            return Err(Error::Unsupported(format!(
                "{described} has format {}, this Moodlake reads format {FORMAT_VERSION}: train it again",
                self.format
            )));
        }
        if self.checksum != checksum(&self.artifact) {
            return Err(Error::Lake(format!(
                "{described} is damaged: its artifact does not match its checksum"
            )));
        }
        let model: Model = serde_json::from_str(&self.artifact)
            .map_err(|error| Error::Lake(format!("{described} cannot be read: {error}")))?;
        model.validate()?;
        Ok(Arc::new(model))
    }

    /// A text that differs between any two versions of a model.
    #[must_use]
    pub fn state(&self) -> String {
        let tag: String = self.checksum.chars().take(TAG_LENGTH).collect();
        format!("{}@{tag}", self.version)
    }
}

/// The number of the next version of `name`, from the rows of `ml.models` and `ml.metrics`: a number that was dropped, or
/// whose training ended between the two tables, is not used again.
///
/// # Errors
/// [`Error::Lake`] when the rows are not those of the registry.
pub fn next_version(models: &[RecordBatch], metrics: &[RecordBatch], name: &str) -> Result<i64> {
    let mut highest = 0;
    for batch in models.iter().chain(metrics) {
        let numbers = integers(batch, "version")?;
        for (model, number) in texts(batch, "model")?.iter().zip(numbers) {
            if model == name {
                highest = highest.max(number);
            }
        }
    }
    Ok(highest + 1)
}

/// A text column, whatever Arrow type of text it has; null as empty.
fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let column = cast(column(batch, name)?, &DataType::Utf8)?;
    Ok(column
        .as_string::<i32>()
        .iter()
        .map(|value| value.unwrap_or_default().to_owned())
        .collect())
}

fn integers(batch: &RecordBatch, name: &str) -> Result<Vec<i64>> {
    let column = cast(column(batch, name)?, &DataType::Int64)?;
    Ok(column
        .as_primitive::<Int64Type>()
        .iter()
        .map(Option::unwrap_or_default)
        .collect())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    let column = batch.column_by_name(name).map(AsRef::as_ref);
    column.ok_or_else(|| Error::Lake(format!("the registry of models has no column '{name}'")))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::trained;
    use super::super::{aliases_schema, instant, metric_rows, number, row, text};
    use super::*;

    fn version(number: i64) -> RecordBatch {
        row(&trained(), number, DateTime::UNIX_EPOCH, &BTreeMap::new()).unwrap()
    }

    fn champion(version: i64, seconds: i64) -> RecordBatch {
        let set_at = instant(DateTime::from_timestamp(seconds, 0).unwrap());
        let columns = vec![text("mood"), text(CHAMPION), number(version), set_at];
        RecordBatch::try_new(aliases_schema(), columns).unwrap()
    }

    fn registry(models: &[RecordBatch], aliases: &[RecordBatch]) -> Registry {
        Registry::read(models, aliases).unwrap()
    }

    fn resolved(models: &[RecordBatch], aliases: &[RecordBatch], wanted: &str) -> Result<i64> {
        registry(models, aliases)
            .resolve(wanted)
            .map(|version| version.version)
    }

    #[test]
    fn a_name_means_the_champion_or_else_the_latest() {
        let models = [version(1), version(2), version(3)];
        assert_eq!(resolved(&models, &[], "mood").unwrap(), 3);
        assert_eq!(resolved(&models, &[], "mood@1").unwrap(), 1);
        let aliases = [champion(2, 20), champion(1, 10)];
        assert_eq!(resolved(&models, &aliases, "mood").unwrap(), 2);
        assert_eq!(resolved(&models, &aliases, "mood@champion").unwrap(), 2);
        assert_eq!(resolved(&models, &aliases, "mood@3").unwrap(), 3);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let registry = registry(&[version(1), version(2)], &[]);
        let model = registry.resolve("mood@2").unwrap().load().unwrap();
        assert_eq!((model.name.as_str(), model.version), ("mood", 2));
        assert_eq!(model.features, trained().model.features);
    }

    #[test]
    fn what_was_dropped_is_gone_and_its_number_is_not_used_again() {
        let mut models = vec![version(1), version(2)];
        let champions = [champion(2, 1)];
        let drop = |models: &[RecordBatch], wanted: &str| {
            registry(models, &champions)
                .drop_rows(wanted, DateTime::UNIX_EPOCH, "drop")
                .unwrap()
        };
        models.push(drop(&models, "mood@champion"));
        assert_eq!(resolved(&models, &champions, "mood").unwrap(), 1);
        let error = resolved(&models, &[], "mood@2").unwrap_err().to_string();
        assert_eq!(error, "model 'mood' has no version 2, its latest is 1");
        models.push(drop(&models, "mood"));
        assert!(matches!(
            resolved(&models, &[], "mood"),
            Err(Error::NotFound(_))
        ));
        assert_eq!(registry(&models, &[]).names().count(), 0);
        assert_eq!(next_version(&models, &[], "mood").unwrap(), 3);
    }

    #[test]
    fn a_number_with_metrics_and_no_model_is_not_used_again() {
        let metrics = [metric_rows(&trained(), 5).unwrap()];
        assert_eq!(next_version(&[version(1)], &metrics, "mood").unwrap(), 6);
        assert_eq!(next_version(&[version(1)], &metrics, "other").unwrap(), 1);
    }

    #[test]
    fn a_foreign_format_and_a_damaged_artifact_are_refused() {
        let refusal = |name: &str, column: arrow::array::ArrayRef| {
            let (schema, mut columns, _) = version(1).into_parts();
            columns[schema.index_of(name).unwrap()] = column;
            let row = RecordBatch::try_new(schema, columns).unwrap();
            let registry = registry(&[row], &[]);
            let loaded = registry.resolve("mood").unwrap().load();
            loaded.unwrap_err().to_string()
        };
        let foreign = Arc::new(arrow::array::Int32Array::from(vec![99]));
        assert_eq!(
            refusal("format_version", foreign),
            "model 'mood@1' has format 99, this Moodlake reads format 1: train it again"
        );
        assert_eq!(
            refusal("artifact", text("{}")),
            "model 'mood@1' is damaged: its artifact does not match its checksum"
        );
    }
}
