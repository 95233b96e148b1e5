//! `PollFlightInfo` and `RenewFlightEndpoint`.

use arrow::{array::AsArray, datatypes::Int64Type};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, PollInfo, RenewFlightEndpointRequest,
    sql::{CommandGetCatalogs, CommandStatementQuery, ProstMessageExt},
};
use futures::StreamExt;
use moodlake::limits::Limits;
use prost::Message;
use tonic::Code;

use super::{
    cancel::{ENDLESS, cancel_info},
    harness::{Flight, fetch, number, query, start, start_within, strings, update},
};

pub(super) fn statement(sql: &str) -> FlightDescriptor {
    let command = CommandStatementQuery {
        query: sql.to_string(),
        transaction_id: None,
    };
    FlightDescriptor::new_cmd(command.as_any().encode_to_vec())
}

pub(super) async fn poll(flight: &mut Flight, descriptor: FlightDescriptor) -> PollInfo {
    let polled = flight.inner_mut().poll_flight_info(descriptor).await;
    polled.unwrap().into_inner()
}

/// Polls until there is nothing more to wait for.
async fn complete(flight: &mut Flight, descriptor: FlightDescriptor) -> FlightInfo {
    let mut polled = poll(flight, descriptor).await;
    while let Some(next) = polled.flight_descriptor {
        assert!(polled.expiration_time.is_some());
        polled = poll(flight, next).await;
    }
    assert_eq!(polled.progress, Some(1.0));
    polled.info.unwrap()
}

#[tokio::test]
async fn a_query_is_complete_when_its_rows_can_be_fetched() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let rows = "select value as n from generate_series(1, 100000)";
    let info = complete(&mut flight, statement(rows)).await;
    for _ in 0..2 {
        let batches = fetch(&mut flight, &info).await;
        let columns = batches.iter().map(|batch| batch.column(0));
        let values = columns.flat_map(|column| column.as_primitive::<Int64Type>().values());
        assert_eq!(values.sum::<i64>(), 5_000_050_000);
    }
    let empty = "select 1 as n where false";
    let info = complete(&mut flight, statement(empty)).await;
    assert!(fetch(&mut flight, &info).await.is_empty());
    let command = CommandGetCatalogs {}.as_any().encode_to_vec();
    let info = complete(&mut flight, FlightDescriptor::new_cmd(command)).await;
    assert_eq!(strings(&fetch(&mut flight, &info).await, 0), ["moodlake"]);
}

#[tokio::test]
async fn a_change_that_is_polled_for_is_made_once() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let insert = "insert into gold.notes select value from generate_series(1, 1000)";
    let info = complete(&mut flight, statement(insert)).await;
    assert_eq!(info.total_records, 1000);
    for _ in 0..2 {
        assert!(fetch(&mut flight, &info).await.is_empty());
    }
    let count = "select count(*) from gold.notes";
    assert_eq!(number(&mut flight, count).await, 1000);
}

#[tokio::test]
async fn a_statement_that_runs_tells_its_progress_and_can_be_ended() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.n as select value as n from generate_series(1, 1000000)",
    )
    .await;
    let heavy = "select count(*) from gold.n as a cross join gold.n as b where (a.n * b.n) % 7 = 3";
    let first = poll(&mut flight, statement(heavy)).await;
    let next = first.flight_descriptor.clone().unwrap();
    let info = first.info.unwrap();
    assert!(info.endpoint.is_empty());
    let second = poll(&mut flight, next.clone()).await;
    let progress = second.progress.unwrap();
    assert!((0.0..1.0).contains(&progress), "{progress}");

    cancel_info(&mut flight, &info).await.unwrap();
    let ended = flight.inner_mut().poll_flight_info(next).await.unwrap_err();
    assert_eq!(ended.code(), Code::Cancelled, "{ended}");
    assert_eq!(number(&mut flight, "select 1").await, 1);
    let (runs, _) = running.engine.queries().numbers();
    assert_eq!(runs, 0);
}

#[tokio::test]
async fn a_change_is_refused_before_it_is_made_or_not_at_all() {
    let running = start_within(Limits {
        results_per_user: 1,
        ..Limits::default()
    })
    .await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.notes (n bigint)").await;
    let waiting = flight.execute("select 1".into(), None).await.unwrap();
    let insert = "insert into gold.notes values (1)";
    let info = complete(&mut flight, statement(insert)).await;
    assert_eq!(info.total_records, 1);
    let endless = poll(&mut flight, statement(ENDLESS)).await.info.unwrap();
    let refused = flight.inner_mut().poll_flight_info(statement(insert)).await;
    let status = refused.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    cancel_info(&mut flight, &endless).await.unwrap();
    for info in [&info, &waiting] {
        fetch(&mut flight, info).await;
    }
    let count = "select count(*) from gold.notes";
    assert_eq!(number(&mut flight, count).await, 1);
}

#[tokio::test]
async fn a_result_that_is_cancelled_is_recorded_with_the_reason() {
    let running = start().await;
    running.engine.make_audit_tables().await.unwrap();
    let mut flight = running.flight.clone();
    let mut other = flight.clone();
    for sql in [
        "select value as n from generate_series(1, 1000000)",
        ENDLESS,
    ] {
        let polled = poll(&mut flight, statement(sql)).await;
        cancel_info(&mut other, &polled.info.unwrap())
            .await
            .unwrap();
    }
    // What was ended may have to notice it.
    while running.engine.queries().numbers().0 > 0 {
        tokio::task::yield_now().await;
    }
    let sql = "select error from system.queries where state = 'cancelled'";
    let reasons = strings(&query(&mut flight, sql).await, 0);
    assert_eq!(reasons, ["the statement was cancelled by owner"; 2]);
}

#[tokio::test]
async fn progress_is_not_told_where_it_is_not_known() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let polled = poll(&mut flight, statement(ENDLESS)).await;
    assert_eq!(polled.progress, None);
    cancel_info(&mut flight, &polled.info.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_statement_is_the_answer_to_a_poll() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (sql, words) in [
        ("select * from gold.nowhere", "gold.nowhere"),
        (
            "select 1 / (value - 1) from generate_series(1, 2)",
            "ivide by zero",
        ),
    ] {
        let polled = flight.inner_mut().poll_flight_info(statement(sql)).await;
        let status = polled.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(words), "{status}");
    }
    let mut forged = poll(&mut flight, statement(ENDLESS)).await;
    let info = forged.info.take().unwrap();
    let mut descriptor = forged.flight_descriptor.unwrap();
    let mut bytes = descriptor.cmd.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    descriptor.cmd = bytes.into();
    let status = flight.inner_mut().poll_flight_info(descriptor).await;
    let status = status.unwrap_err();
    assert!(status.message().contains("run it again"), "{status}");
    cancel_info(&mut flight, &info).await.unwrap();
}

#[tokio::test]
async fn a_ticket_can_be_renewed() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let info = flight.execute("select 7 as n".into(), None).await.unwrap();
    assert!(info.endpoint[0].expiration_time.is_some());
    let request = RenewFlightEndpointRequest {
        endpoint: Some(info.endpoint[0].clone()),
    };
    let action = Action::new("RenewFlightEndpoint", request.encode_to_vec());
    let results = flight.inner_mut().do_action(action.clone()).await;
    let result = results.unwrap().into_inner().next().await.unwrap().unwrap();
    let renewed = FlightEndpoint::decode(result.body).unwrap();
    assert!(renewed.expiration_time.is_some());
    let mut later = info.clone();
    later.endpoint = vec![renewed];
    for info in [&info, &later] {
        let batches = fetch(&mut flight, info).await;
        assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(0), 7);
    }
    assert_eq!(query(&mut flight, "select 1").await[0].num_rows(), 1);
    let forged = RenewFlightEndpointRequest {
        endpoint: Some(FlightEndpoint {
            ticket: flight
                .execute("select 8".into(), None)
                .await
                .unwrap()
                .endpoint[0]
                .ticket
                .clone()
                .map(|mut ticket| {
                    let mut bytes = ticket.ticket.to_vec();
                    *bytes.last_mut().unwrap() ^= 1;
                    ticket.ticket = bytes.into();
                    ticket
                }),
            ..FlightEndpoint::default()
        }),
    };
    let action = Action::new("RenewFlightEndpoint", forged.encode_to_vec());
    let status = flight.inner_mut().do_action(action).await.unwrap_err();
    assert!(
        status.message().contains("run the statement again"),
        "{status}"
    );
}
