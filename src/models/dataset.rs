//! Record batches as training rows: features as numbers, labels and groups as codes, in one total order.
//!
//! Rows are sorted by everything they hold before anything is computed from them, so that the order in which a scan
//! delivers them changes no bit of the model.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};
use ndarray::{Array2, ArrayView1, Axis};

use super::{
    TOO_FEW_ROWS,
    options::{Options, SplitKind},
    split::{FOLD_COLUMN, GROUP_COLUMN},
};
use crate::error::{Error, Result};

/// Marks a null in a column of codes.
const NULL: u32 = u32::MAX;

/// Which columns of the query are not features.
#[derive(Clone, Copy, Default)]
pub(super) struct Roles<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) group: Option<&'a str>,
    pub(super) fold: Option<&'a str>,
}

impl<'a> Roles<'a> {
    /// The roles of the columns that a query has for a model with these options.
    pub(super) fn of(options: &'a Options, schema: &Schema) -> Self {
        let Some(labelled) = options.labelled() else {
            return Self::default();
        };
        let has = |column: &&str| schema.column_with_name(column).is_some();
        let must_have_group = labelled.split == SplitKind::Artist;
        Self {
            label: Some(&labelled.label),
            group: Some(GROUP_COLUMN).filter(|column| must_have_group || has(column)),
            fold: Some(FOLD_COLUMN).filter(has),
        }
    }

    /// The other columns of the query, and where they are.
    pub(super) fn features(self, schema: &Schema) -> impl Iterator<Item = (usize, &Field)> {
        let taken = [self.label, self.group, self.fold];
        let fields = schema.fields().iter().map(AsRef::as_ref).enumerate();
        fields.filter(move |(_, field)| !taken.contains(&Some(field.name().as_str())))
    }
}

/// The usable rows of a query in a total order.
#[derive(Clone, Debug)]
pub(super) struct Dataset {
    /// Feature names in the query's order; `[n_features]`.
    pub(super) features: Vec<String>,
    /// Finite values; `[n_rows][n_features]`.
    pub(super) values: Array2<f64>,
    pub(super) label: Option<Codes>,
    pub(super) group: Option<Codes>,
    pub(super) fold: Option<Codes>,
    /// What was dropped, in words.
    pub(super) warnings: Vec<String>,
}

/// A column of names, each row as an index into the sorted distinct names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Codes {
    pub(super) names: Vec<String>,
    pub(super) of_row: Vec<u32>,
}

impl Dataset {
    /// Reads the rows of a query for the model called `model`.
    pub(super) fn read(
        model: &str,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        roles: Roles<'_>,
    ) -> Result<Self> {
        let reader = Reader {
            model,
            schema,
            batches,
        };
        let label = roles
            .label
            .map(|name| reader.codes(name, "label"))
            .transpose()?;
        let group = roles
            .group
            .map(|name| reader.codes(name, "group"))
            .transpose()?;
        let fold = roles
            .fold
            .map(|name| reader.codes(name, "fold"))
            .transpose()?;
        let (features, columns) = reader.features(roles)?;
        let codes = [
            (roles.label, &label),
            (roles.group, &group),
            (roles.fold, &fold),
        ];
        let (kept, mut warnings) = usable_rows(&features, &columns, &codes);
        if kept.is_empty() {
            let cause = if warnings.is_empty() {
                "the query returned no rows"
            } else {
                "every row has a null"
            };
            return Err(reader.error(&format!("{TOO_FEW_ROWS}: {cause}")));
        }
        let values = Array2::from_shape_fn((kept.len(), features.len()), |(row, column)| {
            columns[column][kept[row]]
        });
        let used = |codes: Option<Codes>| codes.map(|codes| codes.select(&kept).without_unused());
        let (label, unused) = used(label).unzip();
        for class in unused.iter().flatten() {
            warnings.push(format!(
                "left out class '{class}': each of its rows has a null"
            ));
        }
        let dataset = Self {
            features,
            values,
            label,
            group: used(group).map(|(codes, _)| codes),
            fold: used(fold).map(|(codes, _)| codes),
            warnings,
        };
        Ok(dataset.sorted())
    }

    pub(super) fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Keeps the rows at `rows`, in that order.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let codes = |codes: &Option<Codes>| codes.as_ref().map(|codes| codes.select(rows));
        Self {
            features: self.features.clone(),
            values: self.values.select(Axis(0), rows),
            label: codes(&self.label),
            group: codes(&self.group),
            fold: codes(&self.fold),
            warnings: self.warnings.clone(),
        }
    }

    /// Whether rows `a` and `b` have the same features.
    pub(super) fn same_features(&self, a: usize, b: usize) -> bool {
        compare_values(self.values.row(a), self.values.row(b)).is_eq()
    }

    fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.sort_unstable_by(|&a, &b| self.compare(a, b));
        self.select(&order)
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let code = |codes: &Option<Codes>| match codes {
            Some(codes) => codes.of_row[a].cmp(&codes.of_row[b]),
            None => Ordering::Equal,
        };
        compare_values(self.values.row(a), self.values.row(b))
            .then_with(|| code(&self.label))
            .then_with(|| code(&self.group))
            .then_with(|| code(&self.fold))
    }
}

impl Codes {
    fn select(&self, rows: &[usize]) -> Self {
        Self {
            names: self.names.clone(),
            of_row: rows.iter().map(|&row| self.of_row[row]).collect(),
        }
    }

    /// The same without names that no row has, and those names.
    fn without_unused(self) -> (Self, Vec<String>) {
        let mut is_used = vec![false; self.names.len()];
        for &code in &self.of_row {
            is_used[code as usize] = true;
        }
        let (used, unused): (Vec<usize>, Vec<usize>) =
            (0..is_used.len()).partition(|&at| is_used[at]);
        let unused = unused.iter().map(|&at| self.names[at].clone()).collect();
        (self.renumbered(&used), unused)
    }

    /// The same names in sorted order, numbers by value.
    fn sorted(self) -> Self {
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        let name = |at: usize| &self.names[at];
        let numbers: Option<Vec<i128>> = self.names.iter().map(|name| name.parse().ok()).collect();
        match numbers {
            // Two names may be one number, such as 7 and 07.
            Some(numbers) => order.sort_by_key(|&at| (numbers[at], name(at))),
            None => order.sort_by_key(|&at| name(at)),
        }
        self.renumbered(&order)
    }

    /// The names at `order` in that order; the others must have no rows.
    fn renumbered(&self, order: &[usize]) -> Self {
        let mut new_code = vec![NULL; self.names.len()];
        for (code, &at) in (0_u32..).zip(order) {
            new_code[at] = code;
        }
        let of_row = self
            .of_row
            .iter()
            .map(|&code| new_code.get(code as usize).copied().unwrap_or(NULL))
            .collect();
        Self {
            names: order.iter().map(|&at| self.names[at].clone()).collect(),
            of_row,
        }
    }
}

struct Reader<'a> {
    model: &'a str,
    schema: &'a SchemaRef,
    batches: &'a [RecordBatch],
}

impl Reader<'_> {
    fn features(&self, roles: Roles<'_>) -> Result<(Vec<String>, Vec<Vec<f64>>)> {
        let fields: Vec<(usize, &Field)> = roles.features(self.schema).collect();
        if fields.is_empty() {
            return Err(self.error("the query has no feature columns"));
        }
        let columns = fields
            .iter()
            .map(|&(at, field)| self.numbers(at, field))
            .collect::<Result<_>>()?;
        let names: Vec<String> = fields
            .iter()
            .map(|(_, field)| field.name().clone())
            .collect();
        match names
            .iter()
            .enumerate()
            .find(|(at, name)| names[..*at].contains(name))
        {
            Some((_, name)) => {
                Err(self.error(&format!("column '{name}' appears twice in the query")))
            }
            None => Ok((names, columns)),
        }
    }

    /// A feature column as numbers, null as NaN and -0 as 0.
    fn numbers(&self, at: usize, field: &Field) -> Result<Vec<f64>> {
        if !field.data_type().is_numeric() {
            let (name, kind) = (field.name(), field.data_type());
            return Err(self.error(&format!(
                "feature '{name}' is {kind}, features must be numeric: cast it or leave it out of the query"
            )));
        }
        let mut numbers = Vec::with_capacity(self.batches.iter().map(RecordBatch::num_rows).sum());
        for batch in self.batches {
            let column = cast(batch.column(at), &DataType::Float64)?;
            let column = column.as_primitive::<Float64Type>();
            numbers.extend(column.iter().map(|value| value.unwrap_or(f64::NAN) + 0.0));
        }
        Ok(numbers)
    }

    fn codes(&self, name: &str, role: &str) -> Result<Codes> {
        let Some((at, field)) = self.schema.column_with_name(name) else {
            let columns: Vec<&str> = self
                .schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .collect();
            let columns = columns.join(", ");
            return Err(self.error(&format!(
                "no {role} column '{name}' in the query, it has {columns}"
            )));
        };
        if !is_nameable(field.data_type()) {
            let kind = field.data_type();
            return Err(self.error(&format!(
                "{role} '{name}' is {kind}, expected text, whole numbers or booleans"
            )));
        }
        let mut codes = Codes::default();
        let mut seen: HashMap<String, u32> = HashMap::new();
        for batch in self.batches {
            append_codes(batch.column(at), &mut seen, &mut codes)?;
        }
        Ok(codes.sorted())
    }

    fn error(&self, message: &str) -> Error {
        Error::Input(format!("model '{}': {message}", self.model))
    }
}

fn is_nameable(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Dictionary(_, values) => is_nameable(values),
        other => other.is_integer(),
    }
}

fn append_codes(
    column: &ArrayRef,
    seen: &mut HashMap<String, u32>,
    codes: &mut Codes,
) -> Result<()> {
    let column = cast(column, &DataType::Utf8)?;
    for name in column.as_string::<i32>() {
        let Some(name) = name else {
            codes.of_row.push(NULL);
            continue;
        };
        let known = seen.get(name).copied();
        let code = known.unwrap_or_else(|| {
            let code = u32::try_from(codes.names.len()).unwrap_or(NULL);
            seen.insert(name.to_owned(), code);
            codes.names.push(name.to_owned());
            code
        });
        codes.of_row.push(code);
    }
    Ok(())
}

/// The rows without a null or a number that is not finite, and what the others lack.
fn usable_rows(
    features: &[String],
    columns: &[Vec<f64>],
    codes: &[(Option<&str>, &Option<Codes>)],
) -> (Vec<usize>, Vec<String>) {
    let total = columns.first().map_or(0, Vec::len);
    let mut missing: BTreeMap<&str, usize> = BTreeMap::new();
    let mut kept = Vec::with_capacity(total);
    for row in 0..total {
        let numbers = features
            .iter()
            .zip(columns)
            .filter(|(_, column)| !column[row].is_finite());
        let mut lacks: Vec<&str> = numbers.map(|(name, _)| name.as_str()).collect();
        for (name, codes) in codes {
            let is_null = codes
                .as_ref()
                .is_some_and(|codes| codes.of_row[row] == NULL);
            lacks.extend(name.filter(|_| is_null));
        }
        if lacks.is_empty() {
            kept.push(row);
        }
        for name in lacks {
            *missing.entry(name).or_default() += 1;
        }
    }
    let mut warnings = Vec::new();
    if kept.len() < total {
        let by_column: Vec<String> = missing
            .iter()
            .map(|(name, rows)| format!("{name} ({rows})"))
            .collect();
        let dropped = total - kept.len();
        warnings.push(format!(
            "dropped {dropped} of {total} rows with a null or a number that is not finite in {}",
            by_column.join(", ")
        ));
    }
    (kept, warnings)
}

fn compare_values(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Ordering {
    let differing = a
        .iter()
        .zip(b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne());
    differing.unwrap_or(Ordering::Equal)
}
