//! What the contestants have in common: the interface that all rows use.

/// What can be stored. `Default` makes the dummy node of the queue.
pub trait Object: Send + Sync + 'static {}
impl<T: Send + Sync + 'static> Object for T {}

/// A reclamation scheme.
///
/// Pointers are values of [`Ptr`](Self::Ptr), with one tag bit for the
/// structures that mark links. A pointer may be dereferenced until the guard is
/// dropped under which it was loaded, and for hazard pointers until its `index`
/// is used again. The callers, which are all in this crate, ensure it.
pub trait Scheme: Sized + 'static {
    /// Its name in the tables.
    const NAME: &'static str;
    /// Whether `protect` guards single pointers, and not the whole section.
    const POINTERWISE: bool = false;

    /// The collector, and the storage for objects of one type.
    type Domain<T: Object>: Sync;
    /// A thread's handle.
    type Local<'d, T: Object>;
    /// An open section.
    type Guard<'l, T: Object>;
    /// A shared pointer.
    type Cell<T: Object>: Send + Sync;
    /// A pointer, perhaps tagged.
    type Ptr<T: Object>: Copy + PartialEq;

    /// A collector.
    fn domain<T: Object>() -> Box<Self::Domain<T>>;
    /// Registers the calling thread, which will protect up to `pointers`.
    fn local<T: Object>(domain: &Self::Domain<T>, pointers: usize) -> Self::Local<'_, T>;
    /// Opens a section that only reads.
    fn enter<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T>;
    /// Opens a section that may write.
    #[inline(always)]
    fn enter_write<'l, T: Object>(local: &'l Self::Local<'_, T>) -> Self::Guard<'l, T> {
        Self::enter(local)
    }

    /// A shared pointer that holds `ptr`.
    fn cell<T: Object>(ptr: Self::Ptr<T>) -> Self::Cell<T>;
    /// The null pointer.
    fn null<T: Object>() -> Self::Ptr<T>;
    /// Whether it is null, its tag aside.
    fn is_null<T: Object>(ptr: Self::Ptr<T>) -> bool;
    /// Whether it is tagged.
    fn is_tagged<T: Object>(ptr: Self::Ptr<T>) -> bool;
    /// The same with or without a tag.
    fn tagged<T: Object>(ptr: Self::Ptr<T>, tag: bool) -> Self::Ptr<T>;
    /// The object.
    ///
    /// # Safety
    ///
    /// Not null, and protected as the trait says, or exclusively owned.
    unsafe fn deref<'a, T: Object>(ptr: Self::Ptr<T>) -> &'a T;

    /// Loads (Acquire) and protects.
    fn protect<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        index: usize,
        cell: &Self::Cell<T>,
    ) -> Self::Ptr<T>;
    /// Protects, as `to`, what is already protected as `from`.
    #[inline(always)]
    fn hand_over<'l, T: Object>(_: &Self::Guard<'l, T>, _from: usize, _to: usize) {}
    /// A load whose result is not dereferenced, or of an object that is owned.
    fn peek<'l, T: Object>(guard: &Self::Guard<'l, T>, cell: &Self::Cell<T>) -> Self::Ptr<T>;
    /// A store to an object that is not shared yet.
    fn store<T: Object>(cell: &Self::Cell<T>, new: Self::Ptr<T>);
    /// Swaps (AcqRel).
    fn swap<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        cell: &Self::Cell<T>,
        new: Self::Ptr<T>,
    ) -> Self::Ptr<T>;
    /// Compares and exchanges (AcqRel, Relaxed); returns whether it succeeded.
    fn exchange<'l, T: Object>(
        guard: &Self::Guard<'l, T>,
        cell: &Self::Cell<T>,
        current: Self::Ptr<T>,
        new: Self::Ptr<T>,
    ) -> bool;

    /// Makes an object. `None` if the storage is exhausted.
    fn alloc<'l, T: Object>(guard: &Self::Guard<'l, T>, value: T) -> Option<Self::Ptr<T>>;
    /// Frees an object that was never shared, or that no other thread can
    /// reach.
    ///
    /// # Safety
    ///
    /// It is exclusively owned, and came from `alloc`.
    unsafe fn free<'l, T: Object>(guard: &Self::Guard<'l, T>, ptr: Self::Ptr<T>);
    /// Retires an object, which this thread does not use any more.
    ///
    /// # Safety
    ///
    /// It was unlinked by this call's thread, and came from `alloc`.
    unsafe fn retire<'l, T: Object>(guard: &Self::Guard<'l, T>, ptr: Self::Ptr<T>);
    /// Reclaims what it can.
    fn flush<T: Object>(_local: &Self::Local<'_, T>) {}
}

/// Opens a section and makes an object in it. If there is no room, because
/// another thread was interrupted inside its section and holds back everything
/// retired since, it yields to that thread.
#[inline(always)]
pub fn make<'l, S: Scheme, T: Object>(
    local: &'l S::Local<'_, T>,
    value: impl Fn() -> T,
) -> (S::Guard<'l, T>, S::Ptr<T>) {
    loop {
        let guard = S::enter_write(local);
        if let Some(new) = S::alloc(&guard, value()) {
            return (guard, new);
        }
        drop(guard);
        wait::<S, T>(local);
    }
}

/// Waits for room.
#[cold]
#[inline(never)]
pub fn wait<S: Scheme, T: Object>(local: &S::Local<'_, T>) {
    S::flush(local);
    std::thread::yield_now();
}
