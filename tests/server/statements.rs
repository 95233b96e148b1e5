//! Statements and their tickets.

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, Schema},
};
use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, Ticket,
    error::FlightError,
    sql::{
        Any, CommandStatementQuery, CommandStatementSubstraitPlan, ProstMessageExt, SubstraitPlan,
    },
};
use bytes::Bytes;
use datafusion::prelude::SessionContext;
use datafusion_substrait::serializer;
use futures::{StreamExt, future, stream};
use prost::Message;
use tonic::Code;

use super::harness::{fetch, number, query, start, strings, ticket, update};

#[tokio::test]
async fn an_insert_runs_once_however_often_its_ticket_is_fetched() {
    let running = start().await;
    let mut flight = running.flight.clone();
    assert_eq!(
        update(&mut flight, "create table gold.notes (n bigint)").await,
        0
    );
    let insert = "insert into gold.notes values (1), (2)".to_string();
    let info = flight.execute(insert, None).await.unwrap();
    assert_eq!(info.total_records, 2);
    for _ in 0..3 {
        assert!(fetch(&mut flight, &info).await.is_empty());
    }
    assert_eq!(
        number(&mut flight, "select count(*) from gold.notes").await,
        2
    );
    assert_eq!(
        update(&mut flight, "insert into gold.notes values (3)").await,
        1
    );
    assert_eq!(
        number(&mut flight, "select sum(n) from gold.notes").await,
        6
    );
}

#[tokio::test]
async fn a_query_can_be_fetched_again_and_sees_the_lake_of_its_start() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes as select 1 as n").await;
    let sql = "select count(*) from gold.notes".to_string();
    let info = flight.execute(sql, None).await.unwrap();
    update(&mut flight, "insert into gold.notes values (2)").await;
    for _ in 0..2 {
        let batches = fetch(&mut flight, &info).await;
        assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 1);
    }
}

#[tokio::test]
async fn a_wrong_statement_is_the_callers_fault_in_plain_words() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in [
        "selec 1",
        "select * from gold.nowhere",
        "select nothing from system.tables",
    ] {
        let error = flight.execute(sql.to_string(), None).await.unwrap_err();
        let FlightError::Tonic(status) = error else {
            panic!("{sql}: {error}");
        };
        assert_eq!(status.code(), Code::InvalidArgument, "{sql}: {status}");
        for noise in ["backtrace", "Error(", "Error {", "DataFusion error"] {
            assert!(!status.message().contains(noise), "{status}");
        }
    }
}

#[tokio::test]
async fn a_ticket_of_nobody_is_refused() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let mut info = flight.execute("select 1".into(), None).await.unwrap();
    let other = flight.execute("select 2".into(), None).await.unwrap();
    assert_ne!(ticket(&info), ticket(&other));
    let forged = info.endpoint[0].ticket.as_mut().unwrap();
    let mut bytes = forged.ticket.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    forged.ticket = bytes.into();
    let error = flight.do_get(ticket(&info)).await.unwrap_err();
    assert!(
        error.to_string().contains("run the statement again"),
        "{error}"
    );
}

#[tokio::test]
async fn no_view_dictionary_or_half_float_leaves_the_server() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let sql = "select cast('a' as varchar) as text, arrow_cast('a', 'Utf8View') as view, \
               arrow_cast('a', 'LargeUtf8') as large, arrow_cast('a', 'BinaryView') as bytes, \
               arrow_cast('a', 'Dictionary(Int32, Utf8)') as dictionary, \
               arrow_cast(1.5, 'Float16') as half, arrow_cast(1.5, 'Decimal32(5, 2)') as small, \
               [arrow_cast('a', 'Utf8View')] as list, \
               named_struct('inner', arrow_cast('a', 'Utf8View')) as struct";
    let batches = query(&mut flight, sql).await;
    let schema = batches[0].schema();
    let types: Vec<String> = schema
        .fields()
        .iter()
        .take(7)
        .map(|field| field.data_type().to_string())
        .collect();
    assert_eq!(
        types,
        [
            "Utf8",
            "Utf8",
            "Utf8",
            "Binary",
            "Utf8",
            "Float32",
            "Decimal128(5, 2)"
        ]
    );
    let nested = format!(
        "{} {}",
        schema.field(7).data_type(),
        schema.field(8).data_type()
    );
    assert!(!nested.contains("View"), "{nested}");
}

#[tokio::test]
async fn a_substrait_plan_is_a_query_like_any() {
    let running = start().await;
    let mut flight = running.flight.clone();
    running.engine.make_audit_tables().await.unwrap();
    let ctx = SessionContext::default();
    let plan = serializer::serialize_bytes("select upper('calm') as mood", &ctx);
    let command = CommandStatementSubstraitPlan {
        plan: Some(SubstraitPlan {
            plan: plan.await.unwrap().into(),
            version: String::new(),
        }),
        transaction_id: None,
    };
    let command: Any = command.as_any();
    let descriptor = FlightDescriptor::new_cmd(command.encode_to_vec());
    let info = flight
        .inner_mut()
        .get_flight_info(descriptor)
        .await
        .unwrap()
        .into_inner();
    for _ in 0..2 {
        assert_eq!(strings(&fetch(&mut flight, &info).await, 0), ["CALM"]);
    }
    let descriptor = info.flight_descriptor.clone().unwrap();
    let schema = flight.inner_mut().get_schema(descriptor).await.unwrap();
    let schema = Schema::try_from(&schema.into_inner()).unwrap();
    assert_eq!(schema, Schema::try_from(info).unwrap());
    // What only asked for the schema is no statement that ran.
    let ran = "select count(*) from system.queries where kind = 'substrait'";
    assert_eq!(number(&mut flight, ran).await, 2);
}

#[tokio::test]
async fn what_is_not_offered_is_said_in_words() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let client = flight.inner_mut();
    let nothing = stream::empty::<FlightData>();
    let status = client.do_exchange(nothing).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("DoGet"), "{status}");
    let status = client
        .do_action(Action::new("Dance", ""))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(
        status.message().contains("'Dance' is not offered"),
        "{status}"
    );
    let flights = client.list_flights(Criteria::default()).await.unwrap();
    assert!(flights.into_inner().next().await.is_none());
    let actions = client.list_actions(Empty {}).await.unwrap().into_inner();
    let actions: Vec<String> = actions.map(|action| action.unwrap().r#type).collect().await;
    for name in [
        "CancelFlightInfo",
        "RenewFlightEndpoint",
        "SetSessionOptions",
    ] {
        assert!(actions.iter().any(|action| action == name), "{actions:?}");
    }
    assert!(!actions.iter().any(|action| action == "BeginTransaction"));
}

#[tokio::test]
async fn what_is_no_command_is_told_in_plain_words() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let client = flight.inner_mut();
    let unknown = Any {
        type_url: "type.googleapis.com/somebody.Else".into(),
        value: Bytes::new(),
    };
    let broken = Any {
        type_url: CommandStatementQuery::type_url().into(),
        value: Bytes::from_static(b"\xff\xff"),
    };
    let commands = [
        Bytes::from_static(b"\xff"),
        unknown.encode_to_vec().into(),
        broken.encode_to_vec().into(),
    ];
    let mut descriptors: Vec<FlightDescriptor> = commands
        .iter()
        .cloned()
        .map(FlightDescriptor::new_cmd)
        .collect();
    descriptors.push(FlightDescriptor::new_path(vec!["gold".into(), "t".into()]));
    let mut refused = Vec::new();
    for descriptor in descriptors {
        refused.extend(client.get_flight_info(descriptor.clone()).await.err());
        refused.extend(client.get_schema(descriptor.clone()).await.err());
        refused.extend(client.poll_flight_info(descriptor).await.err());
    }
    assert_eq!(refused.len(), 12);
    for command in &commands {
        refused.extend(client.do_get(Ticket::new(command.clone())).await.err());
        let message = FlightData::new().with_descriptor(FlightDescriptor::new_cmd(command.clone()));
        refused.extend(client.do_put(stream::iter([message])).await.err());
        let action = Action::new("CreatePreparedStatement", command.clone());
        refused.extend(client.do_action(action).await.err());
    }
    for status in &refused {
        let told = (status.code(), status.message());
        assert!(
            matches!(told.0, Code::InvalidArgument | Code::Unimplemented),
            "{told:?}"
        );
        for noise in ["DecodeError", "Error(", "Error {", "Not yet"] {
            assert!(!told.1.contains(noise), "{told:?}");
        }
    }
    assert_eq!(refused.len(), 21);
}

#[tokio::test]
async fn many_clients_at_once_get_their_own_answers() {
    let running = start().await;
    let asked = (0..64_i64).map(|n| {
        let mut flight = running.flight.clone();
        async move { (n, number(&mut flight, &format!("select {n} * 1000")).await) }
    });
    for (n, answer) in future::join_all(asked).await {
        assert_eq!(answer, n * 1000);
    }
}
