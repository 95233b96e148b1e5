//! Who may come in: users with passwords, tokens, certificates and proxies, each tried as clients try them.

mod calls;
mod endings;
mod guarded;
mod oidc;
mod tls;

use std::time::Duration;

use arrow_flight::{
    BasicAuth, HandshakeRequest, flight_service_client::FlightServiceClient,
    sql::client::FlightSqlServiceClient,
};
use futures::{TryStreamExt, stream};
use moodlake::{
    access::{Role, passwords},
    client::{Client, Credentials, Login},
    server::{Secret, Security},
};
use prost::Message;
use tonic::{Code, Request, Status, metadata::MetadataMap};

use self::{
    calls::{Call, all, send},
    guarded::{Guarded, basic, current_user, password},
};
use super::harness::{Flight, query, strings};

const USERS: [(&str, Role); 4] = [
    ("root", Role::Admin),
    ("ann", Role::Analyst),
    ("ada", Role::Listener),
    ("superset", Role::Proxy),
];

async fn guarded() -> Guarded {
    Guarded::start(Security::default(), &USERS).await
}

/// The last character of a token is the last digit of its signature.
fn tampered(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "0" { "1" } else { "0" })
}

#[tokio::test]
async fn no_call_is_answered_for_nobody_or_for_a_token_that_is_not_good() {
    let secret = Secret::random();
    let security = |hours| Security {
        secret: Some(secret.clone()),
        token_lifetime: Duration::from_hours(hours),
        ..Security::default()
    };
    let server = Guarded::start(security(1), &USERS).await;
    let good = server.token("ada").await;
    let expired = server.beside(security(0)).await.token("ada").await;
    let of_another_server = guarded().await.token("ada").await;
    let refused = [
        None,
        Some("Bearer".to_string()),
        Some("Bearer None".to_string()),
        Some("Bearer abc".to_string()),
        Some("Digest abc".to_string()),
        Some(format!("Bearer {}", tampered(&good))),
        Some(format!("Bearer {expired}")),
        Some(format!("Bearer {of_another_server}")),
    ];
    let mut client = server.client().await;
    for (number, call) in all().into_iter().enumerate() {
        // One name each, for wrong passwords for the same one are answered more and more slowly.
        let wrong = basic(&format!("nobody {number}"), &password("ada"));
        for header in refused.iter().chain([&Some(wrong)]) {
            let code = send(&mut client, &call, header.as_deref(), &[]).await;
            assert_eq!(code, Err(Code::Unauthenticated), "{call:?} with {header:?}");
        }
        let header = format!("Bearer {good}");
        let code = send(&mut client, &call, Some(&header), &[]).await;
        assert_ne!(code, Err(Code::Unauthenticated), "{call:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_how_to_come_in() {
    let server = guarded().await;
    let Err(error) = Client::connect(&server.url())
        .await
        .unwrap()
        .execute("select 1")
        .await
    else {
        panic!("nobody was let in");
    };
    let message = error.to_string();
    assert!(
        message.contains("user name and a password") && message.contains("token"),
        "{message}"
    );
    let wrong = Login {
        credentials: Credentials::Password {
            user: "ada".into(),
            password: "geheim 1".into(),
        },
        ..Login::default()
    };
    let Err(error) = Client::connect_as(&server.url(), &wrong).await else {
        panic!("a wrong password was right");
    };
    let message = error.to_string();
    assert!(
        message.contains("the password is wrong") && !message.contains("geheim"),
        "{message}"
    );
}

#[tokio::test]
async fn a_handshake_answers_in_the_header_and_in_the_payload() {
    let server = guarded().await;
    let mut client = server.client().await;
    let mut request = Request::new(stream::iter([HandshakeRequest::default()]));
    let header = basic("ann", &password("ann")).parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    let by_header = client.handshake(request).await.unwrap();
    let payload = BasicAuth {
        username: "ann".into(),
        password: password("ann"),
    };
    let request = HandshakeRequest {
        protocol_version: 0,
        payload: payload.encode_to_vec().into(),
    };
    let by_payload = client.handshake(stream::iter([request])).await.unwrap();
    for answer in [by_header, by_payload] {
        let header = answer.metadata().get("authorization").unwrap();
        let header = header.to_str().unwrap().to_string();
        let messages: Vec<_> = answer.into_inner().try_collect().await.unwrap();
        let [message] = messages.as_slice() else {
            panic!("{messages:?}");
        };
        let token = String::from_utf8(message.payload.to_vec()).unwrap();
        assert_eq!(header, format!("Bearer {token}"));
        let mut flight = server.flight().await;
        flight.set_token(token.clone());
        assert_eq!(current_user(&mut flight).await.unwrap(), "ann");
        // Clients of the older handshake send the token elsewhere.
        let mut older = server.client().await;
        let older = older_query(&mut older, &token).await;
        assert_eq!(older, Ok(()));
        // A token that shakes hands, as JDBC's does, is given back.
        let mut again = Request::new(stream::iter([HandshakeRequest::default()]));
        again
            .metadata_mut()
            .insert("authorization", header.parse().unwrap());
        let again = client.handshake(again).await.unwrap();
        assert_eq!(
            again.metadata().get("authorization").unwrap(),
            header.as_str()
        );
    }
}

async fn older_query(
    client: &mut FlightServiceClient<tonic::transport::Channel>,
    token: &str,
) -> Result<(), Code> {
    let mut metadata = MetadataMap::new();
    let value = tonic::metadata::MetadataValue::from_bytes(token.as_bytes());
    metadata.insert_bin("auth-token-bin", value);
    let request = Request::from_parts(metadata, tonic::Extensions::new(), arrow_flight::Empty {});
    client
        .list_actions(request)
        .await
        .map(|_| ())
        .map_err(|status| status.code())
}

#[tokio::test]
async fn a_name_and_a_password_on_every_call_are_a_login_too() {
    let server = guarded().await;
    let mut flight = server.flight().await;
    flight.set_header("authorization", basic("ann", &password("ann")));
    for _ in 0..20 {
        assert_eq!(current_user(&mut flight).await.unwrap(), "ann");
    }
    server.set_password("ann", "another password");
    let refused = current_user(&mut flight).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    flight.set_header("authorization", basic("ann", "another password"));
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");
}

async fn refusal(flight: &mut Flight) -> Code {
    current_user(flight).await.unwrap_err().code()
}

#[tokio::test]
async fn a_token_outlives_the_server_only_with_its_secret() {
    let secret = Secret::from_text("0123456789abcdef0123456789abcdef").unwrap();
    let with_secret = || Security {
        secret: Some(secret.clone()),
        ..Security::default()
    };
    let server = Guarded::start(with_secret(), &USERS).await;
    let token = server.token("ann").await;
    for (security, is_known) in [(with_secret(), true), (Security::default(), false)] {
        let other = server.beside(security).await;
        let mut flight = other.flight().await;
        flight.set_token(token.clone());
        assert_eq!(current_user(&mut flight).await.is_ok(), is_known);
    }
}

#[tokio::test]
async fn many_connections_of_one_user_log_in_at_once() {
    let server = guarded().await;
    let logins = (0..32).map(|_| server.token("ann"));
    let tokens = futures::future::join_all(logins).await;
    assert_eq!(tokens.len(), 32);
}

#[tokio::test]
async fn wrong_passwords_cost_time_and_do_not_lock_anybody_out() {
    let server = guarded().await;
    let mut client = server.client().await;
    for wrong in 0..6 {
        let header = basic("ann", &format!("wrong {wrong}"));
        let code = send(&mut client, &Call::ListActions, Some(&header), &[]).await;
        assert_eq!(code, Err(Code::Unauthenticated));
    }
    let started = std::time::Instant::now();
    let header = basic("ann", &password("ann"));
    let code = send(&mut client, &Call::ListActions, Some(&header), &[]).await;
    assert_eq!(code, Ok(()));
    assert!(started.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn whoever_repeats_a_wrong_password_keeps_nobody_with_the_right_one_waiting() {
    let server = guarded().await;
    let header = basic("ann", "wrong");
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(server.client().await);
    }
    let attempts = clients.iter_mut().map(async |client| {
        for _ in 0..20 {
            let code = send(client, &Call::ListActions, Some(&header), &[]).await;
            assert_eq!(code, Err(Code::Unauthenticated));
        }
    });
    let started = std::time::Instant::now();
    futures::future::join_all(attempts).await;
    server.token("ann").await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_request_is_refused_by_its_headers_and_its_message_is_bounded() {
    let server = guarded().await;
    let mut client = server.client().await;
    let good = format!("Bearer {}", server.token("ann").await);
    let large = bytes::Bytes::from(vec![b'x'; 5 << 20]);
    for call in [
        Call::Info(large.clone()),
        Call::Get(large.clone()),
        Call::Act("CreatePreparedStatement", large),
    ] {
        let code = send(&mut client, &call, None, &[]).await;
        assert_eq!(code, Err(Code::Unauthenticated));
        let code = send(&mut client, &call, Some(&good), &[]).await;
        assert_eq!(code, Err(Code::ResourceExhausted));
    }
    let handshake = HandshakeRequest {
        protocol_version: 0,
        payload: vec![b'x'; 100 << 10].into(),
    };
    let refused = client.handshake(stream::iter([handshake])).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn refused_calls_do_not_fill_the_audit() {
    let server = guarded().await;
    server.make_audit_tables().await;
    let mut client = server.client().await;
    for number in 0..60 {
        let bearer = format!("Bearer {number}");
        for header in [None, Some(bearer.as_str())] {
            let code = send(&mut client, &Call::ListActions, header, &[]).await;
            assert_eq!(code, Err(Code::Unauthenticated));
        }
    }
    let mut root = server.log_in("root").await;
    let refused = "select error from system.audit where outcome = 'failed' order by event_at";
    let refused = strings(&query(&mut root, refused).await, 0);
    assert_eq!(refused.len(), 20, "{refused:?}");
    let counted = refused
        .iter()
        .filter(|error| error.contains("moodlake_logins_failed_total"));
    assert_eq!(counted.count(), 1);
}

#[tokio::test]
async fn a_proxy_speaks_for_a_user_with_their_rights() {
    let server = guarded().await;
    let mut root = server.log_in("root").await;
    let rows = "create table silver.plays as select * from (values ('ada', 1), ('bob', 2)) as p (user_id, n)";
    root.execute_update(rows.into(), None).await.unwrap();
    let mut flight = server.log_in("superset").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "superset");
    flight.set_header("x-moodlake-user", "ada");
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");
    let seen = query(&mut flight, "select user_id from silver.plays order by 1").await;
    assert_eq!(strings(&seen, 0), ["ada"]);
    flight.set_header("x-moodlake-user", "ann");
    let seen = query(&mut flight, "select user_id from silver.plays order by 1").await;
    assert_eq!(strings(&seen, 0), ["ada", "bob"]);
}

#[tokio::test]
async fn nobody_speaks_for_another_who_may_not() {
    let server = guarded().await;
    let mut client = server.client().await;
    let proxy = format!("Bearer {}", server.token("superset").await);
    let root = format!("Bearer {}", server.token("root").await);
    for call in all() {
        for (header, user) in [
            (&root, "ada"),
            (&proxy, "root"),
            (&proxy, "superset"),
            (&proxy, "nobody"),
            (&proxy, ""),
        ] {
            let named = [("x-moodlake-user", user)];
            let code = send(&mut client, &call, Some(header), &named).await;
            assert_eq!(code, Err(Code::PermissionDenied), "{call:?} for '{user}'");
        }
        let twice = [("x-moodlake-user", "ada"), ("x-moodlake-user", "ann")];
        let code = send(&mut client, &call, Some(&proxy), &twice).await;
        assert_eq!(code, Err(Code::PermissionDenied), "{call:?}");
    }
}

#[tokio::test]
async fn what_one_user_was_handed_is_nothing_in_the_hands_of_another() {
    let server = guarded().await;
    let mut client = server.client().await;
    let mut bearer = Vec::new();
    for user in ["ann", "root", "superset"] {
        bearer.push(format!("Bearer {}", server.token(user).await));
    }
    let [ann, root, superset] = bearer.as_slice() else {
        panic!("three users");
    };
    // Even for ann herself: what she was handed she was handed without a proxy.
    let for_ann = [("x-moodlake-user", "ann")];
    for (other, headers) in [(root, &for_ann[..0]), (superset, &for_ann[..])] {
        let ticket = Call::Get(calls::start(&mut client, ann, "select 1").await);
        let handle = calls::prepare(&mut client, ann, "select 2").await;
        let mut handed = calls::with_handle(&handle);
        handed.push(ticket.clone());
        for call in &handed {
            let code = send(&mut client, call, Some(other), headers).await;
            let refused = matches!(
                code,
                Err(Code::InvalidArgument | Code::NotFound | Code::PermissionDenied)
            );
            assert!(refused, "{call:?}: {code:?}");
        }
        for call in [&handed[0], &ticket] {
            assert_eq!(
                send(&mut client, call, Some(ann), &[]).await,
                Ok(()),
                "{call:?}"
            );
        }
    }
}

#[tokio::test]
async fn without_users_everybody_here_is_the_owner_whatever_they_send() {
    let server = Guarded::start(Security::default(), &[]).await;
    let mut client = server.client().await;
    for header in [
        None,
        Some("Bearer None"),
        Some("Bearer abc"),
        Some("Basic YTpi"),
        Some("x"),
    ] {
        let code = send(&mut client, &Call::ListActions, header, &[]).await;
        assert_eq!(code, Ok(()), "{header:?}");
    }
    let mut flight = server.flight().await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "owner");
    let refused = flight
        .handshake("ada", "geheim")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("no users yet") && refused.contains("moodlake user add"),
        "{refused}"
    );
    let named = [("x-moodlake-user", "ada")];
    let code = send(&mut client, &Call::ListActions, None, &named).await;
    assert_eq!(code, Err(Code::PermissionDenied));
}

#[tokio::test]
async fn the_first_user_shuts_the_door_and_the_last_one_leaves_it_shut() {
    let server = Guarded::start(Security::default(), &[]).await;
    let mut flight = server.flight().await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "owner");
    server.add("ada", Role::Listener);
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
    assert_eq!(
        current_user(&mut server.log_in("ada").await).await.unwrap(),
        "ada"
    );
    server.remove("ada");
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_list_of_users_that_cannot_be_read_lets_nobody_in() {
    let server = guarded().await;
    let mut flight = server.log_in("root").await;
    std::fs::write(server.lake().join(".access/access.json"), "{").unwrap();
    let refused = current_user(&mut flight).await.unwrap_err();
    assert!(refused.message().contains("access.json"), "{refused}");
}

#[tokio::test]
async fn a_user_without_a_password_cannot_log_in_with_one() {
    let server = guarded().await;
    server.add_without_password("carol", Role::Admin);
    let mut client = server.client().await;
    for text in ["", "carol", &password("carol")] {
        let header = basic("carol", text);
        let code = send(&mut client, &Call::Handshake, Some(&header), &[]).await;
        assert_eq!(code, Err(Code::Unauthenticated));
    }
    assert!(passwords::hash("").is_err());
}

/// A statement's error as its status, which arrow-flight's client wraps.
fn status(error: arrow_flight::error::FlightError) -> Status {
    match error {
        arrow_flight::error::FlightError::Tonic(status) => *status,
        other => panic!("{other}"),
    }
}

/// As [`Flight`], before anybody logged in.
fn unnamed(client: FlightServiceClient<tonic::transport::Channel>) -> Flight {
    FlightSqlServiceClient::new_from_inner(client)
}
