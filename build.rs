//! Rebuilds the binary when a script is added to `sql/`: the scripts are part of it.

fn main() {
    println!("cargo:rerun-if-changed=sql");
}
