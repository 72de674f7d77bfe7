//! The shared self-test on two cores of QEMU's q35.

#![no_std]
#![no_main]

mod boot;

use core::{
    arch::asm,
    fmt::{self, Write},
};
use selftest::Board;

const CORES: usize = 2;
const SERIAL: u16 = 0x3F8;
const DEBUG_EXIT: u16 = 0xF4;
const POWER: u16 = 0x604;

struct Q35;

impl Board for Q35 {
    fn print(&self, line: fmt::Arguments<'_>) {
        let _ = writeln!(Serial, "{line}");
    }
}

struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the transmit register of the serial port; QEMU's is always ready.
            unsafe { asm!("out dx, al", in("dx") SERIAL, in("al") byte) };
        }
        Ok(())
    }
}

extern "C" fn main(core: usize) -> ! {
    if core == 0 {
        boot::start_others();
    }
    selftest::multi_core(&Q35, core, CORES);
    if core == 0 {
        // SAFETY: asks the power management of q35 to switch off, exit code 0.
        unsafe { asm!("out dx, ax", in("dx") POWER, in("ax") 0x2000u16) };
    }
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(Serial, "{info}");
    // SAFETY: leaves QEMU with exit code 2 * 50 + 1.
    unsafe { asm!("out dx, eax", in("dx") DEBUG_EXIT, in("eax") 50u32) };
    loop {
        core::hint::spin_loop();
    }
}
