//! This crate: each mode and barrier, with a pool and with `Box`.

use core::{marker::PhantomData, sync::atomic::Ordering::*};

use hyaline::{
    AtomicPtr, Basic, Collector, Config, Deferred, Guard, Handle, Linked, Membarrier, Pool, Robust,
    SingleCore, reclaim,
};

use super::raw::{plain_atomics, plain_pointers};
use crate::scheme::{Object, Scheme};

/// The slots of each collector, unless a row says another number: as on a small
/// server.
const SMALL: usize = 16;
/// The blocks of each pool.
pub const BLOCKS: usize = 1 << 16;

/// Waits for room, as `scheme::wait`, for code that does not use the trait.
#[cold]
#[inline(never)]
pub fn wait<S: hyaline::Scheme>(handle: &Handle<'_, S>) {
    handle.flush();
    std::thread::yield_now();
}

/// Modes and barriers that take part.
pub trait Variant: hyaline::Scheme {
    const POOL: &'static str;
    const BOX: &'static str;
    /// Where threads that read have deferred handles.
    const DEFERRED: &'static str;
    fn config() -> Config<Self::Barrier>;
}

impl Variant for Basic {
    const POOL: &'static str = "hyaline";
    const BOX: &'static str = "hyaline, Box";
    const DEFERRED: &'static str = "hyaline, deferred readers";
    fn config() -> Config {
        Config::new()
    }
}

impl Variant for Robust {
    const POOL: &'static str = "hyaline robust";
    const BOX: &'static str = "hyaline robust, Box";
    const DEFERRED: &'static str = "hyaline robust, deferred readers";
    fn config() -> Config {
        Config::new()
    }
}

impl Variant for Basic<Membarrier> {
    const POOL: &'static str = "hyaline membarrier";
    const BOX: &'static str = "hyaline membarrier, Box";
    const DEFERRED: &'static str = "hyaline membarrier, deferred readers";
    fn config() -> Config<Membarrier> {
        Config::new().barrier(Membarrier)
    }
}

impl Variant for Basic<SingleCore> {
    const POOL: &'static str = "hyaline single core";
    const BOX: &'static str = "hyaline single core, Box";
    const DEFERRED: &'static str = "hyaline single core, deferred readers";
    fn config() -> Config<SingleCore> {
        // SAFETY: takes part only in rows with one thread.
        Config::new().barrier(unsafe { SingleCore::new() })
    }
}

/// The crate in one of its variants; `POOL` or else `Box`.
pub struct Hyaline<S, const POOL: bool, const SLOTS: usize = SMALL>(PhantomData<S>);

pub struct Domain<T, S: hyaline::Scheme, const SLOTS: usize> {
    // Dropped first: it returns objects to the pool.
    collector: Collector<SLOTS, S>,
    pool: Pool<T, BLOCKS>,
}

pub struct Local<'d, T, S: hyaline::Scheme> {
    handle: Handle<'d, S>,
    pool: &'d Pool<T, BLOCKS>,
}

pub struct Open<'l, T, S: hyaline::Scheme> {
    guard: Guard<'l, S>,
    local: &'l Local<'l, T, S>,
}

impl<S: Variant, const POOL: bool, const SLOTS: usize> Scheme for Hyaline<S, POOL, SLOTS> {
    const NAME: &'static str = if POOL { S::POOL } else { S::BOX };
    type Domain<T: Object> = Domain<T, S, SLOTS>;
    type Local<'d, T: Object> = Local<'d, T, S>;
    type Guard<'l, T: Object> = Open<'l, T, S>;
    type Cell<T: Object> = AtomicPtr<Linked<T>>;
    type Ptr<T: Object> = *mut Linked<T>;

    plain_pointers!();
    plain_atomics!();

    fn domain<T: Object>() -> Box<Self::Domain<T>> {
        Box::new(Domain {
            collector: Collector::with_config(S::config()),
            pool: Pool::new(),
        })
    }

    fn local<T: Object>(domain: &Self::Domain<T>, _: usize) -> Self::Local<'_, T> {
        Local {
            handle: domain.collector.register().expect("a slot for each thread"),
            pool: &domain.pool,
        }
    }

    #[inline(always)]
    fn enter<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        Open {
            guard: local.handle.enter(),
            local,
        }
    }

    #[inline(always)]
    fn protect<T: Object>(
        open: &Self::Guard<'_, T>,
        _: usize,
        cell: &Self::Cell<T>,
    ) -> Self::Ptr<T> {
        open.guard.protect(cell, Acquire)
    }

    #[inline(always)]
    fn peek<T: Object>(_: &Self::Guard<'_, T>, cell: &Self::Cell<T>) -> Self::Ptr<T> {
        cell.load(Acquire)
    }

    #[inline(always)]
    fn swap<T: Object>(
        open: &Self::Guard<'_, T>,
        cell: &Self::Cell<T>,
        new: Self::Ptr<T>,
    ) -> Self::Ptr<T> {
        open.guard.swap(cell, new, AcqRel)
    }

    #[inline(always)]
    fn exchange<T: Object>(
        _: &Self::Guard<'_, T>,
        cell: &Self::Cell<T>,
        current: Self::Ptr<T>,
        new: Self::Ptr<T>,
    ) -> bool {
        cell.compare_exchange(current, new, AcqRel, Relaxed).is_ok()
    }

    #[inline(always)]
    fn alloc<T: Object>(open: &Self::Guard<'_, T>, value: T) -> Option<Self::Ptr<T>> {
        if POOL {
            open.local.pool.alloc(&open.local.handle, value).ok()
        } else {
            Some(Box::into_raw(Box::new(open.local.handle.link(value))))
        }
    }

    #[inline(always)]
    unsafe fn free<T: Object>(open: &Self::Guard<'_, T>, ptr: Self::Ptr<T>) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`), whose
        // source is the same.
        unsafe {
            if POOL {
                open.local.pool.free(ptr);
            } else {
                drop(Box::from_raw(ptr));
            }
        }
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(open: &Self::Guard<'_, T>, ptr: Self::Ptr<T>) {
        // SAFETY: unlinked, and from `alloc` (`# Safety`); the pool is dropped
        // after the collector.
        unsafe {
            if POOL {
                open.guard.defer_retire(ptr, reclaim::pooled::<T>);
            } else {
                open.guard.defer_retire(ptr, reclaim::boxed::<Linked<T>>);
            }
        }
    }

    fn flush<T: Object>(local: &Self::Local<'_, T>) {
        local.handle.flush();
    }
}

/// The crate with a pool, and a deferred handle for the sections that only read: so a
/// thread that writes nothing reclaims nothing.
pub struct Deferring<S, const SLOTS: usize>(PhantomData<S>);

pub struct Handles<'d, T, S: hyaline::Scheme> {
    writes: Local<'d, T, S>,
    reads: Handle<'d, S, Deferred>,
}

pub enum Section<'l, T, S: hyaline::Scheme> {
    Reads(Guard<'l, S, Deferred>),
    Writes(Open<'l, T, S>),
}

impl<'l, T, S: hyaline::Scheme> Section<'l, T, S> {
    #[inline(always)]
    fn writes(&self) -> &Open<'l, T, S> {
        match self {
            Self::Writes(open) => open,
            Self::Reads(_) => unreachable!("a section of `enter` only reads"),
        }
    }
}

impl<S: Variant, const SLOTS: usize> Scheme for Deferring<S, SLOTS> {
    const NAME: &'static str = S::DEFERRED;
    type Domain<T: Object> = Domain<T, S, SLOTS>;
    type Local<'d, T: Object> = Handles<'d, T, S>;
    type Guard<'l, T: Object> = Section<'l, T, S>;
    type Cell<T: Object> = AtomicPtr<Linked<T>>;
    type Ptr<T: Object> = *mut Linked<T>;

    plain_pointers!();
    plain_atomics!();

    fn domain<T: Object>() -> Box<Self::Domain<T>> {
        Hyaline::<S, true, SLOTS>::domain()
    }

    fn local<T: Object>(domain: &Self::Domain<T>, pointers: usize) -> Self::Local<'_, T> {
        let reads = domain.collector.register_deferred();
        Handles {
            writes: Hyaline::<S, true, SLOTS>::local(domain, pointers),
            reads: reads.expect("two slots for each thread"),
        }
    }

    #[inline(always)]
    fn enter<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        Section::Reads(local.reads.enter())
    }

    #[inline(always)]
    fn enter_write<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        Section::Writes(Hyaline::<S, true, SLOTS>::enter(&local.writes))
    }

    #[inline(always)]
    fn protect<T: Object>(
        section: &Self::Guard<'_, T>,
        _: usize,
        cell: &Self::Cell<T>,
    ) -> Self::Ptr<T> {
        match section {
            Section::Reads(guard) => guard.protect(cell, Acquire),
            Section::Writes(open) => open.guard.protect(cell, Acquire),
        }
    }

    #[inline(always)]
    fn peek<T: Object>(_: &Self::Guard<'_, T>, cell: &Self::Cell<T>) -> Self::Ptr<T> {
        cell.load(Acquire)
    }

    #[inline(always)]
    fn swap<T: Object>(
        section: &Self::Guard<'_, T>,
        cell: &Self::Cell<T>,
        new: Self::Ptr<T>,
    ) -> Self::Ptr<T> {
        Hyaline::<S, true, SLOTS>::swap(section.writes(), cell, new)
    }

    #[inline(always)]
    fn exchange<T: Object>(
        section: &Self::Guard<'_, T>,
        cell: &Self::Cell<T>,
        current: Self::Ptr<T>,
        new: Self::Ptr<T>,
    ) -> bool {
        Hyaline::<S, true, SLOTS>::exchange(section.writes(), cell, current, new)
    }

    #[inline(always)]
    fn alloc<T: Object>(section: &Self::Guard<'_, T>, value: T) -> Option<Self::Ptr<T>> {
        Hyaline::<S, true, SLOTS>::alloc(section.writes(), value)
    }

    #[inline(always)]
    unsafe fn free<T: Object>(section: &Self::Guard<'_, T>, ptr: Self::Ptr<T>) {
        // SAFETY: "exclusively owned, and came from `alloc`" (# Safety), which is the
        // other scheme's.
        unsafe { Hyaline::<S, true, SLOTS>::free(section.writes(), ptr) };
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(section: &Self::Guard<'_, T>, ptr: Self::Ptr<T>) {
        // SAFETY: "unlinked by this call's thread, and came from `alloc`" (# Safety),
        // which is the other scheme's.
        unsafe { Hyaline::<S, true, SLOTS>::retire(section.writes(), ptr) };
    }

    fn flush<T: Object>(local: &Self::Local<'_, T>) {
        local.writes.handle.flush();
    }
}
