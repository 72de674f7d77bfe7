//! A reader beside a writer, analysed: how much of its cost is reclaiming, and
//! how much is cache lines that two objects share.

use hyaline::{AtomicPtr, Basic, Collector, Deferred, Handle, Linked, Pool, Role, reclaim};
use std::{hint::black_box, sync::atomic::Ordering::*};

use crate::{
    schemes::hyaline::{BLOCKS, wait},
    shelf::Shelf,
};

/// Objects of this many words, so that a block has `40 + 8 * WORDS` bytes; and
/// whether the handles that read are deferred, so that they never reclaim.
pub struct Apart<const WORDS: usize, const DEFERRED: bool>;

pub struct Shared<const WORDS: usize> {
    // Dropped first: it returns objects to the pool.
    collector: Collector<16>,
    pool: Lines<Pool<[u64; WORDS], BLOCKS>>,
    cell: AtomicPtr<Linked<[u64; WORDS]>>,
}

/// Aligned to a cache line.
#[repr(align(64))]
struct Lines<T>(T);

pub struct Local<'s, const WORDS: usize> {
    shared: &'s Shared<WORDS>,
    writes: Handle<'s>,
    reads: Handle<'s, Basic, Deferred>,
}

#[inline(always)]
fn look<R: Role, const WORDS: usize>(
    handle: &Handle<'_, Basic, R>,
    cell: &AtomicPtr<Linked<[u64; WORDS]>>,
) {
    let guard = handle.enter();
    // SAFETY: protected, and never null.
    black_box(unsafe { (**guard.protect(cell, Acquire))[0] });
}

impl<const WORDS: usize, const DEFERRED: bool> Shelf<1> for Apart<WORDS, DEFERRED> {
    const NAME: &'static str = match (WORDS, DEFERRED) {
        (1, true) => "hyaline, deferred readers",
        (3, false) => "hyaline, a line each",
        (3, true) => "hyaline, a line each, deferred readers",
        _ => panic!("no such row"),
    };
    type Shared = Shared<WORDS>;
    type Local<'s> = Local<'s, WORDS>;

    fn shared() -> Box<Self::Shared> {
        let shared = Box::new(Shared {
            collector: Collector::new(),
            pool: Lines(Pool::new()),
            cell: AtomicPtr::new(std::ptr::null_mut()),
        });
        let first = shared.collector.register().expect("a slot");
        let object = shared.pool.0.alloc(&first, [0; WORDS]).expect("a block");
        drop(first);
        shared.cell.store(object, Relaxed);
        shared
    }

    fn local(shared: &Self::Shared) -> Self::Local<'_> {
        let (writes, reads) = (
            shared.collector.register(),
            shared.collector.register_deferred(),
        );
        Local {
            shared,
            writes: writes.expect("a slot for each thread"),
            reads: reads.expect("a slot for each thread"),
        }
    }

    #[inline(always)]
    fn read(local: &Self::Local<'_>) {
        if DEFERRED {
            look(&local.reads, &local.shared.cell);
        } else {
            look(&local.writes, &local.shared.cell);
        }
    }

    #[inline(always)]
    fn replace(local: &Self::Local<'_>, value: u64) {
        let (guard, new) = loop {
            let guard = local.writes.enter();
            if let Ok(new) = local.shared.pool.0.alloc(&local.writes, [value; WORDS]) {
                break (guard, new);
            }
            drop(guard);
            wait(&local.writes);
        };
        let old = guard.swap(&local.shared.cell, new, AcqRel);
        // SAFETY: the swap unlinked it, and it is from the pool, which stays.
        unsafe { guard.defer_retire(old, reclaim::pooled::<[u64; WORDS]>) };
    }
}
