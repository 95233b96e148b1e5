//! DESCRIBE MODEL: what the registry knows of one version, a row for each thing.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
    util::display::array_value_to_string,
};
use datafusion::physical_plan::collect;
use moodlake_udfs::FeatureStatistics;

use super::{Planned, batch_plan, parse};
use crate::{
    access::Privilege,
    engine::{Engine, Scope},
    error::Result,
    models::registry::Version,
};

/// The columns of `ml.models` that are shown as they are, in this order.
const COLUMNS: [&str; 14] = [
    "model",
    "version",
    "type",
    "status",
    "created_at",
    "label",
    "classes",
    "split",
    "seed",
    "options",
    "input_rows",
    "n_train",
    "train_seconds",
    "artifact_blake3",
];

/// Names and values, in order.
#[derive(Default)]
struct Properties(Vec<(String, String)>);

impl Engine {
    pub(super) async fn plan_describe_model(&self, name: &str) -> Result<Planned> {
        self.check_model(Privilege::Select, name)?;
        let scope = self.scope().await?;
        let version = scope.models.versions.resolve(name)?.clone();
        let mut properties = Properties::default();
        let of_version = format!(
            "where model = '{}' and version = {}",
            version.model.replace('\'', "''"),
            version.version
        );
        for row in registered(&scope, &of_version).await? {
            properties.put_columns(&row)?;
            properties.put("aliases", aliases(&scope, &version));
            properties.put_texts("warning", &value(&row, "warnings")?);
            properties.put_reads(&value(&row, "reads")?);
            properties.put("training_sql", value(&row, "training_sql")?);
        }
        properties.put_features(&scope, &version);
        properties.put_metrics(&scope, &of_version).await?;
        let plan = batch_plan("model", properties.batch()?)?;
        Ok(Planned::query(plan, scope.state))
    }
}

impl Properties {
    fn put(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.0.push((name.into(), value));
        }
    }

    fn put_columns(&mut self, row: &RecordBatch) -> Result<()> {
        for column in COLUMNS {
            let value = value(row, column)?;
            self.put(column, if value == "[]" { String::new() } else { value });
        }
        Ok(())
    }

    /// A row for each text of a list as JSON.
    fn put_texts(&mut self, name: &str, json: &str) {
        let texts: Vec<String> = serde_json::from_str(json).unwrap_or_default();
        for text in texts {
            self.put(name, text);
        }
    }

    /// A row for each table that it was trained on, with the state that it was in.
    fn put_reads(&mut self, json: &str) {
        let reads: BTreeMap<String, String> = serde_json::from_str(json).unwrap_or_default();
        for (table, state) in reads {
            let described = match state.split_once('@') {
                Some((version, _)) => format!("version {version}"),
                None => "view".to_owned(),
            };
            self.put(format!("reads {table}"), described);
        }
    }

    /// A row for each feature. A version whose parameters cannot be read is described without them.
    fn put_features(&mut self, scope: &Scope, version: &Version) {
        let pinned = format!("{}@{}", version.model, version.version);
        let model = match scope.models.source.get(&pinned) {
            Ok(model) => model,
            Err(error) => {
                self.put("fault", error.to_string());
                return;
            }
        };
        for (at, feature) in model.features.iter().enumerate() {
            let statistics = model.statistics.as_ref().and_then(|all| all.get(at));
            let described = statistics.map_or_else(|| "known by name only".to_owned(), shown);
            self.put(format!("feature {feature}"), described);
        }
    }

    async fn put_metrics(&mut self, scope: &Scope, of_version: &str) -> Result<()> {
        let sql = format!(
            "select concat(split, ' ', metric), \
             concat(round(value, 6), coalesce(' (' || round(ci_low, 6) || ' to ' || round(ci_high, 6) || ')', ''), ', n ', n) \
             from ml.metrics {of_version} order by split, metric"
        );
        for row in rows(scope, &sql).await? {
            for at in 0..row.num_rows() {
                let name = array_value_to_string(row.column(0), at)?;
                self.put(name, array_value_to_string(row.column(1), at)?);
            }
        }
        Ok(())
    }

    fn batch(self) -> Result<RecordBatch> {
        let column = |name: &str| Field::new(name, DataType::Utf8, false);
        let schema = Arc::new(Schema::new(vec![column("property"), column("value")]));
        let (names, values): (Vec<String>, Vec<String>) = self.0.into_iter().unzip();
        Ok(RecordBatch::try_new(
            schema,
            vec![
                Arc::new(StringArray::from(names)),
                Arc::new(StringArray::from(values)),
            ],
        )?)
    }
}

fn shown(statistics: &FeatureStatistics) -> String {
    let FeatureStatistics {
        count,
        null_count,
        mean,
        std_dev,
        min,
        max,
    } = statistics;
    format!(
        "mean {mean:.6}, standard deviation {std_dev:.6}, min {min}, max {max}, {count} known, {null_count} null"
    )
}

fn aliases(scope: &Scope, version: &Version) -> String {
    let aliases = scope.models.versions.aliases_of(&version.model);
    let aliases: Vec<&str> = aliases
        .filter(|(_, number)| *number == version.version)
        .map(|(alias, _)| alias)
        .collect();
    aliases.join(", ")
}

/// The row of `ml.models`, as the caller may see it.
async fn registered(scope: &Scope, of_version: &str) -> Result<Vec<RecordBatch>> {
    let sql = format!(
        "select {}, warnings, reads, training_sql from ml.models {of_version} and status <> 'dropped'",
        COLUMNS.join(", ")
    );
    let batches = rows(scope, &sql).await?;
    Ok(batches
        .into_iter()
        .filter(|row| row.num_rows() > 0)
        .collect())
}

async fn rows(scope: &Scope, sql: &str) -> Result<Vec<RecordBatch>> {
    let plan = super::plan_query(scope, parse::parse_one(sql)?).await?;
    let plan = scope
        .state
        .query_planner()
        .create_physical_plan(&plan, &scope.state)
        .await?;
    Ok(collect(plan, scope.state.task_ctx()).await?)
}

/// The value of a column in the first row as text; empty for null.
fn value(row: &RecordBatch, name: &str) -> Result<String> {
    let column = row.column(row.schema().index_of(name)?);
    let column = cast(column, &DataType::Utf8)?;
    let texts = column.as_string::<i32>();
    Ok(if texts.is_null(0) {
        String::new()
    } else {
        texts.value(0).to_owned()
    })
}
