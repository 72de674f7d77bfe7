//! The floor: two plain stores and the loads between them. It protects nothing
//! and runs only in rows with one thread; what it retires it reuses at once.
//! With a barrier after the first store it shows the cost of barriers. With the
//! check that a leave has to make it is the least that the protocol can cost.

use core::{
    cell::Cell,
    marker::PhantomData,
    mem::MaybeUninit,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*, compiler_fence, fence},
};

use super::raw::{plain_accesses, plain_atomics, plain_pointers};
use crate::scheme::{Object, Scheme};

/// The floor with a way to enter.
pub struct Bare<B>(PhantomData<B>);

/// The floor itself.
pub type Floor = Bare<Nothing>;

/// How the flag is raised.
pub trait Raise: 'static {
    const NAME: &'static str;
    fn raise(flag: &AtomicUsize);
    /// Lowers it again.
    #[inline(always)]
    fn lower(flag: &AtomicUsize, _inbox: &AtomicUsize) {
        flag.store(0, Release);
    }
}

/// A plain store, ordered by the compiler only.
pub struct Nothing;
/// A count, because guards nest, and a check for waiting objects: the cost of
/// the protocol where barriers are free.
pub struct Count;
/// `fence(SeqCst)` of the core library.
pub struct Fence;
/// A locked instruction on the top of the stack.
pub struct LockTop;
/// A locked instruction below the stack pointer.
pub struct LockBelow;
/// An exchange of the flag itself.
pub struct Exchange;

impl Raise for Nothing {
    const NAME: &'static str = "floor";
    #[inline(always)]
    fn raise(flag: &AtomicUsize) {
        flag.store(1, Relaxed);
        compiler_fence(SeqCst);
    }
}

impl Raise for Count {
    const NAME: &'static str = "floor, counted";
    #[inline(always)]
    fn raise(flag: &AtomicUsize) {
        let guards = flag.load(Relaxed);
        flag.store(guards.wrapping_add(1), Relaxed);
        compiler_fence(SeqCst);
    }

    #[inline(always)]
    fn lower(flag: &AtomicUsize, inbox: &AtomicUsize) {
        let guards = flag.load(Relaxed);
        flag.store(guards.wrapping_sub(1), Release);
        if inbox.load(Relaxed) != 0 {
            empty(inbox);
        }
    }
}

/// Never called: no chain waits.
#[cold]
#[inline(never)]
pub fn empty(inbox: &AtomicUsize) {
    inbox.store(0, Relaxed);
}

impl Raise for Fence {
    const NAME: &'static str = "fence(SeqCst)";
    #[inline(always)]
    fn raise(flag: &AtomicUsize) {
        flag.store(1, Relaxed);
        fence(SeqCst);
    }
}

/// A store, and a locked OR of zero.
macro_rules! locked {
    ($kind:ident, $name:literal, $or:literal) => {
        impl Raise for $kind {
            const NAME: &'static str = $name;
            #[inline(always)]
            fn raise(flag: &AtomicUsize) {
                flag.store(1, Relaxed);
                #[cfg(target_arch = "x86_64")]
                // SAFETY: ORs zero into our own stack or red zone.
                unsafe {
                    core::arch::asm!($or, options(nostack));
                }
                #[cfg(not(target_arch = "x86_64"))]
                fence(SeqCst);
            }
        }
    };
}
locked!(LockTop, "lock or [rsp]", "lock or dword ptr [rsp], 0");
locked!(
    LockBelow,
    "lock or [rsp - 8]",
    "lock or dword ptr [rsp - 8], 0"
);

impl Raise for Exchange {
    const NAME: &'static str = "xchg of the flag";
    #[inline(always)]
    fn raise(flag: &AtomicUsize) {
        flag.swap(1, SeqCst);
        compiler_fence(SeqCst);
    }
}

pub struct Local<T> {
    active: AtomicUsize,
    inbox: AtomicUsize,
    spare: Cell<*mut T>,
}

pub struct Open<'l, T, B: Raise>(&'l Local<T>, PhantomData<B>);

impl<T, B: Raise> Drop for Open<'_, T, B> {
    #[inline(always)]
    fn drop(&mut self) {
        B::lower(&self.0.active, &self.0.inbox);
    }
}

impl<B: Raise> Scheme for Bare<B> {
    const NAME: &'static str = B::NAME;
    type Domain<T: Object> = ();
    type Local<'d, T: Object> = Box<Local<T>>;
    type Guard<'l, T: Object> = Open<'l, T, B>;
    type Cell<T: Object> = AtomicPtr<T>;
    type Ptr<T: Object> = *mut T;

    plain_pointers!();
    plain_atomics!();
    plain_accesses!();

    fn domain<T: Object>() -> Box<()> {
        Box::new(())
    }

    fn local<T: Object>((): &(), _: usize) -> Box<Local<T>> {
        Box::new(Local {
            active: AtomicUsize::new(0),
            inbox: AtomicUsize::new(0),
            spare: Cell::new(core::ptr::null_mut()),
        })
    }

    #[inline(always)]
    fn enter<'l, T: Object>(local: &'l Box<Local<T>>) -> Open<'l, T, B> {
        B::raise(&local.active);
        Open(local, PhantomData)
    }

    #[inline(always)]
    fn protect<T: Object>(_: &Open<'_, T, B>, _: usize, cell: &AtomicPtr<T>) -> *mut T {
        cell.load(Acquire)
    }

    #[inline(always)]
    fn alloc<T: Object>(open: &Open<'_, T, B>, value: T) -> Option<*mut T> {
        let spare = open.0.spare.replace(core::ptr::null_mut());
        if spare.is_null() {
            return Some(Box::into_raw(Box::new(value)));
        }
        // SAFETY: `retire` left it here, dropped.
        unsafe { spare.write(value) };
        Some(spare)
    }

    #[inline(always)]
    unsafe fn free<T: Object>(_: &Open<'_, T, B>, ptr: *mut T) {
        // SAFETY: exclusively owned, and from `alloc` (`# Safety`).
        drop(unsafe { Box::from_raw(ptr) });
    }

    #[inline(always)]
    unsafe fn retire<T: Object>(open: &Open<'_, T, B>, ptr: *mut T) {
        // SAFETY: one thread, which does not use it any more.
        unsafe { ptr.drop_in_place() };
        let before = open.0.spare.replace(ptr);
        if !before.is_null() {
            // SAFETY: it was left here, dropped; its memory is from a box.
            drop(unsafe { Box::from_raw(before.cast::<MaybeUninit<T>>()) });
        }
    }
}
