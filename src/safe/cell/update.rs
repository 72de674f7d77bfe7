//! Calls that look at the current version and replace it.

use core::{mem::MaybeUninit, ptr};

use super::{
    super::{Domain, Full, Guard, Handle, Ref, Refused, Storage, node::VacantBlock},
    RcuCell,
};
use crate::{Linked, Role, role::may_drop, sync::Ordering};

impl<T, const VERSIONS: usize, D: Domain, P> RcuCell<T, VERSIONS, D, P>
where
    P: Storage<MaybeUninit<T>, VERSIONS>,
{
    /// Puts a value that is made from the current one, and returns it.
    ///
    /// If another writer was faster the closure runs again, with the other's
    /// value, and what it made before is dropped. A deferred or per-CPU handle
    /// retires it instead, and takes another block, if it needs a drop.
    ///
    /// A closure that replaces the value itself, each time it runs, is always faster:
    /// the call [does not end](crate::safe#where-values-are-dropped-and-panics).
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no block. The closure has not run then, unless a
    /// deferred or per-CPU handle had to take another block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static COUNT: RcuCell<u32, 4, App> = RcuCell::new(0);
    /// let handle = App::register()?;
    /// for n in 1..=100 {
    ///     assert_eq!(*COUNT.update(&handle, |count| count + 1)?, n);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update<'h, R: Role>(
        &'static self,
        handle: &'h Handle<D, R>,
        mut make: impl FnMut(&T) -> T,
    ) -> Result<Ref<'h, T, D, R>, Full<()>>
    where
        T: Send,
    {
        let claimed = self.claim_in_section(handle);
        let (mut blank, guard) = claimed.ok_or(Full(()))?;
        // Acquire: as in `read`.
        let mut current = guard.protect(&self.current, Ordering::Acquire);
        loop {
            // SAFETY: protected by `guard`, of the collector of D, to which versions
            // are retired after they were replaced. Values do not change.
            let value = make(unsafe { &(*self.version(current)).value });
            let new = blank.fill(value);
            // SAFETY: valid and not shared: it was just filled.
            unsafe { guard.protect_own(new) };
            match self.exchange(&guard, current, new) {
                Ok(()) => {
                    // Before the guard is on its way out: if this panics, the
                    // guard is dropped and not leaked.
                    drop(make);
                    // SAFETY: protected before it was published.
                    return Ok(unsafe { Ref::new(&raw const (*new).value, guard) });
                }
                Err(found) => current = found,
            }
            if may_drop::<T, R>() {
                // SAFETY: it was filled above, and not published.
                let (unused, value) = unsafe { VacantBlock::<_, P>::empty(new) };
                blank = unused;
                drop(value);
            } else {
                // SAFETY: it was not published, so nobody can find it; from this
                // storage, in a static if that is a pool, and stamped by a
                // handle of this collector.
                unsafe { P::retire(&guard, new) };
                let claimed = VacantBlock::claim::<VERSIONS, D, R>(&self.versions, handle);
                blank = claimed.ok_or(Full(()))?;
            }
        }
    }

    /// Puts a new value if the current one is still `current`: the same
    /// version, not an equal one. The guard under which `current` was read
    /// holds back what is replaced meanwhile: `VERSIONS` has to allow for that.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the value: `Mismatch` if another version is current,
    /// `Full` if there is no block.
    ///
    /// ```
    /// # use hyaline::{Collector, domain, safe::{Domain, RcuCell, Refused}};
    /// # domain!(App: Collector<4> = Collector::new());
    /// static STATE: RcuCell<&str, 4, App> = RcuCell::new("idle");
    /// let handle = App::register()?;
    /// let guard = handle.enter();
    /// let state = STATE.read(&guard);
    /// STATE.compare_exchange(&handle, state, "busy")?;
    /// let late = STATE.compare_exchange(&handle, state, "done");
    /// assert_eq!(late, Err(Refused::Mismatch("done")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare_exchange<R: Role>(
        &'static self,
        handle: &Handle<D, R>,
        current: &T,
        new: T,
    ) -> Result<(), Refused<T>>
    where
        T: Send,
    {
        let claimed = self.claim_in_section(handle);
        let Some((blank, guard)) = claimed else {
            return Err(Refused::Full(new));
        };
        // Acquire: as in `read`.
        let seen = guard.protect(&self.current, Ordering::Acquire);
        // SAFETY: protected; no access.
        let value = unsafe { &raw const (*self.version(seen)).value };
        let lost = if ptr::eq(value, current) {
            let new = blank.fill(new);
            match self.exchange(&guard, seen, new) {
                Ok(()) => return Ok(()),
                // SAFETY: it was filled above, and not published.
                Err(_) => unsafe { VacantBlock::<_, P>::empty(new) }.1,
            }
        } else {
            new
        };
        // Before the value is on its way out: if a reclaimer panics here, the
        // value is dropped and not leaked.
        drop(guard);
        Err(Refused::Mismatch(lost))
    }

    /// Publishes a version if `current` is still there; else returns the one
    /// that is, protected.
    #[inline]
    fn exchange<R: Role>(
        &'static self,
        guard: &Guard<'_, D, R>,
        current: *mut Linked<T>,
        new: *mut Linked<T>,
    ) -> Result<(), *mut Linked<T>> {
        // AcqRel: as in `replace`. Acquire on failure: as in `read`.
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        match guard.compare_exchange(&self.current, current, self.place(new), success, failure) {
            Ok(old) => {
                // SAFETY: the exchange unlinked it.
                unsafe { self.retire(guard, old) };
                Ok(())
            }
            Err(found) => Err(found),
        }
    }
}
