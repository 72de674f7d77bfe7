//! Interrupts in models: a thread's own access to shared or slot state is
//! preceded by a handler, at a place of the model's choice.
//!
//! Loom interleaves threads, and knows no interrupt: a handler that runs to its
//! end on the stack of the thread that it interrupts. So the words that nested
//! contexts share are wrapped here, and count their accesses.

use std::{boxed::Box, cell::RefCell};

use loom::sync::atomic::{self, Ordering};

type Handler = Box<dyn FnOnce()>;

loom::thread_local! {
    /// What is left to count, and the handler.
    static ARMED: RefCell<Option<(usize, Handler)>> = RefCell::new(None);
}

/// Runs `handler` on this thread before its access number `at` from now.
pub fn arm(at: usize, handler: impl FnOnce() + 'static) {
    ARMED.with(|armed| *armed.borrow_mut() = Some((at, Box::new(handler))));
}

/// Whether the handler has run. It does not run from now on.
pub fn disarm() -> bool {
    ARMED.with(|armed| armed.borrow_mut().take()).is_none()
}

/// An access comes: the handler may run before it.
pub fn step() {
    let handler = ARMED.with(|armed| {
        let mut armed = armed.borrow_mut();
        match &mut *armed {
            Some((0, _)) => armed.take(),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    });
    if let Some((_, handler)) = handler {
        handler();
    }
}

/// A word that is loaded and stored.
pub(crate) struct LoadStoreUsize(atomic::AtomicUsize);

impl LoadStoreUsize {
    pub(crate) fn new(value: usize) -> Self {
        Self(atomic::AtomicUsize::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        step();
        // The caller's.
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: usize, order: Ordering) {
        step();
        // The caller's.
        self.0.store(value, order);
    }
}
