//! The functions of each kind. Their contracts are the header's.
#![allow(clippy::missing_safety_doc)] // see above

use core::{
    ffi::{c_int, c_void},
    mem::{MaybeUninit, forget},
    num::{NonZeroU16, NonZeroUsize},
    ptr, slice,
    sync::atomic::{Ordering, fence},
};

use hyaline::{CollectorView, Link, Scheme};

use crate::{ABI, barrier::as_kept, common::*, pool::Pool, types::*};

/// What `init` needs of a kind.
pub(crate) trait Kind: Scheme {
    /// The default configuration. The user of `init` makes the promise that
    /// `single` needs.
    const CONFIG: hyaline::Config<Self::Barrier>;
}

pub(crate) fn size<S: Kind>(slots: usize) -> usize {
    CollectorView::<S>::layout(slots).map_or(0, |layout| layout.size())
}

pub(crate) fn align<S: Kind>() -> usize {
    CollectorView::<S>::layout(1).map_or(0, |layout| layout.align())
}

pub(crate) unsafe fn init_checked<S: Kind>(
    collector: *mut MaybeUninit<Collector<S>>,
    memory: *mut c_void,
    bytes: usize,
    slots: usize,
    config: *const Config,
    abi: usize,
) -> c_int {
    if abi != ABI {
        return WRONG_HEADER;
    }
    let mut with = S::CONFIG;
    // SAFETY: null, or valid.
    if let Some(config) = unsafe { config.as_ref() } {
        let Ok(batch) = u16::try_from(config.batch) else {
            return BAD_ARGUMENT;
        };
        if let Some(batch) = NonZeroU16::new(batch) {
            with = with.with_batch(batch);
        }
        if let Some(step) = NonZeroUsize::new(config.era_step) {
            with = with.with_era_step(step);
        }
    }
    if slots == 0 || size::<S>(slots) == 0 {
        return BAD_ARGUMENT;
    }
    if memory.is_null() || bytes > isize::MAX as usize {
        return BAD_MEMORY;
    }
    // SAFETY: the memory has this many bytes, and only the library uses it
    // until `destroy` (the header's contract).
    let memory = unsafe { slice::from_raw_parts_mut(memory.cast(), bytes) };
    match CollectorView::<S>::in_place(memory, slots, with) {
        Ok(view) => {
            // SAFETY: valid for writes.
            unsafe { (*collector).write(Collector::new(view)) };
            OK
        }
        Err(_) => BAD_MEMORY,
    }
}

pub(crate) unsafe fn destroy<S: Kind>(collector: *mut Collector<S>) -> c_int {
    // SAFETY: valid, and made by `init`.
    let collector = unsafe { &*collector };
    // SAFETY: valid, and made by `init`; the view is not used after the drop.
    let claimed = unsafe { collector.view() }
        .slots()
        .any(|slot| slot.owner.is_some());
    if claimed {
        return BUSY;
    }
    // Acquire: pairs with the Release of each slot's last owner, whose word was read
    // above. Without it the collector's end would race with that owner's last accesses,
    // and might find an object twice, or not at all.
    fence(Ordering::Acquire);
    // SAFETY: no handle is left, and the collector is not used any more (the
    // header's contract).
    unsafe { ptr::drop_in_place(collector.raw()) };
    OK
}

/// Writes a handle to C's memory.
unsafe fn put<S: Kind, E>(
    registered: Result<hyaline::Handle<'static, S, hyaline::Erased>, E>,
    handle: *mut MaybeUninit<Handle<S>>,
) -> c_int {
    match registered {
        Ok(registered) => {
            // SAFETY: valid for writes.
            unsafe { (*handle).write(Handle(registered)) };
            OK
        }
        Err(_) => NO_SLOT,
    }
}

pub(crate) unsafe fn register<S: Kind>(
    collector: *const Collector<S>,
    handle: *mut MaybeUninit<Handle<S>>,
) -> c_int {
    // SAFETY: valid, and made by `init`; `handle` is valid for writes.
    unsafe {
        let registered = (*collector).view().register();
        put(registered.map(hyaline::Handle::erase), handle)
    }
}

pub(crate) unsafe fn register_deferred<S: Kind>(
    collector: *const Collector<S>,
    handle: *mut MaybeUninit<Handle<S>>,
) -> c_int {
    // SAFETY: valid, and made by `init`; `handle` is valid for writes.
    unsafe {
        let registered = (*collector).view().register_deferred();
        put(registered.map(hyaline::Handle::erase), handle)
    }
}

pub(crate) unsafe fn register_per_cpu<S: Kind>(
    collector: *const Collector<S>,
    handle: *mut MaybeUninit<Handle<S>>,
) -> c_int {
    // SAFETY: valid, and made by `init`; `handle` is valid for writes. The contexts
    // that share it keep the contract of `PerCpu::get`, which is the header's.
    unsafe {
        let registered = (*collector).view().register_per_cpu();
        put(registered.map(hyaline::PerCpu::erase), handle)
    }
}

pub(crate) unsafe fn unregister<S: Kind>(handle: *mut Handle<S>) {
    // SAFETY: a handle that is not used any more.
    unsafe { ptr::drop_in_place(handle) };
}

pub(crate) unsafe fn evict<S: Kind>(collector: *const Collector<S>, id: Id) -> c_int {
    // SAFETY: valid; the rest is `evict`'s contract, which is the header's.
    match unsafe { (*collector).view().evict(id.get()) } {
        Ok(()) => OK,
        Err(_) => NOT_THE_OWNER,
    }
}

pub(crate) unsafe fn request_restart<S: Kind>(collector: *const Collector<S>, slot: usize) -> bool {
    // SAFETY: valid.
    unsafe { (*collector).view() }.request_restart(slot)
}

/// Writes the state of a slot, if there is one, to C's memory.
unsafe fn put_state(
    found: Option<hyaline::SlotState>,
    state: *mut MaybeUninit<CSlotState>,
) -> bool {
    if let Some(found) = found {
        // SAFETY: valid for writes.
        unsafe { (*state).write(CSlotState::new(found)) };
    }
    found.is_some()
}

pub(crate) unsafe fn slot_state<S: Kind>(
    collector: *const Collector<S>,
    slot: usize,
    state: *mut MaybeUninit<CSlotState>,
) -> bool {
    // SAFETY: valid, both.
    unsafe { put_state((*collector).view().slots().nth(slot), state) }
}

pub(crate) unsafe fn oldest<S: Kind>(
    collector: *const Collector<S>,
    state: *mut MaybeUninit<CSlotState>,
) -> bool {
    // SAFETY: valid, both.
    unsafe { put_state((*collector).view().oldest(), state) }
}

#[cfg(feature = "stats")]
pub(crate) unsafe fn stats<S: Kind>(
    collector: *const Collector<S>,
    stats: *mut MaybeUninit<CStats>,
) -> c_int {
    // SAFETY: valid.
    let found = unsafe { (*collector).view() }.stats();
    let found = CStats {
        retired: found.retired,
        reclaimed: found.reclaimed,
        peak: found.peak,
    };
    // SAFETY: valid for writes.
    unsafe { (*stats).write(found) };
    OK
}

#[cfg(not(feature = "stats"))]
pub(crate) unsafe fn stats<S: Kind>(_: *const Collector<S>, _: *mut MaybeUninit<CStats>) -> c_int {
    NOT_BUILT
}

pub(crate) unsafe fn slot<S: Kind>(handle: *const Handle<S>) -> usize {
    // SAFETY: valid.
    unsafe { &*handle }.0.slot()
}

pub(crate) unsafe fn id<S: Kind>(handle: *const Handle<S>) -> Id {
    // SAFETY: valid.
    Words::new(unsafe { &*handle }.0.id())
}

pub(crate) unsafe fn is_evicted<S: Kind>(handle: *const Handle<S>) -> bool {
    // SAFETY: valid.
    unsafe { &*handle }.0.is_evicted()
}

#[inline(always)]
pub(crate) unsafe fn enter<S: Kind>(handle: *const Handle<S>) {
    // SAFETY: valid.
    forget(unsafe { &*handle }.0.enter());
}

#[inline(always)]
pub(crate) unsafe fn leave<S: Kind>(handle: *const Handle<S>) {
    // SAFETY: valid, and there was an `enter`, which forgot its guard.
    unsafe { (*handle).0.leave_unchecked() };
}

pub(crate) unsafe fn refresh<S: Kind>(handle: *const Handle<S>) {
    // SAFETY: valid, and in a section.
    unsafe { (*handle).guard() }.refresh();
}

pub(crate) unsafe fn restart_requested<S: Kind>(handle: *const Handle<S>) -> bool {
    // SAFETY: valid, and in a section.
    unsafe { (*handle).guard() }.restart_requested()
}

#[inline(always)]
pub(crate) unsafe fn protect<S: Kind>(
    handle: *const Handle<S>,
    place: *const Place,
) -> *mut c_void {
    // SAFETY: valid, and in a section.
    // Acquire: the contents of the object are visible.
    unsafe { (*handle).guard().protect(&*place, Ordering::Acquire) }
}

pub(crate) unsafe fn protect_own<S: Kind>(handle: *const Handle<S>, object: *mut Link) {
    // SAFETY: valid, in a section, and not shared yet.
    unsafe { (*handle).guard().protect_own(object) };
}

#[inline(always)]
pub(crate) unsafe fn swap<S: Kind>(
    handle: *const Handle<S>,
    place: *mut Place,
    object: *mut c_void,
) -> *mut c_void {
    // SAFETY: valid, and in a section.
    // AcqRel: the new object is published, the contents of the old one are
    // visible.
    unsafe { (*handle).guard().swap(&*place, object, Ordering::AcqRel) }
}

/// The common end of both exchanges.
unsafe fn exchanged(result: Result<*mut c_void, *mut c_void>, expected: *mut *mut c_void) -> bool {
    match result {
        Ok(_) => true,
        Err(found) => {
            // SAFETY: valid for writes.
            unsafe { expected.write(found) };
            false
        }
    }
}

pub(crate) unsafe fn compare_exchange<S: Kind>(
    handle: *const Handle<S>,
    place: *mut Place,
    expected: *mut *mut c_void,
    object: *mut c_void,
) -> bool {
    // AcqRel, Acquire: as in `swap`.
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    // SAFETY: valid, and in a section.
    unsafe {
        let guard = (*handle).guard();
        exchanged(
            guard.compare_exchange(&*place, *expected, object, success, failure),
            expected,
        )
    }
}

pub(crate) unsafe fn compare_exchange_weak<S: Kind>(
    handle: *const Handle<S>,
    place: *mut Place,
    expected: *mut *mut c_void,
    object: *mut c_void,
) -> bool {
    // AcqRel, Acquire: as in `swap`.
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    // SAFETY: valid, and in a section.
    unsafe {
        let guard = (*handle).guard();
        let result = guard.compare_exchange_weak(&*place, *expected, object, success, failure);
        exchanged(result, expected)
    }
}

pub(crate) unsafe fn stamp<S: Kind>(handle: *const Handle<S>, object: *mut Link) {
    // SAFETY: valid; the object is valid for writes, and not shared.
    unsafe { object.write((*handle).0.stamp()) };
}

pub(crate) unsafe fn retire<S: Kind>(
    handle: *const Handle<S>,
    object: *mut Link,
    reclaim: CReclaimer,
) {
    // SAFETY: valid; the rest is the contract of `retire`, which is the
    // header's. The kind's barrier calls the reclaimer with its real type.
    unsafe { (*handle).0.retire(object, as_kept(reclaim)) };
}

pub(crate) unsafe fn defer_retire<S: Kind>(
    handle: *const Handle<S>,
    object: *mut Link,
    reclaim: CReclaimer,
) {
    // SAFETY: valid, and in a section; the rest is the contract of `defer_retire`,
    // which is the header's. The kind's barrier calls the reclaimer with its real type.
    unsafe { (*handle).guard().defer_retire(object, as_kept(reclaim)) };
}

pub(crate) unsafe fn flush<S: Kind>(handle: *const Handle<S>) -> usize {
    // SAFETY: valid.
    unsafe { &*handle }.0.flush()
}

pub(crate) unsafe fn collect<S: Kind>(handle: *const Handle<S>, at_most: usize) -> usize {
    // SAFETY: valid.
    let eager = unsafe { &*handle }.0.as_eager();
    eager.map_or(0, |eager| eager.collect_at_most(at_most))
}

pub(crate) unsafe fn limit_reclaims<S: Kind>(handle: *const Handle<S>, reclaimers: usize) -> c_int {
    let Ok(limit) = u16::try_from(reclaimers) else {
        return BAD_ARGUMENT;
    };
    // SAFETY: valid.
    let Some(eager) = unsafe { &*handle }.0.as_eager() else {
        return NOT_EAGER;
    };
    eager.limit_reclaims(NonZeroU16::new(limit));
    OK
}

pub(crate) unsafe fn synchronize<S: Kind>(
    handle: *const Handle<S>,
    relax: Option<Function>,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: valid.
    let Some(eager) = unsafe { &*handle }.0.as_eager() else {
        return NOT_EAGER;
    };
    let waited = eager.synchronize(|| match relax {
        // SAFETY: `relax` may be called with `argument` (the header's
        // contract).
        Some(relax) => unsafe { relax(argument) },
        None => core::hint::spin_loop(),
    });
    match waited {
        Ok(()) => OK,
        Err(_) => WOULD_DEADLOCK,
    }
}

pub(crate) unsafe fn start<S: Kind>(handle: *const Handle<S>) -> CToken {
    // SAFETY: valid.
    Words::new(unsafe { &*handle }.0.start_grace_period())
}

pub(crate) unsafe fn poll<S: Kind>(handle: *const Handle<S>, token: *mut CToken) -> bool {
    // SAFETY: valid, both; the token was made by `start`.
    unsafe {
        let mut polled = (*token).get();
        let over = polled.poll(&(*handle).0);
        token.write(Words::new(polled));
        over
    }
}

/// The reclaimer of callbacks.
unsafe extern "C" fn call(link: *mut Link) {
    // SAFETY: only callbacks have this reclaimer.
    let callback = unsafe { &*Link::cast::<Callback>(link) };
    let (function, argument) = (callback.function.get(), callback.argument.get());
    // Release: pairs with the Acquire in `call_later`; the callback is not used
    // here any more, so the function may register it again.
    callback.state.store(ptr::null_mut(), Ordering::Release);
    if let Some(function) = function {
        // SAFETY: the function may be called with this argument (the header's
        // contract).
        unsafe { function(argument) };
    }
}

pub(crate) unsafe fn call_later<S: Kind>(
    handle: *const Handle<S>,
    callback: *mut Callback,
    function: Function,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: valid, and made of zeros or used before.
    let state = unsafe { &(*callback).state };
    // Acquire: pairs with the Release in `call`. Relaxed on failure: it is
    // under way.
    let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
    if state
        .compare_exchange(ptr::null_mut(), taken(), success, failure)
        .is_err()
    {
        return BUSY;
    }
    // SAFETY: it is exclusively ours from here on, until `call` releases it; it
    // was never shared, and has no birth era: it waits for every section.
    unsafe {
        (*callback).function.set(Some(function));
        (*callback).argument.set(argument);
        (&raw mut (*callback).link).write(Link::new());
        // Without a section of its own, whose end would reclaim up to the limit again:
        // no section uses the callback, and the guard is used for nothing else.
        (*handle).guard().defer_retire(callback, as_kept(call));
    }
    OK
}

pub(crate) unsafe fn pool_alloc<S: Kind>(handle: *const Handle<S>, pool: *mut Pool) -> *mut c_void {
    // SAFETY: valid, both.
    unsafe { (*pool).alloc(&*handle) }
}

/// `destroy` sees that the last handle is gone; nothing else orders the threads. Only
/// Miri notices if that does not either.
#[test]
fn the_last_unregister_happens_before_destroy() {
    use crate::kinds::schemes::Robust;
    use std::{boxed::Box, thread};

    unsafe extern "C" fn reclaim(link: *mut Link) {
        // SAFETY: from a box, below.
        drop(unsafe { Box::from_raw(link) });
    }

    #[repr(align(256))]
    struct Memory(#[expect(dead_code, reason = "for its size")] [u8; 1024]);
    struct Sent<T>(T);
    // SAFETY: what is in it is used by one thread at a time.
    unsafe impl<T> Send for Sent<T> {}

    let mut memory = MaybeUninit::<Memory>::uninit();
    let mut collector = MaybeUninit::<Collector<Robust>>::uninit();
    let mut handle = Sent(MaybeUninit::<Handle<Robust>>::uninit());
    let bytes = size::<Robust>(1);
    assert!(bytes <= size_of::<Memory>());
    // SAFETY: the memory is used for this alone until `destroy`, and all arguments are
    // valid, here and below.
    let mut collector = unsafe {
        let (to, memory) = (&raw mut collector, memory.as_mut_ptr().cast());
        assert_eq!(init_checked(to, memory, bytes, 1, ptr::null(), ABI), OK);
        collector.assume_init()
    };
    // SAFETY: as above.
    assert_eq!(unsafe { register(&collector, &mut handle.0) }, OK);
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut handle = handle;
            let handle = handle.0.as_mut_ptr();
            let object = Box::into_raw(Box::new(Link::new()));
            // SAFETY: as above; the object is in no shared place.
            unsafe {
                enter(handle);
                defer_retire(handle, object, reclaim);
                leave(handle);
                unregister(handle);
            }
        });
        // SAFETY: as above.
        while unsafe { destroy(&mut collector) } == BUSY {
            thread::yield_now();
        }
    });
}
