//! Sessions: options, SET and USE, temporary tables, and who shares them.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow_flight::{
    Action, FlightDescriptor,
    encode::FlightDataEncoderBuilder,
    flight_service_client::FlightServiceClient,
    sql::{
        CommandGetTables, CommandStatementIngest, DoPutUpdateResult, ProstMessageExt,
        TableDefinitionOptions, TableExistsOption as Exists, TableNotExistOption as Missing,
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use moodlake::{client::Client, statement::Outcome};
use prost::Message;
use tonic::{Request, metadata::MetadataValue, transport::Channel};

use super::harness::{Flight, Running, fetch, number, query, start, strings, update};

const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;
const CLOSED: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "1, 3")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(sfixed64, tag = "3")]
    Number(i64),
}

#[derive(Clone, PartialEq, Message)]
struct Wrong {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, Code>,
}

/// An error of one option, and the result of `CloseSession`, which are alike.
#[derive(Clone, PartialEq, Message)]
struct Code {
    #[prost(int32, tag = "1")]
    value: i32,
}

async fn act<M: Message + Default>(flight: &mut Flight, name: &str, body: Vec<u8>) -> M {
    let results = flight.inner_mut().do_action(Action::new(name, body)).await;
    let mut results = results.unwrap().into_inner();
    M::decode(results.next().await.unwrap().unwrap().body).unwrap()
}

fn text(value: &str) -> Value {
    Value {
        kind: Some(Kind::Text(value.to_string())),
    }
}

/// Sets options; gives the number of the error of each that was refused.
async fn set(flight: &mut Flight, options: &[(&str, Value)]) -> HashMap<String, i32> {
    let options = options.iter();
    let options = options.map(|(name, value)| ((*name).to_string(), value.clone()));
    let options = Options {
        options: options.collect(),
    };
    let wrong: Wrong = act(flight, "SetSessionOptions", options.encode_to_vec()).await;
    let errors = wrong.errors.into_iter();
    errors.map(|(name, code)| (name, code.value)).collect()
}

async fn get(flight: &mut Flight, name: &str) -> String {
    let options: Options = act(flight, "GetSessionOptions", Vec::new()).await;
    match &options.options[name].kind {
        Some(Kind::Text(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    }
}

async fn close(flight: &mut Flight) {
    let closed: Code = act(flight, "CloseSession", Vec::new()).await;
    assert_eq!(closed.value, CLOSED);
}

/// Another connection to the same server.
async fn connect(running: &Running) -> Flight {
    let channel = Channel::from_shared(running.url.replace("grpc", "http")).unwrap();
    Flight::new_from_inner(FlightServiceClient::new(channel.connect().await.unwrap()))
}

async fn text_of(flight: &mut Flight, sql: &str) -> String {
    strings(&query(flight, sql).await, 0).remove(0)
}

async fn refused(flight: &mut Flight, sql: &str) -> String {
    match flight.execute(sql.to_string(), None).await {
        Ok(info) => panic!("{sql}: {info}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn options_hold_for_every_statement_of_the_session_and_for_no_other() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let mut other = connect(&running).await;
    update(&mut flight, "create table silver.t as select 1 as n").await;
    update(&mut flight, "create table gold.t as select 2 as n").await;
    assert_eq!(get(&mut flight, "schema").await, "gold");
    let options = [
        ("catalog", text("moodlake")),
        ("schema", text("silver")),
        ("time_zone", text("Europe/Berlin")),
    ];
    assert!(set(&mut flight, &options).await.is_empty());
    assert_eq!(get(&mut flight, "time_zone").await, "Europe/Berlin");
    assert_eq!(number(&mut flight, "select n from t").await, 1);
    assert_eq!(number(&mut flight, "select n from gold.t").await, 2);
    let mut prepared = flight
        .prepare("select n from t".into(), None)
        .await
        .unwrap();
    let info = prepared.execute().await.unwrap();
    let rows = fetch(&mut flight, &info).await;
    assert_eq!(rows[0].column(0).as_ref(), &Int64Array::from(vec![1]));
    assert_eq!(number(&mut other, "select n from t").await, 2);

    let unset = [
        ("schema", Value::default()),
        ("time_zone", Value::default()),
    ];
    assert!(set(&mut flight, &unset).await.is_empty());
    assert_eq!(get(&mut flight, "schema").await, "gold");
    assert_eq!(get(&mut flight, "time_zone").await, "UTC");
}

#[tokio::test]
async fn each_option_that_is_refused_is_told() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let number = Value {
        kind: Some(Kind::Number(7)),
    };
    let options = [
        ("catalog", text("elsewhere")),
        ("schema", text("nowhere")),
        ("time_zone", text("Europe/Atlantis")),
        ("colour", text("blue")),
    ];
    let expected = [
        ("catalog", INVALID_VALUE),
        ("schema", INVALID_VALUE),
        ("time_zone", INVALID_VALUE),
        ("colour", INVALID_NAME),
    ];
    let expected: HashMap<_, _> = expected.map(|(name, code)| (name.to_string(), code)).into();
    assert_eq!(set(&mut flight, &options).await, expected);
    let wrong = set(&mut flight, &[("schema", number)]).await;
    assert_eq!(wrong["schema"], INVALID_VALUE);
    assert_eq!(get(&mut flight, "schema").await, "gold");
}

#[tokio::test]
async fn a_view_means_the_same_in_every_session() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in [
        "create table silver.t as select 1 as n",
        "create table gold.t as select 2 as n",
        "use silver",
        "create view v as select t.n as m, t.* from t where n in (select n from T other)",
        "create view w as with q as (select n from v) select q.n from q cross join gold.t",
    ] {
        update(&mut flight, sql).await;
    }
    let twice = "create view x as with t as (select * from t) select * from t";
    let message = refused(&mut flight, twice).await;
    assert!(message.contains("write 'silver.' before"), "{message}");
    for schema in ["silver", "gold"] {
        update(&mut flight, &format!("use {schema}")).await;
        for view in ["silver.v", "silver.w"] {
            let sql = format!("select n from {view}");
            assert_eq!(number(&mut flight, &sql).await, 1, "{sql} in {schema}");
        }
    }
}

#[tokio::test]
async fn statements_set_what_options_set_and_nothing_else() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table silver.t as select 1 as n").await;
    for sql in [
        "use silver",
        "set schema = 'silver'",
        "set search_path to silver",
    ] {
        update(&mut flight, sql).await;
        assert_eq!(get(&mut flight, "schema").await, "silver", "{sql}");
        assert_eq!(text_of(&mut flight, "show schema").await, "silver");
        assert_eq!(number(&mut flight, "select n from t").await, 1);
        update(&mut flight, "reset schema").await;
        assert_eq!(get(&mut flight, "schema").await, "gold", "{sql}");
    }
    for sql in [
        "set time zone 'Europe/Berlin'",
        "set time_zone = 'Europe/Berlin'",
    ] {
        update(&mut flight, sql).await;
        assert_eq!(
            text_of(&mut flight, "show time zone").await,
            "Europe/Berlin"
        );
        let noon = "select cast(cast(timestamp '2026-07-01 12:00:00' as timestamp with time zone) as varchar)";
        assert!(text_of(&mut flight, noon).await.contains("+02:00"), "{sql}");
        update(&mut flight, "reset all").await;
        assert_eq!(text_of(&mut flight, "show time_zone").await, "UTC");
    }
    for sql in [
        "set datafusion.runtime.memory_limit = '1G'",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.runtime.temp_directory",
    ] {
        let message = refused(&mut flight, sql).await;
        assert!(
            message.contains("schema and time_zone are"),
            "{sql}: {message}"
        );
    }
    let message = refused(&mut flight, "use nowhere").await;
    assert!(message.contains("schema 'nowhere' not found"), "{message}");
}

#[tokio::test]
async fn a_cookie_carries_a_session_to_another_connection() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "use silver").await;
    let request = Action::new("GetSessionOptions", Vec::new());
    let answer = flight.inner_mut().do_action(request).await.unwrap();
    let offered = answer.metadata().get("set-cookie").unwrap();
    let cookie = offered
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_string();
    assert!(cookie.starts_with("arrow_flight_session_id="), "{cookie}");

    let mut other = connect(&running).await;
    assert_eq!(get(&mut other, "schema").await, "gold");
    let with = |cookie: &str| {
        let mut request = Request::new(Action::new("GetSessionOptions", Vec::new()));
        let cookie = MetadataValue::try_from(cookie).unwrap();
        request.metadata_mut().insert("cookie", cookie);
        request
    };
    let schema = async |answer: tonic::Response<tonic::Streaming<arrow_flight::Result>>| {
        let result = answer.into_inner().next().await.unwrap().unwrap();
        Options::decode(result.body).unwrap().options["schema"].clone()
    };
    let answer = other.inner_mut().do_action(with(&cookie)).await.unwrap();
    assert!(answer.metadata().get("set-cookie").is_none());
    assert_eq!(schema(answer).await, text("silver"));
    let invented = "arrow_flight_session_id=00000000-0000-0000-0000-000000000000";
    let answer = other.inner_mut().do_action(with(invented)).await.unwrap();
    assert!(answer.metadata().get("set-cookie").is_some());
    assert_eq!(schema(answer).await, text("gold"));
}

#[tokio::test]
async fn closing_a_session_forgets_it() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "use silver").await;
    update(
        &mut flight,
        "create temporary table picked as select 1 as n",
    )
    .await;
    close(&mut flight).await;
    assert_eq!(get(&mut flight, "schema").await, "gold");
    let message = refused(&mut flight, "select * from picked").await;
    assert!(message.contains("picked' not found"), "{message}");
    close(&mut flight).await;
}

async fn ingest(
    flight: &mut Flight,
    mode: (Missing, Exists),
    values: &[i64],
) -> Result<i64, String> {
    let command = CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: mode.0.into(),
            if_exists: mode.1.into(),
        }),
        table: "picked".into(),
        temporary: true,
        ..CommandStatementIngest::default()
    };
    let numbers: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    let messages: Vec<_> = FlightDataEncoderBuilder::new()
        .with_flight_descriptor(Some(descriptor))
        .build(stream::iter([Ok(batch)]))
        .try_collect()
        .await
        .unwrap();
    let results = flight.do_put(stream::iter(messages)).await;
    let mut results = results.map_err(|error| error.to_string())?;
    let result = results
        .message()
        .await
        .map_err(|status| status.message().to_string())?;
    let result = DoPutUpdateResult::decode(result.unwrap().app_metadata).unwrap();
    Ok(result.record_count)
}

#[tokio::test]
async fn a_temporary_load_is_seen_by_its_session_alone() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let mut other = connect(&running).await;
    update(&mut flight, "create table gold.picked as select 100 as n").await;
    let create = (Missing::Create, Exists::Fail);
    assert_eq!(ingest(&mut flight, create, &[1, 2, 3]).await, Ok(3));
    let sum = "select sum(n) from picked";
    assert_eq!(number(&mut flight, sum).await, 6);
    assert_eq!(number(&mut other, sum).await, 100);
    assert_eq!(
        number(&mut flight, "select sum(n) from gold.picked").await,
        100
    );
    let message = ingest(&mut flight, create, &[4]).await.unwrap_err();
    assert!(message.contains("exists already"), "{message}");
    let append = (Missing::Fail, Exists::Append);
    assert_eq!(ingest(&mut flight, append, &[4]).await, Ok(1));
    assert_eq!(number(&mut flight, sum).await, 10);
    let replace = (Missing::Create, Exists::Replace);
    assert_eq!(ingest(&mut flight, replace, &[5]).await, Ok(1));
    assert_eq!(number(&mut flight, sum).await, 5);

    let listed = CommandGetTables {
        table_name_filter_pattern: Some("picked".into()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = flight.get_tables(listed.clone()).await.unwrap();
    let tables = fetch(&mut flight, &info).await;
    assert_eq!(strings(&tables, 1), ["gold", "temporary"]);
    assert_eq!(strings(&tables, 3), ["TABLE", "LOCAL TEMPORARY"]);
    let info = other.get_tables(listed).await.unwrap();
    assert_eq!(strings(&fetch(&mut other, &info).await, 1), ["gold"]);

    update(&mut flight, "drop table picked").await;
    assert_eq!(number(&mut flight, sum).await, 100);
    let message = ingest(&mut flight, append, &[4]).await.unwrap_err();
    assert!(message.contains("not found in this session"), "{message}");
}

#[tokio::test]
async fn temporary_tables_are_made_filled_and_read_by_sql() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let made = "create temporary table picked as select value as n from generate_series(1, 4)";
    assert_eq!(update(&mut flight, made).await, 4);
    let message = refused(&mut flight, made).await;
    assert!(message.contains("exists already"), "{message}");
    let insert = "insert into picked select n + 10 from picked where n > 2";
    assert_eq!(update(&mut flight, insert).await, 2);
    assert_eq!(number(&mut flight, "select sum(n) from picked").await, 37);
    assert_eq!(
        update(&mut flight, "insert overwrite picked values (7)").await,
        1
    );
    let joined = "with doubled as (select n * 2 as n from picked) \
                  select sum(doubled.n + picked.n) from doubled cross join picked";
    assert_eq!(number(&mut flight, joined).await, 21);
    update(
        &mut flight,
        "create temporary table named (name varchar not null, n bigint)",
    )
    .await;
    update(&mut flight, "insert into named values ('calm', 1)").await;
    assert_eq!(text_of(&mut flight, "select name from named").await, "calm");
    assert!(
        refused(&mut flight, "insert into named values (null, 1)")
            .await
            .contains("name")
    );
    let kept = "create table gold.kept as select * from picked";
    assert_eq!(update(&mut flight, kept).await, 1);
    for (sql, words) in [
        ("delete from picked", "is a temporary table"),
        (
            "create view gold.v as select * from picked",
            "would outlive",
        ),
        (
            "create schema temporary",
            "CREATE TEMPORARY TABLE makes one",
        ),
        (
            "create temporary table t (a int check (a > 1))",
            "not offered",
        ),
    ] {
        let message = refused(&mut flight, sql).await;
        assert!(message.contains(words), "{sql}: {message}");
    }
    update(&mut flight, "drop table if exists picked").await;
    update(&mut flight, "drop table if exists temporary.picked").await;
}

#[tokio::test]
async fn the_engine_in_process_is_a_session_too() {
    let running = start().await;
    let local = Client::Local(running.engine.clone());
    local.execute("use silver").await.unwrap();
    local
        .execute("create table t as select 1 as n")
        .await
        .unwrap();
    local
        .execute("create temporary table u as select 2 as n")
        .await
        .unwrap();
    let Outcome::Rows(rows) = local.run("select t.n + u.n as n from t, u").await.unwrap() else {
        panic!("a query gave no rows");
    };
    let rows: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert_eq!(rows[0].column(0).as_ref(), &Int64Array::from(vec![3]));
    let mut flight = running.flight.clone();
    assert_eq!(number(&mut flight, "select n from silver.t").await, 1);
    assert!(
        refused(&mut flight, "select n from u")
            .await
            .contains("not found")
    );
}
