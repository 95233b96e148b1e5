//! RETRAIN: a model's statement once more, on today's rows, or, to check a version, on the rows that it was trained on.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{BooleanArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{error::DataFusionError, physical_plan::stream::RecordBatchStreamAdapter};

use super::{Outcome, Planned, Statement, parse, references::MODEL_SCHEMA};
use crate::{
    access::Privilege,
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{TableName, one_shot_plan},
    models::{
        CreateModel,
        registry::{Version, checksum_of},
    },
};

impl Engine {
    /// Trains a new version by the statement of the one that is named.
    pub(super) async fn retrain_model(&self, name: &str) -> Result<Outcome> {
        self.check_model(Privilege::Create, name)?;
        self.check_model(Privilege::Drop, name)?;
        let scope = self.scope().await?;
        let create = self.statement_of(scope.models.versions.resolve(name)?)?;
        self.create_model(&create, &Statement::CreateModel(Box::new(create.clone())))
            .await
    }

    /// One row that tells whether a version comes out the same again. It is trained when the row is asked for.
    pub(super) async fn plan_model_check(&self, name: &str) -> Result<Planned> {
        self.check_model(Privilege::Select, name)?;
        let scope = self.scope().await?;
        let version = scope.models.versions.resolve(name)?.clone();
        let engine = self.clone();
        let check = async move {
            let engine = engine.with_own_memory();
            let row = engine.check_version(&version).await;
            row.map_err(DataFusionError::from)
        };
        let rows = RecordBatchStreamAdapter::new(check_columns(), futures::stream::once(check));
        Ok(Planned::query(one_shot_plan(Box::pin(rows))?, scope.state))
    }

    async fn check_version(&self, version: &Version) -> Result<RecordBatch> {
        let scope = self.scope().await?;
        let reads: BTreeMap<String, String> = serde_json::from_str(&version.reads)
            .map_err(|error| Error::Lake(format!("{}: its reads: {error}", described(version))))?;
        pin(&scope, version, &reads).await?;
        let create = self.statement_of(version)?;
        let trained = self.train(&scope, &create).await?;
        let now = scope.catalog.states();
        if let Some((view, _)) = reads
            .iter()
            .find(|(name, state)| now.get(*name).is_some_and(|now| now != *state))
        {
            return Err(not_repeatable(
                version,
                &format!("view {view} is not the one that it was trained on"),
            ));
        }
        let checksum = checksum_of(&trained.model)?;
        let is_identical = checksum == version.checksum;
        Ok(RecordBatch::try_new(
            check_columns(),
            vec![
                Arc::new(StringArray::from(vec![version.model.clone()])),
                Arc::new(Int64Array::from(vec![version.version])),
                Arc::new(StringArray::from(vec![version.checksum.clone()])),
                Arc::new(StringArray::from(vec![checksum])),
                Arc::new(BooleanArray::from(vec![is_identical])),
            ],
        )?)
    }

    /// The statement that made a version, to be run once more.
    fn statement_of(&self, version: &Version) -> Result<CreateModel> {
        match parse::parse_in(&version.statement, &self.session().settings().schema, &[])? {
            Statement::CreateModel(create) => Ok(CreateModel {
                replace: true,
                ..*create
            }),
            _ => Err(Error::Lake(format!(
                "{}: the registry holds no CREATE MODEL for it",
                described(version)
            ))),
        }
    }
}

/// Shows every table to the statement as it was when the version was trained.
async fn pin(scope: &Scope, version: &Version, reads: &BTreeMap<String, String>) -> Result<()> {
    for (name, state) in reads {
        let name: TableName = name.parse()?;
        let model = scope.models.state_of(&name.table);
        match model.filter(|_| name.schema == MODEL_SCHEMA) {
            Some(now) if now != *state => {
                return Err(not_repeatable(
                    version,
                    &format!("model '{}' has another version in force now", name.table),
                ));
            }
            Some(_) => {}
            None => scope
                .catalog
                .pin_state(&name, state)
                .await
                .map_err(|error| not_repeatable(version, &error.to_string()))?,
        }
    }
    Ok(())
}

fn not_repeatable(version: &Version, cause: &str) -> Error {
    Error::NotFound(format!(
        "{} cannot be trained again as it was: {cause}",
        described(version)
    ))
}

fn described(version: &Version) -> String {
    format!("model '{}@{}'", version.model, version.version)
}

fn check_columns() -> SchemaRef {
    let column = |name: &str, kind: DataType| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![
        column("model", DataType::Utf8),
        column("version", DataType::Int64),
        column("artifact_blake3", DataType::Utf8),
        column("retrained_blake3", DataType::Utf8),
        column("identical", DataType::Boolean),
    ]))
}
