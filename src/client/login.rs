//! Who connects, and how the server proves who it is.

use arrow_flight::{
    HandshakeRequest, error::FlightError, flight_service_client::FlightServiceClient,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::stream;
use tonic::{
    Request,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use super::Address;
use crate::{
    error::{Error, Result},
    server::tls,
};

/// How to come in at a server. Holds secrets, and so shows nothing of itself.
#[derive(Clone, Default)]
pub struct Login {
    /// Who connects.
    pub credentials: Credentials,
    /// The certificates (PEM) of whoever signed the server's; those that the system trusts when there are none.
    pub authority: Option<Vec<u8>>,
    /// Whether the password or token may go to another machine without TLS.
    pub insecure: bool,
}

/// Who connects.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nobody in particular.
    #[default]
    None,
    /// A user of the server.
    Password {
        /// Their name.
        user: String,
        /// Their password.
        password: String,
    },
    /// Whoever has this token.
    Token(String),
}

impl Login {
    /// Refuses to show a secret to whoever listens on the way to another machine.
    pub(super) fn check(&self, address: &Address, url: &str) -> Result<()> {
        let is_private = address.is_secure || address.is_loopback();
        if is_private || self.insecure || matches!(self.credentials, Credentials::None) {
            return Ok(());
        }
        Err(Error::Input(format!(
            "{url}: a password or token would go there in the clear; connect to grpc+tls://…, or say --insecure"
        )))
    }

    /// The token to come with, after a handshake if that is what gives one.
    pub(super) async fn token(
        &self,
        flight: &mut FlightServiceClient<Channel>,
    ) -> Result<Option<String>, FlightError> {
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Token(token) => Ok(Some(token.clone())),
            Credentials::Password { user, password } => {
                handshake(flight, user, password).await.map(Some)
            }
        }
    }
}

async fn handshake(
    flight: &mut FlightServiceClient<Channel>,
    user: &str,
    password: &str,
) -> Result<String, FlightError> {
    let internal = |message: &str| FlightError::from_external_error(message.into());
    let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let header = format!("Basic {basic}").parse();
    let header = header.map_err(|_| internal("base64 fits into a header"))?;
    let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
    request.metadata_mut().insert("authorization", header);
    let answer = flight.handshake(request).await?;
    let header = answer.metadata().get("authorization");
    let token = header
        .and_then(|header| header.to_str().ok())
        .and_then(|header| header.strip_prefix("Bearer "));
    token
        .map(ToString::to_string)
        .ok_or_else(|| internal("the server let us in without giving a token"))
}

/// The endpoint with TLS, where the address asks for it.
pub(super) fn secured(
    endpoint: Endpoint,
    address: &Address,
    authority: Option<&[u8]>,
) -> Result<Endpoint> {
    if !address.is_secure {
        return match authority {
            None => Ok(endpoint),
            Some(_) => Err(Error::Input(
                "--ca is for servers with TLS: connect to grpc+tls://host:port".into(),
            )),
        };
    }
    tls::use_one_provider();
    let config = match authority {
        Some(authority) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority)),
        None => ClientTlsConfig::new().with_enabled_roots(),
    };
    endpoint
        .tls_config(config)
        .map_err(|error| Error::Input(format!("TLS: {}", super::root_cause(&error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_sent_in_the_clear() {
        let check = |url: &str, credentials: Credentials, insecure: bool| {
            let login = Login {
                credentials,
                insecure,
                ..Login::default()
            };
            login.check(&url.parse().unwrap(), url)
        };
        let token = || Credentials::Token("secret".into());
        let message = check("grpc://example.org:1", token(), false)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("grpc+tls://") && !message.contains("secret"),
            "{message}"
        );
        check("grpc://example.org:1", token(), true).unwrap();
        check("grpc+tls://example.org:1", token(), false).unwrap();
        check("grpc://127.0.0.1:1", token(), false).unwrap();
        check("grpc://example.org:1", Credentials::None, false).unwrap();
    }
}
