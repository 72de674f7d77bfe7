//! A collector without its number of slots in the type.

use core::{
    alloc::Layout,
    fmt,
    mem::{MaybeUninit, offset_of},
    ptr,
};

use super::error::{MemoryError, SlotsExhausted};
use crate::{
    Basic, Config, Deferred, Handle, HandleId, Nested, NotTheOwner, PerCpu, Role, Scheme,
    raw::{Global, Slot},
};

/// A collector whose number of slots is known at run time.
///
/// Every [`Collector`](crate::Collector) dereferences to one, as an array does
/// to a slice. For as many slots as there are CPUs at boot it is made
/// [in place](Self::in_place), in memory of the caller's, or `boxed` with
/// feature `alloc`; neither needs stack in proportion to the slots.
///
/// ```
/// use core::mem::MaybeUninit;
/// use hyaline::{CollectorView, Config};
///
/// // As a kernel finds it at boot.
/// let cpus = 3;
/// let layout = CollectorView::<hyaline::Basic>::layout(cpus)?;
/// let mut page = vec![MaybeUninit::uninit(); layout.size() + layout.align()];
/// let aligned = page.as_ptr().align_offset(layout.align());
///
/// let collector: &mut CollectorView =
///     CollectorView::in_place(&mut page[aligned..], cpus, Config::new())?;
/// let handle = collector.register()?;
/// assert_eq!(collector.capacity(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[repr(transparent)]
pub struct CollectorView<S: Scheme = Basic> {
    global: Global<S>,
}

impl<S: Scheme> CollectorView<S> {
    #[inline]
    pub(super) fn from_global(global: &Global<S>) -> &Self {
        // SAFETY: `repr(transparent)`: the same place, the same metadata.
        unsafe { &*(ptr::from_ref(global) as *const Self) }
    }

    /// The size and the alignment of a collector with so many slots, in bytes.
    ///
    /// # Errors
    ///
    /// [`MemoryError::TooLarge`] if there is no such size.
    ///
    /// ```
    /// use hyaline::{Basic, Collector, CollectorView};
    ///
    /// let layout = CollectorView::<Basic>::layout(8)?;
    /// assert_eq!(layout, core::alloc::Layout::new::<Collector<8>>());
    /// assert!(CollectorView::<Basic>::layout(usize::MAX).is_err());
    /// # Ok::<(), hyaline::MemoryError>(())
    /// ```
    pub const fn layout(slots: usize) -> Result<Layout, MemoryError> {
        const {
            assert!(
                usize::BITS > 16 || !S::ROBUST,
                "`Robust` needs words of 32 bits or more for its clock; use `Basic`"
            );
        };
        // The tail lies where an array of any length would, or a collector's
        // array could not become a slice.
        let (before, align) = (
            offset_of!(Global<S, [Slot<S>; 1]>, slots),
            align_of::<Global<S, [Slot<S>; 1]>>(),
        );
        let Some(size) = size_of::<Slot<S>>().checked_mul(slots) else {
            return Err(MemoryError::TooLarge);
        };
        let Some(size) = size.checked_add(before) else {
            return Err(MemoryError::TooLarge);
        };
        match Layout::from_size_align(size, align) {
            Ok(layout) => Ok(layout.pad_to_align()),
            Err(_) => Err(MemoryError::TooLarge),
        }
    }

    /// Makes a collector in the memory that is given, which may be larger than
    /// the [layout](Self::layout). O(slots); constant stack.
    ///
    /// It is not dropped by itself. Who takes the memory back reclaims first
    /// what is left, by `drop_in_place`, when all handles are gone.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unfit`] if the memory is too small or not aligned,
    /// [`MemoryError::TooLarge`] if there is no such size. Nothing is written
    /// then.
    ///
    /// ```
    /// use core::mem::MaybeUninit;
    /// use hyaline::{Collector, CollectorView, Config, Robust};
    ///
    /// // Any memory will do; this has the right alignment.
    /// let mut memory = MaybeUninit::<Collector<4, Robust>>::uninit();
    /// let bytes = memory.as_mut_ptr().cast::<[MaybeUninit<u8>; size_of::<Collector<4, Robust>>()]>();
    /// // SAFETY: the bytes of `memory`, which is not used otherwise.
    /// let bytes = unsafe { &mut *bytes };
    /// let error = CollectorView::<Robust>::in_place(bytes, 5, Config::new()).unwrap_err();
    /// assert!(error.to_string().starts_with("a collector of so many slots needs"));
    /// let collector = CollectorView::<Robust>::in_place(bytes, 4, Config::new())?;
    /// assert!(collector.register().is_ok());
    /// # Ok::<(), hyaline::MemoryError>(())
    /// ```
    pub fn in_place(
        memory: &mut [MaybeUninit<u8>],
        slots: usize,
        config: Config<S::Barrier>,
    ) -> Result<&mut Self, MemoryError> {
        let layout = Self::layout(slots)?;
        let start = memory.as_mut_ptr();
        if memory.len() < layout.size() || start.addr() & (layout.align() - 1) != 0 {
            return Err(MemoryError::Unfit(layout));
        }
        let this = ptr::slice_from_raw_parts_mut(start.cast::<Slot<S>>(), slots) as *mut Self;
        // SAFETY: the memory is as large and as aligned as `layout` says, and
        // ours for the lifetime of the result; `init` writes all of it.
        unsafe {
            Global::init(&raw mut (*this).global, config.settings);
            Ok(&mut *this)
        }
    }

    /// Makes a collector on the heap, without the stack in between that
    /// `Box::new(Collector::new())` may need.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Refused`] if the allocator has no memory,
    /// [`MemoryError::TooLarge`] if there is no such size.
    ///
    /// ```
    /// use hyaline::{Basic, CollectorView, Config};
    ///
    /// let collector = CollectorView::<Basic>::boxed(65_536, Config::new())?;
    /// assert!(collector.register().is_ok());
    /// # Ok::<(), hyaline::MemoryError>(())
    /// ```
    #[cfg(feature = "alloc")]
    pub fn boxed(
        slots: usize,
        config: Config<S::Barrier>,
    ) -> Result<alloc::boxed::Box<Self>, MemoryError> {
        let layout = Self::layout(slots)?;
        // SAFETY: a collector has a size, if only for its settings.
        let memory = unsafe { alloc::alloc::alloc(layout) };
        if memory.is_null() {
            return Err(MemoryError::Refused(layout));
        }
        let this = ptr::slice_from_raw_parts_mut(memory.cast::<Slot<S>>(), slots) as *mut Self;
        // SAFETY: as in `in_place`; the memory is of the allocator that a box
        // gives it back to, with the layout of the value.
        unsafe {
            Global::init(&raw mut (*this).global, config.settings);
            Ok(alloc::boxed::Box::from_raw(this))
        }
    }

    /// The number of slots.
    ///
    /// ```
    /// let collector = hyaline::Collector::<8>::new();
    /// let view: &hyaline::CollectorView = &collector;
    /// assert_eq!(view.capacity(), 8);
    /// ```
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.global.capacity()
    }

    /// Claims a slot.
    ///
    /// Wait-free; at most one attempt a slot. May be called in an interrupt. The
    /// slot is released when the handle is dropped.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::Collector;
    ///
    /// let collector = Collector::<1>::new();
    /// let handle = collector.register()?;
    /// assert!(collector.register().is_err());
    /// drop(handle);
    /// assert!(collector.register().is_ok());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register(&self) -> Result<Handle<'_, S>, SlotsExhausted> {
        self.claim()
    }

    /// Claims a slot for a context in which no reclaimer may run: an
    /// interrupt, code with a deadline, code that must not free.
    ///
    /// The end of a section is one store. What the handle retires goes to the
    /// collector in batches, without a look at other slots and without a lock;
    /// the other handles reclaim it. A collector with deferred handles only
    /// reclaims nothing before it is dropped.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// use hyaline::{Collector, Linked, reclaim};
    ///
    /// let collector = Collector::<2>::new();
    /// let task = collector.register()?;
    /// let interrupt = collector.register_deferred()?;
    /// let object = Box::into_raw(Box::new(interrupt.link(7)));
    /// // SAFETY: it was never shared, and it comes from a `Box`.
    /// unsafe { interrupt.retire(object, reclaim::boxed::<Linked<i32>>) };
    /// assert_eq!(interrupt.flush(), 0);
    /// assert_eq!(task.collect(), 1);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register_deferred(&self) -> Result<Handle<'_, S, Deferred>, SlotsExhausted> {
        self.claim()
    }

    /// Claims a slot for a CPU: for its task and the interrupts that preempt
    /// it, on one handle.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all slots are claimed.
    ///
    /// ```
    /// let collector = hyaline::Collector::<2>::new();
    /// let cpu = collector.register_per_cpu()?;
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn register_per_cpu(&self) -> Result<PerCpu<'_, S>, SlotsExhausted> {
        self.claim::<Nested>().map(PerCpu::new)
    }

    /// Takes the slot from a task that is dead, and frees it. What the task
    /// retired, and what waited for its sections, the next collect or publish
    /// of anyone finds and reclaims; nothing is reclaimed here.
    ///
    /// Never waits; costs a step for each object that the task was about to
    /// reclaim. Any context except NMI. The task's handle, if it is still
    /// somewhere, is inert: [`is_evicted`](Handle::is_evicted) is true,
    /// dropping it, `flush`, `collect` and `limit_reclaims` do nothing, and
    /// what it retires goes to the others.
    ///
    /// # Safety
    ///
    /// - What the handle's user did happens before this call: it was stopped
    ///   by a scheduler, or joined.
    /// - It does not run again with pointers that it loaded, nor with guards
    ///   of the handle: they are neither used nor dropped.
    /// - It was not stopped inside a call of this crate, but for `enter`,
    ///   `protect` and the like, the drop of a guard of a deferred or per-CPU
    ///   handle, and reclaimers (whose object is then lost).
    /// - The handle is not used again but for what is named above: not to
    ///   enter, to make objects, or for grace periods. Debug builds catch an
    ///   `enter`.
    ///
    /// # Errors
    ///
    /// [`NotTheOwner`] if no handle of this collector has the id, which was
    /// released or evicted before: then nothing is done.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let handle = collector.register()?;
    /// core::mem::forget(handle.enter());
    /// let id = handle.id();
    /// // SAFETY: its only guard was forgotten, and nothing was loaded.
    /// unsafe { collector.evict(id) }.unwrap();
    /// let next = collector.register()?;
    /// drop(handle); // inert
    /// assert!(!next.is_evicted());
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub unsafe fn evict(&self, id: HandleId) -> Result<(), NotTheOwner> {
        // SAFETY: the caller's.
        if unsafe { self.global.evict(id.slot, id.owner) } {
            Ok(())
        } else {
            Err(NotTheOwner)
        }
    }

    /// Asks the reader in a slot to end its section and start over: it polls
    /// [`Guard::restart_requested`](crate::Guard::restart_requested). Any
    /// context; one store. Returns false if the slot is not active, or not
    /// there.
    ///
    /// This is the cooperative form of DEBRA+'s neutralisation (Brown, PODC
    /// 2015). There a signal makes the reader jump out of its section at any
    /// instruction, so the writer may go on as if it had left. Here nothing is
    /// promised before the reader has really left: nothing is freed early, and
    /// a reader that does not poll, or is not scheduled, holds what it holds.
    /// What bounds that without its help is [`Robust`](crate::Robust) mode;
    /// what ends it is `evict`. A request that comes after the section has
    /// ended is seen by the slot's next section, and costs it a restart.
    ///
    /// ```
    /// let collector = hyaline::Collector::<1>::new();
    /// let reader = collector.register()?;
    /// assert!(!collector.request_restart(0));
    /// let mut guard = reader.enter();
    /// assert!(collector.request_restart(0));
    /// if guard.restart_requested() {
    ///     drop(guard);
    ///     guard = reader.enter(); // and load everything again
    /// }
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    pub fn request_restart(&self, slot: usize) -> bool {
        self.global.request_restart(slot)
    }

    pub(crate) fn global(&self) -> &Global<S> {
        &self.global
    }

    fn claim<R: Role>(&self) -> Result<Handle<'_, S, R>, SlotsExhausted> {
        match self.global.register(R::RECLAIMS == Some(true)) {
            Some(local) => Ok(Handle::new(local)),
            None => Err(SlotsExhausted {
                capacity: self.capacity(),
            }),
        }
    }
}

impl<S: Scheme> Drop for CollectorView<S> {
    fn drop(&mut self) {
        self.global.reclaim_all();
    }
}

impl<S: Scheme> fmt::Debug for CollectorView<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorView")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
