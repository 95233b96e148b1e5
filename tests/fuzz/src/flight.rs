//! Flight messages at the server: descriptors, tickets, handles, actions and data of any bytes get an answer or a status,
//! and never a panic. The first byte chooses the call and who makes it, the second how the rest becomes its message.
#![no_main]

mod lake;

use std::{sync::LazyLock, time::Duration};

use arrow_flight::{
    Action, FlightData, FlightDescriptor, HandshakeRequest, Ticket,
    flight_service_client::FlightServiceClient,
    sql::{Any, ProstMessageExt, TicketStatementQuery, client::FlightSqlServiceClient},
};
use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, stream};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use tokio::{net::TcpListener, runtime::Runtime, time::timeout};
use tonic::{Request, metadata::AsciiMetadataValue, transport::Channel};

/// An answer that takes longer is a defect of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// Enough of a result to have run it.
const MESSAGES: usize = 8;
const PREFIX: &str = "type.googleapis.com/arrow.flight.protocol.sql.";
const COMMANDS: [&str; 20] = [
    "CommandStatementQuery",
    "CommandStatementSubstraitPlan",
    "CommandStatementUpdate",
    "CommandStatementIngest",
    "CommandPreparedStatementQuery",
    "CommandPreparedStatementUpdate",
    "CommandGetCatalogs",
    "CommandGetDbSchemas",
    "CommandGetTables",
    "CommandGetTableTypes",
    "CommandGetSqlInfo",
    "CommandGetXdbcTypeInfo",
    "CommandGetPrimaryKeys",
    "CommandGetExportedKeys",
    "CommandGetImportedKeys",
    "CommandGetCrossReference",
    "TicketStatementQuery",
    "ActionCreatePreparedStatementRequest",
    "ActionClosePreparedStatementRequest",
    "ActionBeginTransactionRequest",
];
const ACTIONS: [&str; 14] = [
    "CreatePreparedStatement",
    "ClosePreparedStatement",
    "CreatePreparedSubstraitPlan",
    "BeginTransaction",
    "EndTransaction",
    "BeginSavepoint",
    "EndSavepoint",
    "CancelQuery",
    "CancelFlightInfo",
    "RenewFlightEndpoint",
    "SetSessionOptions",
    "GetSessionOptions",
    "CloseSession",
    "other",
];

struct Fixture {
    runtime: Runtime,
    client: FlightServiceClient<Channel>,
    /// What each of the lake's users shows.
    tokens: Vec<AsciiMetadataValue>,
    _serving: SpawnedTask<moodlake::error::Result<()>>,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let runtime = lake::runtime();
    let (client, tokens, serving) = runtime.block_on(async {
        let engine = lake::open().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = SpawnedTask::spawn(moodlake::server::serve(
            listener,
            engine,
            futures::future::pending(),
        ));
        let channel = Channel::from_shared(url).expect("a URL");
        let channel = channel.connect().await.expect("a server");
        let mut tokens = Vec::new();
        for (name, _) in lake::USERS {
            let mut client = FlightSqlServiceClient::new(channel.clone());
            let signed_in = client.handshake(name, lake::PASSWORD).await;
            signed_in.expect("a handshake");
            let token = client.token().expect("a token");
            tokens.push(format!("Bearer {token}").parse().expect("a header"));
        }
        (FlightServiceClient::new(channel), tokens, serving)
    });
    Fixture {
        runtime,
        client,
        tokens,
        _serving: serving,
    }
});

/// The rest of the input as a command: as it is, or as the body of one that Flight SQL knows.
fn command(shape: u8, rest: &[u8]) -> Vec<u8> {
    let at = usize::from(shape) % (COMMANDS.len() + 1);
    match COMMANDS.get(at) {
        Some(name) => Any {
            type_url: format!("{PREFIX}{name}"),
            value: rest.to_vec().into(),
        }
        .encode_to_vec(),
        None => rest.to_vec(),
    }
}

fn ticket(shape: u8, rest: &[u8]) -> Ticket {
    if shape.is_multiple_of(3) {
        let handle = TicketStatementQuery {
            statement_handle: rest.to_vec().into(),
        };
        return Ticket::new(handle.as_any().encode_to_vec());
    }
    Ticket::new(command(shape, rest))
}

/// A stream of messages: the descriptor's command first, then pieces of the rest.
fn messages(shape: u8, rest: &[u8]) -> Vec<FlightData> {
    let (head, body) = rest.split_at(rest.len() / 2);
    let first = FlightData {
        flight_descriptor: Some(FlightDescriptor::new_cmd(command(shape, head))),
        ..FlightData::default()
    };
    let (header, data) = body.split_at(body.len() / 2);
    let second = FlightData {
        data_header: header.to_vec().into(),
        data_body: data.to_vec().into(),
        ..FlightData::default()
    };
    vec![first, second]
}

async fn call(kind: u8, shape: u8, rest: Vec<u8>) {
    let mut client = FIXTURE.client.clone();
    let descriptor = || by(kind, FlightDescriptor::new_cmd(command(shape, &rest)));
    match kind % 8 {
        0 => {
            let info = client.get_flight_info(descriptor()).await;
            for endpoint in info.into_iter().flat_map(|info| info.into_inner().endpoint) {
                if let Some(ticket) = endpoint.ticket {
                    drain(client.do_get(by(kind, ticket)).await).await;
                }
            }
        }
        1 => drain(client.do_get(by(kind, ticket(shape, &rest))).await).await,
        2 => {
            let _ = client.get_schema(descriptor()).await;
        }
        3 => {
            let _ = client.poll_flight_info(descriptor()).await;
        }
        4 => {
            let messages = stream::iter(messages(shape, &rest));
            drain(client.do_put(by(kind, messages)).await).await;
        }
        5 => {
            let action = Action::new(
                ACTIONS[usize::from(shape) % ACTIONS.len()],
                command(shape / 2, &rest),
            );
            drain(client.do_action(by(kind, action)).await).await;
        }
        6 => {
            let action = Action::new(ACTIONS[usize::from(shape) % ACTIONS.len()], rest.clone());
            drain(client.do_action(by(kind, action)).await).await;
        }
        _ => {
            let request = HandshakeRequest {
                protocol_version: shape.into(),
                payload: rest.clone().into(),
            };
            drain(client.handshake(by(kind, stream::iter([request]))).await).await;
        }
    }
}

/// The message as an admin sends it, as a listener does, or as somebody whom nobody knows.
fn by<T>(kind: u8, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = FIXTURE.tokens.get(usize::from(kind / 64)) {
        request
            .metadata_mut()
            .insert("authorization", token.clone());
    }
    request
}

async fn drain<T>(answer: Result<tonic::Response<tonic::Streaming<T>>, tonic::Status>) {
    if let Ok(answer) = answer {
        answer
            .into_inner()
            .take(MESSAGES)
            .for_each(|_| async {})
            .await;
    }
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let [kind, shape, rest @ ..] = data else {
        return Corpus::Reject;
    };
    let called = async { timeout(PATIENCE, call(*kind, *shape, rest.to_vec())).await };
    let called = FIXTURE.runtime.block_on(called);
    assert!(called.is_ok(), "no answer within {PATIENCE:?}");
    Corpus::Keep
});
