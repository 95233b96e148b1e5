//! Tests of what is held out, what is no feature, and what is one row.

use arrow::{array::TimestampMicrosecondArray, datatypes::Int32Type};

use super::*;

const DAY: i64 = 86_400_000_000;

/// [`rows`], row `r` on day `r`, without artists.
fn days() -> RecordBatch {
    let times = (0..i64::from(ROWS)).map(|row| row * DAY);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    with_column(&rows(), "played_at", Arc::new(times))
        .project(&[0, 1, 2, 3, 5])
        .unwrap()
}

fn asked<'a>(more: &[(&'a str, OptionValue)]) -> Vec<(&'a str, OptionValue)> {
    let options = [("type", text("logistic")), ("label", text("mood"))];
    [options.as_slice(), more].concat()
}

fn sizes(trained: &Trained) -> [u64; 3] {
    ["train", "validation", "test"].map(|split| find(&trained.metrics, split, "accuracy").n)
}

#[test]
fn in_time_the_past_trains_and_the_future_tests() {
    let trained = logistic(&[("split", text("time"))], &days()).unwrap();
    assert_eq!(trained.model.features, ["valence", "tempo", "loudness"]);
    assert_eq!(sizes(&trained), [84, 18, 18]);
    let gap = ("gap_days", OptionValue::Integer(3));
    let trained = logistic(&[("split", text("time")), gap.clone()], &days()).unwrap();
    assert_eq!(sizes(&trained), [81, 15, 18]);
    assert!(
        trained.warnings[0].starts_with("left 6 rows out of the evaluation, those in the 3 days"),
        "{:?}",
        trained.warnings
    );
    assert_eq!(
        refusal(&asked(&[("split", text("time"))]), &rows()),
        "model 'mood': split = 'time' needs a column of times, name it, such as time = 'played_at'"
    );
    assert_eq!(
        refusal(&asked(&[gap]), &days()),
        "model 'mood': option 'gap_days' needs split = 'time'"
    );
    let time = [("split", text("time")), ("time", text("tempo"))];
    assert_eq!(
        refusal(&asked(&time), &days()),
        "model 'mood': time 'tempo' is Float64, expected a timestamp or a date"
    );
    let twice = [("group", text("mood"))];
    assert_eq!(
        refusal(&asked(&twice), &days()),
        "model 'mood': column 'mood' cannot be both label and group"
    );
}

#[test]
fn any_column_can_say_which_rows_belong_together() {
    let users: arrow::array::PrimitiveArray<Int32Type> = (0..120)
        .map(|row| Some(row % 40))
        .collect::<Vec<_>>()
        .into();
    let rows = with_column(&days(), "user_id", Arc::new(users))
        .project(&[0, 1, 2, 3, 5])
        .unwrap();
    let trained = logistic(&[("group", text("user_id"))], &rows).unwrap();
    assert_eq!(trained.options.split(), SplitKind::Artist);
    assert_eq!(trained.model.features, ["valence", "tempo", "loudness"]);
    assert!(sizes(&trained).iter().all(|size| size % 3 == 0));
}

#[test]
fn what_made_the_label_is_no_feature() {
    let inputs = OptionValue::List(vec![text("energy"), text("valence")]);
    let options = [
        ("type", text("logistic")),
        ("label", text("mood")),
        ("label_inputs", inputs),
    ];
    assert_eq!(
        refusal(&options, &rows()),
        "model 'mood': label 'mood' is made from 'valence', as label_inputs says: leave it out of the query, or the model learns the rule"
    );
    assert!(create(&options, &rows().project(&[1, 2, 3, 4]).unwrap()).is_ok());
}

#[test]
fn rows_that_repeat_count_once() {
    let twice = concat_batches(&rows().schema(), &[rows(), rows().slice(0, 30)]).unwrap();
    let trained = logistic(&[], &twice).unwrap();
    assert_eq!((trained.input_rows, trained.n_train), (150, 120));
    assert_eq!(
        trained.warnings[0],
        "dropped 30 rows that repeat another in every column"
    );
    let kept = ("deduplicate", OptionValue::Boolean(false));
    assert_eq!(logistic(&[kept], &twice).unwrap().n_train, 150);
    assert_eq!(
        logistic(&[("split", text("folds"))], &twice)
            .unwrap()
            .n_train,
        150
    );
}

#[test]
fn one_row_of_each_id_is_learnt_from() {
    let ids = (0..120).map(|row| row % 100);
    let ids = Int64Array::from_iter_values(ids);
    let rows = with_column(&rows(), "track_id", Arc::new(ids));
    let trained = logistic(&[("id", text("track_id"))], &rows).unwrap();
    assert_eq!(trained.model.features, ["valence", "tempo", "loudness"]);
    assert_eq!(trained.n_train, 100);
    assert!(
        trained.warnings[0].starts_with("dropped 20 rows whose track_id another row has too, "),
        "{:?}",
        trained.warnings
    );
}
