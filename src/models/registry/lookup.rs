//! From a name to a version, and from a version to its model.
//!
//! `mood` means the version that was put in force last: the latest that was not dropped, or the one that the alias
//! `champion` has been given to since; `mood@7` means that version; `mood@champion` what that alias points to.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type},
};
use chrono::{DateTime, Utc};
use moodlake_udfs::Model;

use super::{DROPPED, FORMAT_VERSION, NO_VERSION, UNTRAINED, checksum, dropped_row, models_schema};
use crate::{
    error::{Error, Result},
    models::champion::Estimate,
};

/// The alias of the version that has shown to be better than those before it.
pub(crate) const CHAMPION: &str = "champion";
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
#[derive(Clone, Debug)]
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
    /// The checksum of its artifact.
    pub checksum: String,
    /// The column that it predicts; empty without one.
    pub label: String,
    /// How rows were held out.
    pub split: String,
    /// The label's classes as JSON.
    pub classes: String,
    /// Whether it has parameters.
    pub is_trained: bool,
    /// When it was made, in microseconds since 1970.
    created_at: i64,
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
            let (checksums, labels) = (text("artifact_blake3")?, text("label")?);
            let (splits, classes) = (text("split")?, text("classes")?);
            let created_at = integers(batch, "created_at")?;
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
                    checksum: checksums[row].clone(),
                    label: labels[row].clone(),
                    split: splits[row].clone(),
                    classes: classes[row].clone(),
                    is_trained: statuses[row] != UNTRAINED,
                    created_at: created_at[row],
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
                "no model '{name}': make one with CREATE MODEL {name} OPTIONS (type = '…', …) AS SELECT …"
            )));
        };
        let Some(selector) = selector else {
            return Ok(self.in_force(name, versions).unwrap_or(newest));
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

    /// The champion, if it was given that name after the latest version was made.
    fn in_force<'a>(
        &self,
        name: &str,
        versions: &'a BTreeMap<i64, Version>,
    ) -> Option<&'a Version> {
        let alias = (name.to_owned(), CHAMPION.to_owned());
        let (set_at, champion) = self.aliases.get(&alias)?;
        let (_, newest) = versions.last_key_value()?;
        versions
            .get(champion)
            .filter(|_| *set_at > newest.created_at)
    }

    fn alias(&self, model: &str, alias: &str) -> Option<i64> {
        let alias = (model.to_owned(), alias.to_owned());
        let (_, version) = self.aliases.get(&alias)?;
        Some(*version).filter(|version| *version != NO_VERSION)
    }

    /// The aliases of a model whose versions were not dropped, and what they mean.
    pub fn aliases_of(&self, model: &str) -> impl Iterator<Item = (&str, i64)> {
        let versions = self.versions.get(model);
        let aliases = self.aliases.iter();
        aliases.filter_map(move |((name, alias), (_, version))| {
            let is_there = name == model && versions?.contains_key(version);
            is_there.then_some((alias.as_str(), *version))
        })
    }

    /// The version that the alias `champion` means, if it is there.
    #[must_use]
    pub fn champion(&self, model: &str) -> Option<&Version> {
        let champion = self.alias(model, CHAMPION)?;
        self.versions.get(model)?.get(&champion)
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
    /// Refuses what this Moodlake cannot read.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a format of another Moodlake.
    pub fn check_format(&self) -> Result<()> {
        if self.format == i64::from(FORMAT_VERSION) {
            return Ok(());
        }
        Err(Error::Unsupported(format!(
            "model '{}@{}' has format {}, this Moodlake reads format {FORMAT_VERSION}: train it again",
            self.model, self.version, self.format
        )))
    }

    /// The model itself, from what the registry holds of it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a format of another Moodlake; [`Error::Lake`] for a damaged artifact.
    pub fn load(&self, artifact: &str) -> Result<Arc<Model>> {
        self.check_format()?;
        let described = format!("model '{}@{}'", self.model, self.version);
        if self.checksum != checksum(artifact) {
            return Err(Error::Lake(format!(
                "{described} is damaged: its artifact does not match its checksum"
            )));
        }
        let model: Model = serde_json::from_str(artifact)
            .map_err(|error| Error::Lake(format!("{described} cannot be read: {error}")))?;
        let model = Model {
            name: self.model.clone(),
            version: self.version,
            ..model
        };
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

/// The figures of a version, from the rows of `ml.metrics`.
pub(in crate::models) fn estimates(
    metrics: &[RecordBatch],
    wanted: &Version,
) -> Result<Vec<Estimate>> {
    let mut estimates = Vec::new();
    for batch in metrics {
        let (models, versions) = (texts(batch, "model")?, integers(batch, "version")?);
        let (splits, names) = (texts(batch, "split")?, texts(batch, "metric")?);
        let (values, lows) = (numbers(batch, "value")?, numbers(batch, "ci_low")?);
        for row in 0..batch.num_rows() {
            if models[row] == wanted.model && versions[row] == wanted.version {
                estimates.push(Estimate {
                    split: splits[row].clone(),
                    metric: names[row].clone(),
                    value: values[row].unwrap_or(f64::NAN),
                    ci_low: lows[row],
                });
            }
        }
    }
    Ok(estimates)
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

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>> {
    let column = cast(column(batch, name)?, &DataType::Float64)?;
    Ok(column.as_primitive::<Float64Type>().iter().collect())
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
    use super::super::{alias_row, artifact, metric_rows, row};
    use super::*;

    fn version(number: i64) -> RecordBatch {
        row(&trained(), number, DateTime::UNIX_EPOCH, &BTreeMap::new()).unwrap()
    }

    fn champion(version: i64, seconds: i64) -> RecordBatch {
        let set_at = DateTime::from_timestamp(seconds, 0).unwrap();
        alias_row("mood", CHAMPION, Some(version), set_at).unwrap()
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
        let artifact = artifact(&trained().model).unwrap();
        let model = registry.resolve("mood@2").unwrap().load(&artifact).unwrap();
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
        let artifact = artifact(&trained().model).unwrap();
        let (schema, mut columns, _) = version(1).into_parts();
        let format = schema.index_of("format_version").unwrap();
        columns[format] = Arc::new(arrow::array::Int32Array::from(vec![99]));
        let foreign = RecordBatch::try_new(schema, columns).unwrap();
        let refusal = |row: RecordBatch, artifact: &str| {
            let registry = registry(&[row], &[]);
            let loaded = registry.resolve("mood").unwrap().load(artifact);
            loaded.unwrap_err().to_string()
        };
        assert_eq!(
            refusal(foreign, &artifact),
            "model 'mood@1' has format 99, this Moodlake reads format 1: train it again"
        );
        assert_eq!(
            refusal(version(1), "{}"),
            "model 'mood@1' is damaged: its artifact does not match its checksum"
        );
    }

    #[test]
    fn two_trainings_of_the_same_rows_have_one_checksum() {
        let checksum = |row: RecordBatch| {
            registry(&[row], &[])
                .resolve("mood")
                .unwrap()
                .checksum
                .clone()
        };
        assert_eq!(checksum(version(1)), checksum(version(7)));
        assert_eq!(
            checksum(version(1)),
            super::super::checksum_of(&trained().model).unwrap()
        );
    }

    #[test]
    fn an_alias_means_its_newest_row_until_it_is_dropped() {
        let models = [version(1), version(2)];
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let mut aliases = vec![alias_row("mood", "best", Some(1), at(1)).unwrap()];
        assert_eq!(resolved(&models, &aliases, "mood@best").unwrap(), 1);
        assert_eq!(
            registry(&models, &aliases).aliases_of("mood").next(),
            Some(("best", 1))
        );
        aliases.push(alias_row("mood", "best", None, at(2)).unwrap());
        let error = resolved(&models, &aliases, "mood@best")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "model 'mood' has no alias 'best', its latest version is 2"
        );
        assert_eq!(registry(&models, &aliases).aliases_of("mood").count(), 0);
    }

    #[test]
    fn what_was_put_in_force_last_answers_to_the_plain_name() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let made =
            |number, seconds| row(&trained(), number, at(seconds), &BTreeMap::new()).unwrap();
        let mut models = vec![made(1, 10), made(2, 20)];
        let aliases = [champion(1, 10)];
        assert_eq!(resolved(&models, &aliases, "mood").unwrap(), 2);
        let aliases = [champion(1, 10), champion(1, 30)];
        assert_eq!(resolved(&models, &aliases, "mood").unwrap(), 1);
        models.push(made(3, 40));
        assert_eq!(resolved(&models, &aliases, "mood").unwrap(), 3);
        assert_eq!(resolved(&models, &aliases, "mood@champion").unwrap(), 1);
    }
}
