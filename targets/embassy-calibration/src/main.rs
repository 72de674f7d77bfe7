//! A calibration record shared between Embassy tasks, on a Cortex-M0 without
//! compare-and-swap.
//!
//! Three tasks on one executor: one publishes records, one reads each as it comes,
//! and a slow one holds its guard across awaits. Tasks of one executor may share a
//! handle; here each has its own, as tasks of different priorities must.

#![no_std]
#![no_main]

use core::sync::atomic::Ordering;
// Its critical section, which the atomics of this core need.
use cortex_m as _;
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use hyaline::{AtomicPtr, Basic, Collector, Config, Handle, Linked, Pool, SingleCore, reclaim};
use semihosting::println;

type Scheme = Basic<SingleCore>;

/// What the sensor's raw value is corrected with.
struct Calibration {
    version: u32,
    offset: i32,
}

// SAFETY: the nRF51 has one core.
const ONE_CORE: SingleCore = unsafe { SingleCore::new() };
/// One slot for each task. A record waits for the readers of its time only, not for others to fill a batch:
/// the pool is small.
static RECORDS: Collector<3, Scheme> =
    Collector::with_config(Config::new().batch::<1>().barrier(ONE_CORE));
static POOL: Pool<Calibration, 5> = Pool::new();
static CURRENT: AtomicPtr<Linked<Calibration>> = AtomicPtr::new(core::ptr::null_mut());

fn publish(handle: &Handle<'_, Scheme>, version: u32) {
    let record = Calibration {
        version,
        offset: 10 * version as i32,
    };
    let Ok(new) = POOL.alloc(handle, record) else {
        println!("calibrate: no record is free");
        return;
    };
    // AcqRel: readers of the pointer see the record; we see the one before.
    let old = CURRENT.swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: nobody finds it any more, and it was swapped out once.
        unsafe { handle.retire(old, reclaim::pooled::<Calibration>) };
    }
}

#[embassy_executor::task]
async fn calibrate(handle: Handle<'static, Scheme>) {
    for version in 2..=4 {
        yield_now().await;
        publish(&handle, version);
        println!("calibrate: record {version}");
    }
    yield_now().await;
    yield_now().await;
    handle.flush();
    println!(
        "calibrate: {} of {} records are free",
        POOL.available(),
        POOL.capacity()
    );
    semihosting::process::exit(0)
}

#[embassy_executor::task]
async fn sample(handle: Handle<'static, Scheme>) {
    loop {
        let guard = handle.enter();
        // SAFETY: protected by the guard, and never null after `main`.
        let record = unsafe { &*guard.protect(&CURRENT, Ordering::Acquire) };
        println!(
            "sample: record {}, value {}",
            record.version,
            100 - record.offset
        );
        drop(guard);
        yield_now().await;
    }
}

/// The executor runs its tasks on one thread, so a guard may live across an await.
#[embassy_executor::task]
async fn archive(handle: Handle<'static, Scheme>) {
    let guard = handle.enter();
    // SAFETY: as in `sample`.
    let record = unsafe { &*guard.protect(&CURRENT, Ordering::Acquire) };
    for _ in 0..3 {
        yield_now().await;
        println!("archive: still record {}", record.version);
    }
    drop(guard);
    println!("archive: done");
}

#[embassy_executor::main(entry = "cortex_m_rt::entry")]
async fn main(spawner: Spawner) {
    let register = || RECORDS.register().expect("a slot for each task");
    let writer = register();
    publish(&writer, 1);
    spawner.spawn(calibrate(writer).expect("spawned once"));
    spawner.spawn(sample(register()).expect("spawned once"));
    spawner.spawn(archive(register()).expect("spawned once"));
}

/// The default handler loops for ever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
