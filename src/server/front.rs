//! Behind the door: arrow-flight's dispatch, and the calls that it answers for nobody.

use std::{pin::Pin, sync::Arc};

use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo,
    HandshakeRequest, HandshakeResponse, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
    flight_service_server::FlightService,
};
use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};

use super::{
    actions,
    auth::handshake,
    command, poll,
    service::{Calls, Credentials, Entrance},
    session::SESSION_COOKIE,
    switchboard::Switchboard,
};
use crate::error::Error;

/// The gRPC service: hands everything to the [`Switchboard`] of the visitor whom the door let in, but what arrow-flight
/// refuses, or cannot say.
pub(crate) struct Front(pub(super) Arc<dyn Entrance>);

/// Whoever sent a request, and what they may call.
#[derive(Clone)]
pub(super) struct Visitor(pub(super) Arc<dyn Calls>);

/// Who sent this request, as the door has found out, and the request.
fn visitor<T>(mut request: Request<T>) -> Result<(Visitor, Request<T>), Status> {
    let visitor = request.extensions_mut().remove::<Visitor>();
    let visitor = visitor.ok_or_else(|| Status::internal("a request that came by no door"))?;
    Ok((visitor, request))
}

impl Visitor {
    /// The calls behind arrow-flight's dispatch.
    fn switchboard(&self) -> Switchboard {
        Switchboard(Arc::clone(&self.0))
    }

    /// An answer with the name of the session, if the client has none yet.
    fn answered<T>(&self, answer: Answer<T>) -> Answer<T> {
        let cookie = self
            .0
            .cookie()
            .and_then(|cookie| MetadataValue::try_from(format!("{SESSION_COOKIE}={cookie}")).ok());
        let mut answer = answer.map_err(in_words)?;
        if let Some(cookie) = cookie {
            answer.metadata_mut().insert("set-cookie", cookie);
        }
        Ok(answer)
    }
}

/// arrow-flight tells of messages that it cannot read as its own code prints them.
fn in_words(status: Status) -> Status {
    let message = status.message();
    if message.starts_with("DecodeError") || message.starts_with("ParseError(") {
        return Status::invalid_argument("the request holds no message of Flight SQL");
    }
    status
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
        let (visitor, request) = visitor(request)?;
        command::of_descriptor("GetSchema", request.get_ref())?;
        let schema = visitor.0.schema_of(request.into_inner().cmd).await?;
        let options = IpcWriteOptions::default();
        let result = SchemaAsIpc::new(&schema, &options).try_into();
        visitor.answered(Ok(Response::new(result.map_err(Error::from)?)))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Answer<Self::HandshakeStream> {
        let (metadata, extensions, mut messages) = request.into_parts();
        let credentials = Credentials {
            metadata,
            extensions,
        };
        let token = self.0.shake_hands(&credentials, &mut messages).await?;
        Ok(handshake::answer(&token)?)
    }
    async fn list_flights(&self, request: Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        let (visitor, _) = visitor(request)?;
        // Tables are listed by GetTables.
        visitor.answered(Ok(Response::new(stream::empty().boxed())))
    }
    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<FlightInfo> {
        let (visitor, request) = visitor(request)?;
        command::of_descriptor("GetFlightInfo", request.get_ref())?;
        visitor.answered(visitor.switchboard().get_flight_info(request).await)
    }
    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Answer<PollInfo> {
        let (visitor, request) = visitor(request)?;
        if poll::is_polled(request.get_ref()) {
            let info = visitor.0.poll(request.into_inner()).await?;
            return visitor.answered(Ok(Response::new(info)));
        }
        command::of_descriptor("PollFlightInfo", request.get_ref())?;
        let info = visitor.switchboard().get_flight_info(request).await;
        visitor.answered(info.map(|info| info.map(poll::complete)))
    }
    async fn do_get(&self, request: Request<Ticket>) -> Answer<Self::DoGetStream> {
        let (visitor, request) = visitor(request)?;
        command::of_bytes("DoGet", &request.get_ref().ticket)?;
        visitor.answered(visitor.switchboard().do_get(request).await)
    }
    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        let (visitor, request) = visitor(request)?;
        visitor.answered(visitor.switchboard().do_put(request).await)
    }
    async fn do_action(&self, request: Request<Action>) -> Answer<Self::DoActionStream> {
        let (visitor, request) = visitor(request)?;
        if !actions::is_ours(&request.get_ref().r#type) {
            return visitor.answered(visitor.switchboard().do_action(request).await);
        }
        let body = visitor.0.act(request.into_inner()).await?;
        let result = stream::iter([Ok(arrow_flight::Result::new(body))]);
        visitor.answered(Ok(Response::new(result.boxed())))
    }
    async fn list_actions(&self, request: Request<Empty>) -> Answer<Self::ListActionsStream> {
        let (visitor, _) = visitor(request)?;
        let offered = stream::iter(actions::offered().map(Ok));
        visitor.answered(Ok(Response::new(offered.boxed())))
    }
    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Answer<Self::DoExchangeStream> {
        visitor(request)?;
        Err(Status::unimplemented(
            "DoExchange is not offered: fetch with DoGet, load with DoPut",
        ))
    }
}
