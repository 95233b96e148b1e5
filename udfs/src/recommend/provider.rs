//! What the table functions return: a query that is written and planned when it is scanned, on the scanning session.
//!
//! Planning the call itself does no I/O and EXPLAIN runs nothing. A condition `user_id = '…'` on the result is handed
//! into the query, so that one listener of many costs what one costs.

use std::sync::Arc;

use arrow::datatypes::{Fields, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{
        CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
        MemorySchemaProvider, SchemaProvider, Session, TableProvider, view::ViewTable,
    },
    common::{Result, ScalarValue, TableReference, internal_err, plan_err},
    execution::{FunctionRegistry, SessionState, session_state::SessionStateBuilder},
    logical_expr::{
        BinaryExpr, Expr, LogicalPlan, LogicalPlanBuilder, Operator, TableProviderFilterPushDown,
        TableType,
    },
    physical_plan::ExecutionPlan,
};

use super::{
    body::{self, Question, Sources, Table, Tracks},
    call::{Call, Inputs, Whom},
    context::Context,
    gather::gather_listening,
    known_tracks::{KnownTracks, TrackMemory},
    pick::kernels,
    profile_rows::profile_rows,
};

/// Catalogue and schema under which a call's own relations are known to its query.
const GIVEN: (&str, &str) = ("recommend", "given");

/// The query behind a call.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Recommendations(Call),
    Status(Call),
    Profile(Context),
}

/// A call's result, not yet computed.
#[derive(Debug)]
pub(super) struct CallProvider {
    pub(super) body: Body,
    pub(super) schema: SchemaRef,
}

#[async_trait]
impl TableProvider for CallProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| match wanted_user(filter) {
            Some(_) => TableProviderFilterPushDown::Inexact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
            return internal_err!("recommend: needs a session of DataFusion's own kind");
        };
        let only = filters.iter().find_map(wanted_user);
        let mut plan = LogicalPlanBuilder::from(self.plan(state, only).await?);
        if let Some(columns) = projection {
            plan = plan.select(columns.iter().copied())?;
        }
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        // The statement's own optimiser goes over the whole plan, this part included, and some of its rules cannot
        // go over a part twice (DataFusion 55: a hash join with a dynamic filter cannot be swapped).
        SessionStateBuilder::new_from_existing(state.clone())
            .with_physical_optimizer_rules(vec![])
            .build()
            .create_physical_plan(&plan.build()?)
            .await
    }
}

impl CallProvider {
    async fn plan(&self, state: &SessionState, only: Option<&str>) -> Result<LogicalPlan> {
        match &self.body {
            Body::Profile(context) => {
                let plays = session_table(state, "listening_profile", "silver.plays").await?;
                let mut state = state.clone();
                state.register_udaf(Arc::new(gather_listening()))?;
                state.register_udf(Arc::new(profile_rows()))?;
                state
                    .create_logical_plan(&body::listening_profile(context, &plays, only))
                    .await
            }
            Body::Recommendations(call) => {
                let Some(mode) = call.mode else {
                    return plan_err!(
                        "{}: mode is missing, expected 'mirror' or 'coach'",
                        call.function
                    );
                };
                self.answer(state, call, Question::Tracks(mode), only).await
            }
            Body::Status(call) => {
                self.answer(state, call, Question::Status(call.mode), only)
                    .await
            }
        }
    }

    async fn answer(
        &self,
        state: &SessionState,
        call: &Call,
        question: Question,
        only: Option<&str>,
    ) -> Result<LogicalPlan> {
        let (sources, known_tracks) = sources(call, question, state).await?;
        let only = match &call.whom {
            Whom::Named(user_id) => Some(user_id.as_str()),
            Whom::All | Whom::Only => only,
        };
        let sql = body::recommendations(call, question, &sources, only, &self.schema);
        let mut state = with_given(state, &call.inputs)?;
        state.register_udaf(Arc::new(gather_listening()))?;
        for kernel in kernels(&Arc::new(known_tracks)) {
            state.register_udf(Arc::new(kernel))?;
        }
        state.create_logical_plan(&sql).await
    }
}

/// The name in a filter `user_id = 'name'`.
fn wanted_user(filter: &Expr) -> Option<&str> {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Eq,
        right,
    }) = filter
    else {
        return None;
    };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), Expr::Literal(name, _))
        | (Expr::Literal(name, _), Expr::Column(column))
            if column.name == "user_id" =>
        {
            name_of(name)
        }
        _ => None,
    }
}

fn name_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// Where a call's query reads from: the relations it was given, else the session's tables.
async fn sources(
    call: &Call,
    question: Question,
    state: &SessionState,
) -> Result<(Sources, KnownTracks)> {
    if !call.context.modes().is_empty() {
        session_table(state, call.function, "gold.listening_modes").await?;
    }
    if question.is_of_coach() {
        session_table(state, call.function, "gold.coach_policy").await?;
    }
    let Inputs {
        plays,
        tracks,
        candidates,
    } = &call.inputs;
    let plays = match plays {
        Some(plan) => given_table("plays", plan),
        None => session_table(state, call.function, "silver.plays").await?,
    };
    let (tracks, known_tracks) = match tracks {
        Some(plan) => (
            Tracks::Given(given_table("tracks", plan)),
            KnownTracks::default(),
        ),
        None => session_tracks(state, call.function).await?,
    };
    let sources = Sources {
        plays,
        tracks,
        candidates: candidates
            .as_ref()
            .map(|plan| given_table("candidates", plan)),
        has_responses: find(state, "silver.responses").await?.is_some(),
    };
    Ok((sources, known_tracks))
}

/// The session's own tracks: as an earlier call left them, where the session says that they are the same.
async fn session_tracks(state: &SessionState, function: &str) -> Result<(Tracks, KnownTracks)> {
    let mut tables = vec![];
    for name in ["silver.tracks", "silver.track_features"] {
        let Some(table) = find(state, name).await? else {
            return plan_err!("{function}: the session has no table {name}");
        };
        tables.push(table);
    }
    let genres = find(state, "silver.track_genres").await?;
    tables.extend(genres.clone());
    let known_tracks = state
        .config()
        .get_extension::<TrackMemory>()
        .map_or_else(KnownTracks::default, |memory| {
            KnownTracks::of(&memory, &tables)
        });
    if known_tracks.found().is_some() {
        return Ok((Tracks::Known, known_tracks));
    }
    let genres = genres.map(|table| Table {
        name: "silver.track_genres".to_owned(),
        columns: names(table.schema().fields()),
    });
    Ok((Tracks::Session { genres }, known_tracks))
}

fn given_table(name: &str, plan: &LogicalPlan) -> Table {
    let name = format!("{}.{}.{name}", GIVEN.0, GIVEN.1);
    Table {
        name,
        columns: names(plan.schema().fields()),
    }
}

async fn session_table(state: &SessionState, function: &str, name: &str) -> Result<Table> {
    let Some(table) = find(state, name).await? else {
        return plan_err!("{function}: the session has no table {name}");
    };
    Ok(Table {
        name: name.to_owned(),
        columns: names(table.schema().fields()),
    })
}

fn names(fields: &Fields) -> Vec<String> {
    fields.iter().map(|field| field.name().clone()).collect()
}

async fn find(state: &SessionState, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
    let name = TableReference::from(name);
    match state.schema_for_ref(name.clone()) {
        Ok(schema) => schema.table(name.table()).await,
        Err(_) => Ok(None),
    }
}

/// The session with the call's own relations as tables of a catalogue beside the others.
fn with_given(state: &SessionState, inputs: &Inputs) -> Result<SessionState> {
    let given = [
        ("plays", &inputs.plays),
        ("tracks", &inputs.tracks),
        ("candidates", &inputs.candidates),
    ];
    if given.iter().all(|(_, plan)| plan.is_none()) {
        return Ok(state.clone());
    }
    let schema = MemorySchemaProvider::new();
    for (name, plan) in given {
        if let Some(plan) = plan {
            schema.register_table(
                name.to_owned(),
                Arc::new(ViewTable::new(plan.as_ref().clone(), None)),
            )?;
        }
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(GIVEN.1, Arc::new(schema))?;
    let catalogs = MemoryCatalogProviderList::new();
    for name in state.catalog_list().catalog_names() {
        if let Some(catalog) = state.catalog_list().catalog(&name) {
            catalogs.register_catalog(name, catalog);
        }
    }
    catalogs.register_catalog(GIVEN.0.to_owned(), Arc::new(catalog));
    Ok(SessionStateBuilder::new_from_existing(state.clone())
        .with_catalog_list(Arc::new(catalogs))
        .build())
}
