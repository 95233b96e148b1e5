//! Statements of every shape and depth: answered or refused, and nobody else is harmed.

use futures::TryStreamExt;
use tonic::Code;

use super::{
    harness::{Flight, number, start, ticket, update},
    limits::refusal,
};

#[tokio::test]
async fn deep_statements_are_answered_or_refused_and_harm_nobody() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let deep = [
        format!("select {}", nested("(", "1", ")", 20_000)),
        format!("select {}", nested("-", "1", "", 20_000)),
        format!("select {}", nested("not ", "true", "", 20_000)),
        format!("select {}", nested("abs(", "1", ")", 20_000)),
        format!(
            "select {}",
            nested("case when true then ", "1", " end", 20_000)
        ),
        nested("select * from (", "select 1", ") as t", 20_000),
        nested("select (", "select 1", ")", 20_000),
        format!("select {}", nested("[", "1", "]", 20_000)),
        vec!["select 1"; 20_000].join(" union all "),
        vec!["select 1"; 20_000].join(" union "),
        format!("select 1 where {}", vec!["1 = 2"; 50_000].join(" or ")),
        format!("select {}", vec!["1"; 50_000].join(" + ")),
        format!("select '' {}", "|| 'a' ".repeat(50_000)),
        format!("select 1{}", "::bigint".repeat(50_000)),
        format!("select {} '1 day'", "interval ".repeat(20_000)),
        format!("{} select 1", "explain ".repeat(20_000)),
        format!(
            "select 1 from gold.t {}",
            "join gold.t on true ".repeat(20_000)
        ),
        format!("with {} select 1", ctes(5000)),
        format!("with {} select * from c30", doubling(30)),
        format!(
            "explain select 1 where {}",
            vec!["1 = 2"; 50_000].join(" and ")
        ),
        format!(
            "create view gold.v as {}",
            vec!["select 1"; 20_000].join(" union all ")
        ),
        format!(
            "insert into gold.t {}",
            vec!["select 1"; 20_000].join(" union all ")
        ),
    ];
    for sql in deep {
        harms_nobody(&mut flight, &sql).await;
    }
}

/// A statement that cannot be answered is refused, run and prepared, and others are answered.
async fn harms_nobody(flight: &mut Flight, sql: &str) {
    let status = refusal(flight, sql).await;
    let is_told = matches!(
        status.code(),
        Code::ResourceExhausted | Code::InvalidArgument
    );
    let start: String = sql.chars().take(80).collect();
    assert!(is_told, "{start}: {status}");
    let error = flight.prepare(sql.to_string(), None).await.map(|_| ());
    if let Err(error) = error {
        assert!(!error.to_string().contains("transport"), "{start}: {error}");
    }
    assert_eq!(number(flight, "select 1").await, 1, "{start}");
}

/// Links of each of these are put around those before, or into them.
#[expect(clippy::too_many_lines, reason = "a list")]
fn endless(links: usize) -> Vec<String> {
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(links), close.repeat(links))
    };
    let mut all = Vec::new();
    for (open, close) in [
        ("Nullable(", ")"),
        ("LowCardinality(", ")"),
        ("Tuple(", ")"),
        ("Tuple(a ", ")"),
        ("Map(int, ", ")"),
        ("Nested(a ", ")"),
        ("array<", ">"),
        ("struct<a ", ">"),
        ("struct<a int, b ", ">"),
        ("", "[]"),
        ("", "[1]"),
    ] {
        let data_type = nested(open, "int", close);
        all.push(format!("create table gold.x (a {data_type})"));
        all.push(format!("select cast(1 as {data_type})"));
        all.push(format!("select 1::{data_type}"));
    }
    for pattern in [
        nested("(", "a", ")"),
        nested("{- ", "a", " -}"),
        nested("", "a", "*"),
        nested("", "a", "{1}"),
        nested("", "a", "{1,2}"),
        nested("a | ", "a", ""),
        nested("permute(", "a", ")"),
    ] {
        all.push(format!(
            "select * from t match_recognize (pattern ({pattern}) define a as true)"
        ));
    }
    for expression in [
        nested("", "1", " is distinct from 1"),
        nested("", "1", " is not null"),
        nested("", "1", " in (1)"),
        nested("", "1", " not in (1, 2)"),
        nested("", "1", " between 1 and 1"),
        nested("", "'a'", " similar to 'a'"),
        nested("", "'a'", " rlike 'a'"),
        nested("", "'a'", " like 'a' escape 'b'"),
        nested("", "1", " operator(+) 1"),
        nested("", "1", " div 1"),
        nested("", "true", " xor true"),
        nested("", "1", " overlaps 1"),
        nested("", "'a'", " collate c"),
        nested("", "now()", " at time zone 'UTC'"),
        nested("", "a", "[1]"),
        nested("", "a", "[1].b"),
        nested("", "a", ".b"),
        nested("", "a", ".b(1)"),
        nested("", "a", ":b"),
        nested("", "1", "!"),
        nested("", "1", " + a.from"),
        nested("", "1", " + set"),
        nested("", "1", " + select"),
        nested("", "1", " + struct<a int, b int>(1, 2)"),
        nested("", "1", " member of(a)"),
        nested("not ", "true", ""),
        nested("+", "1", ""),
        nested("prior ", "1", ""),
        nested("interval ", "'1 day'", ""),
        nested("case when ", "true", " then 1 end"),
        nested("case ", "1", " when 1 then 1 end"),
        nested("[1, ", "1", "]"),
        nested("{a: ", "1", "}"),
        nested("x -> ", "1", ""),
        nested("(x, y) -> ", "1", ""),
        nested("exists (select ", "1", ")"),
    ] {
        all.push(format!("select {expression}"));
    }
    let flat = " + 1".repeat(links / 20);
    let staircase = (0..20).fold("1".to_string(), |inner, _| format!("({inner}){flat}"));
    all.push(format!("select {staircase}"));
    for behind in [
        " unpivot(x for y in (z))",
        " pivot(sum(x) for y in (1))",
        " cross apply b",
        " straight_join b",
        " natural join b",
        " cross join b",
        " |> where true",
        " |> as b |> select *",
        " union from a",
        " union table a",
        " except select 1, 2",
        " intersect values (1, 2)",
        ", a",
    ] {
        all.push(format!("select * from a{}", behind.repeat(links)));
        all.push(format!("from a{}", behind.repeat(links)));
        all.push(format!("table a{}", behind.repeat(links)));
    }
    all.push(nested("select * from (a join ", "a", " on true)"));
    all.push(format!("select * from {}", nested("(a join ", "a", ")")));
    all.push(format!("select * from {}", nested("table(", "1", ")")));
    all.push(format!(
        "select * from json_table('[]', '$' columns ({}))",
        nested("nested path '$' columns (", "a int path '$'", ")")
    ));
    all.push(format!("drop model ml{}", ".ml".repeat(links)));
    all.push(format!("drop table gold{}", ".x".repeat(links)));
    all.push(format!(
        "{}select 1",
        "explain format 'tree' ".repeat(links)
    ));
    all.push(format!(
        "{}select 1",
        "explain analyze verbose ".repeat(links)
    ));
    all.push(format!("{}select 1", "prepare x(int) as ".repeat(links)));
    all.push(format!(
        "create model m options (a = {}) as select 1",
        nested("[", "1", "]")
    ));
    all.push(format!(
        "create row policy p on gold.t using ({})",
        nested("(", "true", ")")
    ));
    all.push(format!(
        "create row policy p on gold.t using (cast(1 as {}) is null)",
        nested("Nullable(", "int", ")")
    ));
    all
}

#[tokio::test]
async fn no_shape_of_a_statement_ends_the_server() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(&mut flight, "create table gold.t as select true as a").await;
    for sql in endless(12_000) {
        harms_nobody(&mut flight, &sql).await;
    }
    // As deep as the limits allow, and a little less.
    for links in [95, 1900] {
        for sql in endless(links) {
            let mut flight = flight.clone();
            let rows = async {
                let info = flight.execute(sql.clone(), None).await?;
                let rows = flight.do_get(ticket(&info)).await?;
                rows.try_collect::<Vec<_>>().await
            };
            // Answered or not.
            drop(rows.await);
            let start: String = sql.chars().take(80).collect();
            assert_eq!(number(&mut flight, "select 1").await, 1, "{links}: {start}");
        }
    }
}

#[tokio::test]
async fn what_the_limits_allow_is_planned() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let in_list = format!(
        "select count(*) from generate_series(1, 10) as t (x) where x in ({})",
        (1..=100_000)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    );
    assert_eq!(number(&mut flight, &in_list).await, 10);
    let conditions = (1..=900).map(|n| format!("x = {n}")).collect::<Vec<_>>();
    let chain = format!(
        "select count(*) from generate_series(1, 1000) as t (x) where {}",
        conditions.join(" or ")
    );
    assert_eq!(number(&mut flight, &chain).await, 900);
    let union = vec!["select 1 as n"; 499].join(" union all ");
    assert_eq!(
        number(&mut flight, &format!("select count(*) from ({union})")).await,
        499
    );
    let joins = (0..240).map(|n| format!("join (select 1 as n) b{n} on a.n = b{n}.n"));
    let joins = joins.collect::<Vec<_>>().join(" ");
    let joined = format!("select count(*) from (select 1 as n) a {joins}");
    assert_eq!(number(&mut flight, &joined).await, 1);
    let chained = format!("with {} select x from c100", ctes(100));
    assert_eq!(number(&mut flight, &chained).await, 101);
}

/// `c0 as (select 1 as x), c1 as (select x + 1 as x from c0), …`
fn ctes(count: usize) -> String {
    let first = "c0 as (select 1 as x)".to_string();
    let rest = (1..=count).map(|n| format!("c{n} as (select x + 1 as x from c{})", n - 1));
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Each query reads the one before twice.
fn doubling(count: usize) -> String {
    let first = "c0 as (select 1 as x)".to_string();
    let rest = (1..=count).map(|n| {
        let m = n - 1;
        format!("c{n} as (select a.x from c{m} a join c{m} b on a.x = b.x)")
    });
    std::iter::once(first)
        .chain(rest)
        .collect::<Vec<_>>()
        .join(", ")
}
