//! The words of `context => 'monday morning'`: which weekdays, dayparts and listening modes a profile is taken from.

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
    /// As `gold.listening_modes` numbers them.
    modes: Vec<u32>,
    label: String,
}

/// The column that says whether a play is of one of a context's modes; the query of plays makes it.
pub(super) const IS_IN_MODE: &str = "is_in_mode";

impl Context {
    /// Reads words such as `monday morning`, `weekend` or `friday evening night`, in any case.
    pub(super) fn parse(function: &str, text: &str) -> Result<Self> {
        let mut context = Self::default();
        let mut labels = vec![];
        let mut words = text.split_whitespace().map(str::to_lowercase);
        while let Some(word) = words.next() {
            if word == "mode" {
                labels.push(context.add_mode(function, words.next().as_deref())?);
            } else {
                labels.push(context.add(function, &word)?);
            }
        }
        context.label = labels.join(" ");
        Ok(context)
    }

    fn add_mode(&mut self, function: &str, number: Option<&str>) -> Result<String> {
        let Some(mode) = number.and_then(|number| number.parse().ok()) else {
            return plan_err!(
                "{function}: 'mode' in context needs its number in gold.listening_modes, such as 'mode 2'"
            );
        };
        self.modes.push(mode);
        Ok(format!("mode {mode}"))
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
                    "{function}: unknown word '{word}' in context, expected weekday, weekend, {}, {} or mode with its number",
                    WEEKDAYS.join(", "),
                    DAYPARTS.join(", ")
                );
            }
        }
        Ok(word.to_owned())
    }

    /// Whether it leaves the whole week in.
    pub(super) fn is_everything(&self) -> bool {
        self.weekdays.is_empty() && self.dayparts.is_empty() && self.modes.is_empty()
    }

    /// The listening modes that it names.
    pub(super) fn modes(&self) -> &[u32] {
        &self.modes
    }

    /// The columns of plays that its condition reads.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let weekday = (!self.weekdays.is_empty()).then_some("weekday");
        let daypart = (!self.dayparts.is_empty()).then_some("daypart");
        let session_id = (!self.modes.is_empty()).then_some("session_id");
        weekday
            .into_iter()
            .chain(daypart)
            .chain(session_id)
            .collect()
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

/// The condition on `weekday`, `daypart` and [`IS_IN_MODE`], in SQL.
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
        let mut conditions = vec![];
        if !weekdays.is_empty() {
            conditions.push(format!("weekday in ({weekdays})"));
        }
        if !dayparts.is_empty() {
            conditions.push(format!("daypart in ({dayparts})"));
        }
        if !self.modes.is_empty() {
            conditions.push(IS_IN_MODE.to_owned());
        }
        if conditions.is_empty() {
            conditions.push("true".to_owned());
        }
        f.write_str(&conditions.join(" and "))
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
        assert_eq!(
            condition("evening mode 2"),
            "daypart in ('evening') and is_in_mode"
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
        let numberless = Context::parse("recommend", "mode").unwrap_err().to_string();
        assert!(numberless.contains("needs its number"), "{numberless}");
        assert!(
            message.contains("weekend") && message.contains("afternoon"),
            "{message}"
        );
    }
}
