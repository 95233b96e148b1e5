//! SET, RESET, USE and SHOW of what a session may choose: its schema and its time zone, and nothing else of the engine.

use std::{str::FromStr, sync::Arc};

use arrow::array::{RecordBatch, StringArray};
use chrono_tz::Tz;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{Planned, Statement, ddl, words::Words};
use crate::{
    engine::{Engine, SessionSettings},
    error::{Error, Result},
    lake::CATALOG,
};

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// There is one catalogue.
    Catalog,
    /// The schema of names that name none.
    Schema,
    /// The zone of times without one.
    TimeZone,
}

/// A change of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Change { name: Name, value: String },
    Reset(Name),
    ResetAll,
}

impl Name {
    pub(crate) const ALL: [Self; 3] = [Self::Catalog, Self::Schema, Self::TimeZone];

    /// The name that statements and session options use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Catalog => "catalog",
            Self::Schema => "schema",
            Self::TimeZone => "time_zone",
        }
    }

    /// The value that a session has.
    pub(crate) fn value(self, settings: &SessionSettings) -> &str {
        match self {
            Self::Catalog => CATALOG,
            Self::Schema => &settings.schema,
            Self::TimeZone => &settings.time_zone,
        }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "catalog" | "current_catalog" => Ok(Self::Catalog),
            "schema" | "search_path" | "current_schema" => Ok(Self::Schema),
            "time_zone" | "timezone" => Ok(Self::TimeZone),
            _ => Err(Error::Input(format!(
                "'{text}' is no setting of a session; schema and time_zone are"
            ))),
        }
    }
}

/// The statement, if the tokens begin like one of these.
pub(super) fn parse(tokens: &[Token]) -> Result<Option<Statement>> {
    let mut words = Words::new(tokens);
    let setting = if words.take(&["set"]) {
        set(&mut words)?
    } else if words.take(&["reset"]) {
        reset(&mut words)?
    } else if words.take(&["use"]) {
        used(&mut words)?
    } else if words.take(&["show"]) {
        return shown(&mut words);
    } else {
        return Ok(None);
    };
    Ok(Some(Statement::Set(setting)))
}

fn set(words: &mut Words<'_>) -> Result<Setting> {
    const SET: &str = "SET";
    let _ = words.take(&["session"]) || words.take(&["local"]);
    let name = if words.take(&["time", "zone"]) {
        Name::TimeZone
    } else {
        let name = Name::from_str(&setting_name(words, SET)?)?;
        if words.peek() == Some(&Token::Eq) {
            words.advance();
        } else if !words.take(&["to"]) && name != Name::Schema {
            return Err(words.unexpected(SET, "="));
        }
        name
    };
    let value = value(words, SET)?;
    words.end(SET)?;
    Ok(match value {
        Some(value) => Setting::Change { name, value },
        None => Setting::Reset(name),
    })
}

fn reset(words: &mut Words<'_>) -> Result<Setting> {
    const RESET: &str = "RESET";
    let setting = if words.take(&["all"]) {
        Setting::ResetAll
    } else if words.take(&["time", "zone"]) {
        Setting::Reset(Name::TimeZone)
    } else {
        Setting::Reset(Name::from_str(&setting_name(words, RESET)?)?)
    };
    words.end(RESET)?;
    Ok(setting)
}

fn used(words: &mut Words<'_>) -> Result<Setting> {
    const USE: &str = "USE";
    let _ = words.take(&["schema"]) || words.take(&["database"]);
    let mut parts = words.name_parts(USE, "a schema")?;
    words.end(USE)?;
    let value = parts.pop().unwrap_or_default();
    match parts.as_slice() {
        [] if value == CATALOG => Ok(Setting::Change {
            name: Name::Catalog,
            value,
        }),
        [] => Ok(schema(value)),
        [catalog] if catalog == CATALOG => Ok(schema(value)),
        _ => Err(Error::Input(format!(
            "USE: expected a schema, found '{}.{value}'",
            parts.join(".")
        ))),
    }
}

fn schema(value: String) -> Setting {
    Setting::Change {
        name: Name::Schema,
        value,
    }
}

/// SHOW of anything else is DataFusion's.
fn shown(words: &mut Words<'_>) -> Result<Option<Statement>> {
    if words.take(&["time", "zone"]) {
        words.end("SHOW")?;
        return Ok(Some(Statement::ShowSetting(Name::TimeZone)));
    }
    let name = words.identifier("SHOW", "a name");
    let Ok(Ok(name)) = name.map(|name| Name::from_str(&name)) else {
        return Ok(None);
    };
    words.end("SHOW")?;
    Ok(Some(Statement::ShowSetting(name)))
}

fn setting_name(words: &mut Words<'_>, statement: &str) -> Result<String> {
    Ok(words.name_parts(statement, "a setting")?.join("."))
}

/// A string or a name; none for DEFAULT.
fn value(words: &mut Words<'_>, statement: &str) -> Result<Option<String>> {
    if words.take(&["default"]) {
        return Ok(None);
    }
    match words.peek() {
        Some(Token::SingleQuotedString(text)) => {
            words.advance();
            Ok(Some(text.replace("''", "'")))
        }
        _ => words.identifier(statement, "a value").map(Some),
    }
}

impl Engine {
    /// Changes a setting of the session.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Input`] for a value that cannot be.
    pub(crate) fn set(&self, setting: &Setting) -> Result<()> {
        let initial = SessionSettings::default();
        match setting {
            Setting::Change { name, value } => self.change_setting(*name, value),
            Setting::Reset(name) => self.change_setting(*name, name.value(&initial)),
            Setting::ResetAll => {
                self.session().change(|settings| *settings = initial);
                Ok(())
            }
        }
    }

    fn change_setting(&self, name: Name, value: &str) -> Result<()> {
        match name {
            Name::Catalog if value == CATALOG => {}
            Name::Catalog => {
                return Err(Error::NotFound(format!(
                    "no catalogue '{value}', the only one is '{CATALOG}'"
                )));
            }
            Name::Schema => {
                let is_there = self.lake().schemas()?.iter().any(|schema| schema == value);
                if !is_there || !self.rights()?.may_see_schema(value) {
                    return Err(ddl::no_schema(value));
                }
                let schema = value.to_string();
                self.session().change(|settings| settings.schema = schema);
            }
            Name::TimeZone => {
                let zone = time_zone(value)?;
                self.session().change(|settings| settings.time_zone = zone);
            }
        }
        Ok(())
    }

    /// The value of a setting, as a row.
    pub(super) fn plan_setting(&self, name: Name) -> Result<Planned> {
        let settings = self.session().settings();
        let value = StringArray::from(vec![name.value(&settings)]);
        let row = RecordBatch::try_from_iter([(name.as_str(), Arc::new(value) as _)])?;
        let plan = ddl::batch_plan("setting", row)?;
        Ok(Planned::query(plan, self.bare_scope()?.state))
    }
}

/// A zone by the name that the time zone database has for it.
fn time_zone(value: &str) -> Result<String> {
    if value.eq_ignore_ascii_case("utc") {
        return Ok("UTC".into());
    }
    match Tz::from_str(value) {
        Ok(zone) => Ok(zone.name().to_string()),
        Err(_) => Err(Error::Input(format!(
            "time_zone: '{value}' is no time zone, expected a name such as 'Europe/Berlin' or 'UTC'"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tokens::tokenize;

    fn parsed(text: &str) -> Result<Setting> {
        match parse(&tokenize(text)?)? {
            Some(Statement::Set(setting)) => Ok(setting),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_setting_has_several_spellings() {
        let zone = Setting::Change {
            name: Name::TimeZone,
            value: "Europe/Berlin".into(),
        };
        for text in [
            "set time zone 'Europe/Berlin'",
            "SET time_zone = 'Europe/Berlin';",
            "set session timezone to 'Europe/Berlin'",
        ] {
            assert_eq!(parsed(text).unwrap(), zone, "{text}");
        }
        for text in [
            "set schema = 'silver'",
            "set schema silver",
            "set search_path to silver",
            "use silver",
            "use moodlake.silver",
        ] {
            assert_eq!(parsed(text).unwrap(), schema("silver".into()), "{text}");
        }
        let reset = Setting::Reset(Name::Schema);
        for text in ["reset schema", "set search_path = default"] {
            assert_eq!(parsed(text).unwrap(), reset, "{text}");
        }
        assert_eq!(parsed("reset all").unwrap(), Setting::ResetAll);
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (text, name) in [
            (
                "set datafusion.runtime.memory_limit = '1G'",
                "datafusion.runtime.memory_limit",
            ),
            (
                "reset datafusion.runtime.temp_directory",
                "datafusion.runtime.temp_directory",
            ),
            ("set role admin", "role"),
        ] {
            let message = parsed(text).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("'{name}' is no setting of a session; schema and time_zone are")
            );
        }
        for text in ["set schema = 'a', 'b'", "set time_zone", "use", "set a.b.c"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_zone_must_exist() {
        assert_eq!(time_zone("Europe/Berlin").unwrap(), "Europe/Berlin");
        assert_eq!(time_zone("utc").unwrap(), "UTC");
        let message = time_zone("Europe/Atlantis").unwrap_err().to_string();
        assert!(message.contains("Europe/Atlantis"), "{message}");
    }
}
