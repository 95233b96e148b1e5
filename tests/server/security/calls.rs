//! Every call that a client can make, in its plainest form.

use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, HandshakeRequest, Ticket,
    flight_service_client::FlightServiceClient,
    sql::{
        ActionBeginTransactionRequest, ActionCancelQueryRequest,
        ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
        ActionCreatePreparedStatementResult, ActionEndTransactionRequest, Any, CommandGetCatalogs,
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
        CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
        CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
        CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
        CommandStatementSubstraitPlan, CommandStatementUpdate, ProstMessageExt,
        TicketStatementQuery,
    },
};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use tonic::{Code, Request, transport::Channel};

/// One call; a command is what its descriptor, ticket or body holds.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Handshake,
    ListFlights,
    ListActions,
    Exchange,
    Info(Bytes),
    Poll(Bytes),
    Schema(Bytes),
    Get(Bytes),
    Put(Bytes),
    Act(&'static str, Bytes),
}

/// All calls of Flight, with all commands and actions of Flight SQL.
pub(super) fn all() -> Vec<Call> {
    let statement = any(&CommandStatementQuery {
        query: "select 1".into(),
        transaction_id: None,
    });
    let ticket = TicketStatementQuery {
        statement_handle: Bytes::from_static(b"0"),
    };
    let mut calls = vec![
        Call::Handshake,
        Call::ListFlights,
        Call::ListActions,
        Call::Exchange,
        Call::Info(statement.clone()),
        Call::Poll(statement.clone()),
        Call::Schema(statement),
        Call::Get(any(&ticket)),
        Call::Get(Bytes::from_static(b"nothing")),
        Call::Info(any(&CommandStatementSubstraitPlan::default())),
        Call::Put(any(&CommandStatementSubstraitPlan::default())),
        Call::Put(any(&CommandStatementUpdate::default())),
        Call::Put(any(&CommandStatementIngest::default())),
        Call::Put(Bytes::from_static(b"nothing")),
    ];
    for command in metadata() {
        calls.push(Call::Info(command.clone()));
        calls.push(Call::Get(command));
    }
    calls.extend(with_handle(&Bytes::from_static(b"0")));
    calls.extend(actions());
    calls
}

/// The calls that name a prepared statement.
pub(super) fn with_handle(handle: &Bytes) -> Vec<Call> {
    let query = any(&CommandPreparedStatementQuery {
        prepared_statement_handle: handle.clone(),
    });
    let update = any(&CommandPreparedStatementUpdate {
        prepared_statement_handle: handle.clone(),
    });
    vec![
        Call::Info(query.clone()),
        Call::Schema(query.clone()),
        Call::Put(query),
        Call::Put(update),
    ]
}

fn metadata() -> Vec<Bytes> {
    vec![
        any(&CommandGetCatalogs::default()),
        any(&CommandGetDbSchemas::default()),
        any(&CommandGetTables::default()),
        any(&CommandGetTableTypes::default()),
        any(&CommandGetSqlInfo::default()),
        any(&CommandGetXdbcTypeInfo::default()),
        any(&CommandGetPrimaryKeys::default()),
        any(&CommandGetImportedKeys::default()),
        any(&CommandGetExportedKeys::default()),
        any(&CommandGetCrossReference::default()),
    ]
}

fn actions() -> Vec<Call> {
    let prepare = ActionCreatePreparedStatementRequest {
        query: "select 1".into(),
        transaction_id: None,
    };
    let mut actions = vec![
        Call::Act("CreatePreparedStatement", any(&prepare)),
        Call::Act(
            "ClosePreparedStatement",
            any(&ActionClosePreparedStatementRequest::default()),
        ),
        Call::Act(
            "BeginTransaction",
            any(&ActionBeginTransactionRequest::default()),
        ),
        Call::Act(
            "EndTransaction",
            any(&ActionEndTransactionRequest::default()),
        ),
        Call::Act("CancelQuery", any(&ActionCancelQueryRequest::default())),
    ];
    let without_body = [
        "CancelFlightInfo",
        "RenewFlightEndpoint",
        "SetSessionOptions",
        "GetSessionOptions",
        "CloseSession",
        "BeginSavepoint",
        "EndSavepoint",
        "CreatePreparedSubstraitPlan",
        "NoSuchAction",
    ];
    actions.extend(without_body.map(|action| Call::Act(action, Bytes::new())));
    actions
}

fn any(command: &impl ProstMessageExt) -> Bytes {
    command.as_any().encode_to_vec().into()
}

/// Makes a call with these headers; only whether it was answered counts.
pub(super) async fn send(
    client: &mut FlightServiceClient<Channel>,
    call: &Call,
    authorization: Option<&str>,
    headers: &[(&'static str, &str)],
) -> Result<(), Code> {
    let authorization = authorization.map(|value| ("authorization", value));
    let headers: Vec<_> = authorization
        .into_iter()
        .chain(headers.iter().copied())
        .collect();
    let answer = match call.clone() {
        Call::Handshake => {
            let messages = stream::iter([HandshakeRequest::default()]);
            let answer = client.handshake(with(messages, &headers)).await;
            answer.map(|_| ())
        }
        Call::ListFlights => {
            let answer = client.list_flights(with(Criteria::default(), &headers));
            answer.await.map(|_| ())
        }
        Call::ListActions => {
            let answer = client.list_actions(with(Empty {}, &headers));
            answer.await.map(|_| ())
        }
        Call::Exchange => {
            let messages = stream::iter([FlightData::default()]);
            client
                .do_exchange(with(messages, &headers))
                .await
                .map(|_| ())
        }
        Call::Info(command) => {
            let descriptor = FlightDescriptor::new_cmd(command);
            let answer = client.get_flight_info(with(descriptor, &headers));
            answer.await.map(|_| ())
        }
        Call::Poll(command) => {
            let descriptor = FlightDescriptor::new_cmd(command);
            let answer = client.poll_flight_info(with(descriptor, &headers));
            answer.await.map(|_| ())
        }
        Call::Schema(command) => {
            let descriptor = FlightDescriptor::new_cmd(command);
            let answer = client.get_schema(with(descriptor, &headers));
            answer.await.map(|_| ())
        }
        Call::Get(ticket) => {
            let answer = client.do_get(with(Ticket::new(ticket), &headers));
            answer.await.map(|_| ())
        }
        Call::Put(command) => {
            let message = FlightData {
                flight_descriptor: Some(FlightDescriptor::new_cmd(command)),
                ..FlightData::default()
            };
            let answer = client.do_put(with(stream::iter([message]), &headers));
            answer.await.map(|_| ())
        }
        Call::Act(action, body) => {
            let action = Action::new(action, body);
            let answer = client.do_action(with(action, &headers));
            answer.await.map(|_| ())
        }
    };
    answer.map_err(|status| status.code())
}

/// Prepares a statement and returns the handle to it.
pub(super) async fn prepare(
    client: &mut FlightServiceClient<Channel>,
    authorization: &str,
    query: &str,
) -> Bytes {
    let request = ActionCreatePreparedStatementRequest {
        query: query.into(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", any(&request));
    let request = with(action, &[("authorization", authorization)]);
    let mut answer = client.do_action(request).await.unwrap().into_inner();
    let body = answer.message().await.unwrap().unwrap().body;
    let any = Any::decode(body).unwrap();
    let result: ActionCreatePreparedStatementResult = any.unpack().unwrap().unwrap();
    result.prepared_statement_handle
}

/// Starts a statement and returns the ticket to its rows.
pub(super) async fn start(
    client: &mut FlightServiceClient<Channel>,
    authorization: &str,
    query: &str,
) -> Bytes {
    let command = CommandStatementQuery {
        query: query.into(),
        transaction_id: None,
    };
    let descriptor = FlightDescriptor::new_cmd(any(&command));
    let request = with(descriptor, &[("authorization", authorization)]);
    let info = client.get_flight_info(request).await.unwrap().into_inner();
    info.endpoint[0].ticket.clone().unwrap().ticket
}

fn with<T>(message: T, headers: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(message);
    for (name, value) in headers {
        request.metadata_mut().append(*name, value.parse().unwrap());
    }
    request
}
