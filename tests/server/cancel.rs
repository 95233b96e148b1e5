//! Ending statements: by `CancelFlightInfo`, by `CancelQuery`, and by going away. What is ended stops working.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use arrow_flight::{
    Action, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    error::FlightError,
    sql::{ActionCancelQueryRequest, ActionCancelQueryResult, Any, ProstMessageExt},
};
use futures::{FutureExt, StreamExt, TryStreamExt};
use moodlake::{client::Client, engine::Engine, statement::Outcome};
use prost::Message;
use tonic::{Code, Status};

use super::harness::{Flight, fetch, number, start, ticket, update};

/// Nobody lives to see its result.
pub(super) const ENDLESS: &str = "select count(*) from generate_series(1, 10000000) as a (x) \
     cross join generate_series(1, 10000000) as b (y) where (x * y) % 7 = 3";
/// Rows without end.
const MANY_ROWS: &str = "select x.value from generate_series(1, 10000000) as x \
                         cross join generate_series(1, 10000000) as y";
/// So long it may take until what was ended no longer works.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn cancel_info(
    flight: &mut Flight,
    info: &FlightInfo,
) -> Result<CancelStatus, Status> {
    let request = CancelFlightInfoRequest::new(info.clone());
    let action = Action::new("CancelFlightInfo", request.encode_to_vec());
    let results = flight.inner_mut().do_action(action).await?;
    let result = results.into_inner().next().await.unwrap()?;
    Ok(CancelFlightInfoResult::decode(result.body)
        .unwrap()
        .status())
}

/// Waits until nothing runs.
async fn idle(engine: &Engine) {
    let start = Instant::now();
    while engine.queries().numbers().0 > 0 {
        assert!(start.elapsed() < PATIENCE, "a statement still runs");
        tokio::task::yield_now().await;
    }
}

/// Waits until something runs.
async fn busy(engine: &Engine) {
    let start = Instant::now();
    while engine.queries().numbers().0 == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing runs");
        tokio::task::yield_now().await;
    }
}

fn code(error: &FlightError) -> Code {
    match error {
        FlightError::Tonic(status) => status.code(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_query_that_is_being_fetched_is_ended() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let info = flight.execute(MANY_ROWS.into(), None).await.unwrap();
    let mut rows = flight.do_get(ticket(&info)).await.unwrap();
    assert!(rows.try_next().await.unwrap().unwrap().num_rows() > 0);
    let status = cancel_info(&mut flight, &info).await.unwrap();
    assert_eq!(status, CancelStatus::Cancelled);
    let ended = loop {
        match rows.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the rows came to an end"),
            Err(error) => break error,
        }
    };
    assert_eq!(code(&ended), Code::Cancelled, "{ended}");
    idle(&running.engine).await;
    let status = cancel_info(&mut flight, &info).await.unwrap();
    assert_eq!(status, CancelStatus::NotCancellable);
    let again = flight.do_get(ticket(&info)).await.unwrap_err();
    assert_eq!(code(&again), Code::Cancelled, "{again}");
}

#[tokio::test]
async fn a_query_that_gave_nothing_yet_is_ended() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let info = flight.execute(ENDLESS.into(), None).await.unwrap();
    let mut fetching = running.flight.clone();
    let fetch_ticket = ticket(&info);
    let fetched = async move {
        let mut rows = fetching.do_get(fetch_ticket).await?;
        rows.try_next().await
    };
    let ending = async {
        busy(&running.engine).await;
        cancel_info(&mut flight, &info).await
    };
    let (fetched, ended) = futures::join!(fetched, ending);
    assert_eq!(ended.unwrap(), CancelStatus::Cancelled);
    assert_eq!(code(&fetched.unwrap_err()), Code::Cancelled);
    idle(&running.engine).await;
    assert_eq!(number(&mut flight, "select 1").await, 1);
}

#[tokio::test]
async fn older_clients_end_queries_too() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let info = flight.execute("select 1".into(), None).await.unwrap();
    let request = ActionCancelQueryRequest {
        info: info.encode_to_vec().into(),
    };
    let action = Action::new("CancelQuery", request.as_any().encode_to_vec());
    let results = flight.inner_mut().do_action(action).await.unwrap();
    let result = results.into_inner().next().await.unwrap().unwrap();
    let result: ActionCancelQueryResult =
        Any::decode(result.body).unwrap().unpack().unwrap().unwrap();
    assert_eq!(result.result, CancelStatus::Cancelled as i32);
    let error = flight.do_get(ticket(&info)).await.unwrap_err();
    assert_eq!(code(&error), Code::Cancelled);
}

#[tokio::test]
async fn what_is_done_or_unknown_cannot_be_ended() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let done = "create table gold.t as select 1 as n".to_string();
    let done = flight.execute(done, None).await.unwrap();
    let catalogs = flight.get_catalogs().await.unwrap();
    for info in [&done, &catalogs] {
        let status = cancel_info(&mut flight, info).await.unwrap();
        assert_eq!(status, CancelStatus::NotCancellable);
        fetch(&mut flight, info).await;
    }
    let mut forged = flight.execute("select 1".into(), None).await.unwrap();
    let bytes = forged.endpoint[0].ticket.as_mut().unwrap();
    let mut changed = bytes.ticket.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    bytes.ticket = changed.into();
    let status = cancel_info(&mut flight, &forged).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_running_and_nothing_half_written() {
    let running = start().await;
    let engine = &running.engine;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.t (n bigint)").await;
    let writes = [
        format!("create table gold.made as {MANY_ROWS}"),
        format!("insert into gold.t {MANY_ROWS}"),
        format!("create table gold.counted as {ENDLESS}"),
    ];
    for sql in writes {
        let mut leaving = running.flight.clone();
        let mut calls = [leaving.execute(sql.clone(), None).map(drop).boxed(), {
            let (mut flight, sql) = (running.flight.clone(), sql.clone());
            async move { drop(flight.execute_update(sql, None).await) }.boxed()
        }];
        for call in &mut calls {
            tokio::select! {
                () = call => panic!("{sql}: ended by itself"),
                () = busy(engine) => {}
            }
        }
        drop(calls);
        idle(engine).await;
    }
    let versions = "select max(version) from system.tables where table_name = 't'";
    assert_eq!(number(&mut flight, versions).await, 0);
    let made = "select count(*) from system.tables where table_name in ('made', 'counted')";
    assert_eq!(number(&mut flight, made).await, 0);
    update(&mut flight, "create table gold.made as select 1 as n").await;
    assert_eq!(
        update(&mut flight, "insert into gold.t values (1)").await,
        1
    );
}

#[tokio::test]
async fn a_fetch_that_is_dropped_ends_its_query() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for sql in [MANY_ROWS, ENDLESS] {
        let info = flight.execute(sql.into(), None).await.unwrap();
        let mut fetching = running.flight.clone();
        let fetched = async {
            let mut rows = fetching.do_get(ticket(&info)).await.unwrap();
            while rows.try_next().await.unwrap().is_some() {}
        };
        tokio::select! {
            () = fetched => panic!("{sql}: came to an end"),
            () = busy(&running.engine) => {}
        }
        idle(&running.engine).await;
        assert_eq!(number(&mut flight, "select 1").await, 1);
    }
}

/// A server in a process of its own, ended with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Served {
    fn start(lake: &std::path::Path) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_moodlake"))
            .args(["serve", "--listen", "127.0.0.1:0", "--dir"])
            .arg(lake)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stderr.take().unwrap());
        let mut lines = told.lines().map_while(Result::ok);
        let url = lines.find_map(|line| {
            let (_, url) = line.split_once("listening on ")?;
            Some(url.trim().to_string())
        });
        (Self(child), url.unwrap())
    }

    /// The time that its threads have worked, in hundredths of a second.
    fn worked(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.0.id());
        let stat = fs::read_to_string(path).unwrap();
        let (_, numbers) = stat.rsplit_once(") ").unwrap();
        let numbers: Vec<&str> = numbers.split(' ').collect();
        let [user, system] = [11, 12].map(|at: usize| numbers[at].parse::<u64>().unwrap());
        user + system
    }

    /// Waits until it does no more work than to stay alive.
    async fn rests(&self, after: &str) {
        let start = Instant::now();
        loop {
            let before = self.worked();
            tokio::time::sleep(Duration::from_millis(500)).await;
            if self.worked() - before <= 5 {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "the server still works after {after}"
            );
        }
    }
}

#[tokio::test]
async fn what_was_ended_costs_no_more_time() {
    let lake = tempfile::tempdir().unwrap();
    let (served, url) = Served::start(lake.path());
    let client = Client::connect(&url).await.unwrap();
    let made = "create table gold.n as select value as n, cast(value % 2 as double) as a, random() as b \
                from generate_series(1, 2000000)";
    client.execute(made).await.unwrap();
    served.rests(made).await;
    let train = "create model slow options (type = 'kmeans', k = 64, max_iterations = 10000, n_runs = 100) \
                 as select a, b from gold.n where n <= 200000";
    for sql in [
        ENDLESS,
        MANY_ROWS,
        "select count(*) from gold.n as a join gold.n as b on a.n % 3 = b.n % 3",
        "select sum(a.b) over (order by b.b) from gold.n as a join gold.n as b on a.a = b.a order by 1",
        train,
        "create model slow options (type = 'logistic', label = 'c') as select a, b, n % 60 as c from gold.n where n <= 300000",
        "create model slow options (type = 'random_forest', label = 'c', trees = 10000) \
         as select a, b, n % 3 as c from gold.n where n <= 200000",
        "create model slow options (type = 'gbdt', label = 'c', trees = 10000) \
         as select a, b, n % 3 as c from gold.n where n <= 200000",
        "create model slow options (type = 'als', factors = 256, iterations = 1000, split = 'none') \
         as select n % 20000 as user_id, n % 9973 as track_id from gold.n",
    ] {
        let before = served.worked();
        let work = async {
            match client.run(sql).await {
                Ok(Outcome::Rows(mut rows)) => while let Ok(Some(_)) = rows.try_next().await {},
                Ok(_) => {}
                Err(error) => panic!("{sql}: {error}"),
            }
        };
        let has_begun = async {
            while served.worked() < before + 50 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = work => panic!("{sql}: ended by itself"),
            () = has_begun => {}
        }
        served.rests(sql).await;
        assert_eq!(
            client.query("select 1").await.unwrap().1[0].num_rows(),
            1,
            "{sql}"
        );
    }
}
