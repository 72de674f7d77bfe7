//! Instructions of each operation, read from `minstret` under `-icount
//! shift=0`.

#![no_std]
#![no_main]

selftest::count_by_minstret!();
