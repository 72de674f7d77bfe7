//! The schedules that once exceeded the bound.

use std::{array, mem, num::NonZeroU16, panic, ptr, sync::atomic::Ordering};

use hyaline::{
    AsLink, AtomicPtr, Collector, Config, Guard, Handle, Link, Linked, Pool, Robust, Role, reclaim,
};

type Object = Linked<u32>;

const CONFIG: Config = Config::new().batch::<4>().era_step::<1>();

fn make<R: Role>(handle: &Handle<'_, Robust, R>) -> *mut Object {
    Box::into_raw(Box::new(handle.link(7)))
}

/// Retires an object that was never shared.
fn retire<R: Role>(handle: &Handle<'_, Robust, R>, object: *mut Object) {
    // SAFETY: never shared, from a box, retired once.
    unsafe {
        handle
            .enter()
            .defer_retire(object, reclaim::boxed::<Object>)
    };
}

fn churn<R: Role>(handle: &Handle<'_, Robust, R>, objects: usize) {
    for _ in 0..objects {
        retire(handle, make(handle));
    }
}

/// One stalled section. Old objects are retired one by one between young ones,
/// of a deferred handle and of the handle itself.
fn old_among_young(deferred_ones: usize, old_ones: usize) -> (usize, usize) {
    const N: usize = 3;
    let collector = Collector::<N, Robust>::with_config(CONFIG);
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let deferred = collector.register_deferred().unwrap();
    let old: Vec<_> = (0..old_ones).map(|_| make(&writer)).collect();
    let stalled = reader.enter();
    let mut peak = 0;
    for object in old {
        churn(&deferred, deferred_ones);
        churn(&writer, 3);
        retire(&writer, object);
        peak = peak.max(collector.stats().pending());
    }
    drop(stalled);
    // In use: the old ones, one being made, and the deferred ones.
    (
        peak,
        CONFIG.most_pending(N, 1, old_ones + 1 + deferred_ones),
    )
}

/// Batches that were handed over to a full one once reached 172 of 300.
#[test]
fn a_deferred_batch_in_each_batch() {
    let (peak, bound) = old_among_young(4, 49);
    assert!(peak <= 80 && peak <= bound, "{peak} of {bound}");
}

/// A hundred deferred objects between two publishes are in use until the
/// second, and are not held after it.
#[test]
fn bursts_of_deferred_objects() {
    let (peak, bound) = old_among_young(100, 9);
    assert!(peak <= 120 && peak <= bound, "{peak} of {bound}");
}

/// A deferred handle retires, and nobody publishes or collects. Nothing here
/// bounds that, which is why these objects count as in use.
#[test]
fn a_flood_of_deferred_objects() {
    let collector = Collector::<2, Robust>::with_config(CONFIG);
    let writer = collector.register().unwrap();
    let deferred = collector.register_deferred().unwrap();
    churn(&deferred, 1000);
    let pending = collector.stats().pending();
    assert_eq!(pending, 1000);
    assert!(pending <= CONFIG.most_pending(2, 0, 1000));
    // The first publish finds them all.
    churn(&writer, 4);
    assert_eq!(collector.stats().pending(), 0);
}

/// A section holds what a deferred handle retired before it, and a limit leaves
/// that over. The deferred handle retires as much again, which reclaims
/// nothing. So a section whose objects are left over counts as open.
#[test]
fn a_limit_after_a_short_section() {
    const LIVE: usize = 100;
    let collector = Collector::<3, Robust>::with_config(CONFIG);
    let (writer, reader) = (collector.register().unwrap(), collector.register().unwrap());
    let deferred = collector.register_deferred().unwrap();
    reader.limit_reclaims(NonZeroU16::new(1));
    churn(&deferred, LIVE);
    let guard = reader.enter();
    assert_eq!(writer.flush(), 0);
    drop(guard);
    churn(&deferred, LIVE);
    let pending = collector.stats().pending();
    assert_eq!(pending, 2 * LIVE - 1);
    // More than with no stall, though nothing was retired in the section.
    assert!(pending > CONFIG.most_pending(3, 0, LIVE));
    assert!(pending <= CONFIG.most_pending(3, 1, LIVE));
    writer.flush();
    assert_eq!(collector.stats().pending(), 0);
}

/// A handle retires in its own reclaimer. The publishes of others do not find
/// these objects, which is why they count as in use; a collect does.
#[test]
fn a_flood_in_a_reclaimer() {
    static COLLECTOR: Collector<2, Robust> = Collector::with_config(CONFIG);
    thread_local!(static SLOW: Handle<'static, Robust> = COLLECTOR.register().unwrap());

    unsafe fn floods(link: *mut Link) {
        // SAFETY: boxed.
        unsafe { reclaim::boxed::<Object>(link) };
        SLOW.with(|slow| churn(slow, 1000));
        let other = COLLECTOR.register().unwrap();
        churn(&other, 100);
        let pending = COLLECTOR.stats().pending();
        assert!((1000..=1004).contains(&pending), "{pending}");
        assert!(pending <= CONFIG.most_pending(2, 1, 1001));
        other.flush();
        assert_eq!(COLLECTOR.stats().pending(), 0);
    }

    SLOW.with(|slow| {
        // SAFETY: never shared, boxed, retired once.
        unsafe { slow.enter().defer_retire(make(slow), floods) };
        slow.flush();
        assert_eq!(COLLECTOR.stats().reclaimed, 1101);
    });
}

/// A writer that replaces objects in a table, and what is pending at most.
struct Table<'c, const N: usize> {
    collector: &'c Collector<N, Robust>,
    writer: Handle<'c, Robust>,
    places: Vec<AtomicPtr<Object>>,
    peak: usize,
}

impl<'c, const N: usize> Table<'c, N> {
    fn new(collector: &'c Collector<N, Robust>) -> Self {
        let writer = collector.register().unwrap();
        let places = (0..PLACES).map(|_| AtomicPtr::new(make(&writer)));
        Self {
            collector,
            places: places.collect(),
            writer,
            peak: 0,
        }
    }

    fn replace(&mut self, place: usize) {
        let guard = self.writer.enter();
        let old = guard.swap(&self.places[place], make(&self.writer), Ordering::AcqRel);
        // SAFETY: unlinked by the swap, from a box.
        unsafe { guard.defer_retire(old, reclaim::boxed::<Object>) };
        drop(guard);
        self.peak = self.peak.max(self.collector.stats().pending());
    }

    fn replace_all(&mut self) {
        (0..self.places.len()).for_each(|place| self.replace(place));
    }

    /// Something that a section reads.
    fn read<R: Role>(&self, guard: &Guard<'_, Robust, R>) {
        assert!(!guard.protect(&self.places[0], Ordering::Acquire).is_null());
    }

    /// Fails if more was pending than with so many stalls.
    fn close(self, stalls: usize) {
        for place in self.places {
            // SAFETY: nobody else has it any more.
            drop(unsafe { Box::from_raw(place.into_inner()) });
        }
        let bound = SMALLEST.most_pending(N, stalls, PLACES + 1);
        assert!(self.peak <= bound, "{} of {bound}", self.peak);
    }
}

const SMALLEST: Config = Config::new().batch::<1>().era_step::<1>();
/// Of a table.
const PLACES: usize = 100;
const READERS: usize = 8;

/// What waited for a deferred owner's section does not stay for the section of an eager
/// one that has the slot next.
#[test]
fn a_slot_that_changes_hands() {
    let collector = Collector::<{ READERS + 1 }, Robust>::with_config(SMALLEST);
    let mut table = Table::new(&collector);
    let mut deferred = Vec::new();
    for _ in 0..READERS {
        let section = collector.register_deferred().unwrap().enter_owned();
        table.read(&section.guard());
        deferred.push(section);
        table.replace_all();
    }
    let mut eager = Vec::new();
    for section in deferred {
        let slot = section.slot();
        drop(section);
        let section = collector.register().unwrap().enter_owned();
        assert_eq!(section.slot(), slot);
        table.read(&section.guard());
        eager.push(section);
        table.replace_all();
    }
    drop(eager);
    table.close(READERS + 1);
}

/// The same with readers that die in their sections: without end.
#[test]
fn readers_that_die_one_after_the_other() {
    let collector = Collector::<2, Robust>::with_config(SMALLEST);
    let mut table = Table::new(&collector);
    let mut reader = collector.register().unwrap();
    for _ in 0..100 {
        let guard = reader.enter();
        table.read(&guard);
        mem::forget(guard);
        (0..8).for_each(|place| table.replace(place));
        // SAFETY: it is not used any more.
        unsafe { collector.evict(reader.id()) }.unwrap();
        reader = collector.register().unwrap();
    }
    table.close(2);
}

/// A guard that is refreshed, and for which nobody waits at any quiescent point, holds
/// no more than one that is dropped there and entered again.
#[test]
fn quiescent_points_without_a_wait() {
    let collector = Collector::<{ READERS + 2 }, Robust>::with_config(SMALLEST);
    let mut table = Table::new(&collector);
    // Before the slot of the reader that refreshes: what is retired waits there.
    let readers: [_; READERS] = array::from_fn(|_| collector.register().unwrap());
    let other = collector.register().unwrap();
    let mut refreshed = other.enter();
    let mut stalled = Vec::new();
    for reader in &readers {
        let guard = reader.enter();
        table.read(&guard);
        stalled.push(guard);
        for place in 0..PLACES {
            table.replace(place);
            if place % 4 == 0 {
                refreshed.refresh();
                table.read(&refreshed);
            }
        }
    }
    drop(stalled);
    let mut stalled = Vec::new();
    for reader in &readers {
        let guard = reader.enter();
        table.read(&guard);
        stalled.push(guard);
        table.replace_all();
    }
    drop((stalled, refreshed));
    table.close(READERS + 1);
}

/// A handle with a limit of one reclaimer per call.
#[test]
fn a_limit_of_one() {
    let collector = Collector::<1, Robust>::with_config(CONFIG);
    let writer = collector.register().unwrap();
    writer.limit_reclaims(NonZeroU16::new(1));
    churn(&writer, 1000);
    let stats = collector.stats();
    let bound = CONFIG.most_pending(1, 0, 1);
    assert!(
        stats.peak <= bound && stats.pending() <= 4,
        "{stats:?}, bound {bound}"
    );
    // Leftover objects are taken together with those retired then.
    writer.limit_reclaims(NonZeroU16::new(2));
    churn(&writer, 8);
    assert!(collector.stats().pending() < 4);
}

/// A header without a birth era counts as older than every section. The bound
/// excludes it, as `Link::new` and `most_pending` document.
#[test]
fn objects_without_a_birth_era_are_not_covered() {
    #[repr(C)]
    struct Unstamped {
        link: Link,
    }
    // SAFETY: `repr(C)`, and the link comes first.
    unsafe impl AsLink for Unstamped {}

    let collector = Collector::<2, Robust>::with_config(CONFIG);
    let (reader, writer) = (collector.register().unwrap(), collector.register().unwrap());
    let stalled = reader.enter();
    for stamped in [false, true] {
        let before = collector.stats().pending();
        for _ in 0..1000 {
            let link = if stamped { writer.stamp() } else { Link::new() };
            let object = Box::into_raw(Box::new(Unstamped { link }));
            // SAFETY: never shared, from a box, retired once.
            unsafe {
                writer
                    .enter()
                    .defer_retire(object, reclaim::boxed::<Unstamped>)
            };
        }
        let more = collector.stats().pending() - before;
        assert_eq!(more > CONFIG.most_pending(2, 1, 1), !stamped, "{more} more");
    }
    drop(stalled);
    writer.flush();
    assert_eq!(collector.stats().pending(), 0);
}

/// A reader with a limit, whose sections end regularly, while a writer retires
/// faster than the reader may reclaim.
#[test]
fn a_backlog_of_a_reader_with_a_limit() {
    const BATCH: Config = Config::new().batch::<8>().era_step::<4>();
    for (limit, sections) in [(8, 1), (4, 1), (4, 20), (1, 20)] {
        let collector = Collector::<2, Robust>::with_config(BATCH);
        let (writer, reader) = (collector.register().unwrap(), collector.register().unwrap());
        reader.limit_reclaims(NonZeroU16::new(limit));
        let shared = AtomicPtr::new(ptr::null_mut());
        for _ in 0..200 {
            let guard = reader.enter();
            guard.protect(&shared, Ordering::Acquire);
            for _ in 0..8 {
                let new = make(&writer);
                let guard = writer.enter();
                let old = guard.swap(&shared, new, Ordering::AcqRel);
                if !old.is_null() {
                    // SAFETY: unlinked by the swap, and from a box.
                    unsafe { guard.defer_retire(old, reclaim::boxed::<Object>) };
                }
            }
            writer.flush();
            drop(guard);
            for _ in 1..sections {
                drop(reader.enter());
            }
            writer.flush();
            // The second flush follows the section.
            assert_eq!(collector.stats().pending(), 0);
        }
        let (peak, bound) = (collector.stats().peak, BATCH.most_pending(2, 1, 2));
        assert!(peak <= bound, "limit {limit}: {peak} of {bound}");
        retire(&writer, shared.into_inner());
    }
}

/// A reader is preempted in the first reclaimer of its leave. Meanwhile a
/// writer continues, with short sections of another reader and flushes.
#[test]
fn a_reader_preempted_in_its_first_reclaimer() {
    use std::cell::Cell;

    const N: usize = 3;
    type World = (Collector<N, Robust>, Cell<usize>);
    thread_local!(static WORLD: World = const { (Collector::with_config(CONFIG), Cell::new(0)) });

    unsafe fn preempted(link: *mut Link) {
        // SAFETY: boxed.
        unsafe { reclaim::boxed::<Object>(link) };
        WORLD.with(|(collector, peak)| {
            let (writer, reader) = (collector.register().unwrap(), collector.register().unwrap());
            for _ in 0..500 {
                let guard = reader.enter();
                churn(&writer, 7);
                writer.flush();
                peak.set(peak.get().max(collector.stats().pending()));
                drop(guard);
                drop(reader.enter());
            }
        });
    }

    WORLD.with(|(collector, peak)| {
        let slow = collector.register().unwrap();
        let writer = collector.register().unwrap();
        let old: Vec<_> = (0..40).map(|_| make(&writer)).collect();
        let guard = slow.enter();
        for (index, object) in old.into_iter().enumerate() {
            let by = if index == 0 {
                preempted
            } else {
                reclaim::boxed::<Object>
            };
            // SAFETY: never shared, boxed, retired once.
            unsafe { writer.enter().defer_retire(object, by) };
        }
        writer.flush();
        let held = collector.stats().pending();
        assert_eq!(held, 40);
        drop(writer);
        drop(guard);
        // The call, and the section that the call ended.
        let bound = CONFIG.most_pending(N, 1, 41);
        let peak = peak.get().max(held);
        assert!((40..=bound).contains(&peak), "{peak} of {bound}");
        assert_eq!(collector.stats().pending(), 0);
    });
}

/// Owners that retire a few objects and die: each starts a count of its own,
/// and their leftovers must not add up. The search found both ways.
#[test]
fn owners_that_die_one_after_the_other() {
    for (sent_on, bound) in [(false, 4), (true, 4)] {
        let collector = Collector::<2, Robust>::with_config(CONFIG);
        let helper = collector.register_deferred().unwrap();
        let pool = Pool::<u32, 1>::new();
        let elsewhere = Collector::<1>::new();
        pool.alloc(&elsewhere.register().unwrap(), 0).unwrap();
        for _ in 0..100 {
            let owner = collector.register().unwrap();
            churn(&owner, 3);
            let id = owner.id();
            mem::forget(owner);
            // SAFETY: the handle is forgotten, has no guard, and belonged to
            // this thread.
            unsafe { collector.evict(id) }.unwrap();
            if sent_on {
                // It publishes, but runs no reclaimer.
                assert!(pool.alloc(&helper, 1).is_err());
            }
            let pending = collector.stats().pending();
            assert!(pending <= bound, "{pending} of {bound}");
        }
    }
}

/// Every reclaimer panics: the leftovers do not accumulate.
#[test]
fn reclaimers_that_panic() {
    unsafe fn panics(link: *mut Link) {
        // SAFETY: boxed.
        unsafe { reclaim::boxed::<Object>(link) };
        panic::resume_unwind(Box::new("as always"));
    }
    let collector = Collector::<1, Robust>::with_config(CONFIG);
    let writer = collector.register().unwrap();
    for _ in 0..100 {
        let guard = writer.enter();
        let retire = || {
            // SAFETY: never shared, boxed, retired once.
            unsafe { guard.defer_retire(make(&writer), panics) };
        };
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(retire));
        let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(guard)));
    }
    let (pending, bound) = (collector.stats().pending(), CONFIG.most_pending(1, 0, 1));
    assert!(pending <= 4 && pending <= bound, "{pending} of {bound}");
    while panic::catch_unwind(panic::AssertUnwindSafe(|| writer.flush())).is_err() {}
}
