#![forbid(unsafe_code)]
#![allow(coherence_leak_check)]

use std::marker::PhantomData;

use hyaline::{
    Collector,
    safe::{CollectorRef, Domain, RcuCell},
};

struct Names<T>(PhantomData<T>);
type Sub = Names<for<'a> fn(&'a u8)>;
type Sup = Names<fn(&'static u8)>;

static A: Collector<1> = Collector::new();
static B: Collector<1> = Collector::new();

impl Domain for Sub {
    type Collector = Collector<1>;
    const COLLECTOR: CollectorRef<Collector<1>> = CollectorRef::new(&A);
}

impl Domain for Sup {
    type Collector = Collector<1>;
    const COLLECTOR: CollectorRef<Collector<1>> = CollectorRef::new(&B);
}

static CELL: RcuCell<u32, 2, Sub> = RcuCell::new(0);

fn main() {
    let cell: &'static RcuCell<u32, 2, Sup> = &CELL;
    let handle = Sup::register().unwrap();
    cell.read(&handle.enter());
}
