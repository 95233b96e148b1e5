//! What preparing a statement answers, and Substrait plans that are prepared.

use arrow::datatypes::Schema;
use arrow_flight::{
    Action, FlightDescriptor, IpcMessage,
    sql::{
        ActionCreatePreparedStatementRequest, ActionCreatePreparedSubstraitPlanRequest, Any,
        CommandPreparedStatementQuery, ProstMessageExt, SubstraitPlan,
    },
};
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use datafusion_substrait::serializer;
use futures::StreamExt;
use prost::Message;

use super::harness::{Flight, fetch, start, strings, update};

/// The result of preparing, with the field that says how to run the statement.
#[derive(Clone, PartialEq, Message)]
struct Prepared {
    #[prost(bytes = "bytes", tag = "1")]
    handle: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    dataset_schema: Bytes,
    #[prost(bool, optional, tag = "4")]
    is_update: Option<bool>,
}

async fn prepared(flight: &mut Flight, name: &str, request: Any) -> Prepared {
    let action = Action::new(name, request.encode_to_vec());
    let results = flight.inner_mut().do_action(action).await.unwrap();
    let result = results.into_inner().next().await.unwrap().unwrap();
    let any = Any::decode(result.body).unwrap();
    assert!(
        any.type_url
            .ends_with(".ActionCreatePreparedStatementResult")
    );
    Prepared::decode(any.value).unwrap()
}

#[tokio::test]
async fn a_prepared_statement_says_whether_it_is_an_update() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    for (sql, is_update) in [
        ("select 1", false),
        ("show tables", false),
        ("explain select 1", false),
        ("insert into gold.notes values (1)", true),
        ("create table gold.more (n bigint)", true),
        ("use silver", true),
    ] {
        let request = ActionCreatePreparedStatementRequest {
            query: sql.into(),
            transaction_id: None,
        };
        let prepared = prepared(&mut flight, "CreatePreparedStatement", request.as_any()).await;
        assert_eq!(prepared.is_update, Some(is_update), "{sql}");
        let schema = Schema::try_from(IpcMessage(prepared.dataset_schema)).unwrap();
        assert_eq!(schema.fields().is_empty(), is_update, "{sql}");
    }
}

#[tokio::test]
async fn a_substrait_plan_can_be_prepared() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let ctx = SessionContext::default();
    let plan = serializer::serialize_bytes("select upper('calm') as mood", &ctx);
    let request = ActionCreatePreparedSubstraitPlanRequest {
        plan: Some(SubstraitPlan {
            plan: plan.await.unwrap().into(),
            version: String::new(),
        }),
        transaction_id: None,
    };
    let name = "CreatePreparedSubstraitPlan";
    let prepared = prepared(&mut flight, name, request.as_any()).await;
    assert_eq!(prepared.is_update, Some(false));
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: prepared.handle,
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    for _ in 0..2 {
        let info = flight.inner_mut().get_flight_info(descriptor.clone()).await;
        let info = info.unwrap().into_inner();
        assert_eq!(strings(&fetch(&mut flight, &info).await, 0), ["CALM"]);
    }
}

#[tokio::test]
async fn what_is_not_offered_is_an_error_of_the_statement() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in ["update gold.t set i = ?", "begin"] {
        let error = flight.prepare(sql.into(), None).await.unwrap_err();
        let arrow_flight::error::FlightError::Tonic(status) = error else {
            panic!("{sql}: {error}");
        };
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    }
}
