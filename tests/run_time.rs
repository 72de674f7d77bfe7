//! Collectors whose number of slots is known at run time: in memory that the
//! caller provides, and on the heap.

#![cfg(not(hyaline_loom))]

#[path = "common/counted.rs"]
mod counted;

use std::{
    alloc::{Layout, alloc, dealloc},
    mem::MaybeUninit,
    num::{NonZeroU16, NonZeroUsize},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use counted::{Counted, Object};
use hyaline::{
    AtomicPtr, Basic, Collector, CollectorView, Config, MemoryError, Pool, Robust, Scheme, reclaim,
};

/// Memory that was used before: nothing in it is zero.
struct Memory {
    bytes: NonNull<MaybeUninit<u8>>,
    layout: Layout,
}

impl Memory {
    fn new(layout: Layout) -> Self {
        // SAFETY: a collector has a size.
        let bytes = unsafe { alloc(layout) };
        let bytes = NonNull::new(bytes).expect("a host has memory");
        // SAFETY: the memory is of that size.
        unsafe { bytes.write_bytes(0xaa, layout.size()) };
        let bytes = bytes.cast();
        Self { bytes, layout }
    }

    fn get(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: of that size, and exclusively ours.
        unsafe { slice::from_raw_parts_mut(self.bytes.as_ptr(), self.layout.size()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: from the allocator, with this layout.
        unsafe { dealloc(self.bytes.as_ptr().cast(), self.layout) };
    }
}

/// Each test runs in both schemes.
macro_rules! schemes {
    ($($name:ident<$scheme:ident>($config:ident) $body:block)*) => {$(
        mod $name {
            use super::*;
            fn run<$scheme: Scheme>($config: Config<$scheme::Barrier>) $body
            #[test]
            fn basic() { run::<Basic>(Config::new()); }
            #[test]
            fn robust() { run::<Robust>(Config::new()); }
        }
    )*};
}

/// The readers and the retirers that a collector of any size supports.
fn use_all_slots<S: Scheme>(collector: &CollectorView<S>, drops: &AtomicUsize) -> usize {
    const ROUNDS: usize = 20;
    let threads = collector.capacity() - 1;
    let shared = AtomicPtr::<Object<'_>>::new(ptr::null_mut());
    let writer = collector.register().unwrap();
    let boxed = reclaim::boxed::<Object<'_>>;
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let handle = collector.register().unwrap();
                for _ in 0..ROUNDS {
                    let guard = handle.enter();
                    let object = guard.protect(&shared, Ordering::Acquire);
                    // SAFETY: protected, or null.
                    if let Some(object) = unsafe { object.as_ref() } {
                        assert!(ptr::eq(object.0, drops));
                    }
                    drop(guard);
                    thread::yield_now();
                }
            });
        }
        for _ in 0..ROUNDS {
            let guard = writer.enter();
            let new = Box::into_raw(Box::new(writer.link(Counted(drops))));
            let old = guard.swap(&shared, new, Ordering::AcqRel);
            if !old.is_null() {
                // SAFETY: unlinked by the swap, and it comes from a `Box`.
                unsafe { guard.defer_retire(old, boxed) };
            }
        }
    });
    assert_eq!(writer.slot(), 0);
    // SAFETY: no other reference to it exists; it stays with the collector.
    unsafe { writer.enter().defer_retire(shared.into_inner(), boxed) };
    core::mem::forget(writer);
    ROUNDS
}

schemes! {
    layouts_agree<S>(config) {
        fn same<const N: usize, S: Scheme>() {
            let layout = CollectorView::<S>::layout(N).unwrap();
            assert_eq!(layout, Layout::new::<Collector<N, S>>());
        }
        same::<1, S>();
        same::<2, S>();
        same::<7, S>();
        same::<64, S>();
        let mut all = Vec::new();
        let mut nothing = Memory::new(CollectorView::<S>::layout(1).unwrap());
        assert_eq!(CollectorView::<S>::layout(0), Err(MemoryError::NoSlots));
        assert!(CollectorView::<S>::in_place(nothing.get(), 0, config).is_err());
        assert!(CollectorView::<S>::boxed(0, config).is_err());
        for slots in 1..10 {
            let layout = CollectorView::<S>::layout(slots).unwrap();
            let mut memory = Memory::new(layout);
            let memory = memory.get();
            let collector = CollectorView::<S>::in_place(memory, slots, config).unwrap();
            assert_eq!(Layout::for_value(collector), layout);
            assert_eq!(collector.capacity(), slots);
            all.push(layout.size());
        }
        assert!(all.is_sorted_by(|a, b| a < b));
        for slots in [usize::MAX, usize::MAX / size_of::<usize>(), isize::MAX as usize / 8] {
            let too_large = Err(MemoryError::TooLarge);
            assert_eq!(CollectorView::<S>::layout(slots), too_large);
            assert_eq!(CollectorView::<S>::in_place(&mut [], slots, config).map(drop), Err(MemoryError::TooLarge));
            assert_eq!(CollectorView::<S>::boxed(slots, config).map(drop), Err(MemoryError::TooLarge));
        }
    }

    memory_that_does_not_fit_is_left_alone<S>(config) {
        let layout = CollectorView::<S>::layout(3).unwrap();
        // One word too long, for the start that is off by one.
        let (longer, _) = layout.extend(Layout::new::<u8>()).unwrap();
        let mut memory = Memory::new(longer);
        let unfit = Err(MemoryError::Unfit(layout));
        let (short, odd) = (layout.size() - 1, 1..);
        assert_eq!(CollectorView::<S>::in_place(&mut memory.get()[..short], 3, config).map(drop), unfit);
        assert_eq!(CollectorView::<S>::in_place(&mut memory.get()[odd], 3, config).map(drop), unfit);
        for byte in memory.get() {
            // SAFETY: they were initialised, and nothing was written.
            assert_eq!(unsafe { byte.assume_init() }, 0xaa);
        }
    }

    in_place<S>(config) {
        let slots = 5;
        let drops = AtomicUsize::new(0);
        let layout = CollectorView::<S>::layout(slots).unwrap();
        let mut memory = Memory::new(layout);
        // Twice: the second finds what the first one left.
        for round in 1..=2 {
            let memory = memory.get();
            let collector = CollectorView::<S>::in_place(memory, slots, config).unwrap();
            let made = use_all_slots(collector, &drops);
            // SAFETY: its handles are gone or forgotten.
            unsafe { ptr::drop_in_place(collector) };
            assert_eq!(drops.load(Ordering::SeqCst), round * made);
        }
    }

    boxed<S>(config) {
        let drops = AtomicUsize::new(0);
        let collector = CollectorView::<S>::boxed(4, config).unwrap();
        let made = use_all_slots(&collector, &drops);
        drop(collector);
        assert_eq!(drops.load(Ordering::SeqCst), made);
    }

    every_call<S>(config) {
        let one = CollectorView::<S>::boxed(3, config).unwrap();
        let (task, irq) = (one.register().unwrap(), one.register_deferred().unwrap());
        let cpu = one.register_per_cpu().unwrap();
        assert_eq!((task.slot(), irq.slot(), cpu.slot()), (0, 1, 2));
        assert_eq!(one.register().unwrap_err().capacity(), 3);
        assert!(!one.request_restart(3));
        let guard = irq.enter();
        assert!(one.request_restart(1) && guard.restart_requested());
        let mut token = task.start_grace_period();
        assert!(!token.poll(&task));
        core::mem::forget(guard);
        // SAFETY: its guard was forgotten; it does not use the handle again.
        unsafe { one.evict(irq.id()) }.unwrap();
        assert!(token.poll(&task));
        assert_eq!(one.slots().filter(|slot| slot.owner.is_some()).count(), 2);
    }

    settings<S>(config) {
        let config = config.with_batch(NonZeroU16::new(2).unwrap()).with_era_step(NonZeroUsize::MIN);
        let drops = AtomicUsize::new(0);
        let one = CollectorView::<S>::boxed(1, config).unwrap();
        let handle = one.register().unwrap();
        for _ in 0..4 {
            let object = Box::into_raw(Box::new(handle.link(Counted(&drops))));
            // SAFETY: never shared, and it comes from a `Box`.
            unsafe { handle.enter().defer_retire(object, reclaim::boxed::<Object<'_>>) };
        }
        // The objects of each batch were published and reclaimed with its
        // second.
        assert!(drops.load(Ordering::SeqCst) >= 2);
    }
}

/// A kernel's 16 KiB: `Box::new(Collector::<256>::new())` overflows 24.
#[test]
fn a_small_stack_is_enough() {
    let slots = if cfg!(miri) { 300 } else { 65_536 };
    let small = thread::Builder::new().stack_size(16 << 10);
    let made = small.spawn(move || {
        let collector = CollectorView::<Robust>::boxed(slots, Config::new())?;
        let handle = collector.register().unwrap();
        drop(handle.enter());
        assert_eq!(handle.collect(), 0);
        Ok::<_, MemoryError>(collector.capacity())
    });
    assert_eq!(made.unwrap().join().unwrap(), Ok(slots));
}

/// In memory where nothing is zero: each block is found, and once.
#[test]
fn pools_in_place() {
    #[repr(align(64))]
    struct Aligned;

    fn all<T: Default, const K: usize>(pool: &Pool<T, K>) {
        let collector = Collector::<1>::new();
        let handle = collector.register().unwrap();
        let mut objects: Vec<_> = (0..K)
            .map(|_| pool.alloc(&handle, T::default()).unwrap())
            .collect();
        assert!(pool.alloc(&handle, T::default()).is_err());
        objects.sort();
        objects.dedup();
        assert_eq!(objects.len(), K);
        for object in objects {
            // SAFETY: from this pool; never shared.
            unsafe { pool.free(object) };
        }
        assert_eq!(pool.available(), K);
    }
    fn one<T: Default, const K: usize>() {
        let mut memory = Box::new(MaybeUninit::<Pool<T, K>>::uninit());
        // SAFETY: the bytes of the box.
        unsafe { memory.as_mut_ptr().write_bytes(0xaa, 1) };
        all(Pool::in_place(&mut memory));
        all(&*Pool::<T, K>::boxed().unwrap());
    }
    impl Default for Aligned {
        fn default() -> Self {
            Self
        }
    }
    one::<u32, 1>();
    one::<(), 33>();
    one::<Aligned, 16>();
    one::<Box<u32>, 40>();
}

/// A pool of 4 MiB, objects of 64 KiB, on 16 KiB of stack.
#[test]
fn a_small_stack_is_enough_for_a_pool() {
    let small = thread::Builder::new().stack_size(16 << 10);
    let made = small.spawn(|| {
        let pool = Pool::<[u8; 64 << 10], 64>::boxed().unwrap();
        pool.available()
    });
    assert_eq!(made.unwrap().join().unwrap(), 64);
    #[cfg(all(target_pointer_width = "64", not(miri)))]
    assert!(Pool::<[u8; (1 << 41) - (1 << 20)], 64>::boxed().is_none());
}

/// A failed allocation is a value.
#[test]
fn memory_that_is_refused() {
    let slots = isize::MAX as usize / 1024 / size_of::<Collector<1>>();
    if usize::BITS == 64 && !cfg!(miri) {
        let refused = CollectorView::<Basic>::boxed(slots, Config::new()).unwrap_err();
        assert!(matches!(refused, MemoryError::Refused(_)), "{refused}");
    }
}
