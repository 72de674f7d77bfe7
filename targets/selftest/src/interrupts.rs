//! An interrupt that does a job, and one that comes at each instruction of an operation
//! in turn.

use crate::board::Preempt;
use core::ptr;
use portable_atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, compiler_fence};

/// Every access to the statics here is Relaxed: there is one core, and an interrupt
/// sees its stores in program order.
const LOCAL: Ordering = Ordering::Relaxed;

/// What the interrupt does.
static HOOK: AtomicPtr<&dyn Fn()> = AtomicPtr::new(ptr::null_mut());
static COUNT: AtomicUsize = AtomicUsize::new(0);
static COUNTING: AtomicBool = AtomicBool::new(false);
static POINTS: Points = Points([const { AtomicU32::new(0) }; WORDS]);

/// A bit for each halfword of the code. Larger code wraps around, and then the
/// count is too low.
const WORDS: usize = if cfg!(feature = "small") { 512 } else { 4096 };

struct Points([AtomicU32; WORDS]);

impl Points {
    fn set(&self, pc: usize) {
        let bit = pc / 2 % (WORDS * 32);
        let word = &self.0[bit / 32];
        word.store(word.load(LOCAL) | 1 << (bit % 32), LOCAL);
    }

    fn count(&self) -> u32 {
        self.0
            .iter()
            .map(|word| word.load(LOCAL).count_ones())
            .sum()
    }
}

/// The timer's interrupt handler calls this with the interrupted program counter.
pub fn interrupt(pc: usize) {
    COUNT.store(COUNT.load(LOCAL) + 1, LOCAL);
    if COUNTING.load(LOCAL) {
        POINTS.set(pc);
    }
    let hook = HOOK.load(LOCAL);
    // SAFETY: the code that sets the hook keeps it alive until it is cleared,
    // and the interrupt cannot be interrupted by the code that it interrupted.
    if let Some(job) = unsafe { hook.as_ref() } {
        job();
    }
}

/// How often the interrupt has come.
pub fn count() -> usize {
    COUNT.load(LOCAL)
}

pub fn report(board: &impl Preempt) {
    board.print(format_args!(
        "{} interrupts at {} distinct instructions",
        count(),
        POINTS.count()
    ));
}

/// Runs the body while interrupts do the job. The compiler treats both as one
/// thread, so they share what is atomic, or what the body uses only while the
/// timer is stopped.
pub fn interrupted_by(job: &dyn Fn(), body: impl FnOnce()) {
    HOOK.store((&raw const job).cast_mut().cast(), LOCAL);
    body();
    HOOK.store(ptr::null_mut(), LOCAL);
}

/// Runs a job in an interrupt, and returns when the interrupt is over.
pub fn once(board: &impl Preempt, job: &dyn Fn()) {
    interrupted_by(job, || {
        let before = count();
        board.interrupt_after(50);
        while count() == before {
            core::hint::spin_loop();
        }
    });
}

/// Repeats `operation` with an interrupt one instruction later each time, until
/// it ends before the interrupt comes. Returns how many instructions that took.
pub fn sweep(board: &impl Preempt, prepare: impl Fn(), operation: impl Fn()) -> u32 {
    sweep_dyn(board, &prepare, &operation)
}

/// One copy for all operations.
#[inline(never)]
fn sweep_dyn(board: &dyn Preempt, prepare: &dyn Fn(), operation: &dyn Fn()) -> u32 {
    /// Far more than any operation has.
    const LIMIT: u32 = 20_000;
    for after in 1..LIMIT {
        prepare();
        let before = count();
        // SeqCst, and below: the compiler moves no part of the preparation past
        // this point.
        compiler_fence(Ordering::SeqCst);
        board.interrupt_after(after);
        COUNTING.store(true, LOCAL);
        operation();
        COUNTING.store(false, LOCAL);
        let interrupted = count() != before;
        board.cancel();
        compiler_fence(Ordering::SeqCst);
        if !interrupted {
            return after;
        }
    }
    panic!("an operation did not end within {LIMIT} instructions");
}
