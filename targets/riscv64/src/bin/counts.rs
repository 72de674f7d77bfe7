//! Instructions of each operation, read from `minstret` under `-icount
//! shift=0`.

#![no_std]
#![no_main]

// For its exception handler.
use riscv64 as _;

selftest::count_by_minstret!();
