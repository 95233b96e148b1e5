//! Hands out the options of a statement by name and type, and refuses those that nobody asked for.

use std::collections::BTreeMap;

use super::OptionValue;
use crate::error::{Error, Result};

const DEFAULT_SEED: u64 = 42;

/// Hands out options by name and remembers which names a type of model knows.
pub(super) struct Reader<'a> {
    model: &'a str,
    given: &'a BTreeMap<String, OptionValue>,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(model: &'a str, given: &'a BTreeMap<String, OptionValue>) -> Self {
        Self {
            model,
            given,
            known: Vec::new(),
        }
    }

    fn value(&mut self, name: &'static str) -> Option<&OptionValue> {
        self.known.push(name);
        self.given.get(name)
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.value(name).cloned() {
            None => Ok(None),
            Some(OptionValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.expected(name, "a text", &other)),
        }
    }

    pub(super) fn whole(&mut self, name: &'static str, low: u64, high: u64) -> Result<Option<u64>> {
        let Some(value) = self.value(name).cloned() else {
            return Ok(None);
        };
        let number = match value {
            OptionValue::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(self.expected(
                name,
                &format!("a whole number from {low} to {high}"),
                &value,
            )),
        }
    }

    /// As [`whole`](Self::whole), or a word, which is given back as no number.
    #[expect(clippy::option_option, reason = "the outer one is for what is absent")]
    pub(super) fn whole_or(
        &mut self,
        name: &'static str,
        word: &str,
        low: u64,
        high: u64,
    ) -> Result<Option<Option<u64>>> {
        match self.given.get(name).cloned() {
            Some(OptionValue::Text(text)) if text == word => {
                self.known.push(name);
                Ok(Some(None))
            }
            Some(OptionValue::Text(text)) => {
                let wanted = format!("a whole number from {low} to {high} or '{word}'");
                Err(self.expected(name, &wanted, &OptionValue::Text(text)))
            }
            _ => Ok(self.whole(name, low, high)?.map(Some)),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a penalty beyond 2^53 is no different from its neighbours"
    )]
    pub(super) fn positive(&mut self, name: &'static str) -> Result<Option<f64>> {
        let Some(value) = self.value(name).cloned() else {
            return Ok(None);
        };
        let number = match value {
            OptionValue::Integer(number) => number as f64,
            OptionValue::Float(number) => number,
            _ => f64::NAN,
        };
        if number.is_finite() && number > 0.0 {
            Ok(Some(number))
        } else {
            Err(self.expected(name, "a number above 0", &value))
        }
    }

    pub(super) fn seed(&mut self) -> Result<u64> {
        let highest = u64::try_from(i64::MAX).unwrap_or(u64::MAX);
        Ok(self.whole("seed", 0, highest)?.unwrap_or(DEFAULT_SEED))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool> {
        Ok(self.maybe_flag(name)?.unwrap_or(false))
    }

    pub(super) fn maybe_flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.value(name).cloned() {
            None => Ok(None),
            Some(OptionValue::Boolean(value)) => Ok(Some(value)),
            Some(other) => Err(self.expected(name, "true or false", &other)),
        }
    }

    /// A list of columns.
    pub(super) fn names(&mut self, name: &'static str) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value(name).cloned() else {
            return Ok(None);
        };
        let column = |value: &OptionValue| match value {
            OptionValue::Text(column) => Some(column.clone()),
            _ => None,
        };
        let columns: Option<Vec<String>> = match &value {
            OptionValue::List(values) => values.iter().map(column).collect(),
            _ => None,
        };
        match columns {
            Some(columns) => Ok(Some(columns)),
            None => Err(self.expected(name, "a list of columns", &value)),
        }
    }

    pub(super) fn classes(&mut self) -> Result<Option<Vec<String>>> {
        let Some(value) = self.value("classes").cloned() else {
            return Ok(None);
        };
        let names: Option<Vec<String>> = match &value {
            OptionValue::List(values) => values.iter().map(class_name).collect(),
            _ => None,
        };
        match names {
            Some(names) if names.len() >= 2 && !has_duplicates(&names) => Ok(Some(names)),
            _ => Err(self.expected(
                "classes",
                "a list of at least two different classes",
                &value,
            )),
        }
    }

    pub(super) fn refuse_unknown(&self, kind: &str) -> Result<()> {
        let Some(unknown) = self
            .given
            .keys()
            .find(|name| !self.known.contains(&name.as_str()))
        else {
            return Ok(());
        };
        let message = format!(
            "unknown option '{unknown}', a '{kind}' model knows {}",
            self.known.join(", ")
        );
        Err(self.error(&message))
    }

    pub(super) fn expected(&self, name: &str, wanted: &str, got: &OptionValue) -> Error {
        self.error(&format!("option '{name}' must be {wanted}, got {got}"))
    }

    pub(super) fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.model))
    }
}

/// A class as the label column spells it once it is text.
fn class_name(value: &OptionValue) -> Option<String> {
    match value {
        OptionValue::Text(text) => Some(text.clone()),
        OptionValue::Integer(number) => Some(number.to_string()),
        OptionValue::Boolean(value) => Some(value.to_string()),
        OptionValue::Float(_) | OptionValue::List(_) => None,
    }
}

fn has_duplicates(names: &[String]) -> bool {
    names
        .iter()
        .enumerate()
        .any(|(at, name)| names[..at].contains(name))
}
