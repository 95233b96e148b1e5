//! `CREATE [OR REPLACE] MODEL`, `ALTER MODEL`, `RETRAIN`, `DROP MODEL`, `DESCRIBE MODEL`, `SHOW MODELS`: statements that no SQL
//! grammar has, read from tokens.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::tokenizer::Token;

use super::{
    parse::Statement,
    tokens::is_word,
    words::{Words, shown},
};
use crate::{
    error::{Error, Result},
    models::{CreateModel, OptionValue, store::REGISTRY_TABLES},
};

/// Words that say which version is meant without any alias.
const RESERVED_ALIASES: [&str; 5] = ["all", "current", "latest", "newest", "version"];

/// The statement, if the tokens begin like one of these.
pub(super) fn parse(tokens: &[Token], text: &str) -> Result<Option<Statement>> {
    let mut words = Words::new(tokens);
    if words.take(&["show", "models"]) {
        words.end("SHOW MODELS")?;
        return Ok(Some(Statement::ShowModels));
    }
    if words.take(&["show", "grants"]) {
        words.end("SHOW GRANTS")?;
        return Ok(Some(Statement::ShowGrants));
    }
    if words.take(&["drop", "model"]) {
        let if_exists = words.take(&["if", "exists"]);
        let name = words.existing("DROP MODEL")?;
        words.end("DROP MODEL")?;
        return Ok(Some(Statement::DropModel { name, if_exists }));
    }
    if words.take(&["alter", "model"]) {
        return words.alter_model().map(Some);
    }
    if words.take(&["retrain"]) {
        let name = words.existing("RETRAIN")?;
        let is_check = words.take(&["check"]);
        words.end("RETRAIN")?;
        return Ok(Some(if is_check {
            Statement::CheckModel(name)
        } else {
            Statement::Retrain(name)
        }));
    }
    // A table may be called `model`.
    let is_more = |words: &Words<'_>| !matches!(words.peek(), None | Some(Token::SemiColon));
    let describes = words.take(&["describe", "model"]) || words.take(&["desc", "model"]);
    if describes && is_more(&words) {
        let name = words.existing("DESCRIBE MODEL")?;
        words.end("DESCRIBE MODEL")?;
        return Ok(Some(Statement::DescribeModel(name)));
    }
    let replace = words.take(&["create", "or", "replace", "model"]);
    if !replace && !words.take(&["create", "model"]) {
        return Ok(None);
    }
    let name = words.name("CREATE MODEL")?;
    crate::lake::check_part("model", &name)?;
    if REGISTRY_TABLES.contains(&name.as_str()) {
        return Err(Error::Input(format!(
            "CREATE MODEL {name}: {schema}.{name} is a table of the registry of models, choose another name",
            schema = super::references::MODEL_SCHEMA
        )));
    }
    if !words.take(&["options"]) {
        return Err(Error::Input(format!(
            "CREATE MODEL {name}: expected OPTIONS (type = '…', …) after the name"
        )));
    }
    let options = words.options(&name)?;
    if !words.take(&["as"]) {
        return Err(Error::Input(format!(
            "CREATE MODEL {name}: expected AS SELECT … after the options"
        )));
    }
    let query = words
        .rest()
        .trim()
        .trim_end_matches(';')
        .trim_end()
        .to_string();
    let statement = text.trim().to_string();
    Ok(Some(Statement::CreateModel(Box::new(CreateModel {
        name,
        replace,
        options,
        query,
        statement,
    }))))
}

impl Words<'_> {
    /// `name SET ALIAS alias = version`, `name DROP ALIAS alias`
    fn alter_model(&mut self) -> Result<Statement> {
        let statement = "ALTER MODEL";
        let name = self.existing(statement)?;
        if name.contains('@') {
            return Err(Error::Input(format!(
                "{statement} {name}: an alias belongs to the model, expected its name without a version"
            )));
        }
        let sets = self.take(&["set", "alias"]);
        if !sets && !self.take(&["drop", "alias"]) {
            return Err(self.unexpected(statement, "SET ALIAS or DROP ALIAS"));
        }
        let alias = self.identifier(statement, "an alias, such as champion")?;
        let alias = alias.to_lowercase();
        check_alias(statement, &alias)?;
        let version = if sets {
            Some(self.alias_version(statement)?)
        } else {
            None
        };
        self.end(statement)?;
        Ok(Statement::AlterModel {
            name,
            alias,
            version,
        })
    }

    /// `= 7`
    fn alias_version(&mut self, statement: &str) -> Result<i64> {
        if self.peek() != Some(&Token::Eq) {
            return Err(self.unexpected(statement, "= after the alias"));
        }
        self.advance();
        match self.peek() {
            Some(Token::Number(digits, _)) if digits.parse::<i64>().is_ok() => {
                self.advance();
                Ok(digits.parse().unwrap_or_default())
            }
            _ => Err(self.unexpected(statement, "the number of a version")),
        }
    }

    /// The name of a model that should be there, with or without a version.
    fn existing(&mut self, statement: &str) -> Result<String> {
        let name = self.name(statement)?;
        crate::lake::check_part("model", super::references::model_name(&name))?;
        Ok(name)
    }

    /// A model's name, or what is written in its place.
    fn name(&mut self, statement: &str) -> Result<String> {
        let mut name = self.name_part(statement)?;
        if name == super::references::MODEL_SCHEMA && self.peek() == Some(&Token::Period) {
            self.advance();
            name = self.name_part(statement)?;
        }
        name.retain(|c| c != '"');
        Ok(name)
    }

    fn name_part(&mut self, statement: &str) -> Result<String> {
        match self.advance() {
            Some(Token::Word(word)) => Ok(word.value.to_lowercase()),
            found => Err(Error::Input(format!(
                "{statement}: expected a model's name, found {}",
                shown(found)
            ))),
        }
    }

    /// `(name = value, …)`
    fn options(&mut self, model: &str) -> Result<BTreeMap<String, OptionValue>> {
        let wrong = |what: &str, found: Option<&Token>| {
            Error::Input(format!(
                "CREATE MODEL {model}: OPTIONS: expected {what}, found {}",
                shown(found)
            ))
        };
        let mut options = BTreeMap::new();
        match self.advance() {
            Some(Token::LParen) => {}
            found => return Err(wrong("(", found)),
        }
        if self.peek() == Some(&Token::RParen) {
            self.advance();
            return Ok(options);
        }
        loop {
            let name = match self.advance() {
                Some(Token::Word(word)) => word.value.to_lowercase(),
                found => return Err(wrong("an option's name", found)),
            };
            match self.advance() {
                Some(Token::Eq | Token::RArrow) => {}
                found => return Err(wrong(&format!("= after {name}"), found)),
            }
            let Some(value) = self.value() else {
                return Err(wrong(
                    &format!("a text, number, list, true or false for {name}"),
                    self.peek(),
                ));
            };
            if options.insert(name.clone(), value).is_some() {
                return Err(Error::Input(format!(
                    "CREATE MODEL {model}: option {name} is given twice"
                )));
            }
            match self.advance() {
                Some(Token::Comma) => {}
                Some(Token::RParen) => return Ok(options),
                found => return Err(wrong(", or )", found)),
            }
        }
    }

    /// A text, a number, true, false, or a list of these in square brackets.
    fn value(&mut self) -> Option<OptionValue> {
        let is_negative = self.peek() == Some(&Token::Minus);
        if is_negative {
            self.advance();
        }
        match self.advance()?.clone() {
            Token::Number(digits, _) => number(&digits, is_negative),
            _ if is_negative => None,
            Token::SingleQuotedString(text) => Some(OptionValue::Text(text.replace("''", "'"))),
            Token::LBracket => self.list(),
            token if is_word(&token, "true") => Some(OptionValue::Boolean(true)),
            token if is_word(&token, "false") => Some(OptionValue::Boolean(false)),
            _ => None,
        }
    }

    fn list(&mut self) -> Option<OptionValue> {
        let mut values = Vec::new();
        loop {
            values.push(self.value()?);
            match self.advance()? {
                Token::Comma => {}
                Token::RBracket => return Some(OptionValue::List(values)),
                _ => return None,
            }
        }
    }
}

/// Refuses what could be taken for a version, or for what a plain name means.
fn check_alias(statement: &str, alias: &str) -> Result<()> {
    let is_word = alias.starts_with(|c: char| c.is_ascii_lowercase())
        && alias.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_word || RESERVED_ALIASES.contains(&alias) {
        return Err(Error::Input(format!(
            "{statement}: '{alias}' cannot be an alias, expected a word of letters, digits and _ other than {}",
            RESERVED_ALIASES.join(", ")
        )));
    }
    crate::lake::check_part("alias", alias)
}

fn number(digits: &str, is_negative: bool) -> Option<OptionValue> {
    let sign = if is_negative { "-" } else { "" };
    let text = format!("{sign}{digits}");
    match text.parse() {
        Ok(integer) => Some(OptionValue::Integer(integer)),
        Err(_) => text.parse().ok().map(OptionValue::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{parse, tokens::tokenize};

    #[test]
    fn create_model_keeps_its_options_and_its_query() {
        let text = "create model mood options (type = 'logistic', alpha = 0.5, seed = 42) as\nselect a, 'x;y' from silver.t;";
        let Statement::CreateModel(create) = parse::parse(text).unwrap() else {
            panic!("no model")
        };
        assert_eq!(create.name, "mood");
        assert_eq!(create.query, "select a, 'x;y' from silver.t");
        assert_eq!(create.options["alpha"], OptionValue::Float(0.5));
    }

    #[test]
    fn a_version_is_dropped_and_not_created() {
        let Statement::DropModel { name, .. } = parse::parse("drop model ml.mood@7").unwrap()
        else {
            panic!("no model")
        };
        assert_eq!(name, "mood@7");
        for name in ["mood@7", "aliases"] {
            let create =
                format!("create model {name} options (type = 'kmeans', k = 2) as select 1");
            assert!(parse::parse(&create).is_err(), "{name}");
        }
    }

    #[test]
    fn the_schema_of_models_is_written_once() {
        let dropped = |name: &str| parse::parse(&format!("drop model {name}"));
        assert!(dropped("ml.mood").is_ok());
        let message = dropped("ml.ml.mood").unwrap_err().to_string();
        assert_eq!(message, "DROP MODEL: expected the end, found '.'");
    }

    #[test]
    fn a_wrong_option_says_what_was_expected() {
        let tokens = tokenize("create model m options (type 'kmeans') as select 1").unwrap();
        let message = super::parse(&tokens, "").unwrap_err().to_string();
        assert_eq!(
            message,
            "CREATE MODEL m: OPTIONS: expected = after type, found ''kmeans''"
        );
    }

    #[test]
    fn an_alias_is_a_word_and_belongs_to_a_model() {
        let Statement::AlterModel {
            name,
            alias,
            version,
        } = parse::parse("alter model ml.mood set alias Champion = 7;").unwrap()
        else {
            panic!("no alias")
        };
        assert_eq!(
            (name.as_str(), alias.as_str(), version),
            ("mood", "champion", Some(7))
        );
        let refusal = |text: &str| parse::parse(text).unwrap_err().to_string();
        assert_eq!(
            refusal("alter model mood set alias latest = 7"),
            "ALTER MODEL: 'latest' cannot be an alias, expected a word of letters, digits and _ other than all, current, latest, newest, version"
        );
        assert_eq!(
            refusal("alter model mood set alias champion = best"),
            "ALTER MODEL: expected the number of a version, found 'best'"
        );
        assert!(refusal("alter model mood@2 drop alias champion").contains("without a version"));
        assert!(
            refusal("alter model mood rename to other")
                .contains("expected SET ALIAS or DROP ALIAS")
        );
    }

    #[test]
    fn a_table_called_model_can_still_be_described() {
        assert!(matches!(
            parse::parse("describe model").unwrap(),
            Statement::Query(_)
        ));
        assert!(matches!(
            parse::parse("describe model mood@2").unwrap(),
            Statement::DescribeModel(_)
        ));
        assert!(matches!(
            parse::parse("retrain mood@2 check").unwrap(),
            Statement::CheckModel(_)
        ));
        assert!(matches!(
            parse::parse("retrain mood").unwrap(),
            Statement::Retrain(_)
        ));
    }
}
