//! Tests of training as a whole.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    CreateModel, Metric, OptionValue, Trained,
    fixtures::{ROWS, features, three_classes},
    options::{SplitKind, types},
    train,
};
use crate::error::{Error, Result};
use arrow::{
    array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray},
    compute::{concat_batches, take_record_batch},
    datatypes::{DataType, Field, Schema},
};

mod splits;

/// A small trained model called `mood`.
pub(super) fn trained() -> Trained {
    create(
        &[
            ("type", text("logistic")),
            ("label", text("mood")),
            ("split", text("none")),
        ],
        &rows(),
    )
    .unwrap()
}

fn text(value: &str) -> OptionValue {
    OptionValue::Text(value.into())
}

/// [`features`] with a mood and one of thirty artists.
fn rows() -> RecordBatch {
    let features = features();
    let mut fields: Vec<Field> = ["valence", "tempo", "loudness"]
        .iter()
        .map(|name| Field::new(*name, DataType::Float64, true))
        .collect();
    let mut columns: Vec<ArrayRef> = features
        .columns()
        .into_iter()
        .map(|column| Arc::new(Float64Array::from(column.to_vec())) as ArrayRef)
        .collect();
    let moods = three_classes()
        .into_iter()
        .map(|class| Some(["calm", "happy", "party"][class as usize]));
    fields.push(Field::new("mood", DataType::Utf8, true));
    columns.push(Arc::new(moods.collect::<StringArray>()));
    fields.push(Field::new("artist", DataType::Utf8, true));
    columns.push(Arc::new(
        (0..ROWS)
            .map(|row| Some(format!("artist {}", row % 30)))
            .collect::<StringArray>(),
    ));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut fields = rows.schema().fields().to_vec();
    let mut columns = rows.columns().to_vec();
    if let Ok(at) = rows.schema().index_of(name) {
        columns[at] = column;
    } else {
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn create(options: &[(&str, OptionValue)], rows: &RecordBatch) -> Result<Trained> {
    let request = CreateModel {
        name: "mood".into(),
        replace: false,
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<BTreeMap<_, _>>(),
        query: "select".into(),
        statement: "create model".into(),
    };
    let half = rows.num_rows() / 2;
    train(
        &request,
        &rows.schema(),
        &[
            rows.slice(0, half),
            rows.slice(half, rows.num_rows() - half),
        ],
    )
}

fn logistic(more: &[(&str, OptionValue)], rows: &RecordBatch) -> Result<Trained> {
    let mut options = vec![("type", text("logistic")), ("label", text("mood"))];
    options.extend_from_slice(more);
    create(&options, rows)
}

fn refusal(options: &[(&str, OptionValue)], rows: &RecordBatch) -> String {
    match create(options, rows) {
        Err(Error::Input(message) | Error::Unsupported(message)) => message,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn find<'a>(metrics: &'a [Metric], split: &str, metric: &str) -> &'a Metric {
    metrics
        .iter()
        .find(|found| found.split == split && found.metric == metric)
        .unwrap()
}

#[test]
fn the_order_of_the_rows_changes_no_bit() {
    let rows = rows();
    let shuffled: Int64Array = (0..120)
        .map(|row| Some(row * 77 % 120))
        .collect::<Vec<_>>()
        .into();
    let shuffled = take_record_batch(&rows, &shuffled).unwrap();
    let features = |batch: &RecordBatch| batch.project(&[0, 1, 2]).unwrap();
    let same = |one: Trained, other: Trained| {
        assert_eq!(
            serde_json::to_string(&one.model).unwrap(),
            serde_json::to_string(&other.model).unwrap()
        );
        assert_eq!(one.metrics, other.metrics);
    };
    same(
        logistic(&[], &rows).unwrap(),
        logistic(&[], &shuffled).unwrap(),
    );
    same(
        logistic(&[("split", text("folds"))], &rows).unwrap(),
        logistic(&[("split", text("folds"))], &shuffled).unwrap(),
    );
    let kmeans = [("type", text("kmeans")), ("k", OptionValue::Integer(4))];
    same(
        create(&kmeans, &features(&rows)).unwrap(),
        create(&kmeans, &features(&shuffled)).unwrap(),
    );
}

#[test]
fn artists_are_held_out_when_the_query_names_them() {
    let trained = logistic(&[], &rows()).unwrap();
    assert_eq!(trained.options.split(), SplitKind::Artist);
    assert_eq!(trained.model.features, ["valence", "tempo", "loudness"]);
    assert_eq!(trained.classes, ["calm", "happy", "party"]);
    let n: u64 = ["train", "validation", "test"]
        .map(|split| find(&trained.metrics, split, "auc").n)
        .iter()
        .sum();
    assert_eq!(n, 120);
    assert_eq!((trained.n_train, trained.input_rows), (120, 120));
    assert!(find(&trained.metrics, "test", "auc").value > 0.7);
}

#[test]
fn folds_come_from_a_fold_column_if_there_is_one() {
    let folds: Int64Array = (0..120)
        .map(|row| Some(row % 30 / 10))
        .collect::<Vec<_>>()
        .into();
    let trained = logistic(
        &[("split", text("folds"))],
        &with_column(&rows(), "fold", Arc::new(folds)),
    )
    .unwrap();
    assert_eq!(trained.model.features, ["valence", "tempo", "loudness"]);
    assert_eq!(find(&trained.metrics, "out_of_fold", "accuracy").n, 120);
    let one: Int64Array = vec![7; 120].into();
    let error = logistic(
        &[("split", text("folds"))],
        &with_column(&rows(), "fold", Arc::new(one)),
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "model 'mood': too few rows to train: column 'fold' must have at least two different values"
    );
}

#[test]
fn rows_with_nulls_are_dropped_and_counted() {
    let tempo: Float64Array = (0..120)
        .map(|row| (row >= 7).then(|| f64::from(row)))
        .collect();
    let mood: StringArray = (0..120)
        .map(|row| (row >= 2).then_some(if row % 2 == 0 { "calm" } else { "party" }))
        .collect();
    let rows = with_column(
        &with_column(&rows(), "tempo", Arc::new(tempo)),
        "mood",
        Arc::new(mood),
    );
    let trained = logistic(&[("split", text("none"))], &rows).unwrap();
    assert_eq!((trained.n_train, trained.input_rows), (113, 120));
    assert_eq!(
        trained.warnings[0],
        "dropped 7 of 120 rows with a null or a number that is not finite in mood (2), tempo (7)"
    );
}

#[test]
fn two_spellings_of_a_number_are_two_classes_in_any_order_of_the_rows() {
    let spelt = |one: &str, other: &str| {
        let names = (0..ROWS).map(|row| Some(if row % 2 == 0 { one } else { other }));
        let mood = Arc::new(names.collect::<StringArray>());
        logistic(&[], &with_column(&rows(), "mood", mood))
            .unwrap()
            .classes
    };
    assert_eq!(spelt("7", "07"), ["07", "7"]);
    assert_eq!(spelt("07", "7"), ["07", "7"]);
}

#[test]
fn a_class_without_usable_rows_is_left_out() {
    let tempo: Float64Array = three_classes()
        .into_iter()
        .map(|class| (class != 1).then(|| f64::from(class)))
        .collect();
    let trained = logistic(&[], &with_column(&rows(), "tempo", Arc::new(tempo))).unwrap();
    assert_eq!(trained.classes, ["calm", "party"]);
    assert_eq!(
        trained.warnings[1],
        "left out class 'happy': each of its rows has a null"
    );
}

#[test]
fn too_few_rows_give_a_model_that_waits_where_that_is_allowed() {
    let allowed = ("allow_untrained", OptionValue::Boolean(true));
    let untrained = logistic(std::slice::from_ref(&allowed), &rows().slice(0, 0)).unwrap();
    assert_eq!(untrained.model.kind, moodlake_udfs::ModelKind::Untrained);
    assert_eq!(untrained.model.features, ["valence", "tempo", "loudness"]);
    assert_eq!((untrained.input_rows, untrained.n_train), (0, 0));
    assert!(untrained.metrics.is_empty());
    assert_eq!(
        untrained.warnings,
        ["not trained yet, it answers null: the query returned no rows"]
    );
    let kmeans = [
        ("type", text("kmeans")),
        ("k", OptionValue::Integer(200)),
        allowed.clone(),
    ];
    let untrained = create(&kmeans, &rows().project(&[0]).unwrap()).unwrap();
    assert_eq!((untrained.input_rows, untrained.n_train), (120, 120));
    assert_eq!(
        untrained.warnings,
        [
            "not trained yet, it answers null: 200 clusters need at least 200 different rows, the query has 101"
        ]
    );
    // What more rows would not cure is refused all the same.
    assert!(logistic(&[("label", text("genre")), allowed], &rows()).is_err());
}

#[test]
fn only_the_classes_asked_for_are_learnt_in_their_order() {
    let classes = OptionValue::List(vec![text("party"), text("calm")]);
    let trained = logistic(&[("classes", classes)], &rows()).unwrap();
    assert_eq!(trained.classes, ["party", "calm"]);
    assert_eq!(trained.n_train, 78);
    assert_eq!(
        trained.warnings[0],
        "dropped 42 rows whose mood is none of the classes asked for"
    );
}

#[test]
fn shuffled_labels_teach_nothing() {
    let batches: Vec<RecordBatch> = (0..20)
        .map(|copy| {
            let moods = (0..u64::from(ROWS)).map(|row| {
                match super::split::hash(copy, &row.to_le_bytes()) % 2 {
                    0 => Some("calm"),
                    _ => Some("party"),
                }
            });
            let jitter = features()
                .column(0)
                .iter()
                .map(|value| Some(value + f64::from(u32::try_from(copy).unwrap())))
                .collect::<Float64Array>();
            let rows = with_column(&rows(), "mood", Arc::new(moods.collect::<StringArray>()));
            let artists = (0..ROWS)
                .map(|row| Some(format!("artist {copy} {row}")))
                .collect::<StringArray>();
            with_column(
                &with_column(&rows, "valence", Arc::new(jitter)),
                "artist",
                Arc::new(artists),
            )
        })
        .collect();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let trained = logistic(&[("split", text("folds"))], &rows).unwrap();
    let auc = find(&trained.metrics, "out_of_fold", "auc");
    assert!((auc.value - 0.5).abs() < 0.03, "{auc:?}");
    assert!(
        auc.ci_low.unwrap() < 0.5 && auc.ci_high.unwrap() > 0.5,
        "{auc:?}"
    );
}

#[test]
fn clusters_beat_their_null_where_there_are_any() {
    let values = |offset: f64| {
        move |row: u32| f64::from(row * 37 % 101) / 100.0 + f64::from(row % 3) * offset
    };
    let column = |offset| {
        Arc::new(
            (0..ROWS)
                .map(values(offset))
                .map(Some)
                .collect::<Float64Array>(),
        ) as ArrayRef
    };
    let rows = with_column(
        &with_column(&rows(), "valence", column(5.0)),
        "tempo",
        column(-5.0),
    );
    let rows = rows.project(&[0, 1]).unwrap();
    let trained = create(
        &[("type", text("kmeans")), ("k", OptionValue::Integer(3))],
        &rows,
    )
    .unwrap();
    let silhouette = find(&trained.metrics, "train", "silhouette");
    let null = find(&trained.metrics, "train", "silhouette_null");
    assert!(
        silhouette.value > 0.8 && silhouette.ci_low.unwrap() > null.ci_high.unwrap(),
        "{silhouette:?} {null:?}"
    );
    let moodlake_udfs::ModelKind::KMeans(kmeans) = trained.model.kind else {
        panic!()
    };
    assert_eq!(kmeans.sizes, [40, 40, 40]);
}

#[test]
fn options_are_refused_by_name() {
    let rows = rows();
    let refused = |options: &[(&str, OptionValue)]| refusal(options, &rows);
    assert_eq!(
        refused(&[]),
        format!(
            "model 'mood': option 'type' is missing, expected {}",
            types()
        )
    );
    assert_eq!(
        refused(&[("type", text("oracle"))]),
        format!("model 'mood': unknown type 'oracle', expected {}", types())
    );
    assert_eq!(
        refused(&[("type", text("kmeans"))]),
        "model 'mood': option 'k' is missing, give the number of clusters, such as k = 5, or k = 'auto'"
    );
    assert_eq!(
        refused(&[("type", text("kmeans")), ("k", OptionValue::Integer(1))]),
        "model 'mood': option 'k' must be a whole number from 2 to 1000, got 1"
    );
    assert_eq!(
        refused(&[
            ("type", text("logistic")),
            ("label", text("mood")),
            ("alpha", OptionValue::Float(0.1))
        ]),
        "model 'mood': unknown option 'alpha', a 'logistic' model knows type, label, group, split, time, classes, label_inputs, fold, gap_days, id, deduplicate, seed, allow_untrained, l2, max_iterations, class_weight"
    );
    assert_eq!(
        refused(&[
            ("type", text("logistic")),
            ("label", text("mood")),
            ("l2", OptionValue::Float(-1.0))
        ]),
        "model 'mood': option 'l2' must be a number above 0, got -1"
    );
    assert_eq!(
        refused(&[
            ("type", text("logistic")),
            ("label", text("mood")),
            ("split", text("random"))
        ]),
        "model 'mood': unknown split 'random', expected 'artist', 'time', 'folds' or 'none'"
    );
}

#[test]
fn rows_that_cannot_be_learnt_from_are_refused() {
    let rows = rows();
    assert_eq!(
        refusal(
            &[("type", text("kmeans")), ("k", OptionValue::Integer(3))],
            &rows
        ),
        "model 'mood': feature 'mood' is Utf8, features must be numeric: cast it or leave it out of the query"
    );
    let features = rows.project(&[0]).unwrap();
    assert_eq!(
        refusal(
            &[("type", text("kmeans")), ("k", OptionValue::Integer(200))],
            &features
        ),
        "model 'mood': too few rows to train: 200 clusters need at least 200 different rows, the query has 101"
    );
    let label = |name: &str| [("type", text("logistic")), ("label", text(name))];
    assert_eq!(
        refusal(&label("genre"), &rows),
        "model 'mood': no label column 'genre' in the query, it has valence, tempo, loudness, mood, artist"
    );
    assert_eq!(
        refusal(&label("valence"), &rows),
        "model 'mood': label 'valence' is Float64, expected text, whole numbers or booleans"
    );
    let one = with_column(
        &rows,
        "mood",
        Arc::new(StringArray::from(vec!["calm"; 120])),
    );
    assert_eq!(
        refusal(&label("mood"), &one),
        "model 'mood': too few rows to train: label 'mood' needs at least two classes, the rows have 1"
    );
    assert_eq!(
        refusal(&label("mood"), &one.slice(0, 0)),
        "model 'mood': too few rows to train: the query returned no rows"
    );
}
