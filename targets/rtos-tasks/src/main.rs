//! A small plant: two interrupts, a task and the idle task share settings and samples.
//!
//! | context | priority | what it does |
//! |---|--:|---|
//! | `command`, an interrupt | 3 | installs new settings, and retires the old ones |
//! | `sample`, an interrupt | 2 | corrects a reading with the settings, and queues it |
//! | `report`, a task | 1 | takes the samples out, and reports them with the settings |
//! | `idle` | 0 | reclaims, a little at a time |
//!
//! The interrupts have deferred handles: they never run a destructor, and never
//! wait. The idle task drops what they retire, when no section holds it any
//! more. `report` is preempted in the middle of its section, and keeps the
//! settings that it began with.
//!
//! All shared data is in two statics, and there is one line of `unsafe`.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use cortex_m::peripheral::{SCB, scb::VectActive};
use hyaline::{
    Basic, Collector, Config, SingleCore, domain,
    safe::{Queue, RcuCell},
};
use semihosting::println;

/// The correction of the readings.
struct Settings {
    version: u32,
    offset: i32,
}

/// Stands for a long destructor, such as that of a buffer that returns to its
/// driver.
impl Drop for Settings {
    fn drop(&mut self) {
        let in_idle = matches!(SCB::vect_active(), VectActive::ThreadMode);
        assert!(in_idle, "a destructor runs in an interrupt");
        println!("idle:    settings {} are dropped", self.version);
    }
}

struct Sample {
    value: i32,
    /// The settings that corrected it.
    version: u32,
}

#[allow(unsafe_code)]
// SAFETY: the LM3S6965 has one core.
const ONE_CORE: SingleCore = unsafe { SingleCore::new() };

// A slot for each of the four contexts. A batch of one, because there are few
// blocks: what is retired waits only for its readers, not for more to be
// retired.
domain!(Plant: Collector<4, Basic<SingleCore>> =
    Collector::with_config(Config::new().batch::<1>().barrier(ONE_CORE)));

/// The first settings, and room for four more: the current ones, the others
/// retired or being read.
static SETTINGS: RcuCell<Settings, 4, Plant> = RcuCell::new(Settings {
    version: 1,
    offset: 10,
});
static SAMPLES: Queue<Sample, 8, Plant> = Queue::new();

#[rtic::app(device = lm3s6965, dispatchers = [UART1])]
mod app {
    use super::{Plant, SAMPLES, SETTINGS, Sample, Settings};
    use hyaline::{
        Deferred,
        safe::{Domain, Handle},
    };
    use lm3s6965::Interrupt;
    use semihosting::println;

    #[shared]
    struct Shared {}

    /// Each context uses the domain through its own handle, so nothing is
    /// locked.
    #[local]
    struct Local {
        commander: Handle<Plant, Deferred>,
        sampler: Handle<Plant, Deferred>,
        reporter: Handle<Plant, Deferred>,
        collector: Handle<Plant>,
    }

    #[init]
    fn init(_: init::Context) -> (Shared, Local) {
        let deferred = || Plant::register_deferred().expect("a slot for each");
        let local = Local {
            commander: deferred(),
            sampler: deferred(),
            reporter: deferred(),
            collector: Plant::register().expect("a slot for each"),
        };
        (Shared {}, local)
    }

    /// The host sent new settings.
    #[task(binds = UART0, priority = 3, local = [commander])]
    fn command(context: command::Context) {
        let handle = context.local.commander;
        let put = SETTINGS.update(handle, |old| Settings {
            version: old.version + 1,
            offset: old.offset + 10,
        });
        match put {
            Ok(_) => println!("command: new settings"),
            // A block is free again when the idle task has collected.
            Err(_) => println!("command: refused, all places are in use"),
        }
    }

    /// The converter has a reading: here always 100.
    #[task(binds = ADC0_SEQUENCE_0, priority = 2, local = [sampler])]
    fn sample(context: sample::Context) {
        let handle = context.local.sampler;
        let guard = handle.enter();
        let settings = SETTINGS.read(&guard);
        let sample = Sample {
            value: 100 - settings.offset,
            version: settings.version,
        };
        if SAMPLES.push(handle, sample).is_err() {
            println!("sample:  lost");
        }
    }

    /// Reports the samples. Meanwhile the settings do not change for it.
    #[task(priority = 1, local = [reporter])]
    async fn report(context: report::Context) {
        let handle = context.local.reporter;
        let guard = handle.enter();
        let settings = SETTINGS.read(&guard);
        println!("report:  settings {} in force", settings.version);
        // The host chooses this moment.
        strike(Interrupt::UART0);
        while let Some(sample) = SAMPLES.pop(handle) {
            println!("report:  {} by settings {}", sample.value, sample.version);
        }
        println!("report:  still reading settings {}", settings.version);
    }

    /// What the hardware would do: the interrupt is taken before this returns.
    fn strike(interrupt: Interrupt) {
        rtic::pend(interrupt);
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
    }

    #[idle(local = [collector])]
    fn idle(context: idle::Context) -> ! {
        let handle = context.local.collector;
        for _ in 0..3 {
            // The running plant: each of these preempts us at once.
            strike(Interrupt::ADC0_SEQUENCE_0);
            strike(Interrupt::ADC0_SEQUENCE_0);
            report::spawn().expect("the last report is done");
            // Two at a time, so that no turn takes long.
            loop {
                let reclaimed = handle.collect_at_most(2);
                println!("idle:    {reclaimed} reclaimed");
                if reclaimed == 0 {
                    break;
                }
            }
        }
        semihosting::process::exit(0)
    }
}

/// The default handler loops forever, which looks like a hang from outside.
#[allow(unsafe_code)]
#[cortex_m_rt::exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    semihosting::process::exit(3)
}
