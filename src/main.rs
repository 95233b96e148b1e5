//! The `moodlake` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    moodlake::cli::main()
}
