//! The words of `context => 'monday morning'`: which weekdays and dayparts a profile is taken from.

use std::fmt;

use datafusion::common::{Result, plan_err};

/// Weekdays in the order of the column `weekday`: 1 = Monday … 7 = Sunday.
const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// The values of the column `daypart`.
const DAYPARTS: [&str; 4] = ["night", "morning", "afternoon", "evening"];

/// A part of the listener's week; none of either kind means all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Context {
    weekdays: Vec<usize>,
    dayparts: Vec<&'static str>,
    label: String,
}

impl Context {
    /// Reads words such as `monday morning`, `weekend` or `friday evening night`, in any case.
    pub(super) fn parse(function: &str, text: &str) -> Result<Self> {
        let mut context = Self::default();
        let mut labels = vec![];
        for word in text.split_whitespace() {
            let word = word.to_lowercase();
            labels.push(context.add(function, &word)?);
        }
        context.label = labels.join(" ");
        Ok(context)
    }

    fn add(&mut self, function: &str, word: &str) -> Result<String> {
        if let Some(at) = WEEKDAYS.iter().position(|weekday| *weekday == word) {
            self.weekdays.push(at + 1);
            let (initial, rest) = word.split_at(1);
            return Ok(initial.to_uppercase() + rest);
        }
        if let Some(daypart) = DAYPARTS.iter().find(|daypart| **daypart == word) {
            self.dayparts.push(daypart);
            return Ok(word.to_owned());
        }
        match word {
            "weekend" => self.weekdays.extend(6..=7),
            "weekday" => self.weekdays.extend(1..=5),
            _ => {
                return plan_err!(
                    "{function}: unknown word '{word}' in context, expected weekday, weekend, {} or {}",
                    WEEKDAYS.join(", "),
                    DAYPARTS.join(", ")
                );
            }
        }
        Ok(word.to_owned())
    }

    /// Whether it leaves the whole week in.
    pub(super) fn is_everything(&self) -> bool {
        self.weekdays.is_empty() && self.dayparts.is_empty()
    }

    /// The columns of plays that its condition reads.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let weekday = (!self.weekdays.is_empty()).then_some("weekday");
        let daypart = (!self.dayparts.is_empty()).then_some("daypart");
        weekday.into_iter().chain(daypart).collect()
    }

    /// How a reason names it: `Monday morning`, or `recent` for the whole week.
    pub(super) fn label(&self) -> &str {
        if self.is_everything() {
            "recent"
        } else {
            &self.label
        }
    }
}

/// The condition on `weekday` and `daypart`, in SQL.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weekdays = self
            .weekdays
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let dayparts = self
            .dayparts
            .iter()
            .map(|daypart| format!("'{daypart}'"))
            .collect::<Vec<_>>()
            .join(", ");
        match (weekdays.is_empty(), dayparts.is_empty()) {
            (true, true) => write!(f, "true"),
            (false, true) => write!(f, "weekday in ({weekdays})"),
            (true, false) => write!(f, "daypart in ({dayparts})"),
            (false, false) => write!(f, "weekday in ({weekdays}) and daypart in ({dayparts})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_condition() {
        let condition = |text| Context::parse("recommend", text).unwrap().to_string();
        assert_eq!(
            condition("Monday morning"),
            "weekday in (1) and daypart in ('morning')"
        );
        assert_eq!(condition("weekend"), "weekday in (6, 7)");
        assert_eq!(
            condition("evening night"),
            "daypart in ('evening', 'night')"
        );
        assert_eq!(condition(""), "true");
        assert_eq!(
            Context::parse("recommend", "MONDAY Morning")
                .unwrap()
                .label(),
            "Monday morning"
        );
    }

    #[test]
    fn an_unknown_word_lists_the_known_ones() {
        let message = Context::parse("recommend", "monday lunch")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("recommend: unknown word 'lunch' in context"),
            "{message}"
        );
        assert!(
            message.contains("weekend") && message.contains("afternoon"),
            "{message}"
        );
    }
}
