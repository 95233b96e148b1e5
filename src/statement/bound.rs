//! Values that stand in a statement without being in its text: a parameter's value that SQL has no literal for is called
//! by its number, rows of parameters are read like a table. Nobody else can write these calls: the session knows them
//! only while a statement that has parameters is planned.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider},
    common::{
        Result as DataFusionResult, ScalarValue, internal_err, plan_err,
        tree_node::{Transformed, TreeNode},
    },
    execution::{FunctionRegistry, SessionState},
    logical_expr::{
        ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
        Volatility, expr::ScalarFunction, simplify::ExprSimplifyResult, simplify::SimplifyContext,
    },
    sql::sqlparser::ast::{self, Ident, ObjectName, Value},
};

use crate::error::Result;

/// The function that gives a value by its number. No name without quotes is like it.
const VALUE: &str = "$";
/// The relation function that gives the rows.
pub(super) const ROWS: &str = "bound_rows";

/// What a statement's text refers to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bound {
    values: Arc<[ScalarValue]>,
    rows: Option<RecordBatch>,
}

impl Bound {
    /// Values that are called by their numbers, from 1.
    pub(super) fn values(values: Vec<ScalarValue>) -> Self {
        Self {
            values: values.into(),
            rows: None,
        }
    }

    /// Rows, with a column for each parameter.
    pub(super) fn rows(rows: RecordBatch) -> Self {
        Self {
            values: Arc::default(),
            rows: Some(rows),
        }
    }

    /// Lets a session find what is bound.
    pub(crate) fn register(&self, state: &mut SessionState) -> Result<()> {
        if !self.values.is_empty() {
            let values = Arc::clone(&self.values);
            state.register_udf(Arc::new(BoundValue::new(values).into()))?;
        }
        if let Some(rows) = &self.rows {
            state.register_udtf(ROWS, Arc::new(BoundRows(rows.clone())));
        }
        Ok(())
    }
}

/// The call that gives the value of this number.
pub(super) fn call(number: usize) -> ast::Expr {
    let number = ast::Expr::value(Value::Number(number.to_string(), false));
    ast::Expr::Function(ast::Function {
        name: ObjectName::from(vec![Ident::with_quote('"', VALUE)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(
                number,
            ))],
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// The expression with its values in it: for who keeps or writes it, and knows no calls.
pub(super) fn settled(expression: Expr) -> DataFusionResult<Expr> {
    let settled = expression.transform(|node| match &node {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            match func.inner().downcast_ref::<BoundValue>() {
                Some(bound) => Ok(Transformed::yes(literal(bound.called(args)?))),
                None => Ok(Transformed::no(node)),
            }
        }
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(settled.data)
}

fn literal(value: &ScalarValue) -> Expr {
    Expr::Literal(value.clone(), None)
}

/// The function that gives a value by its number.
#[derive(Debug)]
struct BoundValue {
    values: Arc<[ScalarValue]>,
    signature: Signature,
}

impl BoundValue {
    fn new(values: Arc<[ScalarValue]>) -> Self {
        let signature = Signature::exact(vec![DataType::Int64], Volatility::Immutable);
        Self { values, signature }
    }

    fn numbered(&self, number: Option<&ScalarValue>) -> DataFusionResult<&ScalarValue> {
        let place = match number {
            Some(ScalarValue::Int64(Some(number))) => usize::try_from(*number).ok(),
            _ => None,
        };
        if let Some(value) = place.and_then(|place| self.values.get(place.checked_sub(1)?)) {
            return Ok(value);
        }
        plan_err!("no parameter has this number")
    }

    fn called(&self, args: &[Expr]) -> DataFusionResult<&ScalarValue> {
        match args {
            [Expr::Literal(number, _)] => self.numbered(Some(number)),
            _ => self.numbered(None),
        }
    }
}

// Two are the same if they have the same values; to compare them one by one would take too long.
impl PartialEq for BoundValue {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.values, &other.values)
    }
}

impl Eq for BoundValue {}

impl Hash for BoundValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        VALUE.hash(state);
    }
}

impl ScalarUDFImpl for BoundValue {
    fn name(&self) -> &str {
        VALUE
    }

    fn schema_name(&self, args: &[Expr]) -> DataFusionResult<String> {
        match args {
            [Expr::Literal(number, _)] => Ok(format!("{VALUE}{number}")),
            _ => Ok(VALUE.to_string()),
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        internal_err!("the type of a bound value was asked for without its number")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> DataFusionResult<FieldRef> {
        let value = self.numbered(args.scalar_arguments.first().copied().flatten())?;
        Ok(Arc::new(Field::new(
            VALUE,
            value.data_type(),
            value.is_null(),
        )))
    }

    fn simplify(
        &self,
        args: Vec<Expr>,
        _: &SimplifyContext,
    ) -> DataFusionResult<ExprSimplifyResult> {
        Ok(ExprSimplifyResult::Simplified(literal(self.called(&args)?)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let number = match args.args.first() {
            Some(ColumnarValue::Scalar(number)) => Some(number),
            _ => None,
        };
        Ok(ColumnarValue::Scalar(self.numbered(number)?.clone()))
    }
}

/// The relation function that gives the rows.
#[derive(Debug)]
struct BoundRows(RecordBatch);

impl TableFunctionImpl for BoundRows {
    fn call_with_args(&self, _: TableFunctionArgs) -> DataFusionResult<Arc<dyn TableProvider>> {
        let rows = self.0.clone();
        Ok(Arc::new(MemTable::try_new(
            rows.schema(),
            vec![vec![rows]],
        )?))
    }
}
