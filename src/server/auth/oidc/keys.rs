//! The keys of an issuer: fetched when they are first needed, again when they are old, and when a token names one that
//! is not there, which is how issuers change keys. Nobody waits for an issuer that is known not to answer as long as the
//! keys are good.

use std::{
    sync::{
        Arc, Mutex as Plain, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use datafusion::common::runtime::SpawnedTask;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use reqwest::{Client, redirect::Policy};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use url::{Host, Url};

use crate::error::{Error, Result};

const DISCOVERY: &str = ".well-known/openid-configuration";
/// Keys that were withdrawn are good no longer than this.
const FRESH: Duration = Duration::from_hours(1);
/// With an issuer that does not answer, keys are used as long as this.
const USABLE: Duration = Duration::from_hours(24);
/// Tokens with made-up keys must not make the server ask for each of them.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Far more than any issuer publishes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// The algorithms that RSA keys are used with.
const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// A key, and with which algorithms it is used.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) decoding: DecodingKey,
    pub(super) algorithms: Vec<Algorithm>,
}

/// The keys of one issuer.
pub(super) struct Keys {
    published: Arc<Published>,
    /// Asks the issuer while nobody waits for the answer.
    refreshing: Plain<Option<SpawnedTask<()>>>,
}

/// What an issuer publishes, as far as it is known.
struct Published {
    issuer: String,
    client: Client,
    known: Plain<Option<Known>>,
    /// Held while the issuer is asked: by one at a time.
    asked: Mutex<Option<Instant>>,
    /// Whether it did not answer when it was last asked.
    is_failing: AtomicBool,
}

#[derive(Clone)]
struct Known {
    keys: Arc<Vec<Arc<Key>>>,
    fetched: Instant,
}

/// The part of the issuer's description that is needed.
#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`Error::Input`] for an address that anybody on the way could answer for.
    pub(super) fn new(issuer: &str) -> Result<Self> {
        crate::server::tls::use_one_provider();
        address(issuer).map_err(Error::Input)?;
        let client = Client::builder()
            .timeout(TIMEOUT)
            // Whoever is trusted is named by the settings, not by an answer.
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::Internal(format!("HTTP client: {error}")))?;
        Ok(Self {
            published: Arc::new(Published {
                issuer: issuer.to_string(),
                client,
                known: Plain::default(),
                asked: Mutex::default(),
                is_failing: AtomicBool::new(false),
            }),
            refreshing: Plain::default(),
        })
    }

    /// The key that a token names; for one that names none the only one there is.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when there is no such key.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Arc<Key>> {
        let known = self.published.known();
        let before = known.as_ref().map(|known| known.fetched);
        let key = known.as_ref().and_then(|known| known.key(id));
        if let (Some(known), Some(key)) = (&known, &key) {
            if known.fetched.elapsed() < FRESH {
                return Ok(Arc::clone(key));
            }
            if self.published.is_failing.load(Ordering::Relaxed) {
                self.refresh(known.fetched);
                return Ok(Arc::clone(key));
            }
        }
        match (self.published.fetch_after(before).await, key) {
            (Ok(known), _) => known.key(id).ok_or_else(|| {
                Error::Unauthenticated("the token names no key that its issuer publishes".into())
            }),
            (Err(_), Some(key)) => Ok(key),
            (Err(error), None) => Err(error),
        }
    }

    /// Asks the issuer for keys that are newer than those of `before`, unless it is being asked.
    fn refresh(&self, before: Instant) {
        let mut refreshing = self
            .refreshing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Whoever asks holds the other half.
        if Arc::strong_count(&self.published) > 1 {
            return;
        }
        let published = Arc::clone(&self.published);
        *refreshing = Some(SpawnedTask::spawn(async move {
            // The failure is logged, and the keys are used on.
            let _ = published.fetch_after(Some(before)).await;
        }));
    }
}

impl Published {
    /// The keys that are good.
    fn known(&self) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .clone()
            .filter(|known| known.fetched.elapsed() < USABLE)
    }

    /// Keys that are newer than those of `before`, as far as the issuer may be asked again.
    async fn fetch_after(&self, before: Option<Instant>) -> Result<Known> {
        let mut asked = self.asked.lock().await;
        // Somebody may have asked while this one waited.
        if let Some(known) = self.known()
            && before.is_none_or(|before| known.fetched > before)
        {
            return Ok(known);
        }
        if asked.is_some_and(|asked| asked.elapsed() < MIN_INTERVAL) {
            return self
                .known()
                .ok_or_else(|| self.unavailable("it was asked a moment ago"));
        }
        // The first time does not count: a key that is changed right after it is to be found.
        if before.is_some() {
            *asked = Some(Instant::now());
        }
        let keys = self.fetch().await;
        self.is_failing.store(keys.is_err(), Ordering::Relaxed);
        let keys = keys.inspect_err(|error| {
            *asked = Some(Instant::now());
            tracing::warn!(%error, issuer = self.issuer, "the keys of the issuer cannot be fetched");
        })?;
        let known = Known {
            keys: Arc::new(keys),
            fetched: Instant::now(),
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    async fn fetch(&self) -> Result<Vec<Arc<Key>>> {
        let base = self.issuer.trim_end_matches('/');
        let description: Description = self.get(&format!("{base}/{DISCOVERY}")).await?;
        if description.issuer != self.issuer {
            return Err(self.unavailable(&format!(
                "it calls itself '{}': --oidc-issuer has to be spelled like that",
                description.issuer
            )));
        }
        let set: KeySet = self.get(&description.jwks_uri).await?;
        Ok(set.keys.into_iter().filter_map(key).map(Arc::new).collect())
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T> {
        let url = address(url).map_err(|why| self.unavailable(&why))?;
        let failed = |error: reqwest::Error| self.unavailable(&chain(&error));
        let answer = self.client.get(url).send().await.map_err(failed)?;
        if !answer.status().is_success() {
            return Err(self.unavailable(&format!("{} answers {}", answer.url(), answer.status())));
        }
        let mut answer = answer;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(self.unavailable("its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| {
            self.unavailable(&format!("{} answers no JSON: {error}", answer.url()))
        })
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::Unauthenticated(format!(
            "the token cannot be checked, for the keys of {} cannot be had: {why}",
            self.issuer
        ))
    }
}

impl Known {
    fn key(&self, id: Option<&str>) -> Option<Arc<Key>> {
        let found = match (id, self.keys.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.map(Arc::clone)
    }
}

/// An address that nobody else can answer for.
fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("'{text}' is no URL: {error}"))?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_local => Ok(url),
        _ => Err(format!(
            "'{text}' is no https:// address, which the keys of an issuer have to be at"
        )),
    }
}

/// A public key for signatures of a kind that is known here.
fn key(value: serde_json::Value) -> Option<Key> {
    let key: Jwk = serde_json::from_value(value).ok()?;
    let is_for_signatures = |usage: &PublicKeyUse| *usage == PublicKeyUse::Signature;
    if !key
        .common
        .public_key_use
        .as_ref()
        .is_none_or(is_for_signatures)
    {
        return None;
    }
    let mut algorithms = match &key.algorithm {
        AlgorithmParameters::RSA(_) => RSA.to_vec(),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            vec![Algorithm::EdDSA]
        }
        // A secret, which an issuer publishes by mistake only, or a kind that is not known here.
        _ => return None,
    };
    if let Some(named) = key.common.key_algorithm {
        let named = Algorithm::try_from(named).ok()?;
        algorithms.retain(|algorithm| *algorithm == named);
    }
    if algorithms.is_empty() {
        return None;
    }
    Some(Key {
        id: key.common.key_id.clone(),
        decoding: DecodingKey::from_jwk(&key).ok()?,
        algorithms,
    })
}

/// An error's own words say only that there was one.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        said = format!("{said}: {source}");
        cause = source.source();
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::{net::TcpListener, time::timeout};

    use super::*;

    /// The keys of an issuer that takes every question and answers none, fetched so long ago.
    async fn of_a_silent_issuer(age: Duration) -> (Keys, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keys = Keys::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1"});
        *keys.published.known.lock().unwrap() = Some(Known {
            keys: Arc::new(vec![Arc::new(key(ec).unwrap())]),
            fetched: Instant::now().checked_sub(age).unwrap(),
        });
        (keys, listener)
    }

    #[tokio::test]
    async fn keys_are_good_for_a_day_whatever_the_issuer_says() {
        let young = USABLE.checked_sub(FRESH).unwrap();
        for (age, is_good) in [(young, true), (USABLE + FRESH, false)] {
            let (keys, _issuer) = of_a_silent_issuer(age).await;
            *keys.published.asked.lock().await = Some(Instant::now());
            for is_failing in [false, true] {
                keys.published
                    .is_failing
                    .store(is_failing, Ordering::Relaxed);
                let found = keys.find(Some("1")).await;
                assert_eq!(found.is_ok(), is_good, "{age:?}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_an_issuer_that_is_known_not_to_answer() {
        let (keys, issuer) = of_a_silent_issuer(FRESH * 2).await;
        keys.published.is_failing.store(true, Ordering::Relaxed);
        for _ in 0..10 {
            let found = timeout(TIMEOUT / 2, keys.find(Some("1"))).await;
            assert!(found.unwrap().is_ok());
        }
        // It is asked all the same, once.
        let asked = timeout(TIMEOUT, issuer.accept()).await;
        assert!(asked.unwrap().is_ok());
        assert_eq!(Arc::strong_count(&keys.published), 2);
    }

    #[test]
    fn an_issuer_is_asked_where_nobody_else_can_answer() {
        for good in [
            "https://id.example.org/realms/x",
            "http://127.0.0.1:1",
            "http://localhost/a",
            "http://[::1]:1",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.org",
            "ftp://127.0.0.1",
            "id.example.org",
            "",
            "file:///etc/passwd",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_used_as_it_says_and_secrets_are_none() {
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "1"});
        assert_eq!(key(ec.clone()).unwrap().algorithms, [Algorithm::ES256]);
        let rsa = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        assert_eq!(key(rsa).unwrap().algorithms, RSA);
        let one = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS384", "use": "sig"});
        assert_eq!(key(one).unwrap().algorithms, [Algorithm::RS384]);
        let with = |name: &str, value: &str| {
            let mut changed = ec.clone();
            changed[name] = json!(value);
            key(changed)
        };
        assert!(with("use", "enc").is_none());
        assert!(with("alg", "HS256").is_none());
        assert!(with("alg", "RS256").is_none());
        assert!(with("alg", "something").is_none());
        assert!(key(json!({"kty": "oct", "k": "AQAB"})).is_none());
        assert!(key(json!({"kty": "new", "z": "AQAB"})).is_none());
        assert!(key(json!("key")).is_none());
    }
}
