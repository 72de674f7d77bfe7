//! A calibration record shared between Embassy tasks, on a Cortex-M0 without
//! compare-and-swap.
//!
//! Three tasks on one executor: one publishes records, one reads each record as
//! it arrives, and a slow one holds its guard across awaits. Tasks of one
//! executor may share a handle; here each has its own, as tasks of different
//! priorities must.

#![no_std]
#![no_main]

// Its critical section, which the atomics of this core need.
use cortex_m as _;
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use hyaline::{
    Basic, Collector, Config, SingleCore, domain,
    safe::{Domain, Handle, RcuCell},
};
use semihosting::println;

/// The correction of the sensor's raw value.
struct Calibration {
    version: u32,
    offset: i32,
}

// SAFETY: the nRF51 has one core.
const ONE_CORE: SingleCore = unsafe { SingleCore::new() };
// One slot for each task. A batch of one, because there are few records: a
// record waits only for its readers, not for others to fill a batch.
domain!(Tasks: Collector<3, Basic<SingleCore>> =
    Collector::with_config(Config::new().batch::<1>().barrier(ONE_CORE)));

/// Records besides the first.
const RECORDS: usize = 5;
static CURRENT: RcuCell<Calibration, RECORDS, Tasks> = RcuCell::new(Calibration {
    version: 1,
    offset: 10,
});

#[embassy_executor::task]
async fn calibrate(handle: Handle<Tasks>) {
    for version in 2..=4 {
        yield_now().await;
        let record = Calibration {
            version,
            offset: 10 * version as i32,
        };
        match CURRENT.replace(&handle, record) {
            Ok(()) => println!("calibrate: record {version}"),
            Err(_) => println!("calibrate: no record is free"),
        }
    }
    yield_now().await;
    yield_now().await;
    handle.flush();
    println!(
        "calibrate: {} of {RECORDS} records are free",
        CURRENT.available()
    );
    semihosting::process::exit(0)
}

#[embassy_executor::task]
async fn sample(handle: Handle<Tasks>) {
    loop {
        let guard = handle.enter();
        let record = CURRENT.read(&guard);
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
async fn archive(handle: Handle<Tasks>) {
    let guard = handle.enter();
    let record = CURRENT.read(&guard);
    for _ in 0..3 {
        yield_now().await;
        println!("archive: still record {}", record.version);
    }
    drop(guard);
    println!("archive: done");
}

#[embassy_executor::main(entry = "cortex_m_rt::entry")]
async fn main(spawner: Spawner) {
    let register = || Tasks::register().expect("a slot for each task");
    spawner.spawn(calibrate(register()).expect("spawned once"));
    spawner.spawn(sample(register()).expect("spawned once"));
    spawner.spawn(archive(register()).expect("spawned once"));
}

/// The default handler loops forever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
