//! A cell of four versions with the default configuration, on a Cortex-M4: `main`
//! updates it without a pause, and each tenth interrupt replaces it. None of them
//! may be refused: one version is current, one is being made by the preempted
//! update, and one is held by its section.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use hyaline::{
    Collector, Deferred, domain,
    safe::{Domain, Handle, RcuCell},
};
use semihosting::println;

domain!(App: Collector<8> = Collector::new());

static TABLE: RcuCell<[u32; 17], 4, App> = RcuCell::new([0; 17]);

// Relaxed, all: there is one core, and nothing depends on the counts.
static READS: AtomicU32 = AtomicU32::new(0);
static WRITES: AtomicU32 = AtomicU32::new(0);

fn check(table: &[u32; 17]) -> u32 {
    assert!(table.iter().all(|entry| *entry == table[0]));
    table[0]
}

#[exception]
fn SysTick() {
    static mut HANDLE: Option<Handle<App, Deferred>> = None;
    let handle = HANDLE.get_or_insert_with(|| App::register_deferred().expect("a slot is free"));
    let version = check(TABLE.read(&handle.enter()));
    let reads = READS.load(Relaxed) + 1;
    READS.store(reads, Relaxed);
    if reads % 10 == 0 {
        let replaced = TABLE.replace(handle, [version.wrapping_add(1_000_000); 17]);
        WRITES.store(WRITES.load(Relaxed) + u32::from(replaced.is_ok()), Relaxed);
    }
}

#[entry]
fn main() -> ! {
    let handle = App::register().expect("a slot is free");
    let mut timer = cortex_m::Peripherals::take().expect("once").SYST;
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(2_500);
    timer.clear_current();
    timer.enable_counter();
    timer.enable_interrupt();
    let mut refused = 0;
    while READS.load(Relaxed) < 20_000 {
        let updated = TABLE.update(&handle, |old| [check(old).wrapping_add(1); 17]);
        refused += u32::from(updated.is_err());
    }
    timer.disable_interrupt();
    println!("main: {refused} refused");
    println!("interrupt: {} refused", 2_000 - WRITES.load(Relaxed));
    assert_eq!((refused, WRITES.load(Relaxed)), (0, 2_000));
    semihosting::process::exit(0)
}

/// The default handler loops forever, which looks like a hang from outside.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
