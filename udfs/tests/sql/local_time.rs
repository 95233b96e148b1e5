//! `local_time`.

use crate::{assert_refused, failure, one, rows};

#[tokio::test]
async fn it_follows_the_zone_through_the_year() {
    assert_eq!(
        one("select local_time(timestamp '2024-07-01T10:00:00Z', 'Europe/Berlin')").await,
        "2024-07-01T12:00:00"
    );
    let sql = "select local_time(t, z) from (values ('2024-01-01T10:00:00', 'Europe/Berlin'),
               ('2024-07-01T10:00:00.123456', 'America/New_York'), ('2024-07-01T23:30:00', 'Asia/Kolkata'),
               ('2024-07-01T23:30:00', '-03:30'), ('2024-10-27T00:30:00', 'Europe/Berlin'),
               ('2024-10-27T01:30:00', 'Europe/Berlin')) as v(t, z)";
    let expected = [
        "2024-01-01T11:00:00",
        "2024-07-01T06:00:00.123456",
        "2024-07-02T05:00:00",
        "2024-07-01T20:00:00",
        "2024-10-27T02:30:00",
        "2024-10-27T02:30:00",
    ];
    assert_eq!(rows(sql).await, expected);
}

#[tokio::test]
async fn the_result_has_no_zone_and_microseconds_from_any_input() {
    for input in [
        "timestamp '2024-07-01T10:00:00'",
        "'2024-07-01T10:00:00Z'",
        "arrow_cast(timestamp '2024-07-01T10:00:00', 'Timestamp(Second, None)')",
        "arrow_cast(timestamp '2024-07-01T10:00:00', 'Timestamp(Microsecond, Some(\"UTC\"))')",
        "arrow_cast('2024-07-01T11:00:00+01:00', 'Timestamp(Nanosecond, Some(\"Europe/London\"))')",
    ] {
        let sql =
            format!("select local_time({input}, 'UTC'), arrow_typeof(local_time({input}, 'UTC'))");
        assert_eq!(
            one(&sql).await,
            "2024-07-01T10:00:00 Timestamp(µs)",
            "{input}"
        );
    }
}

#[tokio::test]
async fn null_in_null_out() {
    assert_eq!(one("select local_time(null, 'UTC') is null").await, "true");
    assert_eq!(
        one("select local_time(timestamp => '2024-07-01', timezone => null) is null").await,
        "true"
    );
    assert!(
        rows("select local_time(t, 'UTC') from (select now() as t where false)")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn wrong_calls_are_refused() {
    let message = failure("select local_time(timestamp '2024-07-01', 'Europe/Atlantis')").await;
    assert!(
        message.contains("local_time: unknown time zone 'Europe/Atlantis'"),
        "{message}"
    );
    assert_refused(
        "select local_time(1, 'UTC')",
        "argument 'timestamp' must be a timestamp, got Int64",
    )
    .await;
    assert_refused(
        "select local_time(now(), 1)",
        "argument 'timezone' must be a text, got Int64",
    )
    .await;
    assert_refused(
        "select local_time(now())",
        "local_time: expected local_time(timestamp, timezone), got 1",
    )
    .await;
}
