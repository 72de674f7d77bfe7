//! What cargo alone cannot do for this project: `cargo xtask COMMAND`.

mod api;
mod arguments;
mod capi;
mod compare;
mod cores;
mod counts;
mod deny;
mod docs;
mod examples;
mod files;
mod fuzz;
mod gate;
mod layers;
mod linux;
mod litmus;
mod machines;
mod miri;
mod msrv;
mod mutants;
mod nightly;
mod orderings;
mod package;
mod provide;
mod qemu;
mod qemu_user;
mod recorded;
mod sanitize;
mod shell;
mod sizes;
mod soak;
mod spin;
mod stack;
mod targets;
mod verdicts;
mod vm_memory;
mod xen;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND [OPTION…]

  qemu [--list] [--allow-missing] [-v] [NAME…]
                    boots the self-test and the example firmware under QEMU
  qemu-user [--allow-missing] [ARCH…]
                    runs the tests with real threads on other processors
  sizes
                    code and RAM that the crate adds to a firmware; checks enter and leave
  stack [--accept]
                    bytes of stack of each call, compared with the recorded ones
  counts [--accept] [--allow-missing] [NAME…]
                    instructions of each operation, compared with the recorded ones
  targets [--quick] [--allow-missing] [TARGET…]
                    builds the library for processors of every kind
  docs              the documentation: no warning, no dead link, an example for
                    each public item, no phrase of docs/architecture.md's table
  layers [--list]   whether each file of src uses only those below it: the table
                    of docs/architecture.md; circles in bench and the self-test
  msrv              each feature under the oldest Rust, with new and old dependencies
  deny              licences, sources and advisories of the dependencies
  api [--accept] [--allow-missing]
                    the public API, compared with the recorded list
  capi [--no-sanitizers]
                    the C library: its header, C programs, sanitizers, Miri, bare
                    targets, size and instructions
  linux [--rt | --arm64] [--rcutorture [--only FLAVOUR] | --scale] [--seconds N]
        [--allow-missing] [-v]
                    a module in Debian's kernel on 4 CPUs, with default preemption
                    and preempt=full, or on PREEMPT_RT, or arm64; the kernel's own
                    rcutorture; its refscale and rcuscale
  vm-memory [--miri]
                    the port for vm-memory: its tests, and vm-memory's own on it
  xen [--seconds N] [--allow-missing] [-v]
                    a test in Debian's Xen, arm64 at EL2 on 4 CPUs, with a guest
  package           the tests of the archive, outside the workspace
  compare [--quick] [--only ROW,ROW] [--out FOLDER]
                    times and counts of the crate and its peers; writes docs/performance.md
  cores [--check] [ROW…]
                    cache lines that move between 1 to 64 cores; writes docs/cores.md
  gate [--accept]   instructions on this machine, compared with the recorded ones
  miri [--quick | --only-seeds] [--seeds N] [NAME]
                    the suite under Miri: memory models, targets, many seeds
  orderings [--list] [--part K/M] [--skip-unchanged] [FILE]
                    weakens each ordering and barrier, and runs the models
  sanitize [thread] [address]
                    torture and the tests under the compiler's sanitizers
  fuzz [--seconds S] [--show FILE]
                    the sequences of tests/model.rs from a fuzzer
  mutants [--group NAME [FILE…]] [--part K/M]
                    changes the code in small ways, and runs the tests
  examples [--runs N]
                    each example so many times, all at the same time
  soak [--minutes M] [--no-boards] [--seed N]
                    torture, the model and the boards, again and again
  spin [--all]      the model in models/ and its mutations, searched in full by Spin
  litmus [--allow-missing]
                    models/litmus under the models of AArch64 and RISC-V, by herd7
";

fn main() -> ExitCode {
    if std::env::args_os().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let parser = lexopt::Parser::from_args(arguments);
    let result = match command.to_str() {
        Some("qemu") => qemu::run(parser),
        Some("qemu-user") => qemu_user::run(parser),
        Some("targets") => targets::run(parser),
        Some("deny") => deny::run(parser),
        Some("api") => api::run(parser),
        Some("msrv") => msrv::run(parser),
        Some("capi") => capi::run(parser),
        Some("examples") => examples::run(parser),
        Some("linux") => linux::run(parser),
        Some("vm-memory") => vm_memory::run(parser),
        Some("xen") => xen::run(parser),
        Some("package") => package::run(parser),
        Some("sizes") => sizes::run(parser),
        Some("miri") => miri::run(parser),
        Some("orderings") => orderings::run(parser),
        Some("sanitize") => sanitize::run(parser),
        Some("fuzz") => fuzz::run(parser),
        Some("litmus") => litmus::run(parser),
        Some("mutants") => mutants::run(parser),
        Some("soak") => soak::run(parser),
        Some("spin") => spin::run(parser),
        Some("stack") => stack::run(parser),
        Some("counts") => counts::run(parser),
        Some("compare") => compare::run(parser),
        Some("cores") => cores::run(parser),
        Some("gate") => gate::run(parser),
        Some("docs") => docs::run(parser),
        Some("layers") => layers::run(parser),
        _ => Err(HELP.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}
