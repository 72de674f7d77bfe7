//! A kernel's interrupt routing table, read by every hart on its own handle and
//! occasionally replaced by one of them.
//!
//! Readers pay nothing for their barrier. Instead the updater interrupts every
//! hart, with a software interrupt of the CLINT, and waits for the
//! acknowledgements.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, compiler_fence, fence};
use hyaline::{AtomicPtr, Barrier, Basic, Collector, Config, Handle, Linked, Pool, reclaim};
use riscv::register::{mhartid, mie, mstatus};
use riscv64::{HARTS, arrive};
use semihosting::println;

const MSIP: *mut u32 = 0x0200_0000 as *mut u32;

/// How often each hart was asked for a barrier, and the last request that it
/// acknowledged.
static ASKED: [AtomicU32; HARTS] = [const { AtomicU32::new(0) }; HARTS];
static ANSWERED: [AtomicU32; HARTS] = [const { AtomicU32::new(0) }; HARTS];

#[derive(Clone, Copy)]
struct Ipi;

// SAFETY: `heavy` returns after every other hart has executed a full fence that
// began after the call, and `light` keeps the compiler from reordering.
unsafe impl Barrier for Ipi {
    fn light() {
        // SeqCst: the strongest; it emits no instruction.
        compiler_fence(Ordering::SeqCst);
    }

    fn heavy() {
        // SeqCst: our unlinking is ordered before the requests.
        fence(Ordering::SeqCst);
        let own = mhartid::read();
        let mut questions = [0; HARTS];
        for hart in (0..HARTS).filter(|hart| *hart != own) {
            // SeqCst: the request is visible before the interrupt.
            questions[hart] = ASKED[hart].fetch_add(1, Ordering::SeqCst) + 1;
            riscv::asm::fence();
            // SAFETY: the software interrupt register of an existing hart.
            unsafe { MSIP.add(hart).write_volatile(1) };
        }
        for hart in (0..HARTS).filter(|hart| *hart != own) {
            // Acquire: what the hart stored before its acknowledgement is
            // visible.
            let answered = || ANSWERED[hart].load(Ordering::Acquire);
            while questions[hart].wrapping_sub(answered()).cast_signed() > 0 {
                // Two harts may ask each other with interrupts masked.
                answer(own);
            }
        }
        // SeqCst: the acknowledgements are ordered before our load of the
        // readers' sections.
        fence(Ordering::SeqCst);
    }
}

/// Executes the barrier that others requested from this hart.
fn answer(own: usize) {
    // SAFETY: the software interrupt register of this hart. It is cleared
    // before the request is read: a later request interrupts again.
    unsafe { MSIP.add(own).write_volatile(0) };
    riscv::asm::fence();
    // SeqCst: the fence below answers the requests up to here.
    let question = ASKED[own].load(Ordering::SeqCst);
    fence(Ordering::SeqCst);
    // Release: pairs with the Acquire in `heavy`. A maximum, because an
    // interrupt may come between the load and here, and answer a later request.
    ANSWERED[own].fetch_max(question, Ordering::Release);
}

#[riscv_rt::core_interrupt(riscv::interrupt::Interrupt::MachineSoft)]
fn software_interrupt() {
    answer(mhartid::read());
}

const LINES: usize = 16;
const UPDATES: u32 = 400;

/// The hart that serves each interrupt line; one version at a time.
struct Routes {
    version: u32,
    hart: [u32; LINES],
}

/// Each batch costs one round of interrupts, so it is not small.
static TABLES: Collector<HARTS, Basic<Ipi>> =
    Collector::with_config(Config::new().batch::<32>().barrier(Ipi));
/// A few batches: one being filled, and some that wait for their readers.
static POOL: Pool<Routes, 256> = Pool::new();
static CURRENT: AtomicPtr<Linked<Routes>> = AtomicPtr::new(core::ptr::null_mut());
static ONLINE: AtomicUsize = AtomicUsize::new(0);
/// The updater has finished; then, how many readers have noticed it.
static FINISHED: AtomicBool = AtomicBool::new(false);
static LEFT: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);

impl Routes {
    fn new(version: u32) -> Self {
        Self {
            version,
            hart: core::array::from_fn(|line| (version + line as u32) % HARTS as u32),
        }
    }
}

fn publish(handle: &Handle<'_, Basic<Ipi>>, routes: Routes) {
    let mut routes = routes;
    let new = loop {
        match POOL.alloc(handle, routes) {
            Ok(new) => break new,
            Err(full) => routes = full.into_inner(),
        }
    };
    // AcqRel: readers of the pointer see the table; we see the previous one.
    let old = CURRENT.swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // Deferred, so that it joins a batch; `Handle::retire` would interrupt
        // every hart to find out whether the table can be reclaimed at once.
        // SAFETY: no hart finds it any more, and it was swapped out once.
        unsafe { handle.enter().defer_retire(old, reclaim::pooled::<Routes>) };
    }
}

/// The interrupt handler's lookup of the hart that serves a line.
fn look_up(handle: &Handle<'_, Basic<Ipi>>, line: usize) {
    let guard = handle.enter();
    // SAFETY: protected by the guard, and never null after the first one.
    let routes = unsafe { &*guard.protect(&CURRENT, Ordering::Acquire) };
    let hart = routes.hart[line % LINES];
    if hart != (routes.version + (line % LINES) as u32) % HARTS as u32 {
        // Relaxed: read after the rendezvous.
        WRONG.fetch_add(1, Ordering::Relaxed);
    }
}

fn update(handle: Handle<'_, Basic<Ipi>>) {
    (1..=UPDATES).for_each(|version| publish(&handle, Routes::new(version)));
    // Release: pairs with the Acquire in `read_until_finished`.
    FINISHED.store(true, Ordering::Release);
    // Acquire: what the readers did happens before we check it.
    while LEFT.load(Ordering::Acquire) < HARTS - 1 {
        core::hint::spin_loop();
    }
    // Publishes what is left and gives back the blocks of the magazine.
    drop(handle);
    // Relaxed, both: the readers are gone.
    let asked: u32 = ASKED
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    let wrong = WRONG.load(Ordering::Relaxed);
    assert!(asked > 0, "no hart was interrupted");
    println!("{HARTS} harts, {UPDATES} updates");
    println!("wrong lookups: {wrong}");
    println!("tables not free: {}", POOL.capacity() - POOL.available());
}

fn read_until_finished(handle: Handle<'_, Basic<Ipi>>) {
    // Acquire: pairs with the Release in `update`.
    while !FINISHED.load(Ordering::Acquire) {
        (0..LINES).for_each(|line| look_up(&handle, line));
    }
    drop(handle);
    // Release: pairs with the Acquire in `update`.
    LEFT.fetch_add(1, Ordering::Release);
}

#[riscv_rt::entry]
fn main(hart: usize) -> ! {
    let core = arrive(hart);
    let handle = TABLES.register().expect("a slot for each hart");
    // SAFETY: the handler is linked in and needs nothing but statics.
    unsafe {
        mie::set_msoft();
        mstatus::set_mie();
    }
    if core == 0 {
        publish(&handle, Routes::new(0));
    }
    // AcqRel and Acquire: every hart answers interrupts from here on, and sees the
    // first table.
    ONLINE.fetch_add(1, Ordering::AcqRel);
    while ONLINE.load(Ordering::Acquire) < HARTS {
        core::hint::spin_loop();
    }
    if core == 0 {
        update(handle);
        semihosting::process::exit(0)
    }
    read_until_finished(handle);
    loop {
        // A sleeping hart still answers.
        riscv::asm::wfi();
    }
}
