//! C's names for the types of functions, for the test that compares the header
//! with them. They are derived from the compiler's types, so they cannot be
//! wrong.

use core::{
    ffi::{c_char, c_int, c_void},
    mem::MaybeUninit,
};
use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use hyaline::{Link, Scheme};

use crate::{pool::Pool, types::*};

/// A type that C has, too.
pub(crate) trait CType {
    /// A declaration of `name` with this type; the type alone for an empty
    /// name.
    fn declare(name: &str) -> String;
}

fn join(c_type: &str, name: &str) -> String {
    let space = if name.is_empty() || c_type.ends_with('*') {
        ""
    } else {
        " "
    };
    format!("{c_type}{space}{name}")
}

macro_rules! c_types {
    ($($rust:ty = $c:literal;)*) => {$(
        impl CType for $rust {
            fn declare(name: &str) -> String {
                join($c, name)
            }
        }
    )*};
}

c_types! {
    () = "void";
    bool = "bool";
    usize = "size_t";
    c_int = "int";
    c_char = "char";
    c_void = "void";
    Link = "struct hyaline_link";
    Place = "struct hyaline_atomic";
    Config = "struct hyaline_config";
    Id = "struct hyaline_id";
    CToken = "struct hyaline_token";
    Callback = "struct hyaline_callback";
    CSlotState = "struct hyaline_slot_state";
    CStats = "struct hyaline_stats";
    Pool = "struct hyaline_pool";
    CReclaimer = "hyaline_reclaimer";
}

impl<S: Scheme> CType for Collector<S> {
    fn declare(name: &str) -> String {
        join("struct HYALINE_(collector)", name)
    }
}

impl<S: Scheme> CType for Handle<S> {
    fn declare(name: &str) -> String {
        join("struct HYALINE_(handle)", name)
    }
}

impl<T: CType> CType for MaybeUninit<T> {
    fn declare(name: &str) -> String {
        T::declare(name)
    }
}

impl<T: CType> CType for *mut T {
    fn declare(name: &str) -> String {
        T::declare(&format!("*{name}"))
    }
}

impl<T: CType> CType for *const T {
    fn declare(name: &str) -> String {
        format!("const {}", T::declare(&format!("*{name}")))
    }
}

impl CType for Function {
    fn declare(name: &str) -> String {
        format!("void (*{name})(void *argument)")
    }
}

/// A function pointer that may be null.
impl CType for Option<Function> {
    fn declare(name: &str) -> String {
        Function::declare(name)
    }
}

/// A function that C calls.
pub(crate) trait Declared {
    /// Its declaration in C, with these names of arguments.
    fn declaration(self, name: &str, arguments: &[&str]) -> String;
}

macro_rules! functions {
    ($($($argument:ident)*;)*) => {$(
        impl<R: CType, $($argument: CType),*> Declared
            for unsafe extern "C" fn($($argument),*) -> R
        {
            #[allow(non_snake_case)]
            fn declaration(self, name: &str, arguments: &[&str]) -> String {
                let [$($argument),*] = arguments else {
                    panic!("{name} has other arguments");
                };
                let list: Vec<String> = std::vec![$($argument::declare($argument)),*];
                let list = if list.is_empty() { "void".to_string() } else { list.join(", ") };
                R::declare(&format!("{name}({list})"))
            }
        }
    )*};
}

functions! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}
