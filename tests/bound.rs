//! The bound of robust mode against an adversary: a seeded scheduler that
//! drives several handles of the real code one step at a time, stalls readers
//! at every step, and counts what is retired and not reclaimed.

#![cfg(not(hyaline_loom))]

use std::{cell::Cell, ptr, sync::atomic::Ordering};

use hyaline::{AtomicPtr, Collector, Config, Guard, Handle, Link, Linked, Robust};

thread_local!(static RECLAIMED: Cell<usize> = const { Cell::new(0) });

type Object = Linked<Cell<u32>>;
const ALIVE: u32 = 0x600d;

unsafe fn reclaim(link: *mut Link) {
    RECLAIMED.set(RECLAIMED.get() + 1);
    // SAFETY: all objects are boxed, and retired once.
    let object = unsafe { Box::from_raw(Link::cast::<Object>(link)) };
    assert_eq!(object.replace(0xdead), ALIVE);
}

/// A generator of numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

/// A reader that is somewhere in `enter, protect, leave`.
struct Reader<'c> {
    handle: &'c Handle<'c, Robust>,
    guard: Option<Guard<'c, Robust>>,
    held: *mut Object,
}

impl<'c> Reader<'c> {
    /// With `stalls` of 1 a section can stall only after it loaded its
    /// pointer; with 2 also before, so that its era moves in between.
    fn step(&mut self, stalls: usize, cells: &[AtomicPtr<Object>], random: &mut Random) {
        if self.guard.is_none() {
            self.guard = Some(self.handle.enter());
            if stalls > 1 {
                return;
            }
        }
        match &self.guard {
            Some(guard) if self.held.is_null() => {
                self.held = guard.protect(&cells[random.below(cells.len())], Ordering::Acquire);
            }
            _ => self.leave(),
        }
    }

    fn leave(&mut self) {
        if !self.held.is_null() {
            // SAFETY: protected until the guard is dropped below.
            let held = unsafe { &*self.held };
            assert_eq!(held.get(), ALIVE, "reclaimed while it was held");
            self.held = ptr::null_mut();
        }
        self.guard = None;
    }
}

/// One schedule; returns the peak of pending objects.
fn schedule<const N: usize>(
    config: Config,
    live: usize,
    readers: usize,
    stalls: usize,
    seed: u64,
) -> usize {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    RECLAIMED.set(0);
    let (mut retired, mut peak) = (0, 0);
    let collector = Collector::<N, Robust>::with_config(config);
    let handles: Vec<_> = (0..N).map(|_| collector.register().unwrap()).collect();
    let (reading, writing) = handles.split_at(readers);
    let cells: Vec<AtomicPtr<Object>> = (0..live)
        .map(|_| AtomicPtr::new(make(&writing[0])))
        .collect();
    let mut readers: Vec<_> = reading
        .iter()
        .map(|handle| Reader {
            handle,
            guard: None,
            held: ptr::null_mut(),
        })
        .collect();
    // How often a reader moves at all: often, or stalled for long.
    let eagerness = [2, 10, 100, 5000][random.below(4)];
    // How many of the objects that are retired are the oldest there are, and
    // how many were made just before: the adversary mixes them.
    let fillers = random.below(2 * N + 8);
    // Whether writers batch young objects with old ones.
    let defer = random.below(4) > 0;
    let mut oldest = 0;
    for step in 0..40 * live {
        for reader in &mut readers {
            if random.below(eagerness) == 0 || step < 2 * live && reader.guard.is_none() {
                reader.step(stalls, &cells, &mut random);
            }
        }
        let writer = &writing[random.below(writing.len())];
        let mut replace = |cell: &AtomicPtr<Object>| {
            let guard = defer.then(|| writer.enter());
            let old = cell.swap(make(writer), Ordering::AcqRel);
            match &guard {
                // SAFETY: unlinked by the swap.
                Some(guard) => unsafe { guard.defer_retire(old, reclaim) },
                // SAFETY: as above.
                None => unsafe { writer.retire(old, reclaim) },
            }
            drop(guard);
            retired += 1;
            peak = peak.max(retired - RECLAIMED.get());
        };
        if step % (fillers + 1) == fillers {
            replace(&cells[1 + oldest % (live - 1)]);
            oldest += 1;
        } else {
            replace(&cells[0]);
        }
        if random.below(200) == 0 {
            writer.flush();
        }
    }
    for reader in &mut readers {
        reader.leave();
    }
    drop(readers);
    for cell in &cells {
        // SAFETY: nobody reads any more.
        unsafe { writing[0].retire(cell.load(Ordering::Relaxed), reclaim) };
        retired += 1;
    }
    drop(handles);
    assert_eq!(RECLAIMED.get(), retired, "all is reclaimed in the end");
    peak
}

fn make(handle: &Handle<'_, Robust>) -> *mut Object {
    Box::into_raw(Box::new(handle.link(Cell::new(ALIVE))))
}

/// Runs many schedules; returns the bound and the highest peak.
fn adversary<const N: usize>(
    config: Config,
    live: usize,
    readers: usize,
    stalls: usize,
) -> (usize, usize) {
    let live = if cfg!(miri) { 8 } else { live };
    let bound = config.most_pending(N, readers * stalls, live);
    let schedules = match (cfg!(miri), cfg!(debug_assertions)) {
        (true, _) => 2,
        (_, true) => 300,
        _ => 1500,
    };
    let peaks = (1..=schedules).map(|seed| schedule::<N>(config, live, readers, stalls, seed));
    (bound, peaks.max().unwrap())
}

#[test]
fn never_more_than_the_bound_and_close_to_it() {
    let small = Config::new().batch::<4>().era_step::<1>();
    let one = Config::new().batch::<1>().era_step::<1>();
    let large = Config::new().batch::<16>().era_step::<4>();
    let rows = [
        ("2 slots, 1 reader, batch 1", adversary::<2>(one, 64, 1, 1)),
        (
            "2 slots, 1 reader, batch 1, 2 stalls",
            adversary::<2>(one, 64, 1, 2),
        ),
        (
            "2 slots, 1 reader, batch 4",
            adversary::<2>(small, 64, 1, 1),
        ),
        (
            "3 slots, 1 reader, batch 16, step 4",
            adversary::<3>(large, 64, 1, 1),
        ),
        (
            "4 slots, 2 readers, batch 4",
            adversary::<4>(small, 64, 2, 1),
        ),
        (
            "8 slots, 4 readers, batch 4, 2 stalls",
            adversary::<8>(small, 64, 4, 2),
        ),
    ];
    let mut closest = 0.0_f64;
    for (name, (bound, peak)) in rows {
        println!("{name}: bound {bound}, peak {peak}");
        assert!(peak <= bound, "{name}: {peak} pending, bound {bound}");
        closest = closest.max(peak as f64 / bound as f64);
    }
    assert!(cfg!(miri) || closest >= 0.5, "the bound is idle: {closest}");
}

/// The formulas of the page, with numbers that tell each term from the others.
#[test]
fn the_formulas() {
    let small = Config::new().batch::<5>().era_step::<3>();
    // stalls * (live + N * (E + 2)) * M + N * (2 * M + N), with M = max(B, N).
    assert_eq!(small.most_pending(2, 0, 7), 2 * (2 * 5 + 2));
    assert_eq!(small.most_pending(2, 3, 7), 3 * (7 + 2 * 5) * 5 + 24);
    assert_eq!(small.most_pending(7, 3, 11), 3 * (11 + 7 * 5) * 7 + 7 * 21);
    assert_eq!(small.most_pending(5, 1, 0), (5 * 5) * 5 + 5 * 15);
    // And what is in use, and what handles keep: a 32nd of the pool, at most
    // 64 blocks, where there are caches.
    let keep = usize::from(cfg!(target_has_atomic = "64"));
    assert_eq!(small.pool_size(1, 0, 7), 7 + 11);
    let one = Config::new().batch::<1>().era_step::<1>();
    assert_eq!(one.most_pending(1, 0, 0), 3);
    // 64 blocks for the objects, and 2 more that one handle keeps.
    assert_eq!(one.pool_size(1, 0, 61), 64 + 2 * keep);
    assert_eq!(one.pool_size(1, 0, 27), 30);
    // The blocks that are kept make the pool larger, so that more are kept.
    assert_eq!(one.most_pending(4, 0, 0), 48);
    assert_eq!(one.pool_size(4, 0, 76), 124 + 16 * keep);
    assert_eq!(one.pool_size(1, 0, 10_000), 10_003 + 64 * keep);
}

/// More sections stall than the pool was sized for: nothing is reclaimed early,
/// `alloc` says that there is no block, and all comes back with the readers.
#[test]
fn more_stalls_than_the_pool_was_sized_for() {
    use hyaline::{Pool, reclaim::pooled};

    const CONFIG: Config = Config::new().batch::<1>().era_step::<1>();
    const READERS: usize = 3;
    const TABLE: usize = 40;
    const LIVE: usize = TABLE + 1;
    const BLOCKS: usize = CONFIG.pool_size(READERS + 1, 0, LIVE);
    let pool = Pool::<u32, BLOCKS>::new();
    let collector = Collector::<{ READERS + 1 }, Robust>::with_config(CONFIG);
    let writer = collector.register().unwrap();
    let readers: Vec<_> = (0..READERS)
        .map(|_| collector.register().unwrap())
        .collect();
    let cells: Vec<AtomicPtr<Linked<u32>>> = (0..TABLE)
        .map(|_| AtomicPtr::new(pool.alloc(&writer, 0x600d).unwrap()))
        .collect();
    let mut held = Vec::new();
    let mut exhausted = false;
    for reader in &readers {
        // Each stalls with the object that is there now in each cell.
        let guard = reader.enter();
        held.extend(
            cells
                .iter()
                .map(|cell| guard.protect(cell, Ordering::Acquire)),
        );
        std::mem::forget(guard);
        for cell in cells.iter().cycle().take(BLOCKS) {
            let Ok(new) = pool.alloc(&writer, 0x600d) else {
                exhausted = true;
                break;
            };
            let guard = writer.enter();
            let old = guard.swap(cell, new, Ordering::AcqRel);
            // SAFETY: unlinked by the swap; the pool outlives the collector.
            unsafe { guard.defer_retire(old, pooled::<u32>) };
        }
    }
    for object in held {
        // SAFETY: protected by guards that were forgotten.
        assert_eq!(unsafe { **object }, 0x600d, "reclaimed while it was held");
    }
    assert!(exhausted, "the pool is too large for this test");
    drop((readers, writer));
    drop(collector);
    // Those in the cells were not retired.
    assert_eq!(pool.available(), BLOCKS - TABLE);
}
