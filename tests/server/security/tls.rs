//! TLS, and certificates of clients, made here for each test.

use std::fs;

use moodlake::{
    access::Role,
    client::{Client, Credentials, Login},
    server::{Security, Tls},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};

use super::{
    Flight,
    guarded::{Guarded, current_user, password},
    unnamed,
};

/// Whoever signs certificates.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
struct Signed {
    certificate: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn server(&self) -> Signed {
        let hosts = vec!["localhost".to_string(), "127.0.0.1".to_string()];
        self.sign(
            CertificateParams::new(hosts).unwrap(),
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// A certificate of a client with these common names.
    fn client(&self, names: &[&str]) -> Signed {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Signed {
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        Signed {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn security(server: &Signed, clients: Option<&Authority>) -> (Security, TempDir) {
    let files = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("server.pem", &server.certificate);
    let key = file("server.key", &server.key);
    let clients = clients.map(|authority| file("clients.pem", &authority.pem));
    let tls = Tls::read(&certificate, &key, clients.as_deref()).unwrap();
    let security = Security {
        tls: Some(tls),
        ..Security::default()
    };
    (security, files)
}

const USERS: [(&str, Role); 3] = [
    ("ada", Role::Listener),
    ("ann", Role::Analyst),
    ("superset", Role::Proxy),
];

/// A client with a certificate, if it has one.
async fn connect(
    server: &Guarded,
    authority: &Authority,
    client: Option<&Signed>,
) -> Result<Flight, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&authority.pem));
    if let Some(client) = client {
        tls = tls.identity(Identity::from_pem(&client.certificate, &client.key));
    }
    let channel = Channel::from_shared(format!("https://localhost:{}", server.port()));
    let channel = channel.unwrap().tls_config(tls)?.connect().await?;
    Ok(unnamed(
        arrow_flight::flight_service_client::FlightServiceClient::new(channel),
    ))
}

async fn code(flight: &mut Flight) -> Code {
    current_user(flight).await.unwrap_err().code()
}

#[tokio::test]
async fn a_client_that_knows_the_authority_comes_in_over_tls() {
    let authority = Authority::new("authority");
    let (security, _files) = security(&authority.server(), None);
    let server = Guarded::start(security, &USERS).await;
    let login = |authority: Option<&Authority>| Login {
        credentials: Credentials::Password {
            user: "ann".into(),
            password: password("ann"),
        },
        authority: authority.map(|authority| authority.pem.clone().into_bytes()),
        ..Login::default()
    };
    for scheme in ["grpc+tls", "grpcs", "https"] {
        let url = format!("{scheme}://localhost:{}", server.port());
        let client = Client::connect_as(&url, &login(Some(&authority)))
            .await
            .unwrap();
        client.execute("select 1").await.unwrap();
    }
    let url = format!("grpc+tls://127.0.0.1:{}", server.port());
    for unknown in [Some(&Authority::new("another")), None] {
        let refused = Client::connect_as(&url, &login(unknown))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(
            refused.contains("certificate") && refused.contains("--ca"),
            "{refused}"
        );
    }
    let plain = match Client::connect(&server.url()).await {
        Ok(client) => client.execute("select 1").await.map(|_| ()),
        Err(error) => Err(error),
    };
    let plain = plain.expect_err("rows went over a connection without TLS");
    assert!(plain.to_string().contains("grpc+tls://"), "{plain}");
    let plain = Client::connect_as(&server.url(), &login(None)).await;
    let plain = plain.err().expect("a password went over one").to_string();
    assert!(plain.contains("grpc+tls://"), "{plain}");
}

#[tokio::test]
async fn a_certificate_is_a_login() {
    let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
    let (security, _files) = security(&authority.server(), Some(&clients));
    let server = Guarded::start(security, &USERS).await;
    let ada = clients.client(&["ada"]);
    let mut flight = connect(&server, &authority, Some(&ada)).await.unwrap();
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");
    // A login by name goes before the certificate.
    flight.handshake("ann", &password("ann")).await.unwrap();
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");

    let superset = clients.client(&["superset"]);
    let mut flight = connect(&server, &authority, Some(&superset)).await.unwrap();
    flight.set_header("x-moodlake-user", "ada");
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");

    // Who has no certificate logs in otherwise.
    let mut flight = connect(&server, &authority, None).await.unwrap();
    assert_eq!(code(&mut flight).await, Code::Unauthenticated);
    flight.handshake("ann", &password("ann")).await.unwrap();
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");

    let mut flight = connect(&server, &authority, Some(&ada)).await.unwrap();
    server.remove("ada");
    assert_eq!(code(&mut flight).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_certificate_of_nobody_or_of_another_authority_is_none() {
    let (authority, clients) = (Authority::new("authority"), Authority::new("clients"));
    let (security, _files) = security(&authority.server(), Some(&clients));
    // Without users too: certificates tell people apart.
    let server = Guarded::start(security, &[]).await;
    let mut flight = connect(&server, &authority, None).await.unwrap();
    assert_eq!(code(&mut flight).await, Code::Unauthenticated);
    server.add("ada", Role::Admin);
    for names in [&["nobody"][..], &["owner"], &[], &["ada", "bob"]] {
        let client = clients.client(names);
        let mut flight = connect(&server, &authority, Some(&client)).await.unwrap();
        assert_eq!(code(&mut flight).await, Code::Unauthenticated, "{names:?}");
    }
    // The authority of the server is not the one of clients, nor is anybody else.
    for other in [&authority, &Authority::new("clients")] {
        let client = other.client(&["ada"]);
        let is_refused = match connect(&server, &authority, Some(&client)).await {
            Ok(mut flight) => current_user(&mut flight).await.is_err(),
            Err(_) => true,
        };
        assert!(is_refused);
    }
    let ada = clients.client(&["ada"]);
    let mut flight = connect(&server, &authority, Some(&ada)).await.unwrap();
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_the_start() {
    let authority = Authority::new("authority");
    let mismatched = Signed {
        key: authority.server().key,
        ..authority.server()
    };
    let (security, _files) = security(&mismatched, None);
    let lake = tempfile::tempdir().unwrap();
    let engine = moodlake::engine::Engine::open(moodlake::engine::Settings {
        dir: lake.path().to_path_buf(),
        files: moodlake::engine::FileAccess::Anywhere,
    });
    let engine = engine.await.unwrap();
    let listener = moodlake::server::bind("127.0.0.1:0").await.unwrap();
    let settings = moodlake::server::Settings {
        security,
        ..moodlake::server::Settings::default()
    };
    let served = moodlake::server::serve_with(listener, engine, settings, std::future::pending());
    let refused = served.await.unwrap_err().to_string();
    assert!(refused.contains("--tls-key"), "{refused}");
}
