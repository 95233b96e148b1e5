//! The least that arrow-flight can do: batches from memory to a client, and from a client to nowhere.

use std::{pin::Pin, sync::Arc};

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightClient, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    decode::FlightRecordBatchStream,
    encode::FlightDataEncoderBuilder,
    error::FlightError,
    flight_service_server::{FlightService, FlightServiceServer},
};
use datafusion::common::runtime::SpawnedTask;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Server, server::TcpIncoming},
};

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// A server under way, and a way to it.
pub(super) struct Bare {
    channel: Channel,
    _serving: SpawnedTask<Result<(), tonic::transport::Error>>,
}

/// Serves batches on a free port.
pub(super) async fn serve(batches: Vec<RecordBatch>) -> Result<Bare> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let service = FlightServiceServer::new(Batches(Arc::new(batches)))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let serving = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    let serving = SpawnedTask::spawn(serving);
    let channel = Channel::from_shared(url)?
        .tcp_nodelay(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .connect()
        .await?;
    Ok(Bare {
        channel,
        _serving: serving,
    })
}

/// Fetches all batches, and decodes them.
pub(super) async fn fetch(bare: &Bare) -> Result<()> {
    let mut client = FlightClient::new(bare.channel.clone());
    let mut batches = client.do_get(Ticket::default()).await?;
    while batches.try_next().await?.is_some() {}
    Ok(())
}

/// Sends all batches.
pub(super) async fn put(bare: &Bare, batches: &[RecordBatch]) -> Result<()> {
    let mut client = FlightClient::new(bare.channel.clone());
    let batches = stream::iter(batches.to_vec()).map(Ok);
    let messages = FlightDataEncoderBuilder::new().build(batches);
    let mut results = client.do_put(messages).await?;
    while results.try_next().await?.is_some() {}
    Ok(())
}

struct Batches(Arc<Vec<RecordBatch>>);

type Answer<T> = Result<Response<T>, Status>;
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn not_offered<T>() -> Answer<T> {
    Err(Status::unimplemented("only DoGet and DoPut"))
}

#[tonic::async_trait]
impl FlightService for Batches {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = Replies<FlightData>;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = Replies<arrow_flight::Result>;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    async fn do_get(&self, _: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let batches = Arc::clone(&self.0);
        let batches = stream::iter(0..batches.len()).map(move |at| Ok(batches[at].clone()));
        let messages = FlightDataEncoderBuilder::new().build(batches);
        Ok(Response::new(messages.map_err(Status::from).boxed()))
    }
    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        let messages = request.into_inner().map_err(FlightError::from);
        let mut batches = FlightRecordBatchStream::new_from_flight_data(messages);
        while batches.try_next().await?.is_some() {}
        Ok(Response::new(stream::empty().boxed()))
    }
    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        not_offered()
    }
    async fn list_flights(&self, _: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        not_offered()
    }
    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        not_offered()
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        not_offered()
    }
    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        not_offered()
    }
    async fn do_action(&self, _: Request<Action>) -> Answer<Self::DoActionStream> {
        not_offered()
    }
    async fn list_actions(&self, _: Request<Empty>) -> Answer<Self::ListActionsStream> {
        not_offered()
    }
    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        not_offered()
    }
}
