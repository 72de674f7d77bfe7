//! A cell of an `Arc`.

use alloc::sync::Arc;
use core::{fmt, mem};

use super::{Atomic, Domain, Full, Guard, Handle, Heap, Owned, Refused, Shared, node::VacantBlock};
use crate::{Role, role::may_drop};

/// An [`Arc`] that many read and few replace, as in arc-swap. What is read can be
/// kept for as long as one likes, at the price of a reference count; or used
/// under a guard, without one.
///
/// An [`RcuCell`](super::RcuCell) is the cell for values that nobody keeps.
///
/// | call | progress | in an interrupt |
/// |---|---|---|
/// | [`load`](Self::load) | wait-free (robust mode: lock-free) | yes |
/// | [`load_full`](Self::load_full) | the same | with a deferred or per-CPU handle, or if reclaimers may run there |
/// | [`store`](Self::store), [`swap`](Self::swap), [`compare_exchange`](Self::compare_exchange) | lock-free, besides the allocator | the same, and if the allocator may be called |
/// | [`rcu`](Self::rcu) | the same; runs the closure again if another writer was faster | the same |
///
/// With a deferred or per-CPU handle no value is dropped in these calls.
///
/// The cell need not be in a `static`, and the value not be of a known size:
///
/// ```
/// # use std::sync::Arc;
/// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
/// # domain!(App: Collector<4> = Collector::new());
/// # let handle = App::register()?;
/// type Hook = dyn Fn(u32) -> u32 + Send + Sync;
/// let name = ArcCell::<str, App>::new(&handle, "left pump".into())?;
/// let hook = ArcCell::<Hook, App>::new(&handle, Arc::new(|reading| reading / 2))?;
/// hook.store(&handle, Arc::new(|reading| reading + 1))?;
/// let guard = handle.enter();
/// assert_eq!((&**name.load(&guard), hook.load(&guard)(6)), ("left pump", 7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Memory
///
/// A node of five or six words on the heap for each version: the header and the
/// `Arc`. The version's reference count goes down by one when no section can hold
/// the node any more. A call for which there is no memory flushes its handle and
/// tries again; if there is still none, it returns [`Full`], with the `Arc`.
///
/// ```
/// #![forbid(unsafe_code)]
/// use std::sync::Arc;
/// use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
///
/// domain!(App: Collector<4> = Collector::new());
///
/// struct Server {
///     hosts: ArcCell<Vec<String>, App>,
/// }
///
/// let handle = App::register()?;
/// let server = Server { hosts: ArcCell::new(&handle, Arc::new(vec![]))? };
/// server.hosts.rcu(&handle, |old| [&old[..], &["left".into()]].concat())?;
///
/// let guard = handle.enter();
/// assert_eq!(server.hosts.load(&guard)[0], "left"); // no reference count
/// let kept: Arc<Vec<String>> = server.hosts.load_full(&handle);
/// # drop(guard);
/// # assert_eq!(kept.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What is read without a reference count outlives neither guard nor cell:
///
/// ```compile_fail,E0505
/// # use std::sync::Arc;
/// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
/// # domain!(App: Collector<4> = Collector::new());
/// # let handle = App::register().unwrap();
/// let limit = ArcCell::new(&handle, Arc::new(10)).unwrap();
/// let guard = handle.enter();
/// let value = limit.load(&guard);
/// drop(limit);
/// assert_eq!(**value, 10);
/// ```
pub struct ArcCell<T: ?Sized, D: Domain> {
    /// Never null. Nobody stores what they load from it.
    current: Atomic<Arc<T>, D, Heap>,
}

impl<T: ?Sized + Send + Sync + 'static, D: Domain> ArcCell<T, D> {
    /// A cell with its first value.
    ///
    /// # Errors
    ///
    /// [`Full`], with the `Arc`, if there is no memory.
    ///
    /// ```
    /// use std::sync::{Arc, OnceLock};
    /// use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    ///
    /// domain!(App: Collector<4> = Collector::new());
    /// static NAME: OnceLock<ArcCell<str, App>> = OnceLock::new();
    ///
    /// let handle = App::register()?;
    /// let name = ArcCell::new(&handle, "left pump".into())?;
    /// NAME.set(name).expect("once");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new<R: Role>(handle: &Handle<D, R>, value: Arc<T>) -> Result<Self, Full<Arc<T>>> {
        let current = Atomic::new(Owned::in_heap(handle, value)?);
        Ok(Self { current })
    }

    /// The current value. It does not change while the guard lives, even if it
    /// is replaced meanwhile. No reference count is touched.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let limit = ArcCell::new(&handle, Arc::new(10))?;
    /// let guard = handle.enter();
    /// let old = limit.load(&guard);
    /// limit.store(&handle, Arc::new(20))?;
    /// assert_eq!((**old, **limit.load(&guard)), (10, 20));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn load<'g, R: Role>(&'g self, guard: &'g Guard<'_, D, R>) -> &'g Arc<T> {
        Self::value(self.current.load(guard))
    }

    #[inline]
    fn value<'g>(current: Shared<'g, Arc<T>, D, Heap>) -> &'g Arc<T> {
        match current.as_ref() {
            Some(value) => value,
            None => unreachable!("a cell is never empty"),
        }
    }

    /// The current value, to keep.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let limit = ArcCell::new(&handle, Arc::new(10))?;
    /// let kept = limit.load_full(&handle);
    /// limit.store(&handle, Arc::new(20))?;
    /// assert_eq!(*kept, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn load_full<R: Role>(&self, handle: &Handle<D, R>) -> Arc<T> {
        let guard = handle.enter();
        let value = Arc::clone(self.load(&guard));
        // Before the value is on its way out: if a reclaimer panics here, the
        // value is dropped and not leaked.
        drop(guard);
        value
    }

    /// Puts a new value.
    ///
    /// # Errors
    ///
    /// [`Full`], with the `Arc`, if there is no memory.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let limit = ArcCell::new(&handle, Arc::new(10))?;
    /// limit.store(&handle, Arc::new(20))?;
    /// assert_eq!(*limit.load_full(&handle), 20);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store<R: Role>(&self, handle: &Handle<D, R>, new: Arc<T>) -> Result<(), Full<Arc<T>>> {
        self.replace(handle, new, |_| ())
    }

    /// Puts a new value, and returns the old one.
    ///
    /// # Errors
    ///
    /// [`Full`], with the new one, if there is no memory.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let limit = ArcCell::new(&handle, Arc::new(10))?;
    /// assert_eq!(*limit.swap(&handle, Arc::new(20))?, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn swap<R: Role>(
        &self,
        handle: &Handle<D, R>,
        new: Arc<T>,
    ) -> Result<Arc<T>, Full<Arc<T>>> {
        self.replace(handle, new, Arc::clone)
    }

    /// Puts a new value, and returns what `keep` makes of the old one.
    #[inline]
    fn replace<R: Role, O>(
        &self,
        handle: &Handle<D, R>,
        new: Arc<T>,
        keep: impl Fn(&Arc<T>) -> O,
    ) -> Result<O, Full<Arc<T>>> {
        let new = Owned::in_heap(handle, new)?;
        let guard = handle.enter();
        let old = self.current.swap(new, &guard);
        let kept = keep(Self::value(old));
        // SAFETY: the swap unlinked it; nobody stores what they load (field).
        unsafe { guard.retire(old) };
        // Before it is on its way out, as in `load_full`.
        drop(guard);
        Ok(kept)
    }

    /// Puts a new value if the current one is still `current`: the same `Arc`,
    /// not an equal value.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the new one: `Mismatch` if another one is current,
    /// `Full` if there is no memory.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let (ten, twenty) = (Arc::new(10), Arc::new(20));
    /// let limit = ArcCell::new(&handle, ten.clone())?;
    /// limit.compare_exchange(&handle, &ten, twenty.clone())?;
    /// let late = limit.compare_exchange(&handle, &ten, twenty.clone());
    /// assert_eq!(late, Err(Refused::Mismatch(twenty)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_exchange<R: Role>(
        &self,
        handle: &Handle<D, R>,
        current: &Arc<T>,
        new: Arc<T>,
    ) -> Result<(), Refused<Arc<T>>> {
        let mut new = Owned::in_heap(handle, new)?;
        let guard = handle.enter();
        let mut seen = self.current.load(&guard);
        while Arc::ptr_eq(Self::value(seen), current) {
            match self.current.compare_exchange(seen, new, &guard) {
                Ok(old) => {
                    // SAFETY: the exchange unlinked it; nobody stores what they
                    // load (field).
                    unsafe { guard.retire(old) };
                    return Ok(());
                }
                // The same `Arc` may be there again.
                Err(changed) => (seen, new) = (changed.current, changed.new),
            }
        }
        // Before the value is on its way out, as in `load_full`.
        drop(guard);
        Err(Refused::Mismatch(new.into_inner()))
    }

    /// Puts a value that is made from the current one, and returns the old one.
    ///
    /// If another writer was faster the closure runs again, with the other's
    /// value, and what it made before is dropped. A deferred or per-CPU handle
    /// retires it instead, and allocates again.
    ///
    /// A closure that replaces the value itself, each time it runs, is always faster:
    /// the call [does not end](crate::safe#where-values-are-dropped-and-panics).
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no memory. The closure has not run then, unless a
    /// deferred or per-CPU handle had to allocate again.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let count = ArcCell::new(&handle, Arc::new(0))?;
    /// for n in 0..100 {
    ///     assert_eq!(*count.rcu(&handle, |count| **count + 1)?, n);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rcu<R: Role, N: Into<Arc<T>>>(
        &self,
        handle: &Handle<D, R>,
        mut make: impl FnMut(&Arc<T>) -> N,
    ) -> Result<Arc<T>, Full<()>> {
        let claim = || {
            VacantBlock::<mem::MaybeUninit<_>, Heap>::claim::<0, D, R>(&(), handle).ok_or(Full(()))
        };
        let mut blank = claim()?;
        let guard = handle.enter();
        let mut current = self.current.load(&guard);
        loop {
            let new = blank.fill(make(Self::value(current)).into());
            // SAFETY: it is valid and ours, and made with a handle of D.
            let new = unsafe { Owned::from_object(new) };
            match self.current.compare_exchange(current, new, &guard) {
                Ok(old) => {
                    let kept = Arc::clone(Self::value(old));
                    // SAFETY: the exchange unlinked it; nobody stores what they load
                    // (field).
                    unsafe { guard.retire(old) };
                    // Before it is on its way out, as in `load_full`.
                    drop((make, guard));
                    return Ok(kept);
                }
                Err(changed) => {
                    current = changed.current;
                    if may_drop::<Arc<T>, R>() {
                        // SAFETY: an `Owned` is valid and ours.
                        let (unused, value) =
                            unsafe { VacantBlock::empty(changed.new.into_object()) };
                        blank = unused;
                        drop(value);
                    } else {
                        // SAFETY: it was not published, so nobody can find it.
                        unsafe { guard.retire(changed.new.into_shared(&guard)) };
                        blank = claim()?;
                    }
                }
            }
        }
    }

    /// The current value, of a cell that nobody else has.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hyaline::{Collector, domain, safe::{ArcCell, Domain}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// # let handle = App::register()?;
    /// let limit = ArcCell::new(&handle, Arc::new(10))?;
    /// assert_eq!(*limit.into_inner(), 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn into_inner(mut self) -> Arc<T> {
        match self.take() {
            Some(value) => value.into_inner(),
            None => unreachable!("a cell is never empty"),
        }
    }
}

impl<T: ?Sized, D: Domain> ArcCell<T, D> {
    /// Empties a cell that is about to be dropped.
    fn take(&mut self) -> Option<Owned<Arc<T>, D, Heap>> {
        // SAFETY: this place alone leads to it, it is retired only when it is
        // replaced here, and what was loaded from it borrows the cell.
        unsafe { mem::take(&mut self.current).into_owned() }
    }
}

impl<T: ?Sized, D: Domain> Drop for ArcCell<T, D> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<T: ?Sized, D: Domain> fmt::Debug for ArcCell<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArcCell").finish_non_exhaustive()
    }
}
