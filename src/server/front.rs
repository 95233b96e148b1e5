//! The outermost layer: arrow-flight's dispatch, and the calls that it answers for nobody.

use std::sync::Arc;

use arrow::{datatypes::SchemaRef, ipc::writer::IpcWriteOptions};
use arrow_flight::{
    Action, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, PollInfo,
    SchemaAsIpc, SchemaResult, Ticket, flight_service_server::FlightService,
};
use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tonic::{Request, Response, Status, Streaming};

use super::{schema, service::Service};
use crate::error::Error;

/// The dispatch that arrow-flight gives [`Service`].
type Dispatch = dyn FlightService<
        HandshakeStream = <Service as FlightService>::HandshakeStream,
        ListFlightsStream = <Service as FlightService>::ListFlightsStream,
        DoGetStream = <Service as FlightService>::DoGetStream,
        DoPutStream = <Service as FlightService>::DoPutStream,
        DoActionStream = <Service as FlightService>::DoActionStream,
        ListActionsStream = <Service as FlightService>::ListActionsStream,
        DoExchangeStream = <Service as FlightService>::DoExchangeStream,
    >;
type SchemaOf = dyn Fn(Bytes) -> BoxFuture<'static, Result<SchemaRef, Error>> + Send + Sync;

/// The gRPC service: everything goes to [`Service`], but `GetSchema`, which arrow-flight refuses.
///
/// The service is behind trait objects: its own type is so deep that the compiler takes minutes to hold it against
/// arrow-flight's blanket implementation.
pub(crate) struct Front {
    dispatch: Arc<Dispatch>,
    schema_of: Box<SchemaOf>,
}

impl Front {
    pub(crate) fn new(service: Service) -> Self {
        let service = Arc::new(service);
        let answering = Arc::clone(&service);
        let schema_of = move |command: Bytes| {
            let service = Arc::clone(&answering);
            async move { schema::of(&service, &command).await }.boxed()
        };
        Self {
            dispatch: service,
            schema_of: Box::new(schema_of),
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl FlightService for Front {
    type HandshakeStream = <Service as FlightService>::HandshakeStream;
    type ListFlightsStream = <Service as FlightService>::ListFlightsStream;
    type DoGetStream = <Service as FlightService>::DoGetStream;
    type DoPutStream = <Service as FlightService>::DoPutStream;
    type DoActionStream = <Service as FlightService>::DoActionStream;
    type ListActionsStream = <Service as FlightService>::ListActionsStream;
    type DoExchangeStream = <Service as FlightService>::DoExchangeStream;

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Answer<SchemaResult> {
        let schema = (self.schema_of)(request.into_inner().cmd).await?;
        let options = IpcWriteOptions::default();
        let result = SchemaAsIpc::new(&schema, &options).try_into();
        Ok(Response::new(result.map_err(Error::from)?))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        self.dispatch.handshake(request).await
    }
    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        self.dispatch.list_flights(request).await
    }
    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        self.dispatch.get_flight_info(request).await
    }
    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<PollInfo> {
        self.dispatch.poll_flight_info(request).await
    }
    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        self.dispatch.do_get(request).await
    }
    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        self.dispatch.do_put(request).await
    }
    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        self.dispatch.do_action(request).await
    }
    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        self.dispatch.list_actions(request).await
    }
    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        self.dispatch.do_exchange(request).await
    }
}
