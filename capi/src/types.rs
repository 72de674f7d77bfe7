//! The types of the header.

use core::{
    cell::Cell,
    ffi::c_void,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    ptr,
};

use hyaline::{
    AsLink, AtomicPtr, CollectorView, Erased, Guard, HandleId, Link, Scheme, SlotState, Token,
};

/// `hyaline_reclaimer`.
pub type CReclaimer = unsafe extern "C" fn(*mut Link);

/// The function that `call_later` calls.
pub type Function = unsafe extern "C" fn(*mut c_void);

/// `struct hyaline_atomic`.
pub type Place = AtomicPtr<c_void>;

/// `struct …_collector`: the pointer to it.
#[repr(transparent)]
pub struct Collector<S: Scheme>(*mut CollectorView<S>);

impl<S: Scheme> Collector<S> {
    pub(crate) fn new(view: &mut CollectorView<S>) -> Self {
        Self(view)
    }

    /// # Safety
    ///
    /// It was made by `init` and is not destroyed while the result is used.
    pub(crate) unsafe fn view(&self) -> &'static CollectorView<S> {
        // SAFETY: the fn contract.
        unsafe { &*self.0 }
    }

    /// The collector that `destroy` drops.
    pub(crate) fn raw(&self) -> *mut CollectorView<S> {
        self.0
    }
}

/// `struct …_handle`.
#[repr(transparent)]
pub struct Handle<S: Scheme>(pub(crate) hyaline::Handle<'static, S, Erased>);

impl<S: Scheme> Handle<S> {
    /// The guard of the open section.
    ///
    /// # Safety
    ///
    /// The handle has an open section, and this is the context that opened it. Or the
    /// guard only retires objects that no section of the handle uses.
    #[inline(always)]
    pub(crate) unsafe fn guard(&self) -> ManuallyDrop<Guard<'_, S, Erased>> {
        // SAFETY: `enter` forgot a guard, which this one replaces, or the guard only
        // retires (fn contract); it is never dropped.
        ManuallyDrop::new(unsafe { self.0.make_guard_unchecked() })
    }
}

/// `struct hyaline_id`.
pub type Id = Words<HandleId, 2>;

/// `struct hyaline_token`.
pub type CToken = Words<Token, 4>;

/// A Rust value in words of C's memory. It is copied bit by bit.
#[repr(C)]
pub struct Words<T: Copy, const N: usize> {
    words: [MaybeUninit<usize>; N],
    value: PhantomData<T>,
}

impl<T: Copy, const N: usize> Words<T, N> {
    const FITS: () = assert!(
        size_of::<T>() <= size_of::<Self>() && align_of::<T>() <= align_of::<Self>(),
        "the header has too few words"
    );

    pub(crate) fn new(value: T) -> Self {
        const { Self::FITS };
        let mut this = Self {
            words: [const { MaybeUninit::uninit() }; N],
            value: PhantomData,
        };
        // SAFETY: large and aligned enough, see `FITS`.
        unsafe { this.words.as_mut_ptr().cast::<T>().write(value) };
        this
    }

    /// # Safety
    ///
    /// It was made by `new`, or is a copy of such a value.
    pub(crate) unsafe fn get(&self) -> T {
        // SAFETY: `new` wrote a value there (fn contract).
        unsafe { self.words.as_ptr().cast::<T>().read() }
    }
}

/// `struct hyaline_config`.
#[repr(C)]
pub struct Config {
    pub(crate) batch: usize,
    pub(crate) era_step: usize,
}

/// `struct hyaline_callback`.
#[repr(C)]
pub struct Callback {
    pub(crate) link: Link,
    /// Null, unless a call is under way.
    pub(crate) state: State,
    pub(crate) function: Cell<Option<Function>>,
    pub(crate) argument: Cell<*mut c_void>,
}

// SAFETY: `repr(C)`, and the link comes first.
unsafe impl AsLink for Callback {}

/// `struct hyaline_slot_state`.
#[repr(C)]
pub struct CSlotState {
    pub(crate) slot: usize,
    pub(crate) owner: Id,
    pub(crate) guards: usize,
    pub(crate) age: u64,
    pub(crate) claimed: bool,
    pub(crate) waiting: bool,
}

impl CSlotState {
    pub(crate) fn new(state: SlotState) -> Self {
        Self {
            slot: state.slot,
            owner: match state.owner {
                Some(id) => Words::new(id),
                None => Words {
                    words: [MaybeUninit::zeroed(); 2],
                    value: PhantomData,
                },
            },
            guards: state.guards,
            age: state.age.unwrap_or(u64::MAX),
            claimed: state.owner.is_some(),
            waiting: state.waiting,
        }
    }
}

/// `struct hyaline_stats`.
#[repr(C)]
pub struct CStats {
    pub(crate) retired: usize,
    pub(crate) reclaimed: usize,
    pub(crate) peak: usize,
}

/// A word that is claimed by compare-and-swap: null, or [`taken`].
pub(crate) type State = AtomicPtr<()>;

/// The value of a claimed word.
pub(crate) const fn taken() -> *mut () {
    ptr::dangling_mut()
}

/// The header's sizes, for each target that this is built for.
const _: () = {
    use crate::kinds::schemes::*;
    const WORD: usize = size_of::<usize>();
    assert!(size_of::<Link>() == 4 * WORD);
    assert!(size_of::<Place>() == WORD && size_of::<CReclaimer>() == WORD);
    assert!(size_of::<Collector<Basic>>() == 2 * WORD);
    assert!(size_of::<Handle<Basic>>() <= 4 * WORD && size_of::<Handle<Robust>>() <= 4 * WORD);
    assert!(align_of::<Handle<Basic>>() == WORD);
    assert!(size_of::<crate::pool::Pool>() == 4 * WORD);
    assert!(fits::<Basic>(1) && fits::<Basic>(2) && fits::<Robust>(1) && fits::<Robust>(2));
};

/// `HYALINE_SLOT` of the header.
pub(crate) const SLOT: usize = 256;

/// Checks that `HYALINE_MEMORY` is large enough.
const fn fits<S: Scheme>(slots: usize) -> bool {
    match CollectorView::<S>::layout(slots) {
        Ok(layout) => layout.size() <= (slots + 1) * SLOT && layout.align() <= SLOT,
        Err(_) => false,
    }
}
