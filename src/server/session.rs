//! Sessions and transactions, answered honestly: there are none yet. Every statement stands for
//! itself and commits by itself; asking for what is so anyway succeeds, anything else is refused.

use std::collections::HashMap;

use arrow_flight::Action;
use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use prost::Message;
use tonic::{Response, Status};

use crate::{
    error::{Error, Result},
    lake::{CATALOG, DEFAULT_SCHEMA},
};

type Results = BoxStream<'static, Result<arrow_flight::Result, Status>>;

/// Session options and the like: the actions of Flight that Flight SQL's clients use.
pub(crate) fn act(action: &Action) -> Result<Response<Results>> {
    let body = match action.r#type.as_str() {
        // Drivers always send it at the end, JDBC even insists.
        "CloseSession" => CloseSessionResult { status: CLOSED }.encode_to_vec(),
        "GetSessionOptions" => session_options().encode_to_vec(),
        "SetSessionOptions" => {
            let request = SessionOptions::decode(action.body.clone())
                .map_err(|error| Error::Input(format!("SetSessionOptions: {error}")))?;
            refused_options(&request).encode_to_vec()
        }
        other => {
            return Err(Error::Unsupported(format!(
                "the action '{other}' is not offered"
            )));
        }
    };
    let result = arrow_flight::Result::new(Bytes::from(body));
    Ok(Response::new(stream::iter([Ok(result)]).boxed()))
}

/// Why transactions are refused, and what to do.
pub(crate) fn no_transactions() -> Error {
    Error::Unsupported(
        "transactions are not supported: every statement commits by itself (use autocommit)".into(),
    )
}

/// Refuses a statement that names a transaction, which no client can have from here.
pub(crate) fn refuse_transaction(id: Option<&Bytes>) -> Result<()> {
    match id {
        Some(id) if !id.is_empty() => Err(no_transactions()),
        _ => Ok(()),
    }
}

fn fixed_options() -> [(&'static str, &'static str); 2] {
    [("catalog", CATALOG), ("schema", DEFAULT_SCHEMA)]
}

fn session_options() -> SessionOptions {
    let options = fixed_options().map(|(name, value)| {
        let value = Some(OptionValue::String(value.to_string()));
        (name.to_string(), SessionOptionValue { value })
    });
    SessionOptions {
        options: options.into(),
    }
}

fn refused_options(request: &SessionOptions) -> SetSessionOptionsResult {
    let mut errors = HashMap::new();
    for (name, asked) in &request.options {
        let fixed = fixed_options().into_iter().find(|(known, _)| known == name);
        let value = match (fixed, &asked.value) {
            (None, _) => INVALID_NAME,
            (Some((_, value)), Some(OptionValue::String(asked))) if value == asked => continue,
            (Some(_), _) => INVALID_VALUE,
        };
        errors.insert(name.clone(), OptionError { value });
    }
    SetSessionOptionsResult { errors }
}

// Messages of Flight.proto that arrow-flight 59 does not have.

const CLOSED: i32 = 1;
const INVALID_NAME: i32 = 1;
const INVALID_VALUE: i32 = 2;

/// `SetSessionOptionsRequest` and `GetSessionOptionsResult`, which are alike.
#[derive(Clone, PartialEq, Message)]
struct SessionOptions {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, SessionOptionValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionOptionValue {
    #[prost(oneof = "OptionValue", tags = "1, 2, 3, 4")]
    value: Option<OptionValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OptionValue {
    #[prost(string, tag = "1")]
    String(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sfixed64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
}

#[derive(Clone, PartialEq, Message)]
struct SetSessionOptionsResult {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, OptionError>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionError {
    #[prost(int32, tag = "1")]
    value: i32,
}

#[derive(Clone, PartialEq, Message)]
struct CloseSessionResult {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_so_anyway_can_be_set() {
        let text = |value: &str| SessionOptionValue {
            value: Some(OptionValue::String(value.to_string())),
        };
        let options = HashMap::from([
            ("catalog".to_string(), text(CATALOG)),
            ("schema".to_string(), text("silver")),
            ("colour".to_string(), text("blue")),
        ]);
        let result = refused_options(&SessionOptions { options });
        let expected = HashMap::from([
            (
                "schema".to_string(),
                OptionError {
                    value: INVALID_VALUE,
                },
            ),
            (
                "colour".to_string(),
                OptionError {
                    value: INVALID_NAME,
                },
            ),
        ]);
        assert_eq!(result.errors, expected);
    }
}
