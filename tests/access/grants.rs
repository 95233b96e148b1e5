//! What is granted on a name is granted on that name, and as long as it is there.

use moodlake::access::Store;

use super::harness::{Lake, refused};

#[tokio::test]
async fn an_analyst_reads_all_and_writes_in_schemas_of_their_own() {
    let lake = Lake::new().await;
    assert_eq!(
        lake.analyst("select count(*) from silver.plays")
            .await
            .as_deref(),
        Ok("3")
    );
    refused(
        lake.analyst("create table gold.mine as select 1 as a")
            .await,
        "CREATE",
    );
    refused(
        lake.analyst("select * from spotify_history('/etc')").await,
        "only admins read files",
    );
    lake.analyst("create schema study").await.unwrap();
    lake.analyst("create table study.notes as select user_id, 1 as n from silver.plays")
        .await
        .unwrap();
    refused(lake.ada("select * from study.notes").await, "GRANT SELECT");
    lake.analyst("grant select on schema study to ada")
        .await
        .unwrap();
    assert_eq!(
        lake.ada("select count(*) from study.notes")
            .await
            .as_deref(),
        Ok("2")
    );
    assert_eq!(
        lake.ada("show grants").await.as_deref(),
        Ok("ada SELECT study")
    );
    lake.analyst("revoke select on schema study from ada")
        .await
        .unwrap();
    refused(lake.ada("select * from study.notes").await, "GRANT SELECT");
    refused(
        lake.analyst("select * from system.users").await,
        "system.users",
    );
}

#[tokio::test]
async fn a_name_with_a_dot_is_no_way_into_another_schema() {
    let lake = Lake::new().await;
    lake.analyst("create schema study").await.unwrap();
    for sql in [
        "create schema \"gold.secrets\"",
        "create schema \"system.queries\"",
        "create schema moodlake",
        "create table study.\"gold.secrets\" (x int)",
        "create table study.\"v.view.sql\" (x int)",
        "create view study.\"gold.secrets\" as select 1 as x",
        "create temporary table \"gold.secrets\" (x int)",
        "grant drop on schema \"gold.secrets\" to ann",
        "grant all on study.\"gold.secrets\" to ann",
        "create mask m on study.\"gold.secrets\" (note) using ('x')",
    ] {
        refused(lake.analyst(sql).await, "cannot name a");
    }
    refused(
        lake.analyst("drop table gold.secrets").await,
        "GRANT DROP ON gold.secrets TO ann",
    );
    // What is kept of a schema is about the schema, and of a table about the table, when it is read anew.
    lake.analyst("create table study.\"my notes\" (x int)")
        .await
        .unwrap();
    lake.analyst("grant select on study.\"my notes\" to ada")
        .await
        .unwrap();
    lake.analyst("grant insert on schema study to ada")
        .await
        .unwrap();
    let again = Store::new(lake.folder.path()).current().unwrap();
    let kept: Vec<String> = again
        .grants
        .iter()
        .map(|grant| format!("{:?}", grant.on))
        .collect();
    assert_eq!(
        kept,
        [
            "Table(TableName { schema: \"study\", table: \"my notes\" })",
            "Schema(\"study\")"
        ]
    );
}

#[tokio::test]
async fn what_was_granted_goes_with_what_it_was_granted_on() {
    let lake = Lake::new().await;
    lake.analyst("create schema study").await.unwrap();
    lake.owner("create table gold.notes as select 'x' as note")
        .await
        .unwrap();
    lake.owner("create view gold.seen as select note from gold.notes")
        .await
        .unwrap();
    for object in ["gold.notes", "gold.seen", "silver.plays", "schema study"] {
        lake.owner(&format!("grant select on {object} to gate"))
            .await
            .unwrap();
    }
    lake.owner("create mask all_notes on gold.notes (note) using ('hidden')")
        .await
        .unwrap();
    // Nothing is dropped here.
    refused(lake.owner("drop view gold.notes").await, "not found");
    refused(lake.analyst("drop table gold.notes").await, "DROP");
    assert_eq!(
        lake.proxy("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
    lake.owner("create or replace table gold.notes as select 'y' as note")
        .await
        .unwrap();
    assert_eq!(
        lake.proxy("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
    lake.owner("drop view gold.seen").await.unwrap();
    lake.owner("drop table gold.notes").await.unwrap();
    lake.analyst("drop schema study").await.unwrap();
    assert_eq!(
        lake.owner("show grants").await.as_deref(),
        Ok("gate SELECT silver.plays")
    );
    lake.owner("create table gold.notes as select 'z' as note")
        .await
        .unwrap();
    refused(lake.proxy("select * from gold.notes").await, "GRANT SELECT");
    // A rule that hides outlives what it hid.
    assert_eq!(
        lake.analyst("select note from gold.notes").await.as_deref(),
        Ok("hidden")
    );
}
