//! `CREATE [OR REPLACE] MODEL`, `DROP MODEL`, `SHOW MODELS`: statements that no SQL grammar has, read from tokens.

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
        let name = words.name("DROP MODEL")?;
        crate::lake::check_part("model", super::references::model_name(&name))?;
        words.end("DROP MODEL")?;
        return Ok(Some(Statement::DropModel { name, if_exists }));
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
}
