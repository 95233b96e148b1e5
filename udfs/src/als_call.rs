//! What the functions of `als` models share: the types of their arguments, and the models they accept.

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_err};

use crate::{
    arguments::ModelCall,
    models::{Als, Model, ModelKind},
    numbers::is_numeric,
};

/// What an argument of such a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Argument {
    /// A literal that the function reads while planning.
    Literal,
    /// A text.
    Text,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A list of numbers.
    Numbers,
}

impl Argument {
    /// What a value of another type becomes; one that cannot become it stays what it is, to be refused by name.
    pub(crate) fn coerced(self, given: &DataType) -> DataType {
        match self {
            Self::Text if is_text(given) => DataType::Utf8,
            Self::Number if is_numeric(given) => DataType::Float64,
            Self::Texts if element(given).is_some_and(is_text) => list_of(DataType::Utf8),
            Self::Numbers if element(given).is_some_and(is_numeric) => list_of(DataType::Float64),
            _ => given.clone(),
        }
    }

    fn is_met_by(self, given: &DataType) -> bool {
        match self {
            Self::Literal => true,
            Self::Text => is_text(given),
            Self::Number => is_numeric(given),
            Self::Texts => element(given).is_some_and(is_text),
            Self::Numbers => element(given).is_some_and(is_numeric),
        }
    }

    fn described(self) -> &'static str {
        match self {
            Self::Literal => "a literal",
            Self::Text => "a text",
            Self::Number => "numeric",
            Self::Texts => "a list of texts",
            Self::Numbers => "a list of numbers",
        }
    }
}

/// The types that arguments are brought to.
pub(crate) fn coerced(arguments: &[(&str, Argument)], given: &[DataType]) -> Vec<DataType> {
    let wanted = arguments.iter().map(|(_, argument)| Some(*argument));
    let wanted = wanted.chain(std::iter::repeat(None));
    let coerce = |(given, wanted): (&DataType, Option<Argument>)| {
        wanted.map_or_else(|| given.clone(), |wanted| wanted.coerced(given))
    };
    given.iter().zip(wanted).map(coerce).collect()
}

/// Refuses another number of arguments than `required` to all, or one of a type that does not fit.
pub(crate) fn check<'a>(
    function: &str,
    arguments: &[(&str, Argument)],
    required: usize,
    given: impl ExactSizeIterator<Item = &'a DataType>,
) -> Result<()> {
    if given.len() < required || given.len() > arguments.len() {
        let names: Vec<&str> = arguments.iter().map(|(name, _)| *name).collect();
        let optional = names[required..]
            .iter()
            .fold(String::new(), |text, name| text + "[, " + name + "]");
        let call = format!("{}{optional}", names[..required].join(", "));
        let count = given.len();
        return plan_err!("{function}: expected {function}({call}), got {count} arguments");
    }
    for ((name, wanted), given) in arguments.iter().zip(given) {
        if !wanted.is_met_by(given) {
            let wanted = wanted.described();
            return plan_err!("{function}: argument '{name}' must be {wanted}, got {given}");
        }
    }
    Ok(())
}

impl ModelCall {
    /// The factors of a model, `None` if it is not trained yet.
    pub(crate) fn als<'a>(&self, model: &'a Model) -> Result<Option<&'a Als>> {
        match &model.kind {
            ModelKind::Als(als) => Ok(Some(als)),
            ModelKind::Untrained => Ok(None),
            other => plan_err!(
                "{}: model '{}' is {}, expected one of type 'als'",
                self.function,
                model.name,
                other.name()
            ),
        }
    }
}

/// A list of nullable values.
pub(crate) fn list_of(element: DataType) -> DataType {
    DataType::List(Field::new_list_field(element, true).into())
}

/// Whether a type can name a track: whole numbers can.
fn is_text(given: &DataType) -> bool {
    match given {
        DataType::Dictionary(_, values) => is_text(values),
        given => given.is_string() || given.is_integer() || given.is_null(),
    }
}

fn element(given: &DataType) -> Option<&DataType> {
    match given {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::FixedSizeList(field, _) => Some(field.data_type()),
        DataType::Null => Some(given),
        _ => None,
    }
}
