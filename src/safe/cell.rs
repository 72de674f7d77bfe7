//! A record that many read and few replace.

mod update;

use core::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit, offset_of},
    ptr,
};

#[cfg(feature = "alloc")]
use super::Heap;
use super::{Domain, Full, Guard, Handle, OwnPool, Storage, domain::Brand, node::VacantBlock};
use crate::{
    Link, Linked, Pool, Role, reclaim,
    sync::{AtomicPtr, Ordering, const_fn},
};

/// A record that many read, and that is replaced as a whole: a configuration,
/// a calibration, a routing or device table.
///
/// A reader sees one whole version for as long as it likes, and never waits. A
/// writer puts a new version; the old one is dropped after its last reader has
/// left. There is room for `VERSIONS` versions, at least two, beside the first,
/// which has a place of its own.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`read`](Self::read), [`available`](Self::available) | wait-free (robust mode: `read` is lock-free) | yes |
/// | [`snapshot`](Self::snapshot) and its clone | the same | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`replace`](Self::replace), [`compare_exchange`](Self::compare_exchange) | lock-free | the same |
/// | [`update`](Self::update) | lock-free; runs the closure again if another writer was faster | the same |
///
/// With a deferred or per-CPU handle no value is dropped in these calls.
///
/// # Memory
///
/// `VERSIONS` blocks, whatever readers do. Besides the current version they hold those
/// that a section may still read, or that wait in the batch of a handle. A call for which
/// there is no block flushes its handle, or with a deferred or per-CPU handle reclaims
/// what runs no user code; if there is still none, it returns [`Full`], with the value.
/// In robust mode [`Config::pool_size`](crate::Config::pool_size) with `live = 1 +
/// writers` says which `VERSIONS` is never exhausted. In basic mode a reader that stalls
/// holds back all versions whose batches are published after it began, and writers get
/// `Full` until it leaves. A writer's own guard counts as a reader, so drop it before you
/// write; so does the [`Ref`](super::Ref) that `update` returns.
///
/// With `Heap`, and 0 for `VERSIONS`, each new version [calls the global
/// allocator](crate::safe#on-the-heap).
///
/// # Values that are left
///
/// A cell in a `static` is never dropped, nor is its current value. One that is
/// dropped drops it.
///
/// ```
/// #![forbid(unsafe_code)]
/// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
///
/// #[derive(Clone)]
/// struct Filter { low: i16, high: i16 }
///
/// domain!(App: Collector<4> = Collector::new());
/// static FILTER: RcuCell<Filter, 4, App> = RcuCell::new(Filter { low: -10, high: 10 });
///
/// let handle = App::register()?;
/// FILTER.update(&handle, |old| Filter { high: 20, ..old.clone() })?;
///
/// let guard = handle.enter();
/// let filter = FILTER.read(&guard);
/// assert!((filter.low..filter.high).contains(&15));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RcuCell<T, const VERSIONS: usize, D: Domain, P = OwnPool>
where
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
    /// The current version; null is the first one: a constant cannot hold a
    /// pointer into itself, and a cell whose value is zero lies in `.bss`.
    ///
    /// If all versions are in the cell, it is the offset from the first one, in
    /// bytes, so a reader adds the offset and does not branch.
    current: AtomicPtr<Linked<T>>,
    /// The first version, which is there before there is a handle.
    first: UnsafeCell<ManuallyDrop<Linked<T>>>,
    versions: P::Nodes,
    of: PhantomData<Brand<D>>,
}

// SAFETY: gives out `&T`, and drops values on any thread. The storage can be
// shared if `T` is `Send`.
unsafe impl<T: Send + Sync, const VERSIONS: usize, D, P> Sync for RcuCell<T, VERSIONS, D, P>
where
    D: Domain,
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
}
// SAFETY: as for `Sync`: the values in it are `Send`, and so is the storage.
unsafe impl<T: Send + Sync, const VERSIONS: usize, D, P> Send for RcuCell<T, VERSIONS, D, P>
where
    D: Domain,
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
}

impl<T, const VERSIONS: usize, D: Domain> RcuCell<T, VERSIONS, D> {
    const_fn! {
        /// A cell with its first value.
        ///
        /// One with room for fewer than two versions beside the first does not
        /// compile: the place of the first is used once, so the current version
        /// has one of them, and the next needs another.
        ///
        /// ```compile_fail,E0080
        /// # use hyaline::{Collector, domain, safe::RcuCell};
        /// # domain!(App: Collector<2> = Collector::new());
        /// static LIMIT: RcuCell<u32, 1, App> = RcuCell::new(10);
        /// ```
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::RcuCell};
        ///
        /// domain!(App: Collector<2> = Collector::new());
        /// static LIMIT: RcuCell<u32, 2, App> = RcuCell::new(10);
        /// # assert_eq!(LIMIT.available(), 2);
        /// ```
        #[must_use]
        pub const fn new(value: T) -> Self {
            const {
                assert!(
                    VERSIONS > 0,
                    "a cell has room for two versions beside the first; for the heap use `in_heap`"
                )
            };
            Self::with(value, Pool::new())
        }
    }

    /// How many blocks are free for new versions, without those that handles
    /// keep: approximate, for a watcher. O(`VERSIONS`). Wait-free, any context.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static LIMIT: RcuCell<u32, 4, App> = RcuCell::new(10);
    /// let handle = App::register()?;
    /// LIMIT.replace(&handle, 20)?;
    /// assert_eq!(LIMIT.available(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> usize {
        self.versions.available()
    }
}

#[cfg(feature = "alloc")]
impl<T, D: Domain> RcuCell<T, 0, D, Heap> {
    const_fn! {
        /// A cell with its first value, whose other versions are on the heap.
        ///
        /// ```
        /// use hyaline::{Collector, domain, safe::{Domain, Heap, RcuCell}};
        ///
        /// domain!(App: Collector<4> = Collector::new());
        /// static HOSTS: RcuCell<Vec<&str>, 0, App, Heap> = RcuCell::in_heap(Vec::new());
        ///
        /// let handle = App::register()?;
        /// HOSTS.replace(&handle, vec!["left", "right"])?;
        /// assert_eq!(HOSTS.read(&handle.enter())[1], "right");
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[must_use]
        pub const fn in_heap(value: T) -> Self {
            Self::with(value, ())
        }
    }
}

impl<T, const VERSIONS: usize, D: Domain, P> RcuCell<T, VERSIONS, D, P>
where
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
    const_fn! {
        const fn with(value: T, versions: P::Nodes) -> Self {
            // On the heap it is 0; a pool has at least one.
            const { assert!(VERSIONS != 1, "a cell has room for two versions beside the first") };
            let first = Linked {
                link: Link::new(),
                value,
            };
            Self {
                current: AtomicPtr::new(ptr::null_mut()),
                first: UnsafeCell::new(ManuallyDrop::new(first)),
                versions,
                of: PhantomData,
            }
        }
    }

    /// The version that `current` leads to.
    #[inline]
    fn version(&self, current: *mut Linked<T>) -> *mut Linked<T> {
        Self::version_of(ptr::from_ref(self).cast_mut(), current)
    }

    /// As `version`, by a pointer to the cell, whose provenance it gets.
    #[inline]
    fn version_of(cell: *mut Self, current: *mut Linked<T>) -> *mut Linked<T> {
        if !P::INSIDE && !current.is_null() {
            return current;
        }
        let offset = offset_of!(Self, first).wrapping_add(current.addr());
        cell.cast::<Linked<T>>().wrapping_byte_add(offset)
    }

    /// What `current` is to be for a version.
    #[inline]
    fn place(&self, version: *mut Linked<T>) -> *mut Linked<T> {
        if !P::INSIDE {
            return version;
        }
        let first = self.first.get().addr();
        ptr::without_provenance_mut(version.addr().wrapping_sub(first))
    }

    /// The current value. It does not change while the guard lives, even if it
    /// is replaced meanwhile.
    ///
    /// ```
    /// use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    /// static LIMIT: RcuCell<u32, 4, App> = RcuCell::new(10);
    ///
    /// let handle = App::register()?;
    /// let guard = handle.enter();
    /// let limit = LIMIT.read(&guard);
    /// LIMIT.replace(&handle, 20)?;
    /// assert_eq!(*limit, 10);
    /// assert_eq!(*LIMIT.read(&guard), 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn read<'g, R: Role>(&'g self, guard: &'g Guard<'_, D, R>) -> &'g T {
        // Acquire: pairs with the Release of `put` and `exchange`; without it
        // the value might not be there yet.
        let version = self.version(guard.protect(&self.current, Ordering::Acquire));
        // SAFETY: protected: a version is retired after it was replaced, to
        // the collector of D, whose guard this is. The first has no birth era,
        // so it is protected in robust mode, too. Values do not change.
        unsafe { &(*version).value }
    }

    /// A clone of the current value, which needs no guard. It is made inside a
    /// section: a slow clone holds back what others retire meanwhile.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static NAMES: RcuCell<Vec<&str>, 4, App> = RcuCell::new(Vec::new());
    /// let handle = App::register()?;
    /// NAMES.replace(&handle, vec!["left", "right"]).unwrap();
    /// let names = NAMES.snapshot(&handle);
    /// assert_eq!(names, ["left", "right"]);
    /// # Ok::<(), hyaline::SlotsExhausted>(())
    /// ```
    #[inline]
    pub fn snapshot<R: Role>(&self, handle: &Handle<D, R>) -> T
    where
        T: Clone,
    {
        let guard = handle.enter();
        let copy = self.read(&guard).clone();
        // Before the copy is on its way out: if a reclaimer panics here, the
        // copy is dropped and not leaked.
        drop(guard);
        copy
    }

    /// Puts a new value.
    ///
    /// # Errors
    ///
    /// [`Full`], with the value, if there is no block for it.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static NAME: RcuCell<String, 4, App> = RcuCell::new(String::new());
    /// let handle = App::register()?;
    /// NAME.replace(&handle, String::from("left pump"))?;
    /// assert_eq!(NAME.read(&handle.enter()), "left pump");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace<R: Role>(&'static self, handle: &Handle<D, R>, value: T) -> Result<(), Full<T>>
    where
        T: Send,
    {
        let claimed = self.claim_in_section(handle);
        let Some((blank, guard)) = claimed else {
            return Err(Full(value));
        };
        // AcqRel. Release: see `read`. Acquire: the old version's maker wrote
        // its header before we retire it.
        let new = self.place(blank.fill(value));
        let old = guard.swap(&self.current, new, Ordering::AcqRel);
        // SAFETY: the swap unlinked it.
        unsafe { self.retire(&guard, old) };
        Ok(())
    }

    /// Memory for a version, and a section.
    #[inline]
    #[allow(clippy::type_complexity)] // used here alone
    fn claim_in_section<'h, R: Role>(
        &self,
        handle: &'h Handle<D, R>,
    ) -> Option<(VacantBlock<'_, MaybeUninit<T>, P>, Guard<'h, D, R>)> {
        VacantBlock::claim_in_section::<VERSIONS, D, R, _>(&self.versions, handle, || {
            handle.enter()
        })
    }

    /// Retires the version that `old` leads to.
    ///
    /// # Safety
    ///
    /// The caller has replaced `old` in `current`.
    #[inline]
    unsafe fn retire<R: Role>(&'static self, guard: &Guard<'_, D, R>, old: *mut Linked<T>) {
        let old = self.version(old);
        guard.local().cap_batch::<R>(VERSIONS);
        // SAFETY: `current` was the only way to the version (fn contract), never
        // leads to it again, and belongs to the collector of D; so it is retired
        // once. The cell is in a static (`'static`), and so are the first version
        // and a pool. The others came from the storage, as a block of the same
        // layout. The first has a `Link::new`, the others were stamped.
        unsafe {
            if ptr::eq(old, self.first.get().cast()) {
                guard.retire_value(old, reclaim::in_place::<Linked<T>>);
            } else {
                P::retire(guard, old);
            }
        }
    }
}

impl<T, const VERSIONS: usize, D: Domain, P> Drop for RcuCell<T, VERSIONS, D, P>
where
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
    fn drop(&mut self) {
        // Relaxed: we have the cell alone.
        let current = self.current.load(Ordering::Relaxed);
        let version = Self::version_of(self, current);
        // SAFETY: from the storage, and dropped after its value.
        let _memory = (!P::INSIDE && !current.is_null())
            .then(|| unsafe { VacantBlock::<MaybeUninit<T>, P>::of(version.cast()) });
        // SAFETY: nobody can read it any more, and it is not retired.
        unsafe { ptr::drop_in_place(&raw mut (*version).value) };
    }
}

impl<T, const VERSIONS: usize, D: Domain, P> fmt::Debug for RcuCell<T, VERSIONS, D, P>
where
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RcuCell")
            .field("versions", &VERSIONS)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(hyaline_loom)))]
mod tests {
    use super::{Ordering, RcuCell};
    use crate::{Collector, domain};

    domain!(D: Collector<1> = Collector::new());

    /// A static whose value is zero lies in `.bss`.
    #[test]
    fn the_first_version_is_at_zero() {
        let cell = RcuCell::<u32, 2, D>::new(7);
        // Relaxed: nobody else has it.
        assert!(cell.current.load(Ordering::Relaxed).is_null());
    }
}
