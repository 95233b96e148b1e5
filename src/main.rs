//! The `moodlake` program: everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A pipeline is many small and short-lived allocations on several threads: a tenth of its time with the C library's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    moodlake::cli::main()
}
