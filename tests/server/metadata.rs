//! What catalogues, drivers and tools ask before the first statement.

use arrow::{
    array::AsArray,
    datatypes::{DataType, Schema},
};
use arrow_flight::{
    FlightDescriptor, IpcMessage,
    sql::{
        CommandGetDbSchemas, CommandGetPrimaryKeys, CommandGetTables, CommandStatementQuery,
        ProstMessageExt, SqlInfo,
    },
};
use prost::Message;

use super::harness::{fetch, start, strings, update};

#[tokio::test]
async fn metadata_needs_no_catalogue() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table silver.tracks (track_id varchar not null, tempo double)",
    )
    .await;
    update(
        &mut flight,
        "create table silver.trackXids (track_id varchar)",
    )
    .await;
    update(
        &mut flight,
        "create view gold.fast as select * from silver.tracks",
    )
    .await;

    let info = flight.get_catalogs().await.unwrap();
    assert_eq!(strings(&fetch(&mut flight, &info).await, 0), ["moodlake"]);

    let info = flight
        .get_db_schemas(CommandGetDbSchemas::default())
        .await
        .unwrap();
    let schemas = strings(&fetch(&mut flight, &info).await, 1);
    assert_eq!(
        schemas,
        [
            "bronze",
            "gold",
            "information_schema",
            "ml",
            "silver",
            "system"
        ]
    );

    let named = |pattern: &str| CommandGetTables {
        db_schema_filter_pattern: Some("silver".into()),
        table_name_filter_pattern: Some(pattern.into()),
        ..CommandGetTables::default()
    };
    let info = flight.get_tables(named("track%")).await.unwrap();
    assert_eq!(strings(&fetch(&mut flight, &info).await, 2).len(), 2);
    let mut elsewhere = named("%");
    elsewhere.catalog = Some("elsewhere".into());
    let info = flight.get_tables(elsewhere).await.unwrap();
    assert!(strings(&fetch(&mut flight, &info).await, 2).is_empty());
    let views = CommandGetTables {
        db_schema_filter_pattern: Some("gold".into()),
        table_types: vec!["VIEW".into()],
        ..Default::default()
    };
    let info = flight.get_tables(views).await.unwrap();
    assert_eq!(strings(&fetch(&mut flight, &info).await, 2), ["fast"]);
}

#[tokio::test]
async fn columns_come_with_flight_sqls_metadata() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table silver.tracks (track_id varchar not null, tempo double)",
    )
    .await;
    let command = CommandGetTables {
        table_name_filter_pattern: Some("tracks".into()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = flight.get_tables(command).await.unwrap();
    let batches = fetch(&mut flight, &info).await;
    let bytes = batches[0].column(4).as_binary::<i32>().value(0).to_vec();
    let schema = Schema::try_from(IpcMessage(bytes.into())).unwrap();
    let track_id = schema.field_with_name("track_id").unwrap();
    assert_eq!(track_id.data_type(), &DataType::Utf8);
    assert!(!track_id.is_nullable());
    let told = |key: &str| {
        track_id
            .metadata()
            .get(&format!("ARROW:FLIGHT:SQL:{key}"))
            .cloned()
    };
    assert_eq!(told("TYPE_NAME").as_deref(), Some("VARCHAR"));
    assert_eq!(told("SCHEMA_NAME").as_deref(), Some("silver"));
}

#[tokio::test]
async fn what_drivers_ask_at_connect_is_answered() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let info = flight
        .get_sql_info(vec![SqlInfo::FlightSqlServerTransaction])
        .await
        .unwrap();
    assert_eq!(fetch(&mut flight, &info).await[0].num_rows(), 1);
    let info = flight.get_sql_info(vec![]).await.unwrap();
    assert_eq!(fetch(&mut flight, &info).await[0].num_rows(), 91);
    let keys = CommandGetPrimaryKeys {
        table: "tracks".into(),
        ..Default::default()
    };
    let info = flight.get_primary_keys(keys).await.unwrap();
    assert!(strings(&fetch(&mut flight, &info).await, 2).is_empty());
    let refused = flight.begin_transaction().await.unwrap_err();
    assert!(refused.to_string().contains("autocommit"), "{refused}");
}

#[tokio::test]
async fn a_schema_can_be_had_without_running() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (query, columns) in [
        ("select 1 as one", 1),
        ("create table gold.t (n bigint)", 0),
    ] {
        let command = CommandStatementQuery {
            query: query.into(),
            transaction_id: None,
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let result = flight
            .inner_mut()
            .get_schema(descriptor)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(Schema::try_from(&result).unwrap().fields().len(), columns);
    }
    assert!(
        flight
            .execute("select * from gold.t".into(), None)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn patterns_can_name_a_character_that_is_a_wildcard() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for name in ["top_tracks", "topXtracks", "\"odd%name\""] {
        update(
            &mut flight,
            &format!("create table silver.{name} (n bigint)"),
        )
        .await;
    }
    for (pattern, expected) in [
        ("top\\_tracks", ["top_tracks"].as_slice()),
        ("top_tracks", &["top_tracks", "topxtracks"]),
        ("odd\\%name", &["odd%name"]),
        ("%", &["odd%name", "top_tracks", "topxtracks"]),
    ] {
        for include_schema in [false, true] {
            let command = CommandGetTables {
                catalog: Some("moodlake".into()),
                db_schema_filter_pattern: Some("silve_".into()),
                table_name_filter_pattern: Some(pattern.into()),
                include_schema,
                ..CommandGetTables::default()
            };
            let info = flight.get_tables(command).await.unwrap();
            let mut names = strings(&fetch(&mut flight, &info).await, 2);
            names.retain(|name| name != "responses");
            names.sort();
            assert_eq!(names, expected, "{pattern}");
        }
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_read_does_not_hide_the_others() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.base (n bigint)").await;
    update(
        &mut flight,
        "create view gold.broken as select * from gold.base",
    )
    .await;
    update(&mut flight, "create table gold.kept (n bigint, f double)").await;
    update(
        &mut flight,
        "create view gold.sums as select sum(n + 1.5) as total from gold.kept",
    )
    .await;
    update(&mut flight, "drop table gold.base").await;
    let command = CommandGetTables {
        db_schema_filter_pattern: Some("gold".into()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = flight.get_tables(command).await.unwrap();
    let batches = fetch(&mut flight, &info).await;
    assert_eq!(strings(&batches, 2), ["kept", "sums"]);
    let bytes = batches[0].column(4).as_binary::<i32>().value(1).to_vec();
    let announced = Schema::try_from(IpcMessage(bytes.into())).unwrap();
    let info = flight
        .execute("select * from gold.sums".into(), None)
        .await
        .unwrap();
    let sent = Schema::try_from(info).unwrap();
    assert_eq!(announced.field(0).data_type(), sent.field(0).data_type());
}
