//! Named arguments and relation inputs for table functions: `recommend(mode => 'coach', k => 5)`,
//! `shap_explain(model => 'mood', input => (SELECT …))`.
//!
//! DataFusion hands a table function constant, positional expressions and nothing else. [`RelationFunctions`] sees the
//! call before that and rewrites it from a [`RelationSignature`]: arguments go into the declared order, those left
//! out become `NULL`, and a relation (a subquery or a CTE) is planned in the caller's scope and handed on
//! as an expression that [`relation_input`] takes apart again. What a function does with it is its own affair.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, DataFusionError, Result, ScalarValue, Spans, TableReference, plan_datafusion_err,
        plan_err,
    },
    logical_expr::{
        Expr, LogicalPlan, LogicalPlanBuilder, Subquery,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    sql::sqlparser::ast::{
        self, FunctionArg, FunctionArgExpr, FunctionArgOperator, ObjectName, TableFactor,
    },
};

/// How a table function is called.
#[derive(Debug, Clone, Copy)]
pub struct RelationSignature {
    /// The function's name in lower case.
    pub function: &'static str,
    /// Its parameters in positional order.
    pub parameters: &'static [Parameter],
}

/// One parameter of a table function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// A constant text; `NULL` when left out.
    Value(&'static str),
    /// A constant whole number; `NULL` when left out.
    Count(&'static str),
    /// A constant number; `NULL` when left out.
    Number(&'static str),
    /// True or false; `NULL` when left out.
    Flag(&'static str),
    /// A relation: `(SELECT …)` or a CTE's name, and a table's name after [`expand_inputs`](crate::expand_inputs); `NULL`
    /// when left out.
    Relation(&'static str),
}

impl Parameter {
    /// The name that `name => value` uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Value(name)
            | Self::Count(name)
            | Self::Number(name)
            | Self::Flag(name)
            | Self::Relation(name) => name,
        }
    }

    /// The type of its constants; none for a relation.
    #[must_use]
    pub fn data_type(self) -> Option<DataType> {
        match self {
            Self::Value(_) => Some(DataType::Utf8),
            Self::Count(_) => Some(DataType::Int64),
            Self::Number(_) => Some(DataType::Float64),
            Self::Flag(_) => Some(DataType::Boolean),
            Self::Relation(_) => None,
        }
    }
}

/// The plan behind a relation argument, or `None` where the argument was left out.
#[must_use]
pub fn relation_input(argument: &Expr) -> Option<Arc<LogicalPlan>> {
    match argument {
        Expr::ScalarSubquery(relation) => Some(Arc::clone(&relation.subquery)),
        _ => None,
    }
}

/// The relation planner that rewrites calls of the functions it was given.
#[derive(Debug)]
pub struct RelationFunctions {
    signatures: Vec<RelationSignature>,
}

impl RelationFunctions {
    /// A planner for these functions; each must be registered as a table function too.
    #[must_use]
    pub fn new(signatures: Vec<RelationSignature>) -> Self {
        Self { signatures }
    }

    fn signature(
        &self,
        name: &ObjectName,
        context: &dyn RelationPlannerContext,
    ) -> Option<&RelationSignature> {
        let [part] = name.0.as_slice() else {
            return None;
        };
        let name = context.normalize_ident(part.as_ident()?.clone());
        self.signatures
            .iter()
            .find(|signature| signature.function == name)
    }
}

impl RelationPlanner for RelationFunctions {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::Table {
            name,
            args: Some(call),
            alias,
            ..
        } = &relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let Some(signature) = self.signature(name, context) else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let arguments = signature.bind(&call.args, context)?;
        let source = context
            .context_provider()
            .get_table_function_source(signature.function, arguments)?;
        let plan =
            LogicalPlanBuilder::scan(TableReference::bare(signature.function), source, None)?
                .build()?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(
            plan,
            alias.clone(),
        ))))
    }
}

impl RelationSignature {
    /// Puts the arguments of a call into positional order, each planned as its parameter wants it.
    fn bind(
        &self,
        call: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Vec<Expr>> {
        let mut bound: Vec<Option<Expr>> = vec![None; self.parameters.len()];
        let mut named = false;
        for (at, argument) in call.iter().enumerate() {
            let (slot, value) = match argument {
                FunctionArg::Unnamed(value) if !named => (self.positional(at)?, value),
                FunctionArg::Unnamed(_) => {
                    return plan_err!(
                        "{}: a positional argument cannot follow a named one",
                        self.function
                    );
                }
                FunctionArg::Named {
                    name,
                    arg,
                    operator: FunctionArgOperator::RightArrow | FunctionArgOperator::Assignment,
                } => {
                    named = true;
                    (self.named(&context.normalize_ident(name.clone()))?, arg)
                }
                _ => {
                    return plan_err!(
                        "{}: cannot read argument '{argument}', write name => value",
                        self.function
                    );
                }
            };
            if bound[slot].is_some() {
                return plan_err!(
                    "{}: argument '{}' is given twice",
                    self.function,
                    self.parameters[slot].name()
                );
            }
            bound[slot] = Some(self.plan_argument(self.parameters[slot], value, context)?);
        }
        let null = || Expr::Literal(ScalarValue::Null, None);
        Ok(bound
            .into_iter()
            .map(|argument| argument.unwrap_or_else(null))
            .collect())
    }

    fn positional(&self, at: usize) -> Result<usize> {
        if at < self.parameters.len() {
            return Ok(at);
        }
        plan_err!(
            "{}: too many arguments, expected at most {}: {}",
            self.function,
            self.parameters.len(),
            self.names()
        )
    }

    fn named(&self, name: &str) -> Result<usize> {
        let mut names = self.parameters.iter().map(|parameter| parameter.name());
        if let Some(slot) = names.position(|known| known == name) {
            return Ok(slot);
        }
        plan_err!(
            "{}: no argument '{name}', expected one of {}",
            self.function,
            self.names()
        )
    }

    fn names(&self) -> String {
        self.parameters
            .iter()
            .map(|parameter| parameter.name())
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn plan_argument(
        &self,
        parameter: Parameter,
        value: &FunctionArgExpr,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Expr> {
        let FunctionArgExpr::Expr(value) = value else {
            return plan_err!(
                "{}: '{value}' is no value for argument '{}'",
                self.function,
                parameter.name()
            );
        };
        match (parameter, value) {
            (_, ast::Expr::Value(literal)) if literal.value == ast::Value::Null => {
                Ok(Expr::Literal(ScalarValue::Null, None))
            }
            (Parameter::Relation(name), _) => self.plan_input(name, value, context),
            (_, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_)) => {
                let name = parameter.name();
                plan_err!(
                    "{}: argument '{name}' is a constant, text goes in quotes: {name} => '{value}'",
                    self.function
                )
            }
            (_, ast::Expr::Subquery(_)) => {
                plan_err!(
                    "{}: argument '{}' is a constant, not a query",
                    self.function,
                    parameter.name()
                )
            }
            _ => context.sql_to_expr(value.clone(), &DFSchema::empty()),
        }
    }

    fn plan_input(
        &self,
        name: &str,
        value: &ast::Expr,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Expr> {
        let plan = match value {
            ast::Expr::Subquery(query) => context.plan(TableFactor::Derived {
                lateral: false,
                subquery: query.clone(),
                alias: None,
                sample: None,
            })?,
            ast::Expr::Identifier(cte) => {
                let plan = context.plan(table_factor(cte.clone()));
                plan.map_err(|_| self.no_relation(name, value))?
            }
            _ => return Err(self.no_relation(name, value)),
        };
        Ok(Expr::ScalarSubquery(Subquery {
            subquery: Arc::new(plan),
            outer_ref_columns: vec![],
            spans: Spans::new(),
        }))
    }

    fn no_relation(&self, name: &str, value: &ast::Expr) -> DataFusionError {
        plan_datafusion_err!(
            "{}: argument '{name}' is a relation and '{value}' is none, write {name} => (SELECT …)",
            self.function
        )
    }
}

fn table_factor(name: ast::Ident) -> TableFactor {
    TableFactor::Table {
        name: ObjectName::from(vec![name]),
        alias: None,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}
