//! The answer to a handshake: the token, where each client looks for it.

use std::pin::Pin;

use arrow_flight::HandshakeResponse;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tonic::{Response, Status};

use crate::error::{Error, Result};

type Replies = Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>;

/// The token in the header `authorization`, for ADBC, JDBC and pyarrow, and as the payload, for older clients.
///
/// # Errors
/// [`Error::Unauthenticated`] for a token that no header can carry.
pub(in crate::server) fn answer(token: &str) -> Result<Response<Replies>> {
    let header = format!("Bearer {token}").parse().map_err(|_| {
        Error::Unauthenticated("the token has characters that no header can carry".into())
    })?;
    let reply = HandshakeResponse {
        protocol_version: 0,
        payload: Bytes::copy_from_slice(token.as_bytes()),
    };
    let mut response = Response::new(stream::iter([Ok(reply)]).boxed() as Replies);
    response.metadata_mut().insert("authorization", header);
    Ok(response)
}
