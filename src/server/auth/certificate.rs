//! Certificates of clients. The transport has checked that one of the accepted authorities signed it.

use tonic::{
    Extensions,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, Result};

/// Whom the certificate of the connection names, if it has one.
///
/// # Errors
/// [`Error::Unauthenticated`] for a certificate that names nobody or several, or whose time is over: a connection can
/// outlive it.
pub(super) fn subject(extensions: &Extensions) -> Result<Option<String>> {
    let connection = extensions.get::<TlsConnectInfo<TcpConnectInfo>>();
    let Some(certificates) = connection.and_then(TlsConnectInfo::peer_certs) else {
        return Ok(None);
    };
    certificates
        .first()
        .map(|certificate| common_name(certificate.as_ref()))
        .transpose()
}

fn common_name(der: &[u8]) -> Result<String> {
    let refused =
        |why: &str| Error::Unauthenticated(format!("the certificate of the client {why}"));
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| refused("cannot be read"))?;
    if !certificate.validity().is_valid() {
        return Err(refused("is not valid now: connect with a newer one"));
    }
    let mut names = certificate.subject().iter_common_name();
    match (names.next(), names.next()) {
        (Some(name), None) => match name.as_str() {
            Ok(name) => Ok(name.to_string()),
            Err(_) => Err(refused("has a common name (CN) that is no text")),
        },
        _ => Err(refused(
            "has not exactly one common name (CN), which is the user",
        )),
    }
}
