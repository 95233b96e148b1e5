//! The program as those who run it see it: metrics, health, and its end.
#![expect(clippy::float_cmp, reason = "metrics are counts, written as floats")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use arrow_flight::flight_service_client::FlightServiceClient;
use futures::TryStreamExt;
use moodlake::client::{Client, check_health};
use tonic::{Code, transport::Channel};

use super::{
    cancel::cancel_info,
    harness::{Flight, number, ticket},
    poll::{poll, statement},
};

/// So long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Nobody lives to see its result.
const ENDLESS: &str = "select count(*) from generate_series(1, 10000000) as a (x) \
     cross join generate_series(1, 10000000) as b (y) where (x * y) % 7 = 3";

/// `moodlake serve` in a process of its own.
struct Served {
    process: Child,
    url: String,
    metrics: String,
}

impl Served {
    fn start(lake: &Path, flags: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_moodlake"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "127.0.0.1:0",
                "--dir",
            ])
            .arg(lake)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = |words: &str| loop {
            let line = lines.next().expect("the server ended").unwrap();
            if let Some((_, address)) = line.split_once(words) {
                return address.trim().to_string();
            }
        };
        let metrics = said("metrics on http://");
        let url = said("listening on ");
        // Whatever it says must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self {
            process,
            url,
            metrics,
        }
    }

    async fn flight(&self) -> Flight {
        let channel = Channel::from_shared(self.url.replace("grpc", "http")).unwrap();
        let channel = channel.connect().await.unwrap();
        Flight::new_from_inner(FlightServiceClient::new(channel))
    }

    fn metrics(&self) -> String {
        let (host, path) = self.metrics.split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{name} is not in {text}"))
            .trim()
            .parse()
            .unwrap()
    }

    fn terminate(&self) {
        let id = self.process.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
    }

    async fn ended(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_is_done() {
    let lake = tempfile::tempdir().unwrap();
    let served = Served::start(lake.path(), &[]);
    let mut flight = served.flight().await;
    for _ in 0..3 {
        assert_eq!(number(&mut flight, "select 1").await, 1);
    }
    assert!(flight.execute("select nothing".into(), None).await.is_err());
    let before = served.metric("moodlake_commits_total");
    flight
        .execute_update("create table gold.t as select 1 as n".into(), None)
        .await
        .unwrap();
    assert_eq!(
        served.metric("moodlake_statements_total{kind=\"select\",outcome=\"done\"}"),
        3.0
    );
    assert_eq!(
        served.metric("moodlake_statements_total{kind=\"select\",outcome=\"failed\"}"),
        1.0
    );
    assert_eq!(served.metric("moodlake_rows_sent_total"), 3.0);
    assert_eq!(served.metric("moodlake_commits_total"), before + 1.0);
    assert_eq!(served.metric("moodlake_statements_running"), 0.0);
    let info = flight.execute(ENDLESS.into(), None).await.unwrap();
    let rows = flight.do_get(ticket(&info)).await.unwrap();
    assert_eq!(served.metric("moodlake_statements_running"), 1.0);
    drop(rows);
    let polled = poll(&mut flight, statement(ENDLESS)).await;
    assert_eq!(served.metric("moodlake_results"), 5.0);
    cancel_info(&mut flight, &polled.info.unwrap())
        .await
        .unwrap();
    let start = Instant::now();
    while served.metric("moodlake_statements_running") > 0.0 {
        assert!(start.elapsed() < PATIENCE, "a statement still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        served.metric("moodlake_statements_total{kind=\"select\",outcome=\"cancelled\"}"),
        2.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_tells_its_health_and_ends_what_runs() {
    let lake = tempfile::tempdir().unwrap();
    let mut served = Served::start(lake.path(), &["--grace", "2s"]);
    check_health(&served.url, None).await.unwrap();
    let healthcheck = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_moodlake"));
        command.args(["healthcheck", "--server", &served.url]);
        command.stderr(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(healthcheck(), Some(0));
    let mut flight = served.flight().await;
    let mut other = flight.clone();
    let info = flight.execute(ENDLESS.into(), None).await.unwrap();
    let running = flight.do_get(ticket(&info)).await.unwrap();
    served.terminate();
    let start = Instant::now();
    while check_health(&served.url, None).await.is_ok() {
        assert!(
            start.elapsed() < PATIENCE,
            "it says that it takes statements"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(healthcheck(), Some(1));
    let refused = other.execute("select 1".into(), None).await.unwrap_err();
    assert!(
        refused.to_string().contains("the server is shutting down"),
        "{refused}"
    );
    let ended = running.try_collect::<Vec<_>>().await.unwrap_err();
    match ended {
        arrow_flight::error::FlightError::Tonic(status) => {
            assert_eq!(status.code(), Code::Cancelled, "{status}");
            assert!(status.message().contains("shuts down"), "{status}");
        }
        other => panic!("{other}"),
    }
    let status = served.ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "the grace was not given"
    );
    // What happened was written down.
    let again = Served::start(lake.path(), &[]);
    let client = Client::connect(&again.url).await.unwrap();
    let sql = "select count(*) from system.audit where outcome = 'cancelled' and statement like '%cross join%'";
    let (_, batches) = client.query(sql).await.unwrap();
    let count =
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batches[0].column(0));
    assert_eq!(count.value(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_in_time_is_let_go_on() {
    let lake = tempfile::tempdir().unwrap();
    let mut served = Served::start(lake.path(), &["--grace", "60s"]);
    let mut flight = served.flight().await;
    let info = flight
        .execute("select sum(a.value % 7) from generate_series(1, 3000) a cross join generate_series(1, 3000) b".into(), None)
        .await
        .unwrap();
    let rows = flight.do_get(ticket(&info)).await.unwrap();
    served.terminate();
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(rows[0].num_rows(), 1);
    let start = Instant::now();
    assert_eq!(served.ended().await.code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "nothing ran any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let lake = tempfile::tempdir().unwrap();
    let mut served = Served::start(lake.path(), &["--grace", "10m"]);
    let mut flight = served.flight().await;
    let info = flight.execute(ENDLESS.into(), None).await.unwrap();
    let _running = flight.do_get(ticket(&info)).await.unwrap();
    served.terminate();
    let start = Instant::now();
    while check_health(&served.url, None).await.is_ok() {
        assert!(start.elapsed() < PATIENCE, "the signal was not heard");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    served.terminate();
    served.ended().await;
    assert!(
        start.elapsed() < Duration::from_secs(20),
        "{:?}",
        start.elapsed()
    );
}
