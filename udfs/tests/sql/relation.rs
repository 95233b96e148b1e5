//! Named arguments and relation inputs for a table function of one's own.

use std::sync::Arc;

use datafusion::{
    catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::Result,
    datasource::ViewTable,
    logical_expr::{LogicalPlanBuilder, lit},
    prelude::SessionContext,
};
use moodlake_udfs::{Parameter, RelationFunctions, RelationSignature, relation_input};

use crate::rows_in;

const SIGNATURE: RelationSignature = RelationSignature {
    function: "describe_call",
    parameters: &[
        Parameter::Value("first"),
        Parameter::Relation("source"),
        Parameter::Value("last"),
    ],
};

/// Returns its arguments as text, a relation as its column names.
#[derive(Debug)]
struct DescribeCall;

impl TableFunctionImpl for DescribeCall {
    fn call_with_args(&self, arguments: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let text = arguments
            .exprs()
            .iter()
            .map(|argument| match relation_input(argument) {
                Some(plan) => plan.schema().field_names().join("+"),
                None => argument.to_string(),
            });
        let row = lit(text.collect::<Vec<_>>().join(" ")).alias("call");
        Ok(Arc::new(ViewTable::new(
            LogicalPlanBuilder::empty(true).project([row])?.build()?,
            None,
        )))
    }
}

fn session() -> SessionContext {
    let ctx = SessionContext::new();
    ctx.register_udtf(SIGNATURE.function, Arc::new(DescribeCall));
    ctx.register_relation_planner(Arc::new(RelationFunctions::new(vec![SIGNATURE])))
        .unwrap();
    ctx
}

async fn call(arguments: &str) -> String {
    rows_in(
        &session(),
        &format!("select * from describe_call({arguments})"),
    )
    .await
    .remove(0)
}

async fn refused(arguments: &str) -> String {
    session()
        .sql(&format!("select * from describe_call({arguments})"))
        .await
        .unwrap_err()
        .to_string()
}

#[tokio::test]
async fn arguments_arrive_in_declared_order() {
    assert_eq!(
        call("1, (select 2 as a, 3 as b), 'x'").await,
        "Int64(1) a+b Utf8(\"x\")"
    );
    assert_eq!(
        call("last => 'x', source => (select 2 as a), first => 1 + 1").await,
        "Int64(2) a Utf8(\"x\")"
    );
    assert_eq!(call("1, last => 'x'").await, "Int64(1) NULL Utf8(\"x\")");
    assert_eq!(
        call("\"first\" => 1, LAST => 2").await,
        "Int64(1) NULL Int64(2)"
    );
    assert_eq!(call("first := -1").await, "Int64(-1) NULL NULL");
    assert_eq!(call("").await, "NULL NULL NULL");
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    for (arguments, expected) in [
        (
            "1, null, 2, 3",
            "describe_call: too many arguments, expected at most 3: first, source, last",
        ),
        (
            "first => 1, 2",
            "describe_call: a positional argument cannot follow a named one",
        ),
        (
            "1, first => 2",
            "describe_call: argument 'first' is given twice",
        ),
        (
            "middle => 2",
            "describe_call: no argument 'middle', expected one of first, source, last",
        ),
        (
            "source => 2",
            "describe_call: argument 'source' is a relation",
        ),
        (
            "first => (select 2)",
            "describe_call: argument 'first' is a constant, not a query",
        ),
        ("source => nowhere", "nowhere"),
        ("*", "describe_call: '*' is no value for argument 'first'"),
    ] {
        let message = refused(arguments).await;
        assert!(
            message.contains(expected),
            "{arguments}\n  says: {message}\n  not:  {expected}"
        );
    }
}

#[tokio::test]
async fn other_relations_are_left_alone() {
    let ctx = session();
    assert_eq!(
        rows_in(&ctx, "select count(*) from generate_series(1, 3)").await,
        ["3"]
    );
    assert_eq!(
        rows_in(&ctx, "select t.call from describe_call(first => 1) as t").await,
        ["Int64(1) NULL NULL"]
    );
}
