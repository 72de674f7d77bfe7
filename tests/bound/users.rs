//! The users of the slots, of all roles, their guards, and a barrier at which they
//! preempt each other.

use std::{
    mem,
    sync::atomic::{Ordering::SeqCst, fence},
};

use hyaline::{Barrier, Deferred, Eager, Erased, Guard, Handle, Nested, PerCpu, Robust, Role};

/// A barrier at which the steps of a script may run, as if other users preempted the
/// call there.
#[derive(Clone, Copy)]
pub struct Preempting;

// SAFETY: fences on both sides, as in `Fences`; one thread runs all that happens
// between them, and it does not unwind.
unsafe impl Barrier for Preempting {
    const HEAVY_IN_INTERRUPTS: bool = true;

    fn light() {
        fence(SeqCst);
        super::at_barrier(true);
        fence(SeqCst);
    }

    fn heavy() {
        fence(SeqCst);
        super::at_barrier(false);
        fence(SeqCst);
    }
}

pub type Scheme = Robust<Preempting>;

/// A user of a slot.
pub enum User {
    Eager(Handle<'static, Scheme>),
    Deferred(Handle<'static, Scheme, Deferred>),
    PerCpu(PerCpu<'static, Scheme>),
    Erased(Handle<'static, Scheme, Erased>),
}

impl User {
    /// The handle, if its calls may run reclaimers.
    pub fn eager(&self) -> Option<&Handle<'static, Scheme>> {
        match self {
            Self::Eager(handle) => Some(handle),
            Self::Erased(handle) => handle.as_eager(),
            _ => None,
        }
    }
}

pub fn here<'a>(cpu: &'a PerCpu<'static, Scheme>) -> &'a Handle<'static, Scheme, Nested> {
    // SAFETY: one thread, whose contexts nest strictly.
    unsafe { cpu.get() }
}

/// Expands the expression for each kind of handle.
macro_rules! each {
    ($user:expr, $handle:ident => $do:expr) => {
        match &$user {
            User::Eager($handle) => $do,
            User::Deferred($handle) => $do,
            User::PerCpu(cpu) => {
                let $handle = here(cpu);
                $do
            }
            User::Erased($handle) => $do,
        }
    };
}

pub enum Open {
    Eager(Guard<'static, Scheme, Eager>),
    Deferred(Guard<'static, Scheme, Deferred>),
    PerCpu(Guard<'static, Scheme, Nested>),
    Erased(Guard<'static, Scheme, Erased>),
}

impl Open {
    pub fn new(user: &User) -> Self {
        match user {
            User::Eager(handle) => Self::Eager(longer(handle.enter())),
            User::Deferred(handle) => Self::Deferred(longer(handle.enter())),
            User::PerCpu(cpu) => Self::PerCpu(longer(here(cpu).enter())),
            User::Erased(handle) => Self::Erased(longer(handle.enter())),
        }
    }
}

fn longer<R: Role>(guard: Guard<'_, Scheme, R>) -> Guard<'static, Scheme, R> {
    // SAFETY: only the lifetime changes. The handle stays where it is until its guards
    // are dropped or forgotten, and the collector outlives all.
    unsafe { mem::transmute::<Guard<'_, Scheme, R>, Guard<'static, Scheme, R>>(guard) }
}

macro_rules! each_open {
    ($open:expr, $guard:ident => $do:expr) => {
        match $open {
            Open::Eager($guard) => $do,
            Open::Deferred($guard) => $do,
            Open::PerCpu($guard) => $do,
            Open::Erased($guard) => $do,
        }
    };
}
