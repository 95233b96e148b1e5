//! What was handed out ends with the rights that it was made under: tokens, tickets, prepared statements.

use arrow_flight::{Action, FlightInfo, RenewFlightEndpointRequest};
use moodlake::access::Role;
use prost::Message;
use tonic::{Code, Request};

use super::{
    super::harness::{Flight, fetch, ticket},
    guarded,
    guarded::{basic, current_user, password},
    refusal, status,
};

#[tokio::test]
async fn a_token_ends_with_the_password_the_role_and_the_user() {
    let server = guarded().await;
    let mut flight = server.log_in("ann").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");
    server.set_password("ann", "another password");
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);

    let mut flight = server.log_in("ada").await;
    server.set_role("ada", Role::Analyst);
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
    let mut flight = server.log_in("ada").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "ada");
    server.remove("ada");
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
    let mut flight = server.log_in("root").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "root");
}

#[tokio::test]
async fn a_token_that_ended_stays_ended() {
    let server = guarded().await;
    let mut flight = server.log_in("ann").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");
    // Nobody asks while the role is another.
    server.set_role("ann", Role::Listener);
    server.set_role("ann", Role::Analyst);
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
    let mut flight = server.log_in("ann").await;
    assert_eq!(current_user(&mut flight).await.unwrap(), "ann");

    let before = server.entry("ann");
    server.remove("ann");
    let removed = current_user(&mut flight).await.unwrap_err();
    assert_eq!(removed.code(), Code::Unauthenticated);
    assert!(
        removed.message().contains("no user of this lake any more"),
        "{removed}"
    );
    server.put("ann", before);
    assert_eq!(refusal(&mut flight).await, Code::Unauthenticated);
}

#[tokio::test]
async fn a_ticket_ends_with_the_right_to_its_rows() {
    let server = guarded().await;
    let mut root = server.log_in("root").await;
    for sql in [
        "create table gold.notes as select 'x' as note",
        "create table silver.plays as select 'ada' as user_id",
        "grant select on gold.notes to ada",
        "grant select on gold.notes to listener",
    ] {
        root.execute_update(sql.into(), None).await.unwrap();
    }
    let notes = "select * from gold.notes";
    let plays = "select * from silver.plays";
    for (user, sql, change) in [
        ("ada", notes, "revoke select on gold.notes from ada"),
        ("ada", notes, "revoke select on gold.notes from listener"),
        (
            "ann",
            plays,
            "create mask m on silver.plays (user_id) to analyst using ('-')",
        ),
        (
            "ann",
            plays,
            "create row policy r on silver.plays using (false)",
        ),
    ] {
        let login = basic(user, &password(user));
        let mut flight = server.flight().await;
        flight.set_header("authorization", login.clone());
        let info = flight.execute(sql.into(), None).await.unwrap();
        assert_eq!(fetch(&mut flight, &info).await[0].num_rows(), 1);
        root.execute_update(change.into(), None).await.unwrap();
        assert_ended(&mut flight, &login, &info, change).await;
    }

    let another = "another password";
    let changes: [(&str, &dyn Fn(), &str); 3] = [
        (
            "role",
            &|| server.set_role("ann", Role::Listener),
            &password("ann"),
        ),
        ("password", &|| server.set_password("ann", another), another),
        (
            "password again",
            &|| server.set_password("ann", &password("ann")),
            &password("ann"),
        ),
    ];
    let mut before = password("ann");
    for (what, change, after) in changes {
        let mut flight = server.flight().await;
        flight.set_header("authorization", basic("ann", &before));
        let info = flight.execute("select 1".into(), None).await.unwrap();
        change();
        let login = basic("ann", after);
        flight.set_header("authorization", login.clone());
        assert_ended(&mut flight, &login, &info, what).await;
        before = after.to_string();
    }
}

async fn assert_ended(flight: &mut Flight, login: &str, info: &FlightInfo, change: &str) {
    let fetched = flight.do_get(ticket(info)).await.unwrap_err();
    let endpoint = RenewFlightEndpointRequest {
        endpoint: Some(info.endpoint[0].clone()),
    };
    let action = Action::new("RenewFlightEndpoint", endpoint.encode_to_vec());
    let mut request = Request::new(action);
    let login = login.parse().unwrap();
    request.metadata_mut().insert("authorization", login);
    let renewed = flight.inner_mut().do_action(request).await.unwrap_err();
    for refused in [status(fetched), renewed] {
        assert_eq!(refused.code(), Code::InvalidArgument, "{change}: {refused}");
        let message = refused.message();
        assert!(message.contains("rights of yours"), "{change}: {message}");
    }
}

#[tokio::test]
async fn a_ticket_does_not_end_with_what_takes_nothing_from_its_owner() {
    let server = guarded().await;
    let mut root = server.log_in("root").await;
    let mut ann = server.log_in("ann").await;
    let of_ann = ann.execute("select 1".into(), None).await.unwrap();
    let of_root = root.execute("select 1".into(), None).await.unwrap();
    let made = ann.execute("create schema lab".into(), None).await.unwrap();
    assert!(fetch(&mut ann, &made).await.is_empty());
    for sql in [
        "create table gold.notes as select 'x' as note",
        "grant select on gold.notes to ada",
        "grant insert on gold.notes to ann",
        "create row policy r on gold.notes to listener using (false)",
        "create mask m on gold.notes (note) using ('-')",
        "drop mask m on gold.notes",
    ] {
        root.execute_update(sql.into(), None).await.unwrap();
    }
    server.set_password("ada", "another password");
    server.add("eve", Role::Admin);
    assert_eq!(fetch(&mut ann, &of_ann).await[0].num_rows(), 1);
    assert_eq!(fetch(&mut root, &of_root).await[0].num_rows(), 1);
    let revoke = "revoke insert on gold.notes from ann";
    let revoked = root.execute(revoke.into(), None).await.unwrap();
    assert!(fetch(&mut root, &revoked).await.is_empty());
}

#[tokio::test]
async fn a_prepared_statement_is_planned_with_the_rights_of_each_run() {
    let server = guarded().await;
    let mut root = server.log_in("root").await;
    for sql in [
        "create table gold.notes as select 'x' as note",
        "grant select on gold.notes to ada",
    ] {
        root.execute_update(sql.into(), None).await.unwrap();
    }
    let mut flight = server.log_in("ada").await;
    let notes = "select * from gold.notes";
    let mut prepared = flight.prepare(notes.into(), None).await.unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(fetch(&mut flight, &info).await[0].num_rows(), 1);
    let revoke = "revoke select on gold.notes from ada";
    root.execute_update(revoke.into(), None).await.unwrap();
    let refused = status(prepared.execute().await.unwrap_err());
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}
