//! TLS: the server's certificate, and whose certificates of clients it accepts.

use std::{error::Error as _, fmt, fs, path::Path, time::Duration};

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::error::{Error, Result};

/// How long a client may take for its part of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The texts of the files, as PEM.
#[derive(Clone)]
pub struct Tls {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_authority: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the server's chain of certificates, its key, and the authority that signs certificates of clients.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Input`] that name the file.
    pub fn read(certificate: &Path, key: &Path, client_authority: Option<&Path>) -> Result<Self> {
        let tls = Self {
            certificate: pem(certificate, "CERTIFICATE")?,
            key: pem(key, "PRIVATE KEY")?,
            client_authority: client_authority
                .map(|path| pem(path, "CERTIFICATE"))
                .transpose()?,
        };
        Ok(tls)
    }

    /// Whether clients can show certificates.
    pub(super) fn checks_clients(&self) -> bool {
        self.client_authority.is_some()
    }

    /// A server that speaks nothing else.
    ///
    /// # Errors
    /// [`Error::Input`] when certificate and key are none, or not of each other.
    pub(super) fn secure(&self, server: Server) -> Result<Server> {
        use_one_provider();
        server.tls_config(self.config()).map_err(|error| {
            let why = error
                .source()
                .map_or_else(|| error.to_string(), ToString::to_string);
            Error::Input(format!("--tls-cert, --tls-key and --tls-client-ca: {why}"))
        })
    }

    fn config(&self) -> ServerTlsConfig {
        let identity = Identity::from_pem(&self.certificate, &self.key);
        let config = ServerTlsConfig::new()
            .identity(identity)
            .timeout(HANDSHAKE_TIMEOUT);
        match &self.client_authority {
            // Those without a certificate say otherwise who they are.
            Some(authority) => config
                .client_ca_root(Certificate::from_pem(authority))
                .client_auth_optional(true),
            None => config,
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("checks_clients", &self.checks_clients())
            .finish_non_exhaustive()
    }
}

/// Says which cryptography TLS uses: two are compiled in, one for the object stores of Delta Lake, and rustls does not
/// choose between them.
pub(crate) fn use_one_provider() {
    // Not the first call, then: it is chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A file that holds a PEM block of that kind.
pub(crate) fn pem(path: &Path, kind: &str) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let text = String::from_utf8_lossy(&bytes);
    let is_kind = |line: &str| {
        line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{kind}-----"))
    };
    if text.lines().any(is_kind) {
        return Ok(bytes);
    }
    Err(Error::Input(format!(
        "{}: there is no {kind} in this file, expected PEM (`-----BEGIN {kind}-----`)",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let missing = pem(&path, "PRIVATE KEY").unwrap_err().to_string();
        assert!(missing.contains("key.pem"), "{missing}");
        fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
        let wrong = pem(&path, "PRIVATE KEY").unwrap_err().to_string();
        assert!(wrong.contains("no PRIVATE KEY"), "{wrong}");
        fs::write(&path, "-----BEGIN EC PRIVATE KEY-----\n").unwrap();
        assert!(pem(&path, "PRIVATE KEY").is_ok());
    }
}
