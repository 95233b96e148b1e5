//! Tokens of an issuer that runs here: good ones, and everything that can be wrong with one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{Router, routing::get};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use datafusion::common::runtime::SpawnedTask;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp, jwk::Jwk};
use moodlake::{
    access::Role,
    server::{Oidc, Security, UserClaim},
};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::{
    USERS, calls,
    guarded::{Guarded, current_user},
};

const AUDIENCE: &str = "moodlake";
/// Longer ago than any clock may be wrong.
const LONG_AGO_S: u64 = 600;
/// What stands before the key itself in PKCS#8 of RSA keys of 2048 bits.
const RSA_PKCS8_HEADER_BYTES: usize = 26;

/// A key of the issuer.
struct Key {
    id: &'static str,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

impl Key {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let encoding = match algorithm {
            Algorithm::ES256 => {
                let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
                EncodingKey::from_ec_der(pair.serialized_der())
            }
            Algorithm::ES384 => {
                let pair = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
                EncodingKey::from_ec_der(pair.serialized_der())
            }
            Algorithm::RS256 => {
                let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
                EncodingKey::from_rsa_der(&pair.serialized_der()[RSA_PKCS8_HEADER_BYTES..])
            }
            other => panic!("no keys for {other:?} here"),
        };
        Self {
            id,
            algorithm,
            encoding,
        }
    }

    fn public(&self) -> Value {
        let mut key = Jwk::from_encoding_key(&self.encoding, self.algorithm).unwrap();
        key.common.key_id = Some(self.id.into());
        serde_json::to_value(key).unwrap()
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.into());
        encode(&header, claims, &self.encoding).unwrap()
    }
}

/// An issuer, what it publishes, and how often it was asked for it.
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicUsize>,
    _serving: SpawnedTask<()>,
}

impl Issuer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys: Arc<Mutex<Vec<Value>>> = Arc::default();
        let asked: Arc<AtomicUsize> = Arc::default();
        let description = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let (published, counted) = (Arc::clone(&keys), Arc::clone(&asked));
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async || description),
            )
            .route(
                "/keys",
                get(async move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    json!({"keys": *published.lock().unwrap()}).to_string()
                }),
            );
        let serving = async move { axum::serve(listener, router).await.unwrap() };
        Self {
            url,
            keys,
            asked,
            _serving: SpawnedTask::spawn(serving),
        }
    }

    fn publish(&self, keys: &[&Key]) {
        *self.keys.lock().unwrap() = keys.iter().map(|key| key.public()).collect();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn security(&self, role_claim: Option<&str>) -> Security {
        Security {
            oidc: Some(Oidc {
                issuer: self.url.clone(),
                audience: AUDIENCE.into(),
                user_claim: UserClaim::PreferredUsername,
                role_claim: role_claim.map(ToString::to_string),
            }),
            ..Security::default()
        }
    }

    /// What a good token says.
    fn claims(&self, user: &str) -> Value {
        let now = get_current_timestamp();
        json!({
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "4711",
            "preferred_username": user,
            "iat": now,
            "nbf": now,
            "exp": now + LONG_AGO_S,
        })
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

async fn ask(server: &Guarded, token: &str) -> Result<String, Status> {
    let mut flight = server.flight().await;
    flight.set_token(token.to_string());
    current_user(&mut flight).await
}

#[tokio::test]
async fn a_token_of_the_issuer_is_a_login_with_each_kind_of_key() {
    let issuer = Issuer::start().await;
    let keys = [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256];
    let keys = keys.map(|algorithm| {
        let id = match algorithm {
            Algorithm::ES256 => "p256",
            Algorithm::ES384 => "p384",
            _ => "rsa",
        };
        Key::new(id, algorithm)
    });
    issuer.publish(&[&keys[0], &keys[1], &keys[2]]);
    let server = Guarded::start(issuer.security(None), &USERS).await;
    for key in &keys {
        let token = key.sign(&issuer.claims("ann"));
        assert_eq!(ask(&server, &token).await.unwrap(), "ann", "{}", key.id);
        let several = with(issuer.claims("ann"), "aud", json!(["other", AUDIENCE]));
        assert_eq!(ask(&server, &key.sign(&several)).await.unwrap(), "ann");
    }
    assert_eq!(issuer.asked(), 1, "keys are fetched once");
    // JDBC shows its token in a handshake first, and wants it back.
    let token = keys[0].sign(&issuer.claims("ann"));
    let mut client = server.client().await;
    let header = format!("Bearer {token}");
    let shaken = calls::send(&mut client, &calls::Call::Handshake, Some(&header), &[]).await;
    assert_eq!(shaken, Ok(()));
    // Passwords are good as before.
    assert_eq!(
        current_user(&mut server.log_in("ada").await).await.unwrap(),
        "ada"
    );
}

#[tokio::test]
async fn a_token_that_is_not_quite_right_is_none() {
    let issuer = Issuer::start().await;
    let (key, other) = (
        Key::new("1", Algorithm::ES256),
        Key::new("1", Algorithm::ES256),
    );
    issuer.publish(&[&key]);
    let server = Guarded::start(issuer.security(None), &USERS).await;
    let good = issuer.claims("ann");
    let now = get_current_timestamp();
    for (wrong, why) in [
        (
            key.sign(&with(good.clone(), "iss", json!("http://127.0.0.1:1"))),
            "another issuer",
        ),
        (
            key.sign(&with(good.clone(), "aud", json!("other"))),
            "another audience",
        ),
        (
            key.sign(&with(good.clone(), "aud", json!(["other"]))),
            "another audience",
        ),
        (
            key.sign(&with(good.clone(), "exp", json!(now - LONG_AGO_S))),
            "expired",
        ),
        (
            key.sign(&with(good.clone(), "nbf", json!(now + LONG_AGO_S))),
            "not valid yet",
        ),
        (key.sign(&without(good.clone(), "exp")), "'exp'"),
        (key.sign(&without(good.clone(), "iss")), "'iss'"),
        (key.sign(&without(good.clone(), "aud")), "'aud'"),
        (
            key.sign(&without(good.clone(), "preferred_username")),
            "preferred_username",
        ),
        (other.sign(&good), "signature"),
        (unsigned(&good), "cannot be read"),
        (signed_with_the_public_key(&key, &good), "another algorithm"),
        (
            with_changed_claims(&key.sign(&good), &issuer.claims("root")),
            "signature",
        ),
    ] {
        let refused = ask(&server, &wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{why}: {refused}");
        assert!(refused.message().contains(why), "{why}: {refused}");
    }
    assert_eq!(ask(&server, &key.sign(&good)).await.unwrap(), "ann");
}

/// A token that says that it needs no signature.
fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "none", "typ": "JWT", "kid": "1"});
    format!("{}.{}.", part(&header), part(claims))
}

/// A token whose secret is what everybody knows: the public key.
fn signed_with_the_public_key(key: &Key, claims: &Value) -> String {
    let public = key.public();
    let point = ["x", "y"].map(|part| {
        BASE64_URL_SAFE_NO_PAD
            .decode(public[part].as_str().unwrap())
            .unwrap()
    });
    let secret = [vec![4], point.concat()].concat();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.id.into());
    encode(&header, claims, &EncodingKey::from_secret(&secret)).unwrap()
}

fn with_changed_claims(token: &str, claims: &Value) -> String {
    let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
    format!("{header}.{claims}.{signature}")
}

#[tokio::test]
async fn keys_are_changed_while_the_server_runs() {
    let issuer = Issuer::start().await;
    let (old, new) = (
        Key::new("old", Algorithm::ES256),
        Key::new("new", Algorithm::RS256),
    );
    issuer.publish(&[&old]);
    let server = Guarded::start(issuer.security(None), &USERS).await;
    let before = old.sign(&issuer.claims("ann"));
    assert_eq!(ask(&server, &before).await.unwrap(), "ann");
    issuer.publish(&[&new]);
    let after = new.sign(&issuer.claims("ann"));
    assert_eq!(ask(&server, &after).await.unwrap(), "ann");
    let refused = ask(&server, &before).await.unwrap_err();
    assert!(refused.message().contains("no key"), "{refused}");
    // Tokens that name keys that never were do not make the server ask again and again.
    let asked = issuer.asked();
    for _ in 0..5 {
        let made_up = Key::new("made up", Algorithm::ES256).sign(&issuer.claims("ann"));
        assert_eq!(
            ask(&server, &made_up).await.unwrap_err().code(),
            Code::Unauthenticated
        );
    }
    assert_eq!(issuer.asked(), asked);
    assert_eq!(ask(&server, &after).await.unwrap(), "ann");
}

#[tokio::test]
async fn the_list_of_users_goes_before_the_role_that_a_token_names() {
    let issuer = Issuer::start().await;
    let key = Key::new("1", Algorithm::ES256);
    issuer.publish(&[&key]);
    let server = Guarded::start(issuer.security(Some("realm_access.roles")), &USERS).await;
    let claims = |user: &str, roles: Value| {
        key.sign(&with(
            issuer.claims(user),
            "realm_access",
            json!({"roles": roles}),
        ))
    };
    let role = async |token: &str| {
        let mut flight = server.flight().await;
        flight.set_token(token.to_string());
        super::query(&mut flight, "select current_role()").await
    };
    for (token, expected) in [
        (claims("ada", json!(["admin"])), "listener"),
        (
            claims("carol", json!(["offline_access", "analyst"])),
            "analyst",
        ),
    ] {
        assert_eq!(super::strings(&role(&token).await, 0), [expected]);
    }
    for (user, roles) in [
        ("carol", json!([])),
        ("carol", json!(["superuser"])),
        ("owner", json!(["admin"])),
        ("admin", json!(["listener"])),
    ] {
        let refused = ask(&server, &claims(user, roles)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{user}: {refused}");
    }
    // A proxy by role speaks for users of the lake only.
    let mut flight = server.flight().await;
    flight.set_token(claims("gateway", json!(["proxy"])));
    flight.set_header("x-moodlake-user", "ada");
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");
    flight.set_header("x-moodlake-user", "carol");
    let refused = current_user(&mut flight).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn without_a_role_claim_only_users_of_the_lake_come_in() {
    let issuer = Issuer::start().await;
    let key = Key::new("1", Algorithm::ES256);
    issuer.publish(&[&key]);
    let server = Guarded::start(issuer.security(None), &[]).await;
    let token = key.sign(&issuer.claims("carol"));
    let refused = ask(&server, &token).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("moodlake user add carol"),
        "{refused}"
    );
    let nobody = current_user(&mut server.flight().await).await.unwrap_err();
    assert_eq!(
        nobody.code(),
        Code::Unauthenticated,
        "an issuer shuts the door without users too"
    );
    server.add_without_password("carol", Role::Listener);
    assert_eq!(ask(&server, &token).await.unwrap(), "carol");
    server.remove("carol");
    assert_eq!(
        ask(&server, &token).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_told() {
    let issuer = Issuer::start().await;
    let key = Key::new("1", Algorithm::ES256);
    let mut security = issuer.security(None);
    if let Some(oidc) = &mut security.oidc {
        oidc.issuer = "http://127.0.0.1:1".into();
    }
    let server = Guarded::start(security, &USERS).await;
    let refused = ask(&server, &key.sign(&issuer.claims("ann")))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(
        refused
            .message()
            .contains("http://127.0.0.1:1 cannot be had"),
        "{refused}"
    );
    assert_eq!(
        current_user(&mut server.log_in("ann").await).await.unwrap(),
        "ann"
    );
}
