//! `pearson`: the moments of a million pairs in blocks, pair by pair over 1,000 groups, and through a sliding window.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moodlake_udfs::kernels::{moments::Moments, sliding::SlidingMoments};

const PAIRS: u32 = 1_000_000;
const GROUPS: usize = 1_000;
const WINDOW: usize = 1_000;

fn pearson(criterion: &mut Criterion) {
    let x: Vec<f64> = (0..PAIRS)
        .map(|i| f64::from(i.wrapping_mul(7_919) % 10_007))
        .collect();
    let y: Vec<f64> = (0..PAIRS)
        .map(|i| f64::from(i.wrapping_mul(104_729) % 10_009))
        .collect();
    let mut group = criterion.benchmark_group("pearson");
    group.throughput(Throughput::Elements(u64::from(PAIRS)));
    group.bench_function("one group", |bencher| {
        bencher.iter(|| Moments::of(black_box(&x), black_box(&y)).correlation_test(0.95));
    });
    group.bench_function("1,000 groups", |bencher| {
        bencher.iter(|| {
            let mut groups = vec![Moments::default(); GROUPS];
            for (row, (x, y)) in black_box(&x).iter().zip(black_box(&y)).enumerate() {
                groups[row % GROUPS].push(*x, *y);
            }
            groups
        });
    });
    group.bench_function("window of 1,000", |bencher| {
        bencher.iter(|| {
            let mut window = SlidingMoments::default();
            let mut total = 0.0;
            for (row, (x, y)) in black_box(&x).iter().zip(black_box(&y)).enumerate() {
                window.push(*x, *y);
                if row >= WINDOW {
                    window.pop();
                }
                total += window.moments().correlation().unwrap_or(0.0);
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, pearson);
criterion_main!(benches);
