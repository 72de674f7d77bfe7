//! How deep a call goes: the stack below is painted, and what the call
//! overwrote is what it used.

use core::arch::asm;

/// Painted bytes, far more than any operation needs.
const DEPTH: usize = 4096;
const PAINT: u32 = 0x5AFE_5AFE;

/// Bytes of stack that the operation uses, including the call. Interrupts are
/// off.
#[inline(never)]
fn touched(operation: &mut dyn FnMut()) -> usize {
    let top: usize;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack)) };
    let words = || (top - DEPTH..top).step_by(size_of::<u32>());
    for address in words() {
        // SAFETY: below the stack pointer, where nothing is kept and, with
        // interrupts off, no other code writes; the board has 4 MiB of memory.
        unsafe { (address as *mut u32).write_volatile(PAINT) };
    }
    operation();
    let used = |address: &usize| {
        // SAFETY: one of the words that were painted; whatever a call left there is a
        // word.
        unsafe { (*address as *const u32).read_volatile() != PAINT }
    };
    let deepest = words().find(used).unwrap_or(top);
    assert!(deepest > top - DEPTH, "deeper than what was painted");
    top - deepest
}

/// The figures of one scheme, in the order of the measurements.
pub struct Rows {
    rows: [(&'static str, usize); 48],
    len: usize,
    /// The stack use of the measurement itself.
    own: usize,
}

impl Rows {
    pub fn new() -> Self {
        Self {
            rows: [("", 0); 48],
            len: 0,
            own: touched(&mut || ()),
        }
    }

    /// Measures an operation and yields its value.
    pub fn measure<T>(&mut self, name: &'static str, operation: impl FnOnce() -> T) -> T {
        let mut operation = Some(operation);
        let mut value = None;
        let all = touched(&mut || value = operation.take().map(|operation| operation()));
        self.rows[self.len] = (name, all - self.own);
        self.len += 1;
        value.expect("it was called")
    }

    pub fn iter(&self) -> impl Iterator<Item = &(&'static str, usize)> {
        self.rows[..self.len].iter()
    }
}
