//! The sizes of the README with the default configuration, on a Cortex-M4.
//!
//! | context | what it does |
//! |---|---|
//! | the timer's interrupt, a deferred handle | reads and replaces both cells, and queues events |
//! | `main`, an eager handle | updates both cells, and takes the events out |
//!
//! A call may be refused only if the structure is full, or if what the preempted
//! call of `main` holds fills it. `main` is never preempted by a context that stays
//! inside, so it is refused nothing. The interrupt is refused
//!
//! - in the cell of two, if it comes in a call of `main`: an update has made the
//!   other version, or the call's section holds the one that the interrupt itself
//!   replaced last (a deferred handle does not publish);
//! - in the cell of four, if it comes twice in one call of `main`, whose section
//!   holds what the first one replaced;
//! - by the queue, if it holds three values, next to its dummy.
//!
//! Runs for a second of the machine's time. For ten minutes:
//! `SMALL_MEMORY_INTERRUPTS=6000000 HYALINE_BOOT_SECONDS=7200 cargo xtask qemu small-memory`.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use hyaline::{
    Collector, Deferred, domain,
    safe::{Domain, Handle, Queue, RcuCell},
};
use semihosting::println;

domain!(App: Collector<8> = Collector::new());

/// A table in which each entry names its writer.
struct Table {
    version: u32,
    entries: [u32; 16],
}

impl Table {
    const fn new(version: u32) -> Self {
        Self {
            version,
            entries: [version; 16],
        }
    }

    fn check(&self) {
        assert!(self.entries.iter().all(|entry| *entry == self.version));
    }
}

static TABLE: RcuCell<Table, 4, App> = RcuCell::new(Table::new(0));
static SMALL: RcuCell<Table, 2, App> = RcuCell::new(Table::new(0));
static EVENTS: Queue<u32, 4, App> = Queue::new();

/// The work of one context. Relaxed, all: there is one core, and nothing
/// depends on the counts.
struct Counts {
    written: AtomicU32,
    /// Refused although nothing explains it.
    refused: AtomicU32,
    /// Refused, and explained.
    held: AtomicU32,
}

impl Counts {
    const fn new() -> Self {
        Self {
            written: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            held: AtomicU32::new(0),
        }
    }

    fn note(&self, done: bool, explained: bool) {
        let count = match (done, explained) {
            (true, _) => &self.written,
            (false, true) => &self.held,
            (false, false) => &self.refused,
        };
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

static MAIN: Counts = Counts::new();
static INTERRUPT: Counts = Counts::new();
static TICKS: AtomicU32 = AtomicU32::new(0);
/// The calls that `main` has begun and ended: odd in a call.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// Events that are queued.
static QUEUED: AtomicU32 = AtomicU32::new(0);

/// The next one comes after this many cycles, never in step with `main`.
const CYCLES: [u32; 7] = [2_500, 2_511, 997, 4_001, 1_013, 3_333, 1_777];

#[exception]
fn SysTick() {
    static mut HANDLE: Option<Handle<App, Deferred>> = None;
    static mut CALL: u32 = 0;
    let handle = HANDLE.get_or_insert_with(|| App::register_deferred().expect("a slot is free"));
    let tick = TICKS.load(Relaxed);
    TICKS.store(tick + 1, Relaxed);
    let version = {
        let guard = handle.enter();
        SMALL.read(&guard).check();
        let table = TABLE.read(&guard);
        table.check();
        table.version
    };
    let call = CALLS.load(Relaxed);
    let inside = call % 2 == 1;
    let again = inside && *CALL == call;
    *CALL = call;
    let table = || Table::new(version.wrapping_add(1_000_000));
    INTERRUPT.note(TABLE.replace(handle, table()).is_ok(), again);
    INTERRUPT.note(SMALL.replace(handle, table()).is_ok(), inside);
    let full = QUEUED.load(Relaxed) >= 3;
    let queued = EVENTS.push(handle, tick).is_ok();
    QUEUED.store(QUEUED.load(Relaxed) + u32::from(queued), Relaxed);
    INTERRUPT.note(queued, full);
    // SAFETY: only the interrupt uses the timer once `main` has started it.
    let timer = unsafe { &*cortex_m::peripheral::SYST::PTR };
    // SAFETY: any value is allowed.
    unsafe { timer.rvr.write(CYCLES[tick as usize % CYCLES.len()]) };
}

/// The number of interrupts, from the environment of the build.
const INTERRUPTS: u32 = match option_env!("SMALL_MEMORY_INTERRUPTS") {
    Some(number) => match u32::from_str_radix(number, 10) {
        Ok(number) => number,
        Err(_) => panic!("SMALL_MEMORY_INTERRUPTS is a number"),
    },
    None => 10_000,
};

/// A call of `main`.
fn call<T>(call: impl FnOnce() -> T) -> T {
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
    let result = call();
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
    result
}

#[entry]
fn main() -> ! {
    let handle = App::register().expect("a slot is free");
    let mut timer = cortex_m::Peripherals::take().expect("once").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(CYCLES[0]);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    let mut last = None;
    while TICKS.load(Relaxed) < INTERRUPTS {
        let update = |old: &Table| {
            old.check();
            Table::new(old.version.wrapping_add(1))
        };
        // What an update returns keeps its section open, so it is dropped at
        // once.
        let table = call(|| TABLE.update(&handle, update).is_ok());
        let small = call(|| SMALL.update(&handle, update).is_ok());
        // No interrupt stays inside.
        MAIN.note(table, false);
        MAIN.note(small, false);
        let event = call(|| EVENTS.pop(&handle));
        if event.is_some() {
            assert!(event > last, "out of order");
            last = event;
            cortex_m::interrupt::free(|_| QUEUED.store(QUEUED.load(Relaxed) - 1, Relaxed));
        }
        // Quiet times, in which the interrupt finds no call under way.
        for _ in 0..TICKS.load(Relaxed) % 64 {
            cortex_m::asm::nop();
        }
    }
    timer.disable_interrupt();
    while EVENTS.pop(&handle).is_some() {}
    handle.collect();
    for (name, counts) in [("main", &MAIN), ("interrupt", &INTERRUPT)] {
        let [written, held, refused] =
            [&counts.written, &counts.held, &counts.refused].map(|n| n.load(Relaxed));
        assert!(written > INTERRUPTS / 8, "{name} wrote {written} times");
        assert!(
            held <= written,
            "{name}: {held} refused with a reason, {written} written"
        );
        println!("{name}: {refused} refused without a reason");
        assert_eq!(refused, 0);
    }
    // Everything is closed: each block is free except those in use.
    assert_eq!((TABLE.available(), SMALL.available()), (3, 1));
    println!("every version but those in use is free");
    semihosting::process::exit(0)
}

/// The default handler loops forever, which looks like a hang from outside.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
