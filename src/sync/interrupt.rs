//! Interrupts in models: a handler runs before one of a thread's accesses to
//! shared or slot state. The model chooses which one.
//!
//! Loom interleaves threads, and has no interrupts: handlers that run to
//! completion on the stack of the thread that they interrupt. So the model's
//! words and fences count their accesses.

use std::{boxed::Box, cell::RefCell, ops::Deref};

use loom::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicUsize},
};

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

/// One of loom's atomics or cells. The handler may run before each access to it.
#[derive(Debug)]
pub struct Interrupted<W>(W);

impl<W> Deref for Interrupted<W> {
    type Target = W;

    fn deref(&self) -> &W {
        step();
        &self.0
    }
}

/// `new`, as the words that are wrapped have it.
macro_rules! new {
    ($($word:ty, $value:ty $(; $p:ident)?)*) => {$(
        impl$(<$p>)? Interrupted<$word> {
            /// A word with an initial value.
            pub fn new(value: $value) -> Self {
                Self(<$word>::new(value))
            }
        }
    )*};
}

new! {
    AtomicBool, bool
    AtomicU16, u16
    AtomicU32, u32
    AtomicUsize, usize
    AtomicPtr<T>, *mut T; T
    Cell<T>, T; T
}
