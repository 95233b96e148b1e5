//! `local_time(timestamp, timezone)`: what the clock on the wall showed.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, StringArray, TimestampMicrosecondArray,
        builder::TimestampMicrosecondBuilder, timezone::Tz,
    },
    datatypes::{DataType, Field, FieldRef, TimeUnit, TimestampMicrosecondType},
};
use chrono::{DateTime, Offset, TimeZone};
use datafusion::{
    common::{DataFusionError, Result, exec_datafusion_err, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature,
    },
};
use datafusion_macros::user_doc;

use crate::numbers::named_signature;

/// The scalar function `local_time`.
pub(crate) fn local_time() -> ScalarUDF {
    ScalarUDF::from(LocalTime::new())
}

#[user_doc(
    doc_section(label = "Time and Date Functions"),
    description = "The wall-clock time of an instant in a time zone, as a timestamp without zone in microseconds. Follows \
the zone's rules at that instant (summer time, changes of law). Null if either argument is null; an error that names the \
zone if it is unknown. In an autumn night two instants an hour apart can have the same local time.",
    syntax_example = "local_time(timestamp, timezone)",
    sql_example = r"```sql
> select local_time(timestamp '2024-07-01T10:00:00Z', 'Europe/Berlin');
2024-07-01T12:00:00
```",
    argument(
        name = "timestamp",
        description = "Instant; a timestamp without zone, or a text, is taken as UTC."
    ),
    argument(
        name = "timezone",
        description = "IANA name such as 'Europe/Berlin', or an offset such as '+05:30'."
    )
)]
#[derive(Debug, PartialEq, Eq, Hash)]
struct LocalTime {
    signature: Signature,
}

impl LocalTime {
    fn new() -> Self {
        Self {
            signature: named_signature(&["timestamp", "timezone"]),
        }
    }
}

impl ScalarUDFImpl for LocalTime {
    fn name(&self) -> &str {
        "local_time"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given
            .iter()
            .enumerate()
            .map(|(at, given)| match at {
                0 if is_instant(given) => {
                    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
                }
                1 if is_text(given) => DataType::Utf8,
                _ => given.clone(),
            })
            .collect())
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let [instant, zone] = arguments.arg_fields else {
            return plan_err!(
                "local_time: expected local_time(timestamp, timezone), got {} arguments",
                arguments.arg_fields.len()
            );
        };
        let (instant, zone) = (instant.data_type(), zone.data_type());
        if !is_instant(instant) {
            return plan_err!(
                "local_time: argument 'timestamp' must be a timestamp, got {instant}"
            );
        }
        if !is_text(zone) {
            return plan_err!("local_time: argument 'timezone' must be a text, got {zone}");
        }
        Ok(Arc::new(Field::new(
            self.name(),
            self.return_type(&[])?,
            true,
        )))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let instants = arrays[0].as_primitive::<TimestampMicrosecondType>();
        Ok(ColumnarValue::Array(wall_clock(
            instants,
            arrays[1].as_string::<i32>(),
        )?))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.doc()
    }
}

fn is_instant(given: &DataType) -> bool {
    matches!(given, DataType::Timestamp(..) | DataType::Date32) || is_text(given)
}

fn is_text(given: &DataType) -> bool {
    given.is_string() || given.is_null()
}

fn wall_clock(instants: &TimestampMicrosecondArray, zones: &StringArray) -> Result<ArrayRef> {
    let mut local = TimestampMicrosecondBuilder::with_capacity(instants.len());
    // Rows of one user come together, so the zone of the row before is nearly always the one needed.
    let mut last: Option<(&str, Tz)> = None;
    for (instant, name) in instants.iter().zip(zones) {
        let (Some(instant), Some(name)) = (instant, name) else {
            local.append_null();
            continue;
        };
        let zone = match last {
            Some((known, zone)) if known == name => zone,
            _ => parse_zone(name)?,
        };
        last = Some((name, zone));
        local.append_value(in_zone(instant, zone)?);
    }
    Ok(Arc::new(local.finish()))
}

fn parse_zone(name: &str) -> Result<Tz> {
    let unknown = |_| -> DataFusionError {
        exec_datafusion_err!(
            "local_time: unknown time zone '{name}', expected a name such as 'Europe/Berlin' or 'UTC'"
        )
    };
    name.parse().map_err(unknown)
}

fn in_zone(micros: i64, zone: Tz) -> Result<i64> {
    let Some(instant) = DateTime::from_timestamp_micros(micros) else {
        return exec_err!(
            "local_time: timestamp {micros} (microseconds since 1970) is out of range"
        );
    };
    let offset_seconds = zone
        .offset_from_utc_datetime(&instant.naive_utc())
        .fix()
        .local_minus_utc();
    Ok(micros + i64::from(offset_seconds) * 1_000_000)
}
