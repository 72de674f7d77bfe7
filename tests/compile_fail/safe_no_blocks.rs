use hyaline::{
    Collector, domain,
    safe::{Map, Queue, RcuCell, Stack},
};

domain!(App: Collector<1> = Collector::new());

static CELL: RcuCell<u32, 0, App> = RcuCell::new(0);
static MAP: Map<u32, u32, 4, 0, App> = Map::new();
static QUEUE: Queue<u32, 0, App> = Queue::new();
static STACK: Stack<u32, 0, App> = Stack::new();

fn main() {}
