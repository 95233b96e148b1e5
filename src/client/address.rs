//! Addresses of servers, as users spell them.

use std::{net::IpAddr, str::FromStr};

use tonic::transport::Endpoint;

use crate::error::{Error, Result};

const PLAIN: [&str; 3] = ["grpc://", "grpc+tcp://", "http://"];
const SECURE: [&str; 3] = ["grpc+tls://", "grpcs://", "https://"];

/// `[scheme://][user@]host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whether it is spoken to with TLS.
    pub(crate) is_secure: bool,
    /// Who connects, if the address says so.
    pub(crate) user: Option<String>,
    host_and_port: String,
}

impl Address {
    /// Where to connect to; TLS is not set up yet.
    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let scheme = if self.is_secure { "https" } else { "http" };
        let url = format!("{scheme}://{}", self.host_and_port);
        Endpoint::from_shared(url).map_err(|_| no_address(&self.host_and_port))
    }

    /// Whether it is this machine itself, so that nobody between can listen.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host_and_port.rsplit_once(':');
        let host = host.map_or(self.host_and_port.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// What to look after when a connection there breaks.
    pub(super) fn doubt(&self) -> &'static str {
        if self.is_secure {
            "is `moodlake serve` still running there?"
        } else {
            "is `moodlake serve` still running there, and without TLS? (grpc+tls:// is with it)"
        }
    }

    /// What to look after when nobody answers there.
    pub(super) fn remedy(&self) -> &'static str {
        if self.is_secure {
            "is `moodlake serve --tls-cert …` running there, and is its certificate known here (--ca FILE)?"
        } else {
            "is `moodlake serve` running there, and without TLS? (grpc+tls:// is with it)"
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let after = |schemes: &[&str]| schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
        let secure = after(&SECURE);
        let rest = secure.or_else(|| after(&PLAIN)).unwrap_or(url);
        let rest = rest.trim_end_matches('/');
        // A name can be an address of mail.
        let (user, host_and_port) = match rest.rsplit_once('@') {
            Some((user, host_and_port)) => (Some(user.to_string()), host_and_port),
            None => (None, rest),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err(Error::Input(
                "the address of a server holds a password, which others can read there: \
                 leave it away, and set MOODLAKE_PASSWORD or be asked for it"
                    .into(),
            ));
        }
        let address = Self {
            is_secure: secure.is_some(),
            user: user.filter(|user| !user.is_empty()),
            host_and_port: host_and_port.to_string(),
        };
        let has_port = host_and_port
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if rest.contains("://") || !has_port || address.endpoint().is_err() {
            return Err(no_address(url));
        }
        Ok(address)
    }
}

fn no_address(text: &str) -> Error {
    Error::Input(format!(
        "'{text}' is no server address, expected grpc://host:port, or grpc+tls://host:port for TLS"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_several_spellings() {
        for (url, is_secure) in [
            ("grpc://127.0.0.1:50051", false),
            ("http://127.0.0.1:50051/", false),
            ("127.0.0.1:50051", false),
            ("grpc+tls://127.0.0.1:50051", true),
            ("grpcs://127.0.0.1:50051", true),
            ("https://127.0.0.1:50051/", true),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(
                (address.is_secure, &address.user),
                (is_secure, &None),
                "{url}"
            );
            let endpoint = address.endpoint().unwrap();
            assert_eq!(endpoint.uri().authority().unwrap(), "127.0.0.1:50051");
        }
        for url in [
            "",
            "ftp://127.0.0.1:21",
            "localhost",
            "grpc://a b:1",
            "grpc://:1",
            "a:b",
        ] {
            let message = url.parse::<Address>().unwrap_err().to_string();
            assert!(
                message.contains("expected grpc://host:port"),
                "{url}: {message}"
            );
        }
    }

    #[test]
    fn this_machine_is_known() {
        for (url, is_loopback) in [
            ("grpc://127.0.0.1:1", true),
            ("LOCALHOST:1", true),
            ("grpc://ada@[::1]:1", true),
            ("grpc://10.0.0.1:1", false),
            ("grpc://localhost.example.org:1", false),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(address.is_loopback(), is_loopback, "{url}");
        }
    }

    #[test]
    fn an_address_can_say_who_connects_but_no_password() {
        for (url, user) in [
            ("grpc://ada@127.0.0.1:1", "ada"),
            ("grpc+tls://ada@example.org@[::1]:1", "ada@example.org"),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!(address.user.as_deref(), Some(user));
        }
        let message = "grpc://ada:geheim@127.0.0.1:1"
            .parse::<Address>()
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("MOODLAKE_PASSWORD") && !message.contains("geheim"),
            "{message}"
        );
    }
}
