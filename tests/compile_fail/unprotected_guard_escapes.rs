use hyaline::{Collector, domain, safe::{Guard, RcuCell}};

domain!(App: Collector<2> = Collector::new());
static CELL: RcuCell<u32, 4, App> = RcuCell::new(0);

fn main() {
    let collector = Collector::<1>::new();
    // SAFETY: nobody else uses it.
    let _raw = unsafe { collector.with_unprotected(|guard| guard.handle()) };
    // SAFETY: nobody else uses it.
    let _seen = unsafe { Guard::<App>::with_unprotected(|guard| CELL.read(guard)) };
}
