//! Asks a server whether it takes statements.

use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Address, endpoint, root_cause};
use crate::error::{Error, Result};

/// Whether the server at `url` takes statements; nobody has to say who asks.
///
/// # Errors
/// [`Error::Remote`] when it does not, or does not answer.
pub async fn check_health(url: &str, authority: Option<&[u8]>) -> Result<()> {
    let address: Address = url.parse()?;
    let endpoint: Endpoint = endpoint(&address, authority)?;
    let unavailable = |message: String| Error::Remote {
        code: Code::Unavailable,
        message,
    };
    let channel = endpoint.connect().await;
    let channel = channel
        .map_err(|error| unavailable(format!("cannot connect to {url}: {}", root_cause(&error))))?;
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .map_err(|status| {
            let broke = std::error::Error::source(&status).map(|_| address.doubt());
            unavailable(match broke {
                Some(doubt) => format!(
                    "the connection to {url} broke: {}; {doubt}",
                    root_cause(&status)
                ),
                None => format!("{url}: {}", status.message()),
            })
        })?;
    match answer.into_inner().status() {
        ServingStatus::Serving => Ok(()),
        _ => Err(unavailable(format!("{url} is shutting down"))),
    }
}
