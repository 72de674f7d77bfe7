//! The rows with criterion's statistics: `cargo bench -p hyaline-bench --
//! read-1`. Here contestants run one after another; for comparisons use the
//! binary `compare`, which interleaves them.

use criterion::Criterion;
use hyaline_bench::{child, rows};

fn main() {
    child::roomy(|| {
        let mut criterion = Criterion::default().configure_from_args();
        for row in rows::all() {
            let mut group = criterion.benchmark_group(row.id);
            for contestant in &row.contestants {
                // Made only if it is not filtered out.
                let mut run = None;
                group.bench_function(contestant.name, |bencher| {
                    bencher.iter_custom(run.get_or_insert_with(contestant.make));
                });
            }
            group.finish();
        }
        criterion.final_summary();
    });
}
