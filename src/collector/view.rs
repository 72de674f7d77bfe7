//! A collector whose type does not contain its number of slots.

use core::{
    alloc::Layout,
    fmt,
    mem::{MaybeUninit, offset_of},
    ptr,
};

use super::error::{MemoryError, SlotsExhausted};
use crate::{
    Basic, Config, Deferred, Handle, Nested, PerCpu, Role, Scheme,
    raw::{Global, Slot},
};

/// A collector whose number of slots is known at run time.
///
/// Every [`Collector`](crate::Collector) dereferences to one, as an array
/// does to a slice. Where the number of slots is known only at boot, such as
/// the number of CPUs, a view is made [in place](Self::in_place) in memory
/// that the caller provides, or `boxed` with feature `alloc`. Neither needs
/// stack in proportion to the number of slots.
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
        // SAFETY: `repr(transparent)`: the layout and the pointer metadata are
        // the same, and the reference is shared either way.
        unsafe { &*(ptr::from_ref(global) as *const Self) }
    }

    /// The size and alignment, in bytes, of a collector with this many slots.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NoSlots`] if `slots` is 0, [`MemoryError::TooLarge`] if the size
    /// overflows.
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
        if slots == 0 {
            return Err(MemoryError::NoSlots);
        }
        // The slice begins at the offset that an array of any length has:
        // otherwise a collector's array could not be unsized to a slice.
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

    /// Makes a collector in the given memory, which may be larger than the
    /// [layout](Self::layout). O(slots); constant stack.
    ///
    /// The collector is not dropped automatically. Before the memory is reused,
    /// when all handles are gone, `drop_in_place` reclaims what is pending.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Unfit`] if the memory is too small or misaligned,
    /// [`MemoryError::NoSlots`] if `slots` is 0, [`MemoryError::TooLarge`] if the size
    /// overflows. Nothing is written in any of these cases.
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
        // SAFETY: the memory has the size and alignment of `layout`, and is
        // borrowed exclusively for the lifetime of the result, so it is valid
        // for the writes of `init`, which initialises all fields.
        unsafe {
            Global::init(&raw mut (*this).global, config.settings);
            Ok(&mut *this)
        }
    }

    /// Makes a collector on the heap, without the copy on the stack that
    /// `Box::new(Collector::new())` may need.
    ///
    /// # Errors
    ///
    /// [`MemoryError::Refused`] if the allocator has no memory,
    /// [`MemoryError::NoSlots`] if `slots` is 0, [`MemoryError::TooLarge`] if the size
    /// overflows.
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
        // SAFETY: the size is not zero: a collector has at least its settings.
        let memory = unsafe { alloc::alloc::alloc(layout) };
        if memory.is_null() {
            return Err(MemoryError::Refused(layout));
        }
        let this = ptr::slice_from_raw_parts_mut(memory.cast::<Slot<S>>(), slots) as *mut Self;
        // SAFETY: the memory has the size and alignment of `layout`, is ours and
        // valid for the writes of `init`, which initialises all fields. It is
        // from the global allocator, with the layout with which a box frees it.
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
    /// Wait-free: at most one attempt for each slot. (Lock-free if objects still wait
    /// for the section of the slot's previous owner; they are passed on.) May be called
    /// in an interrupt. The drop of the handle releases the slot.
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
    /// The end of a section is a load and a store. To retire is to push the
    /// object onto the slot's own stack, without access to other slots and
    /// without a lock; the eager handles publish and reclaim it. A collector
    /// that has no eager handle reclaims nothing until it is dropped.
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

    /// Claims a slot for a CPU: one handle for its task and the interrupts that
    /// preempt it. No reclaimer runs in its calls.
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
