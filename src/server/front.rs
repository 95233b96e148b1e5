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

use super::{
    service::{Calls, Credentials, Entrance},
    switchboard::Switchboard,
};
use crate::error::Error;

/// The gRPC service: asks who is calling, then hands everything to that caller's [`Switchboard`], but `GetSchema`, which
/// arrow-flight refuses.
pub(crate) struct Front(pub(super) Arc<dyn Entrance>);

impl Front {
    /// The calls of whoever sent this request, and the request.
    async fn calls<T>(&self, request: Request<T>) -> Result<(Arc<dyn Calls>, Request<T>), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let credentials = Credentials {
            metadata,
            extensions,
        };
        let calls = self.0.enter(&credentials).await?;
        let Credentials {
            metadata,
            extensions,
        } = credentials;
        Ok((calls, Request::from_parts(metadata, extensions, message)))
    }

    /// As [`Front::calls`], behind arrow-flight's dispatch.
    async fn switchboard<T>(
        &self,
        request: Request<T>,
    ) -> Result<(Switchboard, Request<T>), Status> {
        let (calls, request) = self.calls(request).await?;
        Ok((Switchboard(calls), request))
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
        let (calls, request) = self.calls(request).await?;
        let schema = calls.schema_of(request.into_inner().cmd).await?;
        let options = IpcWriteOptions::default();
        let result = SchemaAsIpc::new(&schema, &options).try_into();
        Ok(Response::new(result.map_err(Error::from)?))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.handshake(request).await
    }
    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.list_flights(request).await
    }
    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.get_flight_info(request).await
    }
    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Answer<PollInfo> {
        Err(Status::unimplemented(
            "PollFlightInfo is not offered: GetFlightInfo answers at once",
        ))
    }
    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.do_get(request).await
    }
    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.do_put(request).await
    }
    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.do_action(request).await
    }
    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.list_actions(request).await
    }
    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        let (switchboard, request) = self.switchboard(request).await?;
        switchboard.do_exchange(request).await
    }
}
