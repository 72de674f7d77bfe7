//! The machine, its threads and its order, without the compiler's
//! instrumentation: the tests call what it would call.
