//! The read side: enter, protect, leave, and what a leave may find to do.

use core::ptr;

use super::{Local, Mode, Scheme, Shared, Slot, batch};
use crate::{
    Barrier, Link, Role,
    sync::{AtomicPtr, Ordering},
};

// The functions that are out of line take what they need, and not `&Local`:
// the guard, whose part it is, then stays in registers.
impl<S: Scheme> Shared<S> {
    /// Takes the own inbox and reclaims what comes to zero, if there are no
    /// more than `guards` open: none, or one that is at a quiescent point.
    #[cold]
    #[inline(never)]
    fn settle(&self, slot: &Slot<S>, guards: usize) {
        // Relaxed: for the owner, the only one to write it.
        if slot.active.load(Ordering::Relaxed) <= guards {
            let local = Local { shared: self, slot };
            // SAFETY: (4).
            unsafe { local.drop_references(slot.inbox.take()) };
            local.drain();
        }
    }

    /// `swap` in robust mode, where another thread or the next era came in
    /// between.
    #[cold]
    #[inline(never)]
    fn swap_late<T>(&self, slot: &Slot<S>, src: &AtomicPtr<T>, new: *mut T) -> *mut T {
        let local = Local { shared: self, slot };
        loop {
            // Relaxed: `protect` makes it Acquire.
            let seen = local.protect(src, Ordering::Relaxed);
            // SeqCst: whatever the caller asked for. Relaxed on failure:
            // nothing is returned then.
            let (success, failure) = (Ordering::SeqCst, Ordering::Relaxed);
            if let Ok(old) = src.compare_exchange_weak(seen, new, success, failure) {
                return old;
            }
        }
    }
}

impl<S: Scheme> Local<'_, S> {
    /// Opens a section, or one more guard on the section that is open.
    #[inline(always)]
    pub(crate) fn enter(&self) {
        let active = &self.slot.active;
        // Relaxed: only the owner writes it.
        let guards = active.load(Ordering::Relaxed);
        if cfg!(not(target_pointer_width = "64")) && guards == usize::MAX {
            // 64 bits take centuries to count.
            too_many_guards();
        }
        if guards == 0 {
            S::Mode::enter(&self.shared.clock, &self.slot.mark);
            self.slot.tally.enter(&self.shared.totals);
        }
        // A constant where LIGHT waits for the store: it does not wait for the
        // load.
        let more = match guards {
            0 if !S::Barrier::LIGHT_IS_FREE => 1,
            _ => guards.wrapping_add(1),
        };
        // Relaxed: LIGHT orders it against the loads of the section, which is
        // all that is asked (1).
        active.store(more, Ordering::Relaxed);
        if guards == 0 || S::Barrier::LIGHT_IS_FREE {
            // LIGHT pairs with HEAVY in `publish` and `retire_now`. If it
            // comes first, they see us active; if HEAVY comes first, our loads
            // see what was unlinked before it. Without it our flag could wait
            // in the store buffer while we load a pointer that is being
            // reclaimed.
            S::Barrier::light();
        }
    }

    /// Closes a guard; the last one ends the section. Then only what is in the
    /// inbox may be reclaimed, by `settle`.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        let active = &self.slot.active;
        // Relaxed: only the owner writes it.
        let guards = active.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in `is_active`. If a publisher or
        // thief sees this store, our accesses happen before its reclaim (2);
        // if it does not, it sees us active and gives us a reference.
        active.store(guards.wrapping_sub(1), Ordering::Release);
    }

    /// Whether a section is open.
    pub(crate) fn is_active(&self) -> bool {
        // Relaxed: for the owner, the only one to write it.
        self.slot.active.load(Ordering::Relaxed) != 0
    }

    /// Whether somebody asked for the end of the section; once for each
    /// request.
    #[inline]
    pub(crate) fn take_restart(&self) -> bool {
        // Relaxed: a request, nothing more. One that comes between the load
        // and the store is taken for the same one.
        let asked = self.slot.restart.load(Ordering::Relaxed);
        if asked {
            self.slot.restart.store(false, Ordering::Relaxed);
        }
        asked
    }

    /// Whether a reclaimer runs on this slot.
    pub(crate) fn is_draining(&self) -> bool {
        self.slot.draining.get()
    }

    /// Takes the own inbox, if there is something in it, and reclaims what
    /// comes to zero; but not if more than `guards` are open: 0 after a leave,
    /// 1 at a quiescent point.
    ///
    /// A quiescent point needs no LIGHT: the slot stays active. A batch that
    /// is dropped was unlinked before its push, which the take acquires; any
    /// other still waits for us.
    #[inline(always)]
    pub(crate) fn settle(&self, guards: usize) {
        if !self.slot.inbox.seems_empty() {
            self.shared.settle(self.slot, guards);
        }
    }

    /// A quiescent point, the way a role does it: one load when nothing waits.
    #[inline]
    pub(crate) fn quiesce<R: Role>(&self) {
        if R::RECLAIMS {
            self.settle(1);
        } else {
            self.pass_on();
        }
    }

    /// Loads a pointer that stays valid until the section ends. `order` is
    /// the caller's.
    #[inline]
    pub(crate) fn protect<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> *mut T {
        loop {
            if let Some(pointer) = self.look(src, order) {
                return pointer;
            }
        }
    }

    /// Loads a pointer, once; nothing if it is not protected.
    #[inline(always)]
    fn look<T>(&self, src: &AtomicPtr<T>, order: Ordering) -> Option<*mut T> {
        let pointer = src.load(at_least_acquire(order));
        self.covers().then_some(pointer)
    }

    /// Whether the pointer that was just loaded (Acquire) is protected. If
    /// not, it must be loaded again.
    #[inline(always)]
    fn covers(&self) -> bool {
        S::Mode::covers::<S::Barrier>(&self.shared.clock, &self.slot.mark)
    }

    /// Swaps a pointer; the old one is protected.
    #[inline]
    pub(crate) fn swap<T>(&self, src: &AtomicPtr<T>, new: *mut T, order: Ordering) -> *mut T {
        // At least Acquire, as in `protect`, with the caller's Release.
        let order = match order {
            Ordering::Relaxed | Ordering::Acquire => Ordering::Acquire,
            Ordering::SeqCst => Ordering::SeqCst,
            _ => Ordering::AcqRel,
        };
        if !S::ROBUST {
            return src.swap(new, order);
        }
        // What a swap brings could be younger than the slot's era, and there
        // is no loading it again. So it is loaded first.
        // Relaxed: `look` makes it Acquire.
        if let Some(seen) = self.look(src, Ordering::Relaxed) {
            // Relaxed on failure: nothing is returned then.
            let swapped = src.compare_exchange_weak(seen, new, order, Ordering::Relaxed);
            if let Ok(old) = swapped {
                return old;
            }
        }
        self.shared.swap_late(self.slot, src, new)
    }

    /// Runs `exchange`, with a failure ordering that will do, until it succeeds
    /// or fails with a protected pointer. `failure` is the caller's.
    #[inline]
    pub(crate) fn exchange<T>(
        &self,
        failure: Ordering,
        exchange: impl Fn(Ordering) -> Result<*mut T, *mut T>,
    ) -> Result<*mut T, *mut T> {
        loop {
            let result = exchange(at_least_acquire(failure));
            if result.is_ok() || self.covers() {
                return result;
            }
        }
    }

    /// Drops the reference of each cell in a chain. Batches that come to zero
    /// are queued.
    ///
    /// # Safety
    ///
    /// The chain was taken from an inbox by the caller, and no section that
    /// may hold objects of it is open on that inbox's slot.
    pub(super) unsafe fn drop_references(&self, mut chain: *mut Link) {
        while !chain.is_null() {
            // SAFETY: the cell lives until its reference is dropped; `next` is
            // read before that.
            let next = unsafe { (*chain).next.get() };
            // SAFETY: the cell is ours, once.
            if let Some(counting) = unsafe { batch::drop_reference(chain) } {
                // SAFETY: nobody holds a reference to the batch any more.
                unsafe { self.enqueue_ring(counting) };
            }
            chain = next;
        }
    }

    /// Queues the ring that `last` is in; null is no ring.
    ///
    /// # Safety
    ///
    /// The ring is the caller's alone, and nobody can reach its objects.
    pub(super) unsafe fn enqueue_ring(&self, last: *mut Link) {
        if last.is_null() {
            return;
        }
        // SAFETY: the caller's.
        unsafe {
            let first = (*last).chain.get();
            (*last).chain.set(self.slot.queue.get());
            self.slot.queue.set(first);
        }
    }

    /// Queues a list that ends with null, object by object.
    ///
    /// # Safety
    ///
    /// As for `enqueue_ring`.
    pub(super) unsafe fn enqueue_list(&self, mut link: *mut Link) {
        while !link.is_null() {
            // SAFETY: the caller's.
            unsafe {
                let following = (*link).chain.get();
                (*link).chain.set(self.slot.queue.get());
                self.slot.queue.set(link);
                link = following;
            }
        }
    }

    /// Runs the reclaimers of what is queued, and of what they queue, up to
    /// the slot's limit. Returns how many. Called by a reclaimer, it leaves
    /// the work to the loop that runs that reclaimer.
    pub(super) fn drain(&self) -> usize {
        match self.slot.limit.get() {
            0 => self.drain_at_most(usize::MAX),
            limit => self.drain_at_most(limit.into()),
        }
    }

    /// `drain`, up to a limit of the caller's.
    pub(super) fn drain_at_most(&self, limit: usize) -> usize {
        let slot = self.slot;
        if slot.queue.get().is_null() || limit == 0 || slot.draining.replace(true) {
            return 0;
        }
        self.shared.sample();
        // Also when a reclaimer panics: the rest stays queued.
        let _done = Reset(self);
        let mut reclaimed = 0;
        loop {
            let link = slot.queue.get();
            if link.is_null() || reclaimed == limit {
                return reclaimed;
            }
            // SAFETY: the object is ours; it leaves the queue before its
            // reclaimer runs, so that it is reclaimed once even after a panic.
            unsafe {
                slot.queue.set((*link).chain.get());
                (*link).next.set(self.cache());
                let reclaim = (*link).reclaim.get();
                slot.tally.reclaim();
                // The memory is the reclaimer's now. Loom checks that all
                // others are done with the header, too.
                #[cfg(hyaline_loom)]
                (*link).refs.with_mut(|_| ());
                reclaim(link);
            }
            reclaimed += 1;
        }
    }

    /// The slot's cache of blocks, if a handle of that role may use it.
    #[inline]
    pub(crate) fn cache_of<R: Role>(&self) -> *mut Link {
        if R::NESTED {
            ptr::null_mut()
        } else {
            self.cache()
        }
    }

    /// Where a reclaimer of pooled objects finds the slot's cache of blocks.
    #[inline]
    fn cache(&self) -> *mut Link {
        #[cfg(target_has_atomic = "64")]
        return ptr::from_ref(&self.slot.cache).cast_mut().cast();
        #[cfg(not(target_has_atomic = "64"))]
        ptr::null_mut()
    }
}

/// The ordering of a load whose pointer is to be protected: the object's
/// contents, and in robust mode the clock that its birth was read from, are seen
/// by the section. SeqCst is for the caller's own total order.
#[inline(always)]
const fn at_least_acquire(order: Ordering) -> Ordering {
    match order {
        Ordering::SeqCst => Ordering::SeqCst,
        _ => Ordering::Acquire,
    }
}

/// Ends a drain.
struct Reset<'a, 'c, S: Scheme>(&'a Local<'c, S>);

impl<S: Scheme> Drop for Reset<'_, '_, S> {
    fn drop(&mut self) {
        self.0.slot.draining.set(false);
    }
}

#[cold]
#[inline(never)]
fn too_many_guards() -> ! {
    panic!(
        "more guards are open on one handle than a word can count; drop guards, do not forget them"
    )
}

#[cfg(all(test, not(any(hyaline_loom, target_pointer_width = "64"))))]
mod tests {
    /// The count of guards never wraps. `cargo xtask miri` runs this on 32
    /// bits.
    #[test]
    #[should_panic(expected = "more guards are open")]
    fn guards_are_counted() {
        let collector = crate::Collector::<1>::new();
        let handle = collector.register().unwrap();
        core::mem::forget(handle.enter());
        let active = &handle.local().slot.active;
        // Relaxed: one thread.
        active.store(usize::MAX, crate::sync::Ordering::Relaxed);
        core::mem::forget(handle.enter());
    }
}
