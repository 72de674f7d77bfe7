//! Loom's atomics and cells, for models.

pub use loom::sync::atomic::Ordering;
use loom::{cell, sync::atomic};

use super::interrupt::{Interrupted, step};

/// As portable-atomic's, and interrupted.
pub type AtomicPtr<T> = Interrupted<atomic::AtomicPtr<T>>;
pub(crate) type AtomicUsize = Interrupted<atomic::AtomicUsize>;
#[cfg(not(target_pointer_width = "64"))]
pub(crate) type AtomicHalf = Interrupted<atomic::AtomicU16>;
#[cfg(target_pointer_width = "64")]
pub(crate) type AtomicHalf = Interrupted<atomic::AtomicU32>;
pub(crate) type LoadStoreUsize = Interrupted<atomic::AtomicUsize>;
pub(crate) type LoadStoreBool = Interrupted<atomic::AtomicBool>;
pub(crate) type Cell<T> = Interrupted<cell::Cell<T>>;

pub(crate) fn fence(order: Ordering) {
    step();
    // The ordering is an argument; the caller explains it.
    atomic::fence(order);
}

/// Loom has none; a model of one core would not need any.
pub(crate) fn compiler_fence(_: Ordering) {}

/// The address of a stack's first object; 0 if it seems empty. A hint. Reads the
/// latest value: an older one is only a delay, and models would try all of them.
pub(crate) fn head_hint<T>(head: &AtomicPtr<T>) -> usize {
    let null = core::ptr::null_mut();
    // Relaxed, both: a hint; the exchange that takes the stack synchronises.
    match head.compare_exchange(null, null, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(head) | Err(head) => head.addr(),
    }
}

/// Loads a pointer that is not written any more.
///
/// # Safety
///
/// The last write happens before this call, which loom checks.
pub(crate) unsafe fn load_fixed<T>(place: &AtomicPtr<T>) -> *mut T {
    // SAFETY: "the last write happens before this call" (# Safety).
    unsafe { place.unsync_load() }
}

/// An initial value. Loom's atomics are made at run time.
pub trait Init: Sized {
    fn init() -> Self;
}

/// `impl Init`; the type's parameters come last.
macro_rules! impl_init {
    ($t:ty = $e:expr $(; $($p:ident $(: $b:path)?),+)?) => {
        impl$(<$($p $(: $b)?),+>)? $crate::sync::Init for $t {
            fn init() -> Self {
                $e
            }
        }
    };
}

/// The initial value of a type.
macro_rules! init {
    ($t:ty) => {
        <$t as $crate::sync::Init>::init()
    };
}

/// An array of initial values.
macro_rules! init_array {
    ($t:ty; $n:expr) => {
        core::array::from_fn::<_, { $n }, _>(|_| <$t as $crate::sync::Init>::init())
    };
}

/// A function that is `const`, except in models.
macro_rules! const_fn {
    ($(#[$m:meta])* $vis:vis const fn $($rest:tt)*) => {
        $(#[$m])* $vis fn $($rest)*
    };
}

pub(crate) use {const_fn, impl_init, init, init_array};

/// Tells loom that an object's memory is read, or that its reclaimer owns it.
pub(crate) struct Access(loom::cell::UnsafeCell<()>);

impl Access {
    pub(crate) fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }

    /// A reader accesses the object.
    pub(crate) fn read(&self) {
        self.0.with(|_| ());
    }

    /// The object is reclaimed: nothing else accesses it any more.
    pub(crate) fn write(&self) {
        self.0.with_mut(|_| ());
    }
}
