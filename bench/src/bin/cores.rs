//! One contestant in one row on the machine of `bench/cores`:
//! `cores ROW CONTESTANT THREADS WARM OPERATIONS BUDGET SEED`. Without arguments
//! the contestants, one in a line.

use std::process::exit;

use hyaline_bench::cores::{self, Effort, Memory};

#[global_allocator]
static MEMORY: Memory = Memory;

fn main() {
    cores::roomy(with_room);
}

extern "C" fn with_room() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let Err(why) = run(&args) {
        eprintln!("cores: {why}");
        exit(2);
    }
}

fn run(args: &[&str]) -> Result<(), String> {
    let all = cores::all();
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{text}: {error}"))
    };
    match *args {
        [] => {
            for one in all {
                println!("{}\t{}", one.row, one.name);
            }
            Ok(())
        }
        [row, name, threads, warm, operations, budget, seed] => {
            let one = all.iter().find(|one| one.row == row && one.name == name);
            let one = one.ok_or_else(|| format!("no {name} in {row}"))?;
            let effort = Effort {
                warm: number(warm)?,
                operations: number(operations)?,
                budget: number(budget)?,
                seed: number(seed)?,
            };
            cores::run(one, number(threads)? as usize, effort)
        }
        _ => Err("ROW CONTESTANT THREADS WARM OPERATIONS BUDGET SEED".into()),
    }
}
