//! A calibration record shared between RTIC tasks of different priority.
//!
//! `report` (priority 1) reads the current record. While it does, `calibrate`
//! (priority 2) preempts it and publishes a new one. The reader neither locks nor
//! copies: its guard keeps the old record whole until it is done.

#![no_std]
#![no_main]

use hyaline::{AtomicPtr, Basic, Collector, Config, Handle, Linked, Pool, SingleCore, reclaim};

type Scheme = Basic<SingleCore>;

/// What the sensor's raw value is corrected with.
struct Calibration {
    version: u32,
    offset: i32,
    /// In thousandths.
    gain: i32,
}

impl Calibration {
    fn apply(&self, raw: i32) -> i32 {
        (raw - self.offset) * self.gain / 1000
    }
}

// SAFETY: the LM3S6965 has one core.
const ONE_CORE: SingleCore = unsafe { SingleCore::new() };
/// One slot for each task that uses it. A record waits for the readers of its time only, not for others to fill a batch:
/// the pool is small.
static RECORDS: Collector<2, Scheme> =
    Collector::with_config(Config::new().batch::<1>().barrier(ONE_CORE));
/// The current record, and some that readers may still hold.
static POOL: Pool<Calibration, 3> = Pool::new();
static CURRENT: AtomicPtr<Linked<Calibration>> = AtomicPtr::new(core::ptr::null_mut());

/// Publishes a record and retires the one before.
fn publish(handle: &Handle<'_, Scheme>, record: Calibration) {
    use core::sync::atomic::Ordering;
    let Ok(new) = POOL.alloc(handle, record) else {
        panic!("readers hold every record")
    };
    // AcqRel: readers of the pointer see the record; we see the one before.
    let old = CURRENT.swap(new, Ordering::AcqRel);
    if !old.is_null() {
        // SAFETY: nobody finds it any more, and it was swapped out once.
        unsafe { handle.retire(old, reclaim::pooled::<Calibration>) };
    }
}

#[rtic::app(device = lm3s6965, dispatchers = [UART0, UART1])]
mod app {
    use super::{CURRENT, Calibration, POOL, RECORDS, Scheme, publish};
    use core::sync::atomic::Ordering;
    use hyaline::Handle;
    use semihosting::println;

    #[shared]
    struct Shared {}

    #[local]
    struct Local {
        reader: Handle<'static, Scheme>,
        writer: Handle<'static, Scheme>,
    }

    #[init]
    fn init(_: init::Context) -> (Shared, Local) {
        let register = || RECORDS.register().expect("a slot for each task");
        let (reader, writer) = (register(), register());
        let first = Calibration {
            version: 1,
            offset: 10,
            gain: 1000,
        };
        publish(&writer, first);
        report::spawn().expect("not running yet");
        (Shared {}, Local { reader, writer })
    }

    #[task(priority = 1, local = [reader])]
    async fn report(context: report::Context) {
        for raw in [110, 210, 310] {
            let guard = context.local.reader.enter();
            // SAFETY: protected by the guard, and never null after `init`.
            let record = unsafe { &*guard.protect(&CURRENT, Ordering::Acquire) };
            println!("report: raw {raw}, record {}", record.version);
            // A higher priority: it runs now, in the middle of our section.
            calibrate::spawn(record.version + 1).expect("not running");
            let value = record.apply(raw);
            println!("report: still record {}: value {value}", record.version);
            drop(guard);
            println!(
                "report: {} of {} records are free",
                POOL.available(),
                POOL.capacity()
            );
        }
        semihosting::process::exit(0)
    }

    #[task(priority = 2, local = [writer])]
    async fn calibrate(context: calibrate::Context, version: u32) {
        let record = Calibration {
            version,
            offset: 10 * version as i32,
            gain: 1000 + 100 * version as i32,
        };
        publish(context.local.writer, record);
        println!("calibrate: record {version} is published");
    }
}

/// The default handler loops for ever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
