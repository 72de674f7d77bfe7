//! The calls that the compiler's instrumentation for ThreadSanitizer makes for
//! each access. Each reports the access to the machine, and then does what the
//! program asked for. Only one thread of the process runs, so plain accesses
//! suffice.
//!
//! The functions that the program calls pass on their return address, by which
//! the source line is found.

use std::arch::naked_asm;

use crate::{
    caches::{Kind, Site},
    machine::{access, fence},
};

/// `SeqCst` of `memory_order`.
const SEQ_CST: i32 = 5;

extern "C" fn load(address: u64, site: Site, size: u64) {
    access(Kind::Load, address, size, site);
}

extern "C" fn store(address: u64, site: Site, size: u64) {
    access(Kind::Store, address, size, site);
}

/// Calls before plain accesses: the size is a constant.
macro_rules! plain {
    ($($name:ident $with:ident $size:literal,)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(
                "mov rsi, [rsp]",
                concat!("mov edx, ", $size),
                "jmp {with}",
                with = sym $with,
            )
        }
    )*};
}

plain! {
    __tsan_read1 load 1,
    __tsan_read2 load 2,
    __tsan_read4 load 4,
    __tsan_read8 load 8,
    __tsan_read16 load 16,
    __tsan_unaligned_read2 load 2,
    __tsan_unaligned_read4 load 4,
    __tsan_unaligned_read8 load 8,
    __tsan_unaligned_read16 load 16,
    __tsan_write1 store 1,
    __tsan_write2 store 2,
    __tsan_write4 store 4,
    __tsan_write8 store 8,
    __tsan_write16 store 16,
    __tsan_unaligned_write2 store 2,
    __tsan_unaligned_write4 store 4,
    __tsan_unaligned_write8 store 8,
    __tsan_unaligned_write16 store 16,
}

/// A call with its return address as the last argument, in this register.
macro_rules! with_site {
    ($($name:ident: $register:literal, $with:path;)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        extern "C" fn $name() {
            naked_asm!(concat!("mov ", $register, ", [rsp]"), "jmp {with}", with = sym $with)
        }
    )*};
}

with_site! {
    __tsan_read_range: "rdx", read_range;
    __tsan_write_range: "rdx", write_range;
    __tsan_memcpy: "rcx", memcpy;
    __tsan_memmove: "rcx", memmove;
    __tsan_memset: "rcx", memset;
    __tsan_atomic_thread_fence: "rsi", thread_fence;
    cores_next: "rdi", next;
    cores_pass: "rsi", pass;
}

extern "C" fn read_range(address: u64, size: u64, site: Site) {
    load(address, site, size);
}

extern "C" fn write_range(address: u64, size: u64, site: Site) {
    store(address, site, size);
}

unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, size: usize, site: Site) -> *mut u8 {
    // SAFETY: what `memcpy` asks for is less than what `memmove` does.
    unsafe { memmove(to, from, size, site) }
}

unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, size: usize, site: Site) -> *mut u8 {
    if size != 0 {
        load(from.expose_provenance() as u64, site, size as u64);
        store(to.expose_provenance() as u64, site, size as u64);
    }
    // SAFETY: the program's own call.
    unsafe { std::ptr::copy(from, to, size) };
    to
}

unsafe extern "C" fn memset(to: *mut u8, value: i32, size: usize, site: Site) -> *mut u8 {
    if size != 0 {
        store(to.expose_provenance() as u64, site, size as u64);
    }
    // SAFETY: the program's own call.
    unsafe { std::ptr::write_bytes(to, value as u8, size) };
    to
}

extern "C" fn thread_fence(order: i32, site: Site) {
    // The others cost nothing on x86-64.
    if order == SEQ_CST {
        fence(site);
    }
}

extern "C" fn next(_: Site) {
    crate::machine::next();
}

extern "C" fn pass(picoseconds: u64, site: Site) {
    crate::machine::pass(picoseconds, site);
}

#[unsafe(no_mangle)]
extern "C" fn __tsan_init() {}
#[unsafe(no_mangle)]
extern "C" fn __tsan_func_entry(_: *const u8) {}
#[unsafe(no_mangle)]
extern "C" fn __tsan_func_exit() {}
#[unsafe(no_mangle)]
extern "C" fn __tsan_atomic_signal_fence(_: i32) {}

/// Atomic operations of one width. `$change` are names with what they store.
macro_rules! atomics {
    ($bits:ident $type:ty, $load:ident $store:ident $exchange:ident,
     $($change:ident = $as:ident: $new:expr;)*) => {
        mod $bits {
            use super::*;

            pub unsafe extern "C" fn load(at: *const $type, _: i32, site: Site) -> $type {
                access(Kind::Load, at.addr() as u64, size_of::<$type>() as u64, site);
                // SAFETY: the program's own access.
                unsafe { at.read_volatile() }
            }

            pub unsafe extern "C" fn store(at: *mut $type, new: $type, order: i32, site: Site) {
                let kind = if order == SEQ_CST { Kind::Locked } else { Kind::Store };
                access(kind, at.addr() as u64, size_of::<$type>() as u64, site);
                // SAFETY: the program's own access.
                unsafe { at.write_volatile(new) };
            }

            pub unsafe extern "C" fn exchange(
                at: *mut $type,
                new: $type,
                _: i32,
                site: Site,
            ) -> $type {
                // SAFETY: the program's own access.
                unsafe { change(at, site, |_| new) }
            }

            /// A read-modify-write.
            #[inline(always)]
            pub unsafe fn change(
                at: *mut $type,
                site: Site,
                new: impl FnOnce($type) -> $type,
            ) -> $type {
                access(Kind::Locked, at.addr() as u64, size_of::<$type>() as u64, site);
                // SAFETY: the program's own access.
                unsafe {
                    let old = at.read_volatile();
                    at.write_volatile(new(old));
                    old
                }
            }

            $(pub unsafe extern "C" fn $as(
                at: *mut $type,
                operand: $type,
                _: i32,
                site: Site,
            ) -> $type {
                let new: fn($type, $type) -> $type = $new;
                // SAFETY: the program's own access.
                unsafe { change(at, site, |old| new(old, operand)) }
            })*
        }
        with_site! {
            $load: "rdx", $bits::load;
            $store: "rcx", $bits::store;
            $exchange: "rcx", $bits::exchange;
            $($change: "rcx", $bits::$as;)*
        }
    };
}

/// Those of a width that has a register.
macro_rules! word {
    ($bits:ident $type:ty, $load:ident $store:ident $exchange:ident $compare:ident
     $add:ident $sub:ident $and:ident $or:ident $xor:ident $nand:ident) => {
        atomics! {
            $bits $type, $load $store $exchange,
            $add = add: |old, by| old.wrapping_add(by);
            $sub = sub: |old, by| old.wrapping_sub(by);
            $and = and: |old, by| old & by;
            $or = or: |old, by| old | by;
            $xor = xor: |old, by| old ^ by;
            $nand = nand: |old, by| !(old & by);
        }

        const _: () = {
            unsafe extern "C" fn compare(
                at: *mut $type,
                current: $type,
                new: $type,
                _: i32,
                _: i32,
                site: Site,
            ) -> $type {
                // SAFETY: the program's own access.
                unsafe { $bits::change(at, site, |old| if old == current { new } else { old }) }
            }
            with_site! { $compare: "r9", compare; }
        };
    };
}

word!(bits8 u8, __tsan_atomic8_load __tsan_atomic8_store __tsan_atomic8_exchange
    __tsan_atomic8_compare_exchange_val __tsan_atomic8_fetch_add __tsan_atomic8_fetch_sub
    __tsan_atomic8_fetch_and __tsan_atomic8_fetch_or __tsan_atomic8_fetch_xor
    __tsan_atomic8_fetch_nand);
word!(bits16 u16, __tsan_atomic16_load __tsan_atomic16_store __tsan_atomic16_exchange
    __tsan_atomic16_compare_exchange_val __tsan_atomic16_fetch_add __tsan_atomic16_fetch_sub
    __tsan_atomic16_fetch_and __tsan_atomic16_fetch_or __tsan_atomic16_fetch_xor
    __tsan_atomic16_fetch_nand);
word!(bits32 u32, __tsan_atomic32_load __tsan_atomic32_store __tsan_atomic32_exchange
    __tsan_atomic32_compare_exchange_val __tsan_atomic32_fetch_add __tsan_atomic32_fetch_sub
    __tsan_atomic32_fetch_and __tsan_atomic32_fetch_or __tsan_atomic32_fetch_xor
    __tsan_atomic32_fetch_nand);
word!(bits64 u64, __tsan_atomic64_load __tsan_atomic64_store __tsan_atomic64_exchange
    __tsan_atomic64_compare_exchange_val __tsan_atomic64_fetch_add __tsan_atomic64_fetch_sub
    __tsan_atomic64_fetch_and __tsan_atomic64_fetch_or __tsan_atomic64_fetch_xor
    __tsan_atomic64_fetch_nand);

/// Two registers for each operand; the last order of a compare-and-exchange is
/// on the stack, and the site takes the place of the one before.
mod bits128 {
    use super::*;

    unsafe extern "C" fn load(at: *const u128, _: i32, site: Site) -> u128 {
        access(Kind::Load, at.addr() as u64, 16, site);
        // SAFETY: the program's own access.
        unsafe { at.read_volatile() }
    }

    unsafe extern "C" fn store(at: *mut u128, new: u128, _: i32, site: Site) {
        // x86-64 has no such store without a lock.
        access(Kind::Locked, at.addr() as u64, 16, site);
        // SAFETY: the program's own access.
        unsafe { at.write_volatile(new) };
    }

    unsafe extern "C" fn exchange(at: *mut u128, new: u128, _: i32, site: Site) -> u128 {
        access(Kind::Locked, at.addr() as u64, 16, site);
        // SAFETY: the program's own access.
        unsafe { at.replace(new) }
    }

    unsafe extern "C" fn compare(at: *mut u128, current: u128, new: u128, site: Site) -> u128 {
        access(Kind::Locked, at.addr() as u64, 16, site);
        // SAFETY: the program's own access.
        unsafe {
            let old = at.read_volatile();
            if old == current {
                at.write_volatile(new);
            }
            old
        }
    }

    with_site! {
        __tsan_atomic128_load: "rdx", load;
        __tsan_atomic128_store: "r8", store;
        __tsan_atomic128_exchange: "r8", exchange;
        __tsan_atomic128_compare_exchange_val: "r9", compare;
    }
}
