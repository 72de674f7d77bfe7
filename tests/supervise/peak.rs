//! The peak of the statistics, where objects are retired without a batch.

use super::*;

/// What `Handle::retire` leaves for a section is pending, too.
#[test]
fn the_peak_counts_what_is_held() {
    let collector = Collector::<2>::new();
    let (task, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let guard = reader.enter();
    (0..100).for_each(|number| retire_at_once(&task, number));
    assert_eq!(
        (collector.stats().peak, collector.stats().pending()),
        (100, 100)
    );
    drop(guard);
    task.flush();
    assert_eq!(
        (collector.stats().peak, collector.stats().pending()),
        (100, 0)
    );
}

/// Reclaimers retire what they alone lead to: all of it is pending at a time.
#[test]
fn the_peak_counts_what_reclaimers_retire() {
    static C: Collector<1> = Collector::new();
    /// Retires a hundred others when it is dropped.
    struct Tree;
    impl Drop for Tree {
        fn drop(&mut self) {
            HANDLE.with(|task| {
                (0..100).for_each(|number| retire_at_once(task, number));
            });
        }
    }
    thread_local!(static HANDLE: hyaline::Handle<'static> = C.register().unwrap());
    thread::spawn(|| {
        HANDLE.with(|task| {
            retire_at_once(task, Tree);
            task.flush();
        });
    })
    .join()
    .unwrap();
    let stats = C.stats();
    assert_eq!(
        (stats.retired, stats.reclaimed, stats.peak),
        (101, 101, 100)
    );
}
