//! A calibration record shared between RTIC tasks of different priority.
//!
//! `report` (priority 1) reads the current record. Meanwhile `calibrate`
//! (priority 2) preempts it and publishes a new one. The reader neither locks
//! nor copies: its guard keeps the old record intact until it is done.

#![no_std]
#![no_main]

use hyaline::{Basic, Collector, Config, SingleCore, domain, safe::RcuCell};

/// The correction of the sensor's raw value.
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
// One slot for each task. A batch of one, because there are few records: a
// record waits only for its readers, not for others to fill a batch.
domain!(Tasks: Collector<2, Basic<SingleCore>> =
    Collector::with_config(Config::new().batch::<1>().barrier(ONE_CORE)));

/// Records besides the first: the current one, and some that readers may still
/// hold.
const RECORDS: usize = 3;
static CURRENT: RcuCell<Calibration, RECORDS, Tasks> = RcuCell::new(Calibration {
    version: 1,
    offset: 10,
    gain: 1000,
});

#[rtic::app(device = lm3s6965, dispatchers = [UART0, UART1])]
mod app {
    use super::{CURRENT, Calibration, RECORDS, Tasks};
    use hyaline::safe::{Domain, Handle};
    use semihosting::println;

    #[shared]
    struct Shared {}

    #[local]
    struct Local {
        reader: Handle<Tasks>,
        writer: Handle<Tasks>,
    }

    #[init]
    fn init(_: init::Context) -> (Shared, Local) {
        let register = || Tasks::register().expect("a slot for each task");
        let (reader, writer) = (register(), register());
        report::spawn().expect("not running yet");
        (Shared {}, Local { reader, writer })
    }

    #[task(priority = 1, local = [reader])]
    async fn report(context: report::Context) {
        for raw in [110, 210, 310] {
            let guard = context.local.reader.enter();
            let record = CURRENT.read(&guard);
            println!("report: raw {raw}, record {}", record.version);
            // A higher priority: it runs now, in the middle of our section.
            calibrate::spawn(record.version + 1).expect("not running");
            let value = record.apply(raw);
            println!("report: still record {}: value {value}", record.version);
            drop(guard);
            println!(
                "report: {} of {RECORDS} records are free",
                CURRENT.available()
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
        let handle = context.local.writer;
        match CURRENT.replace(handle, record) {
            Ok(()) => println!("calibrate: record {version} is published"),
            Err(_) => println!("calibrate: readers hold every record"),
        }
        // Now, and not with the next one: `report` returns the old record when
        // it is done.
        handle.flush();
    }
}

/// The default handler loops forever, which looks like a hang from outside.
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
