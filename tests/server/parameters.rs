//! The types of parameters: those that are told, and those that clients bind.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array,
        DictionaryArray, DurationSecondArray, FixedSizeBinaryArray, FixedSizeListArray,
        Float32Array, Int8Array, Int64Array, Int64Builder, IntervalMonthDayNanoArray,
        LargeStringArray, ListArray, MapBuilder, StringBuilder, StringViewArray, StructArray,
        Time32MillisecondArray, Time64NanosecondArray, TimestampMicrosecondArray,
        TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
        new_null_array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, Int32Type, IntervalMonthDayNano, TimeUnit, i256},
};

use super::{
    harness::{Flight, number, query, start, strings, update},
    prepared::{answer, bound, changed, numbers, texts},
};

/// The types that the parameters of a statement are told to have.
async fn told(flight: &mut Flight, sql: &str) -> Vec<DataType> {
    let statement = flight.prepare(sql.into(), None).await.unwrap();
    let schema = statement.parameter_schema().unwrap();
    schema
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect()
}

#[tokio::test]
async fn parameters_tell_their_types() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.plays (id int not null, title varchar, at timestamp, seen timestamp with time zone, day date, \
         price decimal(10, 2), score double, tags varchar[])",
    )
    .await;
    let instant =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
    let (long, int, text) = (DataType::Int64, DataType::Int32, DataType::Utf8);
    let (double, truth) = (DataType::Float64, DataType::Boolean);
    let time = DataType::Time32(TimeUnit::Millisecond);
    for (sql, expected) in [
        (
            "select cast(? as bigint), ?::date, try_cast(? as double)",
            vec![long.clone(), DataType::Date32, double.clone()],
        ),
        (
            "select 1 limit ? offset ?",
            vec![long.clone(), long.clone()],
        ),
        (
            "select title from gold.plays where id > ? and title <> ?",
            vec![int.clone(), text.clone()],
        ),
        (
            "select 1 from gold.plays where at >= ? and seen < ?",
            vec![instant(None), instant(Some("UTC"))],
        ),
        (
            "select cast(? as time), cast(? as timestamp)",
            vec![time, instant(None)],
        ),
        (
            "select 1 from gold.plays where day between ? and ? or title like ?",
            vec![DataType::Date32, DataType::Date32, text.clone()],
        ),
        (
            "select 1 from gold.plays where id in (?, ?)",
            vec![int.clone(), int.clone()],
        ),
        (
            "select id + ?, ? * score from gold.plays",
            vec![int.clone(), double.clone()],
        ),
        (
            "select upper(?), sqrt(?), substr(title, ?) from gold.plays",
            vec![text.clone(), double.clone(), long.clone()],
        ),
        (
            "select coalesce(score, ?), case when ? then score else ? end from gold.plays",
            vec![double.clone(), truth.clone(), double.clone()],
        ),
        ("select 1 where ?", vec![truth.clone()]),
        (
            "insert into gold.plays (id, at, price) values (?, ?, ?)",
            vec![int.clone(), instant(None), DataType::Decimal128(10, 2)],
        ),
        (
            "insert into gold.plays (id, score) select ?, ? where ? > 1",
            vec![int.clone(), double.clone(), long.clone()],
        ),
        (
            "delete from gold.plays where id = ? and score < ?",
            vec![int.clone(), double.clone()],
        ),
        (
            "merge into gold.plays as t using (select 1 as id) as s on t.id = s.id and t.id > ? when matched and t.score = ? then delete",
            vec![int.clone(), double.clone()],
        ),
        (
            "create table gold.copy as select * from gold.plays where id = ?",
            vec![int.clone()],
        ),
        (
            "explain delete from gold.plays where id = ?",
            vec![int.clone()],
        ),
        (
            "select value from generate_series(1, ?) where value > ?",
            vec![long.clone(), long.clone()],
        ),
        (
            "select * from recommend(?, k => ?, new_artists_only => ?, pace => ?)",
            vec![text.clone(), long.clone(), truth.clone(), double.clone()],
        ),
        ("select ?, $$?$$, '?'", vec![text]),
        (
            "select $2, $1 from gold.plays where id = $2 and score = $1",
            vec![double, int],
        ),
    ] {
        assert_eq!(told(&mut flight, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_result_that_depends_on_values_is_told_to_be_one() {
    let running = start().await;
    let mut flight = running.flight.clone();
    let sql = "select arrow_cast(1, ?) as v";
    let statement = flight.prepare(sql.into(), None).await.unwrap();
    assert_eq!(statement.dataset_schema().unwrap().fields().len(), 1);
    let batches = answer(&mut flight, sql, bound(vec![texts(&["Int16"])])).await;
    assert_eq!(*batches[0].column(0).data_type(), DataType::Int16);
}

/// One value of every kind of type, with the type that a result has.
fn values() -> Vec<(ArrayRef, DataType)> {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let pair = Int64Array::from(vec![Some(1), None]);
    let list = ListArray::new(
        item(DataType::Int64),
        OffsetBuffer::from_lengths([2]),
        Arc::new(pair.clone()),
        None,
    );
    let fixed = FixedSizeListArray::new(item(DataType::Int64), 2, Arc::new(pair), None);
    let inner: ArrayRef = Arc::new(list.clone());
    let structure = StructArray::from(vec![
        (
            Arc::new(Field::new("mood", DataType::Utf8, true)),
            texts(&["calm"]),
        ),
        (
            Arc::new(Field::new("scores", inner.data_type().clone(), true)),
            inner,
        ),
    ]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("plays");
    map.values().append_value(3);
    map.append(true).unwrap();
    let dictionary: DictionaryArray<Int32Type> = vec!["calm"].into_iter().collect();
    let same: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(UInt64Array::from(vec![u64::MAX])),
        numbers(vec![i64::MIN]),
        Arc::new(Float32Array::from(vec![0.1])),
        texts(&["it's; $1 ?"]),
        Arc::new(BinaryArray::from(vec![&b"\x00\xff"[..]])),
        Arc::new(FixedSizeBinaryArray::try_from_iter([b"ab"].into_iter()).unwrap()),
        Arc::new(
            Decimal128Array::from(vec![125])
                .with_precision_and_scale(5, 2)
                .unwrap(),
        ),
        Arc::new(
            Decimal256Array::from(vec![i256::from(-125)])
                .with_precision_and_scale(50, 2)
                .unwrap(),
        ),
        Arc::new(Date32Array::from(vec![20_000])),
        Arc::new(Time32MillisecondArray::from(vec![27_000_001])),
        Arc::new(Time64NanosecondArray::from(vec![27_000_000_000_001])),
        Arc::new(TimestampSecondArray::from(vec![1_700_000_000])),
        Arc::new(TimestampMillisecondArray::from(vec![-1]).with_timezone("Europe/Berlin")),
        Arc::new(TimestampMicrosecondArray::from(vec![1]).with_timezone("+02:00")),
        Arc::new(DurationSecondArray::from(vec![90])),
        Arc::new(IntervalMonthDayNanoArray::from(vec![
            IntervalMonthDayNano::new(1, 2, 3),
        ])),
        Arc::new(list),
        Arc::new(fixed),
        Arc::new(structure),
        Arc::new(map.finish()),
    ];
    let changed: Vec<(ArrayRef, DataType)> = vec![
        // Results are in microseconds at most.
        (
            Arc::new(TimestampNanosecondArray::from(vec![1_234_567_891])),
            DataType::Timestamp(TimeUnit::Microsecond, None),
        ),
        // Numbers are as wide as those that are written out.
        (Arc::new(Int8Array::from(vec![-128])), DataType::Int64),
        (
            Arc::new(LargeStringArray::from(vec!["calm"])),
            DataType::Utf8,
        ),
        (
            Arc::new(StringViewArray::from(vec!["calm"])),
            DataType::Utf8,
        ),
        (Arc::new(dictionary), DataType::Utf8),
    ];
    let same = same.into_iter().map(|value| {
        let data_type = value.data_type().clone();
        (value, data_type)
    });
    same.chain(changed).collect()
}

#[tokio::test]
async fn every_type_comes_back() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (value, expected) in values() {
        let sent = value.data_type().clone();
        let batches = answer(
            &mut flight,
            "select ? as v",
            bound(vec![Arc::clone(&value)]),
        )
        .await;
        let column = batches[0].column(0);
        assert_eq!(*column.data_type(), expected, "{sent}");
        let wanted = arrow::compute::cast(&value, &expected).unwrap();
        assert_eq!(column, &wanted, "{sent}");
    }
}

#[tokio::test]
async fn null_comes_back_in_every_type() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (value, _) in values() {
        let sent = value.data_type().clone();
        let nothing = new_null_array(&sent, 1);
        let batches = answer(&mut flight, "select ? as v, 1 as one", bound(vec![nothing])).await;
        assert_eq!(batches[0].column(0).logical_null_count(), 1, "{sent}");
        assert_eq!(batches[0].num_rows(), 1, "{sent}");
    }
    let untyped = bound(vec![new_null_array(&DataType::Null, 1)]);
    let batches = answer(&mut flight, "select coalesce(?, 7) as v", untyped).await;
    assert_eq!(
        batches[0].column(0).as_ref(),
        &Int64Array::from(vec![7]) as &dyn Array
    );
}

#[tokio::test]
async fn every_type_that_a_table_holds_goes_into_it() {
    let running = start().await;
    let mut flight = running.flight.clone();
    for (at, (value, _)) in values().into_iter().enumerate() {
        let sent = value.data_type().clone();
        let make = format!("create table gold.t{at} as select ? as v");
        let mut statement = flight.prepare(make, None).await.unwrap();
        statement
            .set_parameters(bound(vec![Arc::clone(&value)]))
            .unwrap();
        if let Err(error) = statement.execute_update().await {
            let message = error.to_string();
            let is_huge = sent == DataType::UInt64 && message.contains(&u64::MAX.to_string());
            assert!(
                is_huge || message.contains("which a table cannot hold"),
                "{sent}: {message}"
            );
            assert!(!message.contains('\n'), "{message}");
            continue;
        }
        // One row, and several.
        let insert = format!("insert into gold.t{at} values (?)");
        for rows in [1, 3] {
            let nothing = new_null_array(&sent, rows - 1);
            let all = arrow::compute::concat(&[&value, &nothing]).unwrap();
            let count = i64::try_from(rows).unwrap();
            assert_eq!(
                changed(&mut flight, &insert, bound(vec![all])).await,
                count,
                "{sent}"
            );
        }
        let kept = format!("select count(*) from gold.t{at} where v is not null");
        assert_eq!(number(&mut flight, &kept).await, 3, "{sent}");
        let texts =
            format!("select distinct cast(v as varchar) from gold.t{at} where v is not null");
        if !sent.is_nested() && !matches!(sent, DataType::Binary | DataType::FixedSizeBinary(_)) {
            assert_eq!(
                strings(&query(&mut flight, &texts).await, 0).len(),
                1,
                "{sent}"
            );
        }
    }
}

#[tokio::test]
async fn times_mean_the_same_in_every_unit() {
    let running = start().await;
    let mut flight = running.flight.clone();
    update(
        &mut flight,
        "create table gold.moments (at timestamp, seen timestamp with time zone)",
    )
    .await;
    let second = 1_795_332_600; // 2026-11-22T07:30:00
    let units: [ArrayRef; 4] = [
        Arc::new(TimestampSecondArray::from(vec![second])),
        Arc::new(TimestampMillisecondArray::from(vec![second * 1000])),
        Arc::new(TimestampMicrosecondArray::from(vec![second * 1_000_000])),
        Arc::new(TimestampNanosecondArray::from(vec![second * 1_000_000_000])),
    ];
    for moment in units {
        let unit = moment.data_type().clone();
        let row = bound(vec![Arc::clone(&moment), Arc::clone(&moment)]);
        changed(&mut flight, "insert into gold.moments values (?, ?)", row).await;
        let kept = "select cast(at as varchar), cast(seen as varchar) from gold.moments";
        let kept = query(&mut flight, kept).await;
        assert_eq!(strings(&kept, 0), ["2026-11-22T07:30:00"], "{unit}");
        assert_eq!(strings(&kept, 1), ["2026-11-22T07:30:00Z"], "{unit}");
        let row = bound(vec![Arc::clone(&moment)]);
        let found = answer(
            &mut flight,
            "select count(*) from gold.moments where at = ?",
            row.clone(),
        )
        .await;
        assert_eq!(
            found[0].column(0).as_ref(),
            &Int64Array::from(vec![1]) as &dyn Array,
            "{unit}"
        );
        assert_eq!(
            changed(&mut flight, "delete from gold.moments where at = ?", row).await,
            1,
            "{unit}"
        );
    }
}
