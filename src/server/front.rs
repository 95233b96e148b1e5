//! The outermost layer: arrow-flight's dispatch, and the calls that it answers for nobody.

use std::{pin::Pin, sync::Arc};

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
    flight_service_server::FlightService,
};
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{service::Calls, switchboard::Switchboard};
use crate::error::Error;

/// The gRPC service: everything goes to the [`Switchboard`], but `GetSchema`, which arrow-flight refuses.
pub(crate) struct Front {
    calls: Arc<dyn Calls>,
    switchboard: Switchboard,
}

impl Front {
    pub(super) fn new(calls: Arc<dyn Calls>) -> Self {
        let switchboard = Switchboard(Arc::clone(&calls));
        Self { calls, switchboard }
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl FlightService for Front {
    type HandshakeStream = Replies<HandshakeResponse>;
    type ListFlightsStream = Replies<FlightInfo>;
    type DoGetStream = Replies<FlightData>;
    type DoPutStream = Replies<PutResult>;
    type DoActionStream = Replies<arrow_flight::Result>;
    type ListActionsStream = Replies<ActionType>;
    type DoExchangeStream = Replies<FlightData>;

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        let schema = self.calls.schema_of(request.into_inner().cmd).await?;
        let options = IpcWriteOptions::default();
        let result = SchemaAsIpc::new(&schema, &options).try_into();
        Ok(Response::new(result.map_err(Error::from)?))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        self.switchboard.handshake(request).await
    }
    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        self.switchboard.list_flights(request).await
    }
    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        self.switchboard.get_flight_info(request).await
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        Err(Status::unimplemented(
            "PollFlightInfo is not offered: GetFlightInfo answers at once",
        ))
    }
    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        self.switchboard.do_get(request).await
    }
    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        self.switchboard.do_put(request).await
    }
    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        self.switchboard.do_action(request).await
    }
    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        self.switchboard.list_actions(request).await
    }
    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        self.switchboard.do_exchange(request).await
    }
}
