//! When work on a statement must stop.

use std::{future, time::Duration};

use tokio::time::{Instant, sleep_until};

/// A client that sets a time limit is told in time to hear it.
const MARGIN: Duration = Duration::from_millis(10);

/// The end of the time that a client gives a call, as gRPC's `grpc-timeout` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    /// What the client said.
    pub after: Duration,
}

impl Deadline {
    /// From now on.
    #[must_use]
    pub fn after(after: Duration) -> Self {
        Self {
            at: Instant::now() + after.saturating_sub(MARGIN.min(after / 10)),
            after,
        }
    }
}

/// Waits for a deadline; for ever if there is none.
pub(super) async fn passed(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.at).await,
        None => future::pending().await,
    }
}

/// The time in a `grpc-timeout` header: up to eight digits and a unit.
#[must_use]
pub fn client_timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_time_limits_are_read() {
        assert_eq!(client_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(client_timeout("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(client_timeout("2H"), Some(Duration::from_hours(2)));
        for wrong in ["", "S", "5", "+5S", "123456789S", "5s", "5é"] {
            assert_eq!(client_timeout(wrong), None, "{wrong}");
        }
    }
}
