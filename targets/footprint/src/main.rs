//! What the crate adds to a firmware. The image is measured and disassembled,
//! never run: it has no start-up code.

#![no_std]
#![no_main]

#[cfg(feature = "with-hyaline")]
mod user;

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    #[cfg(feature = "with-hyaline")]
    user::work();
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
