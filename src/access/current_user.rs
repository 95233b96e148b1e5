//! `current_user()` and `current_role()`: for whom a statement runs.

use arrow::datatypes::DataType;
use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::{
        ColumnarValue, DocSection, Documentation, Expr, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility,
        simplify::{ExprSimplifyResult, SimplifyContext},
    },
};

use super::Caller;

const CURRENT_USER: &str = "The name of the user whose rights apply: the one who connected, or for whom a proxy speaks. \
`owner` in a process that opened the lake's folder itself, and on a server without users.";
const CURRENT_ROLE: &str =
    "The role of the user whose rights apply: admin, analyst, listener or proxy.";

/// The functions, bound to a caller.
#[must_use]
pub fn functions(caller: &Caller) -> [ScalarUDF; 2] {
    [
        ScalarUDF::from(Fact::new("current_user", CURRENT_USER, &caller.user)),
        ScalarUDF::from(Fact::new("current_role", CURRENT_ROLE, caller.role.name())),
    ]
}

/// A function without arguments whose value is known when a statement starts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fact {
    name: &'static str,
    value: String,
    signature: Signature,
    documentation: Documentation,
}

impl Fact {
    fn new(name: &'static str, description: &str, value: &str) -> Self {
        let section = DocSection {
            include: true,
            label: "Other Functions",
            description: None,
        };
        Self {
            name,
            value: value.into(),
            signature: Signature::nullary(Volatility::Stable),
            documentation: Documentation::builder(section, description, format!("{name}()"))
                .build(),
        }
    }
}

impl ScalarUDFImpl for Fact {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let value = ScalarValue::from(self.value.as_str());
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(value, None)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let value = ScalarValue::from(self.value.as_str());
        Ok(ColumnarValue::Scalar(value))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
