//! Start-up of the RV64 machines: M-mode without firmware, or S-mode under OpenSBI
//! with the feature `s-mode`.

#![no_std]

#[cfg_attr(feature = "s-mode", path = "harts_s.rs")]
#[cfg_attr(not(feature = "s-mode"), path = "harts_m.rs")]
mod harts;

use core::sync::atomic::{AtomicUsize, Ordering};

pub const HARTS: usize = 4;

/// Assigns core numbers: under OpenSBI any hart can be the first one.
static ARRIVED: AtomicUsize = AtomicUsize::new(0);

/// Each hart calls it once with its hart number, and gets its core number: 0
/// for the first one, which starts the others.
pub fn arrive(hart: usize) -> usize {
    // Relaxed: only the number counts; the first hart starts the others through
    // firmware or a device, which orders what it did before.
    let core = ARRIVED.fetch_add(1, Ordering::Relaxed);
    if core == 0 {
        harts::start_others(hart, HARTS);
    }
    core
}

/// The default handler loops forever, which looks like a hang from outside.
#[unsafe(export_name = "ExceptionHandler")]
fn exception(_: &riscv_rt::TrapFrame) -> ! {
    let (cause, pc) = harts::trap();
    semihosting::println!("exception {cause} at {pc:#x}");
    semihosting::process::exit(3)
}
