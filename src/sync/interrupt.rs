//! Interrupts in models: a handler runs before one of a thread's accesses to
//! shared or slot state. The model chooses which one.
//!
//! Loom interleaves threads, and has no interrupts: handlers that run to
//! completion on the stack of the thread that they interrupt. So the words
//! that nested contexts share are wrapped here, and count their accesses.

use std::{boxed::Box, cell::RefCell};

use loom::sync::atomic::{self, Ordering};

type Handler = Box<dyn FnOnce()>;

loom::thread_local! {
    /// The accesses left to count, and the handler.
    static ARMED: RefCell<Option<(usize, Handler)>> = RefCell::new(None);
}

/// Runs `handler` on this thread before its access number `at` from now.
pub fn arm(at: usize, handler: impl FnOnce() + 'static) {
    ARMED.with(|armed| *armed.borrow_mut() = Some((at, Box::new(handler))));
}

/// Whether the handler has run. It does not run after this.
pub fn disarm() -> bool {
    ARMED.with(|armed| armed.borrow_mut().take()).is_none()
}

/// Precedes an access: the handler may run here.
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
        // The ordering is an argument; the caller explains it.
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: usize, order: Ordering) {
        step();
        // The ordering is an argument; the caller explains it.
        self.0.store(value, order);
    }
}
