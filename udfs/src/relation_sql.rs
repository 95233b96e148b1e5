//! Plans a query text over relations that are plans already: what most functions in `FROM` become.
//!
//! The relations' own plans stay below the query's, so whatever they hide stays hidden, and EXPLAIN shows everything.
//! Nothing runs. Of the session only its functions are known to the query, none of its tables.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, TableReference, config::ConfigOptions, internal_err, plan_err},
    datasource::{ViewTable, provider_as_source},
    execution::SessionState,
    logical_expr::{
        AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner},
    },
    sql::{
        parser::DFParser,
        planner::{ParserOptions, SqlToRel},
    },
};

/// The plan of a query over `relations`, by name, with functions that the session lacks.
pub(crate) fn plan_sql(
    session: &dyn Session,
    sql: &str,
    relations: &[(&str, &LogicalPlan)],
    functions: &[Arc<ScalarUDF>],
) -> Result<LogicalPlan> {
    let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
        return internal_err!("a relation function needs a session of DataFusion's own kind");
    };
    let known = Known {
        state,
        relations,
        functions,
    };
    let mut statements = DFParser::parse_sql(sql)?;
    let Some(statement) = statements.pop_front() else {
        return internal_err!("no query to plan");
    };
    let options = ParserOptions {
        // Texts have one type, whatever the session prefers: the columns of a function in FROM are always the same.
        map_string_types_to_utf8view: false,
        ..ParserOptions::default()
    };
    SqlToRel::new_with_options(&known, options).statement_to_plan(statement)
}

/// The relation that [`plan_sql`] plans, as a function in `FROM` returns it.
pub(crate) fn relation(
    session: &dyn Session,
    sql: &str,
    relations: &[(&str, &LogicalPlan)],
    functions: &[Arc<ScalarUDF>],
) -> Result<Arc<dyn TableProvider>> {
    let plan = plan_sql(session, sql, relations, functions)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// A query for no rows with these columns: a name and an SQL type each.
pub(crate) fn no_rows(columns: &[(&str, &str)]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, sql_type)| format!("cast(null as {sql_type}) as {}", identifier(name)))
        .collect();
    format!("select {} where false", columns.join(", "))
}

/// A name as SQL writes it: `"name"`.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it: `'text'`.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a query may use.
struct Known<'a> {
    state: &'a SessionState,
    relations: &'a [(&'a str, &'a LogicalPlan)],
    functions: &'a [Arc<ScalarUDF>],
}

impl ContextProvider for Known<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let mut relations = self.relations.iter();
        if let Some((_, plan)) = relations.find(|(known, _)| *known == name.table()) {
            Ok(provider_as_source(Arc::new(ViewTable::new(
                (*plan).clone(),
                None,
            ))))
        } else {
            plan_err!("no relation '{name}'")
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let own = self.functions.iter().find(|known| known.name() == name);
        own.or_else(|| self.state.scalar_functions().get(name))
            .cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    // The names that a message proposes for a mistyped one: these queries are not the user's.
    fn udf_names(&self) -> Vec<String> {
        vec![]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![]
    }

    fn udaf_names(&self) -> Vec<String> {
        vec![]
    }

    fn udwf_names(&self) -> Vec<String> {
        vec![]
    }
}
