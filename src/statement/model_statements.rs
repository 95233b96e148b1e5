//! CREATE MODEL, ALTER MODEL, DROP MODEL, SHOW MODELS, carried out. Training happens here and nowhere else: never while planning.

use std::sync::Arc;

use datafusion::{
    common::runtime::SpawnedTask, physical_plan::collect, sql::parser::Statement as DfStatement,
};

use super::{Outcome, Planned, Statement, parse};
use crate::{
    access::Privilege,
    engine::{Engine, Scope},
    error::{Error, Result},
    models::{self, CreateModel, Trained},
};

impl Engine {
    pub(super) async fn create_model(
        &self,
        create: &CreateModel,
        statement: &Statement,
    ) -> Result<Outcome> {
        self.check_model(Privilege::Create, &create.name)?;
        let scope = self.scope().await?;
        if create.replace && scope.models.state_of(&create.name).is_some() {
            self.check_model(Privilege::Drop, &create.name)?;
        }
        if !create.replace && scope.models.state_of(&create.name).is_some() {
            return Err(models::store::exists(&create.name));
        }
        let note = self.note(&scope, statement, &create.statement).await?;
        let trained = self.train(&scope, create).await?;
        for warning in &trained.warnings {
            tracing::info!(model = create.name, "{warning}");
        }
        self.register_model(&trained, create.replace, &note.reads)
            .await?;
        Ok(Outcome::Done)
    }

    /// Trains on the rows of the query as `scope` sees them.
    pub(super) async fn train(&self, scope: &Scope, create: &CreateModel) -> Result<Trained> {
        let query: DfStatement = parse::parse_one(&create.query)?;
        let plan = super::plan_query(scope, query).await?;
        let schema = Arc::clone(plan.schema().inner());
        let plan = scope
            .state
            .query_planner()
            .create_physical_plan(&plan, &scope.state)
            .await?;
        let batches = collect(plan, scope.state.task_ctx()).await?;
        let request = create.clone();
        // Dropped with this call, on whose behalf the thread works.
        let waiting = models::Waiting::default();
        let train = waiting.for_work(move || models::train(&request, &schema, &batches));
        let training = SpawnedTask::spawn_blocking(train);
        training
            .await
            .map_err(|error| Error::Internal(format!("training stopped: {error}")))?
    }

    /// Gives a version of a model a name, or takes the name away. What it changes is which version answers, as CREATE OR
    /// REPLACE does.
    pub(super) async fn alter_model(
        &self,
        name: &str,
        alias: &str,
        version: Option<i64>,
    ) -> Result<Outcome> {
        self.check_model(Privilege::Create, name)?;
        self.check_model(Privilege::Drop, name)?;
        self.set_model_alias(name, alias, version).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn drop_model(&self, name: &str, if_exists: bool) -> Result<Outcome> {
        self.check_model(Privilege::Drop, name)?;
        match self
            .unregister_model(name, &format!("DROP MODEL {name}"))
            .await
        {
            Err(Error::NotFound(_)) if if_exists => Ok(Outcome::Done),
            other => other.map(|()| Outcome::Done),
        }
    }

    pub(super) async fn plan_show_models(&self) -> Result<Planned> {
        let scope = self.scope().await?;
        let query = parse::parse_one(SHOW_MODELS)?;
        let plan = super::plan_query(&scope, query).await?;
        Ok(Planned::query(plan, scope.state))
    }
}

/// Every version that was not dropped, with what one wants to know first.
const SHOW_MODELS: &str = "
with

dropped as (
    select model, version from ml.models where status = 'dropped'
),

newest_aliases as (
    select model, alias, version,
        row_number() over (partition by model, alias order by set_at desc, version desc) as place
    from ml.aliases
),

aliases as (
    select model, version, string_agg(alias, ', ' order by alias) as alias
    from newest_aliases
    where place = 1
    group by model, version
)

select m.model, m.version, a.alias, m.type, m.status, m.label, m.split, m.n_train, m.train_seconds, m.created_at
from ml.models as m
left anti join dropped as d on m.model = d.model and m.version = d.version
left join aliases as a on m.model = a.model and m.version = a.version
order by m.model, m.version desc";
