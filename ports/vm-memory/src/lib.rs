#![doc = include_str!("../README.md")]

mod section;

use std::{
    fmt,
    ops::Deref,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, LockResult, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use hyaline::{AtomicPtr, Linked, reclaim};
use vm_memory::{GuestAddressSpace, GuestMemory};

use section::{Handle, Section};

pub use hyaline::Membarrier;
pub use section::{SLOTS, SlotsExhausted};

/// A guest's memory map that can be replaced while it is used.
///
/// A clone is the same map. Devices and vCPUs keep one, and call
/// [`memory`](GuestAddressSpace::memory) for each access.
///
/// ```
/// use hyaline_vm_memory::GuestMemoryAtomic;
/// use vm_memory::{Bytes, GuestAddress, GuestAddressSpace, GuestMemoryMmap};
///
/// let ranges = [(GuestAddress(0), 0x1000)];
/// let space = GuestMemoryAtomic::new(GuestMemoryMmap::<()>::from_ranges(&ranges)?)?;
/// let device = space.clone();
/// let thread = std::thread::spawn(move || device.memory().write_obj(7_u32, GuestAddress(8)));
/// thread.join().unwrap()?;
/// assert_eq!(space.memory().read_obj::<u32>(GuestAddress(8))?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuestMemoryAtomic<M: GuestMemory + Send + Sync + 'static> {
    space: Arc<Space<M>>,
}

struct Space<M: Send + Sync + 'static> {
    /// The map, from a `Box`. Never null, and replaced by `replace` alone.
    current: AtomicPtr<Linked<Arc<M>>>,
    /// The same map, for calls that get no slot. No code of the user runs while it
    /// is locked. It is locked while `current` changes: no thread sees one map here
    /// and an older one there.
    latest: Mutex<Arc<M>>,
    /// Locked by a thread that replaces the map, with what it needs for that.
    writer: Mutex<Handle>,
}

impl<M: GuestMemory + Send + Sync + 'static> GuestMemoryAtomic<M> {
    /// An address space with its first map. It has a slot of its own for as long as
    /// it or a clone of it exists, so that it can always be changed.
    ///
    /// # Errors
    ///
    /// [`SlotsExhausted`] if all [`SLOTS`] are claimed.
    ///
    /// ```
    /// use hyaline_vm_memory::GuestMemoryAtomic;
    /// use vm_memory::{GuestAddress, GuestMemoryMmap};
    ///
    /// let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
    /// let space = GuestMemoryAtomic::new(map)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(map: M) -> Result<Self, SlotsExhausted> {
        Arc::new(map).try_into()
    }

    /// The current map, to keep. It holds no slot, and holds back no other map; it
    /// costs a reference count. The same as `memory().into_inner()`.
    ///
    /// ```
    /// # use hyaline_vm_memory::GuestMemoryAtomic;
    /// # use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
    /// # let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
    /// let space = GuestMemoryAtomic::new(map)?;
    /// let kept = space.snapshot();
    /// drop(space);
    /// assert_eq!(kept.num_regions(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Arc<M> {
        self.memory().into_inner()
    }

    /// Waits until no other thread changes the map, and keeps others from it until
    /// the result is dropped or used. Calls of [`memory`](GuestAddressSpace::memory)
    /// do not wait.
    ///
    /// # Errors
    ///
    /// [`PoisonError`] if a thread panicked while it had the lock; the map is one
    /// that was put as a whole, and the lock is in the error.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline_vm_memory::GuestMemoryAtomic;
    /// # use vm_memory::{GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryMmap, GuestRegionMmap};
    /// # let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
    /// let space = GuestMemoryAtomic::new(map)?;
    /// let dimm = GuestRegionMmap::from_range(GuestAddress(0x10_0000), 0x1000, None)?;
    /// let change = space.lock().unwrap();
    /// let larger = space.memory().insert_region(Arc::new(dimm))?;
    /// change.replace(larger);
    /// assert_eq!(space.memory().num_regions(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(&self) -> LockResult<GuestMemoryExclusiveGuard<'_, M>> {
        let guard = |handle| GuestMemoryExclusiveGuard {
            space: &self.space,
            handle,
        };
        match self.space.writer.lock() {
            Ok(handle) => Ok(guard(handle)),
            Err(poisoned) => Err(PoisonError::new(guard(poisoned.into_inner()))),
        }
    }
}

impl<M: GuestMemory + Send + Sync + 'static> TryFrom<Arc<M>> for GuestMemoryAtomic<M> {
    type Error = SlotsExhausted;

    /// As [`new`](GuestMemoryAtomic::new).
    fn try_from(map: Arc<M>) -> Result<Self, SlotsExhausted> {
        // Now, and not in the first section: the process may be in a sandbox by then.
        Membarrier::prepare();
        let handle = section::register()?;
        let current = Box::into_raw(Box::new(handle.link(map.clone())));
        let space = Arc::new(Space {
            current: AtomicPtr::new(current),
            latest: Mutex::new(map),
            writer: Mutex::new(handle),
        });
        Ok(Self { space })
    }
}

impl<M: GuestMemory + Send + Sync + 'static> Clone for GuestMemoryAtomic<M> {
    fn clone(&self) -> Self {
        let space = self.space.clone();
        Self { space }
    }
}

impl<M: GuestMemory + Send + Sync + 'static> GuestAddressSpace for GuestMemoryAtomic<M> {
    type M = M;
    type T = GuestMemoryLoadGuard<M>;

    /// The current map, under a guard. It never fails: see "Slots" on the page of
    /// the crate.
    #[inline]
    fn memory(&self) -> Self::T {
        match Section::load(&self.space.current) {
            Some((section, current)) => {
                // SAFETY: never null (field), and valid while `section` is open.
                let map = Arc::as_ptr(unsafe { &**current });
                let held = Held::Section(section);
                GuestMemoryLoadGuard { map, held }
            }
            None => GuestMemoryLoadGuard::counted(self.space.latest()),
        }
    }
}

impl<M: Send + Sync + 'static> Space<M> {
    #[cold]
    #[inline(never)]
    fn latest(&self) -> Arc<M> {
        lock(&self.latest).clone()
    }
}

/// Locks a mutex under which nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<M: Send + Sync + 'static> Drop for Space<M> {
    fn drop(&mut self) {
        let handle = self.writer.get_mut();
        let handle = handle.unwrap_or_else(PoisonError::into_inner);
        let last = *self.current.get_mut();
        // SAFETY: from a `Box` (field), made with a handle of this collector, reached
        // through `protect` alone, retired once, here. No section that is entered
        // from now on finds it: the address space is gone.
        unsafe { handle.retire(last, reclaim::boxed::<Linked<Arc<M>>>) };
    }
}

impl<M: GuestMemory + Send + Sync + 'static> fmt::Debug for GuestMemoryAtomic<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestMemoryAtomic").finish_non_exhaustive()
    }
}

/// A map that stays as it is, and mapped, for as long as this exists, whatever
/// replaces it. Returned by [`memory`](GuestAddressSpace::memory); dereferences to
/// the map.
///
/// It can be sent and shared between threads, and outlive its address space. A
/// clone holds the map by a reference count. While the guard itself exists it
/// occupies a slot.
///
/// ```
/// # use hyaline_vm_memory::GuestMemoryAtomic;
/// # use vm_memory::{Bytes, GuestAddress, GuestAddressSpace, GuestMemoryMmap};
/// # let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
/// let space = GuestMemoryAtomic::new(map)?;
/// let memory = space.memory();
/// drop(space);
/// memory.write_obj(7_u8, GuestAddress(0xfff))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuestMemoryLoadGuard<M: GuestMemory + Send + Sync + 'static> {
    /// In an `Arc`, of which a count stays while `held` exists: the count of
    /// `Held::Count`, or that in the object which the section protects.
    map: *const M,
    held: Held<M>,
}

enum Held<M> {
    Section(#[expect(dead_code, reason = "for its drop")] Section),
    Count(Arc<M>),
}

// SAFETY: it gives `&M` and `Arc<M>` to any thread, and a section may be left on any.
unsafe impl<M: GuestMemory + Send + Sync + 'static> Send for GuestMemoryLoadGuard<M> {}
// SAFETY: it gives `&M` and `Arc<M>` to any thread; the section is used by its owner
// alone.
unsafe impl<M: GuestMemory + Send + Sync + 'static> Sync for GuestMemoryLoadGuard<M> {}

// Through it one sees a map and counts references, as through an `Arc`.
impl<M: GuestMemory + RefUnwindSafe + Send + Sync + 'static> UnwindSafe
    for GuestMemoryLoadGuard<M>
{
}
impl<M: GuestMemory + RefUnwindSafe + Send + Sync + 'static> RefUnwindSafe
    for GuestMemoryLoadGuard<M>
{
}

impl<M: GuestMemory + Send + Sync + 'static> GuestMemoryLoadGuard<M> {
    fn counted(map: Arc<M>) -> Self {
        Self {
            map: Arc::as_ptr(&map),
            held: Held::Count(map),
        }
    }

    /// A reference count more.
    fn count(&self) -> Arc<M> {
        // SAFETY: from an `Arc`, with a count that stays meanwhile (field).
        unsafe {
            Arc::increment_strong_count(self.map);
            Arc::from_raw(self.map)
        }
    }

    /// The map, held by a reference count; for what keeps it for long. It holds no
    /// slot and holds back no other map.
    ///
    /// ```
    /// # use hyaline_vm_memory::GuestMemoryAtomic;
    /// # use vm_memory::{GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryMmap};
    /// # let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
    /// let space = GuestMemoryAtomic::new(map)?;
    /// let kept = space.memory().into_inner();
    /// assert_eq!(kept.num_regions(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> Arc<M> {
        match self.held {
            Held::Count(map) => map,
            Held::Section(_) => {
                let map = self.count();
                // Before the map is on its way out: if a reclaimer panics here, the
                // count is not leaked.
                drop(self);
                map
            }
        }
    }
}

impl<M: GuestMemory + Send + Sync + 'static> Clone for GuestMemoryLoadGuard<M> {
    fn clone(&self) -> Self {
        Self::counted(self.count())
    }
}

impl<M: GuestMemory + Send + Sync + 'static> Deref for GuestMemoryLoadGuard<M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        // SAFETY: there while `held` is (field).
        unsafe { &*self.map }
    }
}

impl<M: GuestMemory + Send + Sync + 'static> fmt::Debug for GuestMemoryLoadGuard<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestMemoryLoadGuard")
            .finish_non_exhaustive()
    }
}

/// The lock of an address space: while it exists no other thread changes the map.
/// Returned by [`lock`](GuestMemoryAtomic::lock).
///
/// ```
/// # use hyaline_vm_memory::GuestMemoryAtomic;
/// # use vm_memory::{GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryMmap};
/// # let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), 0x1000)])?;
/// let space = GuestMemoryAtomic::new(map)?;
/// let unchanged = space.lock().unwrap();
/// drop(unchanged);
/// assert_eq!(space.memory().num_regions(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GuestMemoryExclusiveGuard<'a, M: GuestMemory + Send + Sync + 'static> {
    space: &'a Space<M>,
    handle: MutexGuard<'a, Handle>,
}

impl<M: GuestMemory + Send + Sync + 'static> GuestMemoryExclusiveGuard<'_, M> {
    /// Puts another map, and unlocks. The old one is dropped here if nothing holds
    /// it, else where the last guard or count is.
    ///
    /// This call may drop maps of other address spaces, too, and unlocks after that: a
    /// map whose drop locks an address space may deadlock.
    ///
    /// Executes the [heavy barrier](https://docs.rs/hyaline/latest/hyaline/guide/glossary/index.html#heavy-barrier).
    ///
    /// ```
    /// # use hyaline_vm_memory::GuestMemoryAtomic;
    /// # use vm_memory::{GuestAddress, GuestAddressSpace, GuestMemoryBackend, GuestMemoryMmap};
    /// # let at = |start| GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(start), 0x1000)]);
    /// let space = GuestMemoryAtomic::new(at(0)?)?;
    /// let before = space.memory();
    /// space.lock().unwrap().replace(at(0x1000)?);
    /// assert!(before.find_region(GuestAddress(0)).is_some());
    /// assert!(space.memory().find_region(GuestAddress(0)).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace(self, map: M) {
        let map = Arc::new(map);
        let new = Box::into_raw(Box::new(self.handle.link(map.clone())));
        let mut latest = lock(&self.space.latest);
        // AcqRel. Release: pairs with the Acquire in `Section::load`, which sees the
        // contents. Acquire: the old object may be dropped here.
        let old = self.space.current.swap(new, Ordering::AcqRel);
        let counted = std::mem::replace(&mut *latest, map);
        drop(latest);
        drop(counted);
        // SAFETY: from a `Box` (field), made with a handle of this collector, reached
        // through `protect` alone. The swap unlinked it, and gave it to this call only.
        unsafe { self.handle.retire(old, reclaim::boxed::<Linked<Arc<M>>>) };
    }
}

impl<M: GuestMemory + Send + Sync + 'static> fmt::Debug for GuestMemoryExclusiveGuard<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestMemoryExclusiveGuard")
            .finish_non_exhaustive()
    }
}
