//! Statements: `text -> parse -> resolve -> plan -> run`, the same way for a script, a prepared statement and the CLI.
//!
//! Planning reads, and never writes or trains. What writes is done when [`Planned::run`] returns; a query streams.

mod access_ddl;
mod argument_types;
mod bound;
mod bulk;
mod cancel;
mod changes;
mod checks;
mod column_names;
mod ddl;
mod depth;
mod describe_model;
mod dialect;
mod expanded;
mod explain;
mod folders;
pub(crate) mod joins;
mod model_ddl;
mod model_statements;
mod parameter_types;
mod parameters;
mod parse;
mod prepare;
mod privileges;
mod protected;
mod references;
mod retrain;
mod script;
mod session;
mod settings;
mod summary;
mod temporary;
mod tokens;
mod update;
mod view_names;
mod words;

use std::{sync::Arc, time::Duration};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::ScalarValue,
    execution::{SendableRecordBatchStream, SessionState},
    logical_expr::LogicalPlan,
    physical_plan::ExecutionPlan,
    prelude::SQLOptions,
    sql::parser::Statement as DfStatement,
};
use futures::FutureExt;

pub(crate) use bound::Bound;
pub(crate) use ddl::batch_plan;
pub(crate) use parse::parse_view;
pub(crate) use references::MODEL_SCHEMA;
pub use references::{References, references};
pub use session::Session;
pub(crate) use settings::{Name as SettingName, Setting};
pub use summary::{Names, Summary, without_values};
pub use tokens::{Typed, split, typed};

use crate::{
    engine::{Engine, Scope},
    error::{Error, Result},
    lake::{CommitNote, Disposition, TableName, Target, is_temporary},
};
use parse::Statement;

/// How often a statement is run again after another process committed first.
const CONFLICT_RETRIES: u32 = 10;
const CONFLICT_PAUSE: Duration = Duration::from_millis(20);

/// What a statement gives.
pub enum Outcome {
    /// A query's rows.
    Rows(SendableRecordBatchStream),
    /// How many rows were written, changed or removed.
    Changed(u64),
    /// Done, and nothing to count.
    Done,
}

/// How bulk ingest treats the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IngestMode {
    /// It must not exist.
    Create,
    /// It must exist.
    Append,
    /// It is made, or replaced.
    Replace,
    /// It is made if it is not there.
    CreateAppend,
    /// It must exist without rows, until all are written: nobody else's rows come between.
    Fill,
}

/// What is known of a statement before its parameters have values.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The result's columns; none for updates.
    pub schema: SchemaRef,
    /// The parameters `$1`, `$2`, … in order.
    pub parameters: SchemaRef,
    /// Whether it returns rows.
    pub is_query: bool,
}

/// A statement, ready to run.
pub struct Planned {
    /// The result's columns; none for updates.
    pub schema: SchemaRef,
    /// Whether it returns rows.
    pub is_query: bool,
    work: Work,
}

enum Work {
    /// Planned once; may run more than once, on the same snapshots.
    Query {
        plan: LogicalPlan,
        state: Box<SessionState>,
    },
    /// Planned when it runs, so that it can be run again on newer snapshots after a conflict.
    Update {
        engine: Engine,
        statement: Box<Statement>,
        text: String,
    },
}

impl Planned {
    /// Runs it. A query may be run again; an update must not.
    ///
    /// # Errors
    /// Whatever the statement fails with.
    pub async fn run(&self) -> Result<Outcome> {
        match &self.work {
            Work::Query { plan, state } => {
                let (rows, _) = run_query(plan, state).await?;
                Ok(Outcome::Rows(rows))
            }
            Work::Update {
                engine,
                statement,
                text,
            } => {
                engine
                    .with_own_memory()
                    .carry_out(statement, text)
                    .boxed()
                    .await
            }
        }
    }

    /// Runs a query, and gives the plan that shows how far it is.
    ///
    /// # Errors
    /// Those of [`Planned::run`].
    pub(crate) async fn run_observed(
        &self,
    ) -> Result<(SendableRecordBatchStream, Arc<dyn ExecutionPlan>)> {
        match &self.work {
            Work::Query { plan, state } => run_query(plan, state).await,
            Work::Update { .. } => Err(Error::Internal("an update was taken for a query".into())),
        }
    }

    fn query(plan: LogicalPlan, state: SessionState) -> Self {
        let schema = Arc::clone(plan.schema().inner());
        Self {
            schema,
            is_query: true,
            work: Work::Query {
                plan,
                state: Box::new(state),
            },
        }
    }
}

impl Engine {
    /// Plans and runs one statement.
    ///
    /// # Errors
    /// Those of parsing, planning and running it.
    pub async fn run(&self, sql: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
        self.plan(sql, parameters).await?.run().await
    }

    /// Plans one statement; nothing is written or trained.
    ///
    /// # Errors
    /// Those of parsing and planning it.
    pub async fn plan(&self, sql: &str, parameters: &[ScalarValue]) -> Result<Planned> {
        self.plan_one(sql, parameters).boxed().await
    }

    async fn plan_one(&self, sql: &str, parameters: &[ScalarValue]) -> Result<Planned> {
        let mut statement = self.parse(sql)?;
        let engine = self.bind(&mut statement, sql, parameters)?;
        match statement {
            Statement::Query(df) => {
                let scope = engine.scope().await?;
                let plan = plan_query(&scope, *df).await?;
                Ok(Planned::query(plan, scope.state))
            }
            Statement::ShowModels => self.plan_show_models().await,
            Statement::DescribeModel(name) => self.plan_describe_model(&name).await,
            Statement::CheckModel(name) => engine.plan_model_check(&name).await,
            Statement::ShowGrants => self.plan_show_grants(),
            Statement::ShowSetting(name) => self.plan_setting(name),
            Statement::ExplainChange(explained) => {
                Box::pin(engine.plan_explained(&explained)).await
            }
            Statement::DescribeHistory { name, limit } => self.plan_history(&name, limit).await,
            update => Ok(Planned {
                schema: Arc::new(Schema::empty()),
                is_query: false,
                work: Work::Update {
                    engine,
                    statement: Box::new(update),
                    text: sql.trim().trim_end_matches(';').trim_end().to_string(),
                },
            }),
        }
    }

    /// Bulk ingest: all rows in one atomic commit. Returns how many.
    ///
    /// # Errors
    /// [`Error::Exists`] or [`Error::NotFound`] as the mode demands, [`Error::Constraint`] for rows that break one.
    pub async fn ingest(
        &self,
        name: &TableName,
        mode: IngestMode,
        rows: SendableRecordBatchStream,
    ) -> Result<u64> {
        if is_temporary(name) {
            return self.ingest_temporary(name, mode, rows).boxed().await;
        }
        if mode == IngestMode::Replace {
            protected::refuse_replacing(name)?;
        }
        self.check_new_table(name)?;
        let mut target = self.lake().target(name).await?;
        self.check_ingest(&mut target, mode)?;
        let state = self.scope_without_models()?.state;
        let rows = crate::lake::one_shot_plan(rows)?;
        let disposition = match mode {
            IngestMode::Append | IngestMode::Fill if !target.exists() => {
                return Err(Error::NotFound(format!(
                    "table '{name}' not found; ingest with mode create to make it"
                )));
            }
            IngestMode::Fill if !target.is_empty() => {
                return Err(Error::Exists(format!("table '{name}' has rows already")));
            }
            IngestMode::Append => Some(Disposition::Append),
            IngestMode::Fill => Some(Disposition::Extend),
            IngestMode::CreateAppend if target.exists() => Some(Disposition::Append),
            IngestMode::CreateAppend | IngestMode::Create | IngestMode::Replace => None,
        };
        self.take_in(
            &target,
            rows,
            disposition,
            mode == IngestMode::Replace,
            state,
        )
        .boxed()
        .await
    }

    async fn take_in(
        &self,
        target: &Target,
        rows: LogicalPlan,
        disposition: Option<Disposition>,
        replace: bool,
        state: SessionState,
    ) -> Result<u64> {
        let note = CommitNote::default();
        let lake = self.lake();
        match disposition {
            Some(disposition) => lake.insert(target, rows, disposition, state, &note).await,
            None => {
                lake.create_table_as(target, rows, &[], replace, state, &note)
                    .await
            }
        }
    }

    /// The statement, in the schema that the session is in.
    fn parse(&self, sql: &str) -> Result<Statement> {
        let session = self.session();
        parse::parse_in(
            sql,
            &session.settings().schema,
            &session.temporary().names(),
        )
    }

    /// What a statement of this session reads and writes.
    fn references(&self, statement: &Statement) -> Result<References> {
        references::of_statement(statement, &self.session().settings().schema)
    }

    async fn carry_out(&self, statement: &Statement, text: &str) -> Result<Outcome> {
        let mut attempt = 0;
        loop {
            match self.carry_out_once(statement, text).await {
                Err(Error::Conflict(_)) if attempt < CONFLICT_RETRIES => {
                    attempt += 1;
                    tokio::time::sleep(CONFLICT_PAUSE * attempt).await;
                }
                Err(error) if joins::is_short_of_memory(&error) && !self.sorts_joins() => {
                    let sorting = self.with_sorted_joins().await;
                    return sorting.carry_out_once(statement, text).boxed().await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn carry_out_once(&self, statement: &Statement, text: &str) -> Result<Outcome> {
        if let Some(outcome) = self.carry_out_temporary(statement).boxed().await? {
            return Ok(outcome);
        }
        match statement {
            Statement::Change(df) => self
                .change(df, statement, text)
                .boxed()
                .await
                .map(Outcome::Changed),
            Statement::CreateTable(create) => {
                self.create_table(create, statement, text).boxed().await
            }
            Statement::CreateView {
                name,
                definition,
                replace,
                if_not_exists,
            } => {
                self.create_view(name, definition, *replace, *if_not_exists, text)
                    .boxed()
                    .await
            }
            Statement::CreateSchema {
                name,
                if_not_exists,
            } => self.create_schema(name, *if_not_exists),
            Statement::DropSchema { name, if_exists } => self.drop_schema(name, *if_exists),
            Statement::Drop {
                kind,
                name,
                if_exists,
            } => self.drop_object(*kind, name, *if_exists).await,
            Statement::CreateModel(create) => self.create_model(create, statement).boxed().await,
            Statement::DropModel { name, if_exists } => self.drop_model(name, *if_exists).await,
            Statement::AlterModel {
                name,
                alias,
                version,
            } => self.alter_model(name, alias, *version).await,
            Statement::Retrain(name) => self.retrain_model(name).boxed().await,
            Statement::Access(change) => self.change_access(change).boxed().await,
            Statement::Set(setting) => self.set(setting).map(|()| Outcome::Done),
            Statement::CancelQuery(id) => self.cancel_query(id).map(|()| Outcome::Done),
            Statement::Query(_)
            | Statement::ShowModels
            | Statement::DescribeModel(_)
            | Statement::CheckModel(_)
            | Statement::ShowGrants
            | Statement::ShowSetting(_)
            | Statement::ExplainChange(_)
            | Statement::DescribeHistory { .. } => {
                Err(Error::Internal("a query was taken for an update".into()))
            }
        }
    }

    /// The note of a commit: the text, and the state of everything that the statement reads, taken now.
    async fn note(&self, scope: &Scope, statement: &Statement, text: &str) -> Result<CommitNote> {
        let mut reads = std::collections::BTreeMap::new();
        let References {
            reads: names,
            writes,
            ..
        } = self.references(statement)?;
        for name in names {
            scope.catalog.pin(&name).await?;
            if name.schema == references::MODEL_SCHEMA
                && let Some(state) = scope.models.state_of(&name.table)
            {
                reads.insert(name.to_string(), state);
            }
        }
        reads.extend(scope.catalog.states());
        // What is changed was looked at to plan the change; that is no reading.
        if let (Statement::Change(_), Some(target)) = (statement, writes) {
            reads.remove(&target.to_string());
        }
        Ok(CommitNote {
            statement: Some(text.to_string()),
            reads,
        })
    }
}

async fn run_query(
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<(SendableRecordBatchStream, Arc<dyn ExecutionPlan>)> {
    let (rows, physical) = joins::run(plan, state).await?;
    Ok((folders::hidden(rows, plan, state), physical))
}

async fn plan_query(scope: &Scope, statement: DfStatement) -> Result<LogicalPlan> {
    let plan = scope.state.statement_to_plan(statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    // Optimised here, once: only then are the types of its columns final.
    Ok(scope.state.optimize(&plan)?)
}
