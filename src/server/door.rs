//! The door: who is calling is found out by the headers of a request, before anything of its message is read, and no
//! message is taken that is larger than its call needs.

use std::{
    convert::Infallible,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use futures::{FutureExt, future::BoxFuture};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
    metadata::MetadataMap,
    server::NamedService,
};

use super::{
    front::{Front, Visitor},
    service::{Credentials, Entrance},
};
use crate::limits::{Bytes, Limits};

/// What a request holds besides a statement: a handle, or a short plan.
const LEAST_REQUEST_BYTES: u64 = 4 << 20;
/// How much longer than its statement a request is.
const ENVELOPE_BYTES: u64 = 64 << 10;
/// A user name and a password.
const HANDSHAKE_BYTES: usize = 64 << 10;
const HANDSHAKE: &str = "/arrow.flight.protocol.FlightService/Handshake";
/// The call of bulk loads, whose messages are batches.
const PUT: &str = "/arrow.flight.protocol.FlightService/DoPut";

/// How tonic tells that a message is larger than its call takes.
const TOO_LONG: &str = "decoded message length too large";

/// Flight SQL behind a door.
#[derive(Clone)]
pub(super) struct Door {
    entrance: Arc<dyn Entrance>,
    handshake: FlightServiceServer<Front>,
    put: FlightServiceServer<Front>,
    others: FlightServiceServer<Front>,
    request: RequestLimit,
    message_bytes: u64,
}

/// The largest message of a call that loads nothing, and the flag that moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RequestLimit {
    bytes: u64,
    flag: &'static str,
}

impl Door {
    pub(super) fn new(entrance: Arc<dyn Entrance>, limits: &Limits) -> Self {
        let request = RequestLimit::of(limits);
        let front = Arc::new(Front(Arc::clone(&entrance)));
        let taking = |bytes: usize| {
            FlightServiceServer::from_arc(Arc::clone(&front)).max_decoding_message_size(bytes)
        };
        Self {
            handshake: taking(HANDSHAKE_BYTES),
            put: taking(size(limits.message_bytes)),
            others: taking(size(request.bytes)),
            entrance,
            request,
            message_bytes: limits.message_bytes,
        }
    }
}

impl RequestLimit {
    fn of(limits: &Limits) -> Self {
        let statement = match limits.statement_bytes {
            0 => 0,
            bytes => bytes
                .max(LEAST_REQUEST_BYTES)
                .saturating_add(ENVELOPE_BYTES),
        };
        let is_larger = statement == 0 || statement > limits.message_bytes;
        if limits.message_bytes > 0 && is_larger {
            return Self {
                bytes: limits.message_bytes,
                flag: "--max-message-size",
            };
        }
        Self {
            bytes: statement,
            flag: "--max-statement-size",
        }
    }

    /// tonic names no limit of ours.
    fn in_words(self, status: &Status) -> Option<Status> {
        (status.code() == Code::OutOfRange).then(|| {
            Status::resource_exhausted(format!(
                "the request has more than the {} that one may have ({}); load many rows by bulk ingest or bound \
                 parameters",
                Bytes(self.bytes),
                self.flag
            ))
        })
    }
}

/// The refusal of a message of a bulk load that is too large, and of nothing else.
fn batch_in_words(status: &Status, bytes: u64) -> Option<Status> {
    let is_size = status.code() == Code::OutOfRange && status.message().contains(TOO_LONG);
    is_size.then(|| {
        Status::out_of_range(format!(
            "a message has more than the {} that one may have (--max-message-size); send smaller batches",
            Bytes(bytes)
        ))
    })
}

/// Zero is no limit.
fn size(bytes: u64) -> usize {
    match bytes {
        0 => usize::MAX,
        bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

impl NamedService for Door {
    const NAME: &'static str = <FlightServiceServer<Front> as NamedService>::NAME;
}

impl Service<http::Request<Body>> for Door {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        // Clients may say who they are in the first message of a handshake.
        if path == HANDSHAKE {
            return answer(self.handshake.clone(), request);
        }
        let is_put = path == PUT;
        let server = if is_put { &self.put } else { &self.others };
        let (server, limit, message_bytes) = (server.clone(), self.request, self.message_bytes);
        let entrance = Arc::clone(&self.entrance);
        async move {
            let request = match admitted(&*entrance, request).await {
                Ok(request) => request,
                Err(status) => return Ok(status.into_http()),
            };
            let answer = answer(server, request).await?;
            let told = Status::from_header_map(answer.headers()).and_then(|status| {
                if is_put {
                    batch_in_words(&status, message_bytes)
                } else {
                    limit.in_words(&status)
                }
            });
            Ok(told.map_or(answer, Status::into_http))
        }
        .boxed()
    }
}

/// The request with its visitor, as far as there is one whom the entrance lets in.
async fn admitted(
    entrance: &dyn Entrance,
    request: http::Request<Body>,
) -> Result<http::Request<Body>, Status> {
    let (mut parts, body) = request.into_parts();
    let credentials = Credentials {
        metadata: MetadataMap::from_headers(mem::take(&mut parts.headers)),
        extensions: mem::take(&mut parts.extensions),
    };
    let calls = entrance.enter(&credentials).await?;
    parts.headers = credentials.metadata.into_headers();
    parts.extensions = credentials.extensions;
    parts.extensions.insert(Visitor(calls));
    Ok(http::Request::from_parts(parts, body))
}

fn answer<T: FlightService>(
    mut server: FlightServiceServer<T>,
    request: http::Request<Body>,
) -> BoxFuture<'static, Result<http::Response<Body>, Infallible>> {
    server.call(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_large_as_a_statement_and_no_larger_than_a_message() {
        let limit = |statement_bytes, message_bytes| {
            let limit = RequestLimit::of(&Limits {
                statement_bytes,
                message_bytes,
                ..Limits::default()
            });
            (limit.bytes, limit.flag)
        };
        let (statement, message) = ("--max-statement-size", "--max-message-size");
        assert_eq!(limit(100, 256 << 20), ((4 << 20) + (64 << 10), statement));
        assert_eq!(limit(8 << 20, 0), ((8 << 20) + (64 << 10), statement));
        assert_eq!(limit(8 << 20, 1 << 20), (1 << 20, message));
        assert_eq!(limit(0, 1 << 20), (1 << 20, message));
        assert_eq!(limit(0, 0), (0, statement));
    }
}
